//! Large databases: a merchant makes payments with the real server; then SQL copies all its rows
//! again and again, each time for another merchant. Every rule that holds for the first merchant
//! holds for the copies.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::bench::client::Client;
use crate::bench::database::{Column, Database};
use crate::bench::server::Kola;
use crate::trade::Shop;

/// The tables of a merchant, parents before children. One that a database does not have is left
/// out: the databases of several releases are filled.
const TABLES: [&str; 20] = [
    "merchants",
    "api_keys",
    "parties",
    "counterparties",
    "payment_accounts",
    "wallets",
    "fundings",
    "accounts",
    "sources",
    "source_items",
    "counters",
    "checkout_configs",
    "sessions",
    "executions",
    "provider_attempts",
    "reviews",
    "event_positions",
    "events",
    "entries",
    "audit",
];
/// The columns with ids, all from one sequence: those of a copy are shifted by the same distance. The
/// first column of each table is one of them. Positions and sequences stay, since each copy is of a
/// merchant of its own; accounts at networks are the same for all.
const IDS: [&str; 21] = [
    "id",
    "merchant_id",
    "party_id",
    "recipient_id",
    "counterparty_id",
    "owner_id",
    "last_entry_id",
    "source_id",
    "wallet_id",
    "counter_wallet_id",
    "other_wallet_id",
    "payment_account_id",
    "original_execution_id",
    "session_id",
    "execution_id",
    "subject_id",
    "entity_id",
    "actor_id",
    "transaction_id",
    "account_id",
    "previous_entry_id",
];
/// Texts that are unique.
const UNIQUE_TEXTS: [&str; 3] = ["client_id", "token", "funding_key"];
/// UUIDs, which are drawn anew. Only the reference has to be unique, per merchant; but the same
/// bytes in each copy would not be spread over an index as those of real payments are.
const UUIDS: [&str; 3] = ["reference_id", "provider_request_id", "request_id"];

/// How many payments of each kind the first merchant makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turns {
    pub collections: u32,
    pub transfers: u32,
    pub payouts: u32,
    /// Refunds of collections, at most one for each.
    pub refunds: u32,
}

/// Makes payments of each kind, which settle at once.
pub async fn trade(client: &mut Client, shop: &Shop, turns: Turns) -> anyhow::Result<()> {
    ensure!(turns.refunds <= turns.collections, "a refund is of a collection");
    for number in 0..turns.collections {
        let mut collection = shop.collection(client, false).await?;
        collection.execute(client, shop).await?;
        let collected = collection.intent.context("a collection without an intent")?;
        if number < turns.refunds {
            shop.refund(client, collected).await?.execute(client, shop).await?;
        }
    }
    for _ in 0..turns.transfers {
        shop.transfer(client).await?.execute(client, shop).await?;
    }
    for _ in 0..turns.payouts {
        shop.payout(client, false).await?.execute(client, shop).await?;
    }
    Ok(())
}

/// Creates the database, lets a merchant do `work` with a server on it, and verifies the result.
pub fn create(
    kola: &Kola,
    database: &Database,
    work: impl AsyncFnOnce(&mut Client, &Shop) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    database.create()?;
    let mut shop = Shop::create(kola, database, "Shop")?;
    let server = kola.serve(database, 0, &[])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let mut client = Client::connect(server.address).await?;
        shop.set_up(&mut client, 0).await?;
        work(&mut client, &shop).await
    });
    done.with_context(|| server.log())?;
    server.stop()?;
    database.checkpoint()?;
    kola.ledger_verify(database).map(drop)
}

/// Copies the rows until there are about so many executions.
pub fn fill(database: &Database, executions: i64) -> anyhow::Result<()> {
    let copies = (executions / database.executions()?).max(1) - 1;
    let distance = database.number("SELECT next_id FROM installation")?;
    let mut statements = Vec::new();
    for table in database.tables()? {
        let columns = database.columns(&table)?;
        let of_merchant = columns.iter().any(|column| column.name == "merchant_id");
        if of_merchant && !TABLES.contains(&table.as_str()) {
            let rows = database.number(&format!("SELECT count(*) FROM {table}"))?;
            ensure!(rows == 0, "{table} has {rows} rows of merchants that are not copied");
        }
    }
    for table in TABLES {
        let columns = database.columns(table)?;
        if let Some(Column { name: key, .. }) = columns.first() {
            ensure!(IDS.contains(&key.as_str()), "{table} is not as it was");
            statements.push((table, columns));
        }
    }
    // PostgreSQL has no statistics of these tables yet, and would read each from its start to its
    // end for each copy.
    let by_index = match database {
        Database::Sqlite(_) => "",
        Database::Postgres { .. } => "SET LOCAL enable_seqscan = off;",
    };
    // One copy a transaction: one statement for everything would need room for everything.
    for copy in 1..=copies {
        let offset = distance * copy;
        let one = |(table, columns): &(&str, Vec<Column>)| {
            let values: Vec<String> =
                columns.iter().map(|column| value(database, column, offset)).collect();
            let columns: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            let key = columns.first().copied().unwrap_or_default();
            let (columns, values) = (columns.join(", "), values.join(", "));
            format!(
                "INSERT INTO {table} ({columns}) SELECT {values} FROM {table} WHERE {key} < {distance} ORDER BY {key};"
            )
        };
        let script: String = statements.iter().map(one).collect();
        database.sql(&format!("BEGIN; {by_index} {script} COMMIT;"))?;
    }
    let next = distance * (copies + 1);
    if database.tables()?.iter().any(|table| table == "batch_chain") {
        // The copies are in no batch: a server takes them for rows from before the chain.
        database.sql(&format!(
            "UPDATE batch_chain SET older_next_id = {distance}, older_end_id = {next}"
        ))?;
    }
    database.sql(&format!("UPDATE installation SET next_id = {next}"))
}

/// Runs a server until it has brought the copies into the chain of batches.
pub fn chain(kola: &Kola, database: &Database) -> anyhow::Result<()> {
    let server = kola.serve(database, 0, &[])?;
    let left = "SELECT older_end_id - older_next_id FROM batch_chain";
    while database.number(left)? > 0 {
        std::thread::sleep(Duration::from_millis(500));
    }
    server.stop()?;
    database.checkpoint()
}

/// The SQL of a copy's value in this column.
fn value(database: &Database, column: &Column, offset: i64) -> String {
    let name = column.name.as_str();
    if IDS.contains(&name) {
        format!("{name} + {offset}")
    } else if UNIQUE_TEXTS.contains(&name) {
        format!("{name} || '-{offset}'")
    } else if UUIDS.contains(&name) && !is_number(&column.type_name) {
        let uuid = uuid(database, &column.type_name);
        format!("CASE WHEN {name} IS NOT NULL THEN {uuid} END")
    } else {
        name.to_owned()
    }
}

/// Whether a column has numbers: the ids of requests in the audit.
fn is_number(type_name: &str) -> bool {
    ["integer", "bigint"].contains(&type_name.to_lowercase().as_str())
}

/// The SQL of a random UUID of version 4 in a column of this type.
fn uuid(database: &Database, type_name: &str) -> String {
    let text = match database {
        Database::Sqlite(_) => {
            "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) \
             || '-' || substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) \
             || '-' || hex(randomblob(6)))"
        }
        Database::Postgres { .. } => "gen_random_uuid()::text",
    };
    match type_name.to_lowercase().as_str() {
        "blob" => format!("unhex(replace({text}, '-', ''))"),
        "bytea" => format!("decode(replace({text}, '-', ''), 'hex')"),
        "uuid" => "gen_random_uuid()".to_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_reference_is_a_uuid_of_version_4() {
        let sqlite = Database::Sqlite("none.db".into());
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        for _ in 0..1_000 {
            let sql = format!("SELECT {}", uuid(&sqlite, "TEXT"));
            let text: String = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
            let lengths: Vec<usize> = text.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{text}");
            assert!(text[14..].starts_with('4'), "{text}");
            assert!(text[19..].starts_with(['8', '9', 'a', 'b']), "{text}");
        }
        let bytes = format!("SELECT {}", uuid(&sqlite, "BLOB"));
        let bytes: Vec<u8> = connection.query_row(&bytes, [], |row| row.get(0)).unwrap();
        assert_eq!(bytes.len(), 16);
    }
}
