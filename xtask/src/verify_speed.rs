//! `cargo xtask verify-speed`: how long `kola ledger verify` takes on a large database.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bench::database::Database;
use crate::bench::server::Kola;
use crate::bench::{self, Kind, ScratchDir};
use crate::cluster::{self, Cluster};
use crate::copies::{self, Turns};

/// The payments in the rows that are copied. A card that fails and a payout without an answer come
/// on top.
const TURNS: Turns = Turns { collections: 2_500, transfers: 2_500, payouts: 2_500, refunds: 2_500 };
/// The target for a million executions on two cores.
const MAX_TIME: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub struct Options {
    /// So many executions, about
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(i64).range(1..))]
    executions: i64,
    /// Where they are
    #[arg(long, default_value = "sqlite")]
    database: Kind,
    /// The server's program; built if it is not given
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Leave the file of SQLite there, to look at
    #[arg(long)]
    keep: bool,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if cfg!(debug_assertions) {
        return bench::as_release();
    }
    let binary = bench::program(options.binary.as_deref(), "kola")?;
    let dir = ScratchDir::create(crate::target_dir()?.join("verify-speed"))?;
    let database = match options.database {
        Kind::Sqlite => Database::Sqlite(dir.0.join("large.db")),
        Kind::Postgres => {
            // Only the filling is spared the disk; verify reads.
            let settings =
                cluster::Options::new(&dir.0).with("fsync", "off").with("max_wal_size", "8GB");
            Database::on_cluster(Arc::new(Cluster::start(&settings)?), "large", &dir.0)
        }
    };
    let kola = Kola { binary };
    copies::create(&kola, &database, async |client, shop| {
        copies::trade(client, shop, TURNS).await?;
        shop.payout(client, true).await?.execute(client, shop).await?;
        shop.collection(client, true).await?.execute(client, shop).await
    })?;
    let begun = Instant::now();
    copies::fill(&database, options.executions)?;
    database.vacuum()?;
    let there = database.executions()?;
    let entries = database.number("SELECT count(*) FROM entries")?;
    println!(
        "filled in {:.0} s: {there} executions, {entries} entries, {} MB",
        begun.elapsed().as_secs_f64(),
        database.bytes()? / 1_000_000
    );
    let begun = Instant::now();
    copies::chain(&kola, &database)?;
    let batches = database.number("SELECT count(*) FROM batches")?;
    println!("chained in {:.0} s: {batches} batches", begun.elapsed().as_secs_f64());
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
