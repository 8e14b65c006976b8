//! The schema, brought up to date at start. Several processes may start at once: the first one does it.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::{StoreError, book};
use crate::clock;
use crate::market::MarketFile;

/// The migrations, in order; a database's version is how many of them it has.
const MIGRATIONS: &[&str] = &[include_str!("../../../../migrations/sqlite/0001_initial.sql")];

/// Brings the schema up to date. A new database gets the market of the file, or the one that is shipped.
///
/// # Errors
/// [`StoreError::Newer`] for a database of a newer version; [`StoreError::Market`].
pub fn run(connection: &mut Connection, market: Option<&Path>) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if version(connection)? == known {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    let done = usize::try_from(found).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    if found == 0 {
        first_run(&transaction, &read_market(market)?)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}

fn version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

fn read_market(file: Option<&Path>) -> Result<MarketFile, StoreError> {
    let Some(path) = file else { return MarketFile::shipped().map_err(StoreError::Market) };
    let wrong = |what: String| StoreError::Market(format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    MarketFile::read(&text).map_err(wrong)
}

/// Draws the installation's UUID and the first signing key, and writes the book.
fn first_run(connection: &Connection, market: &MarketFile) -> Result<(), StoreError> {
    let now = clock::now();
    let uuid = uuid::Builder::from_random_bytes(clock::random()?).into_uuid();
    connection.execute("INSERT INTO installation (id, uuid, next_id, book_version) VALUES (1, ?, 1, 1)", [uuid.to_string()])?;
    add_signing_key(connection, now.0)?;
    book::seed(connection, market, now)
}

/// Draws a new signing key; the newest signs, all that are not retired verify.
///
/// # Errors
/// [`StoreError`].
pub fn add_signing_key(connection: &Connection, now: i64) -> Result<i64, StoreError> {
    let secret = hex(&clock::random::<32>()?);
    let next = "SELECT coalesce(max(id), 0) + 1 FROM signing_keys";
    let id: i64 = connection.query_row(next, [], |row| row.get(0))?;
    connection.execute("INSERT INTO signing_keys (id, secret, created_at) VALUES (?, ?, ?)", (id, secret, now))?;
    Ok(id)
}

/// Retires the signing keys older than `id`: tokens that they signed are refused from then on.
///
/// # Errors
/// [`StoreError`].
pub fn retire_signing_keys_before(connection: &Connection, id: i64, now: i64) -> Result<usize, StoreError> {
    Ok(connection.execute("UPDATE signing_keys SET retired_at = ? WHERE id < ? AND retired_at IS NULL", (now, id))?)
}

/// The signing keys that verify: id and secret, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn signing_keys(connection: &Connection) -> Result<Vec<(i64, [u8; 32])>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT id, secret FROM signing_keys WHERE retired_at IS NULL ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (id, secret) = row?;
        let broken = || StoreError::Broken { table: "signing_keys", id, what: "the secret is not 32 bytes".to_owned() };
        Ok((id, unhex(&secret).ok_or_else(broken)?))
    })
    .collect()
}

/// The UUID drawn at the first migration.
///
/// # Errors
/// [`StoreError::Broken`] when it is not there.
pub fn installation(connection: &Connection) -> Result<[u8; 16], StoreError> {
    let broken = |what: &str| StoreError::Broken { table: "installation", id: 1, what: what.to_owned() };
    let text: Option<String> = connection.query_row("SELECT uuid FROM installation", [], |row| row.get(0)).optional()?;
    let uuid = uuid::Uuid::parse_str(&text.ok_or_else(|| broken("no row"))?).map_err(|_| broken("not a UUID"))?;
    Ok(uuid.into_bytes())
}

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != N * 2 {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(i * 2..i * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}
