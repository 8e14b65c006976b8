//! `cargo xtask verify-speed`: how long `kola ledger verify` takes on a large database. A merchant
//! makes payments with the real server; then SQL copies all its rows again and again, each time for
//! another merchant. Every rule that holds for the first merchant holds for the copies.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::bench::client::Client;
use crate::bench::database::Database;
use crate::bench::server::Kola;
use crate::bench::{self, Kind, ScratchDir};
use crate::cluster::{self, Cluster};
use crate::trade::Shop;

/// Payments of each kind in the rows that are copied. A card that fails and a payout without an
/// answer come on top.
const TURNS: u32 = 2_500;
/// The target for a million executions on two cores.
const MAX_TIME: Duration = Duration::from_secs(60);

/// The tables of a merchant, parents before children.
const TABLES: [&str; 16] = [
    "merchants",
    "api_keys",
    "parties",
    "counterparties",
    "payment_accounts",
    "wallets",
    "accounts",
    "sources",
    "source_items",
    "counters",
    "checkout_configs",
    "sessions",
    "executions",
    "reviews",
    "events",
    "entries",
];
/// The columns with ids, all from one sequence: those of a copy are shifted by the same distance.
const IDS: [&str; 18] = [
    "id",
    "merchant_id",
    "party_id",
    "counterparty_id",
    "owner_id",
    "last_entry_id",
    "source_id",
    "wallet_id",
    "other_wallet_id",
    "payment_account_id",
    "original_execution_id",
    "session_id",
    "execution_id",
    "subject_id",
    "transaction_id",
    "account_id",
    "previous_entry_id",
    "actor_id",
];
/// Texts that are unique.
const UNIQUE_TEXTS: [&str; 2] = ["client_id", "token"];

#[derive(clap::Args)]
pub struct Options {
    /// So many executions, about
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(i64).range(1..))]
    executions: i64,
    /// Where they are
    #[arg(long, default_value = "sqlite")]
    database: Kind,
    /// Leave the file of SQLite there, to look at
    #[arg(long)]
    keep: bool,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if cfg!(debug_assertions) {
        return bench::as_release();
    }
    bench::build("kola")?;
    let target = crate::target_dir()?;
    let dir = ScratchDir::create(target.join("verify-speed"))?;
    let database = match options.database {
        Kind::Sqlite => Database::Sqlite(dir.0.join("large.db")),
        Kind::Postgres => {
            // Only the filling is spared the disk; verify reads.
            let settings =
                cluster::Options::new(&dir.0).with("fsync", "off").with("max_wal_size", "8GB");
            Database::on_cluster(Arc::new(Cluster::start(&settings)?), "large", &dir.0)
        }
    };
    let kola = Kola { binary: target.join("release/kola") };
    trade(&kola, &database)?;
    let begun = Instant::now();
    fill(&database, options)?;
    database.vacuum()?;
    let there = database.executions()?;
    let entries = database.number("SELECT count(*) FROM entries")?;
    println!(
        "filled in {:.0} s: {there} executions, {entries} entries, {} MB",
        begun.elapsed().as_secs_f64(),
        database.bytes()? / 1_000_000
    );
    let begun = Instant::now();
    kola.ledger_verify(&database)?;
    let took = begun.elapsed();
    println!("ledger verify: no violation, in {:.1} s", took.as_secs_f64());
    let good = took <= MAX_TIME;
    if options.keep {
        println!("kept in {}", dir.0.display());
        std::mem::forget(dir);
    }
    println!("{}", if good { "PASSED" } else { "FAILED: more than a minute" });
    Ok(crate::common::exit_code(good))
}

/// The rows that are copied.
fn trade(kola: &Kola, database: &Database) -> anyhow::Result<()> {
    database.create()?;
    let mut shop = Shop::create(kola, database, "Shop")?;
    let server = kola.serve(database, 0, &[])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut client = Client::connect(server.address).await?;
        let client = &mut client;
        shop.set_up(client, 0).await?;
        for _ in 0..TURNS {
            let mut collection = shop.collection(client, false).await?;
            collection.execute(client, &shop).await?;
            let collected = collection.intent.context("a collection without an intent")?;
            let orders = [
                shop.transfer(client).await?,
                shop.payout(client, false).await?,
                shop.refund(client, collected).await?,
            ];
            for mut order in orders {
                order.execute(client, &shop).await?;
            }
        }
        shop.payout(client, true).await?.execute(client, &shop).await?;
        shop.collection(client, true).await?.execute(client, &shop).await
    })?;
    server.stop()?;
    database.checkpoint()?;
    kola.ledger_verify(database).map(drop)
}

/// Copies the rows until there are enough executions.
fn fill(database: &Database, options: &Options) -> anyhow::Result<()> {
    let executions = database.executions()?;
    let copies = (options.executions / executions).max(1) - 1;
    let distance = database.number("SELECT next_id FROM installation")?;
    let mut statements = Vec::new();
    for table in TABLES {
        let columns = database.columns(table)?;
        ensure!(columns.iter().any(|column| column == "id"), "{table} is not as it was");
        statements.push((table, columns));
    }
    // One copy a transaction: one statement for everything would need room for everything.
    for copy in 1..=copies {
        let offset = distance * copy;
        let one = |(table, columns): &(&str, Vec<String>)| {
            let values: Vec<String> = columns.iter().map(|column| value(column, offset)).collect();
            let (columns, values) = (columns.join(", "), values.join(", "));
            format!(
                "INSERT INTO {table} ({columns}) SELECT {values} FROM {table} WHERE id < {distance} ORDER BY id;"
            )
        };
        let script: String = statements.iter().map(one).collect();
        database.sql(&format!("BEGIN; {script} COMMIT;"))?;
    }
    // Its key is the merchant's id. Each copy has merchants of its own.
    database.sql(&format!(
        "INSERT INTO event_positions (merchant_id, last) SELECT merchant_id, max(position) FROM events \
         WHERE merchant_id >= {distance} GROUP BY merchant_id"
    ))?;
    database.sql(&format!("UPDATE installation SET next_id = {}", distance * (copies + 1)))
}

/// The SQL of a copy's value in this column.
fn value(column: &str, offset: i64) -> String {
    if IDS.contains(&column) {
        format!("{column} + {offset}")
    } else if UNIQUE_TEXTS.contains(&column) {
        format!("{column} || '-{offset}'")
    } else {
        column.to_owned()
    }
}
