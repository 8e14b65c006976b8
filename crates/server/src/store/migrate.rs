//! The schema, brought up to date at start. Several processes may start at once: the first one does it, the others wait.
//!
//! A migration only adds at first, so that the kola before it goes on working on the same database; what it does not need
//! any more is taken away by a later one.

use std::path::Path;

use super::sql::{Dialect, OwnedRow, Purpose, Sql, params, transaction};
use super::{StoreError, book};
use crate::clock;
use crate::hex::{hex, unhex};
use crate::market::MarketFile;

/// One step of the schema, in both dialects.
struct Migration {
    sqlite: &'static str,
    postgres: &'static str,
    /// The oldest version of the schema whose kola may still run once this step is done.
    oldest: i64,
}

/// The migrations, in order; a database's version is how many of them it has.
const MIGRATIONS: &[Migration] = &[
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0001_initial.sql"),
        postgres: include_str!("../../../../migrations/postgres/0001_initial.sql"),
        oldest: 1,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0002_versions.sql"),
        postgres: include_str!("../../../../migrations/postgres/0002_versions.sql"),
        oldest: 1,
    },
];

/// The table that PostgreSQL's processes wait for each other at; SQLite has its version in the file's header, too.
const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT PRIMARY KEY, oldest BIGINT NOT NULL, \
     applied_at BIGINT NOT NULL)";

/// Brings the schema up to date. A new database gets the market of the file, or the one that is shipped.
///
/// # Errors
/// [`StoreError::Newer`] for a database that this version would not understand; [`StoreError::Market`].
pub fn run(sql: &mut dyn Sql, market: Option<&Path>) -> Result<(), StoreError> {
    if sql.dialect() == Dialect::Postgres {
        make_versions(sql)?;
    }
    if check(version(sql)?, sql)? {
        return Ok(());
    }
    transaction(sql, Purpose::Write, |sql| {
        if sql.dialect() == Dialect::Postgres {
            // Who starts at the same time waits here, and then finds it done.
            sql.script(
                "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; LOCK TABLE schema_versions IN EXCLUSIVE MODE",
            )?;
        }
        let found = version(sql)?;
        if check(found, sql)? { Ok(()) } else { migrate(sql, found, market) }
    })
}

/// Two processes that make a table at the same moment: one is refused although it only asked for it to be there.
fn make_versions(sql: &mut dyn Sql) -> Result<(), StoreError> {
    for _ in 0..10 {
        match sql.script(VERSIONS) {
            Err(StoreError::Postgres { code: Some(code), .. }) if matches!(code.as_str(), "23505" | "42P07" | "XX000") => {}
            done => return done,
        }
    }
    sql.script(VERSIONS)
}

/// Whether the schema needs nothing.
fn check(found: i64, sql: &mut dyn Sql) -> Result<bool, StoreError> {
    let known = known();
    if found > known {
        let oldest = sql.rows("SELECT max(oldest) FROM schema_versions", &vec![])?;
        if oldest.first().map(OwnedRow::integer).transpose()?.is_none_or(|oldest| oldest > known) {
            return Err(StoreError::Newer { found, known });
        }
    }
    Ok(found >= known)
}

/// The version of the schema that this kola makes.
#[must_use]
pub fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn migrate(sql: &mut dyn Sql, found: i64, market: Option<&Path>) -> Result<(), StoreError> {
    let now = clock::now();
    for (version, migration) in (1_i64..).zip(MIGRATIONS).skip_while(|(version, _)| *version <= found) {
        sql.script(match sql.dialect() {
            Dialect::Sqlite => migration.sqlite,
            Dialect::Postgres => migration.postgres,
        })?;
        // The first schema on SQLite had no such table.
        if version > 1 || sql.dialect() == Dialect::Postgres {
            let row = params!["version" = version, "oldest" = migration.oldest, "now" = now.0];
            sql.execute("INSERT INTO schema_versions (version, oldest, applied_at) VALUES (:version, :oldest, :now)", &row)?;
        }
    }
    if found == 0 {
        first_run(sql, &read_market(market)?)?;
    }
    if sql.dialect() == Dialect::Sqlite {
        sql.script(&format!("PRAGMA user_version = {}", known()))?;
    }
    Ok(())
}

/// The version of a database's schema; 0 for a file of SQLite's without any.
///
/// # Errors
/// [`StoreError`].
pub fn version(sql: &mut dyn Sql) -> Result<i64, StoreError> {
    let rows = sql.rows(
        match sql.dialect() {
            Dialect::Sqlite => "PRAGMA user_version",
            Dialect::Postgres => "SELECT coalesce(max(version), 0) FROM schema_versions",
        },
        &vec![],
    )?;
    rows.first().map_or(Ok(0), OwnedRow::integer)
}

fn read_market(file: Option<&Path>) -> Result<MarketFile, StoreError> {
    let Some(path) = file else { return MarketFile::shipped().map_err(StoreError::Market) };
    let wrong = |what: String| StoreError::Market(format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    MarketFile::read(&text).map_err(wrong)
}

/// Draws the installation's UUID and the first signing key, and writes the book.
fn first_run(sql: &mut dyn Sql, market: &MarketFile) -> Result<(), StoreError> {
    let now = clock::now();
    let uuid = uuid::Builder::from_random_bytes(clock::random()?).into_uuid();
    let row = params!["uuid" = uuid.to_string()];
    sql.execute("INSERT INTO installation (id, uuid, next_id, book_version) VALUES (1, :uuid, 1, 1)", &row)?;
    add_signing_key(sql, now.0)?;
    book::seed(sql, market, now)
}

/// Draws a new signing key; the newest signs, all that are not retired verify.
///
/// # Errors
/// [`StoreError`].
pub fn add_signing_key(sql: &mut dyn Sql, now: i64) -> Result<i64, StoreError> {
    let secret = hex(&clock::random::<32>()?);
    let next = sql.rows("SELECT coalesce(max(id), 0) + 1 FROM signing_keys", &vec![])?;
    let id = next.first().map_or(Ok(1), OwnedRow::integer)?;
    let row = params!["id" = id, "secret" = secret, "now" = now];
    sql.execute("INSERT INTO signing_keys (id, secret, created_at) VALUES (:id, :secret, :now)", &row)?;
    Ok(id)
}

/// Retires the signing keys older than `id`: tokens that they signed are refused from then on.
///
/// # Errors
/// [`StoreError`].
pub fn retire_signing_keys_before(sql: &mut dyn Sql, id: i64, now: i64) -> Result<u64, StoreError> {
    let retire = "UPDATE signing_keys SET retired_at = :now WHERE id < :id AND retired_at IS NULL";
    sql.execute(retire, &params!["id" = id, "now" = now])
}

/// The first process that finds no merchant makes one, and no other.
///
/// # Errors
/// [`StoreError`].
pub fn claim_first_merchant(sql: &mut dyn Sql) -> Result<bool, StoreError> {
    let claim = "UPDATE installation SET greeted = 1 WHERE greeted = 0 AND NOT EXISTS (SELECT 1 FROM merchants)";
    Ok(sql.execute(claim, &vec![])? == 1)
}

/// Reads the signing keys that verify, oldest first: for [`signing_keys`].
pub const SIGNING_KEYS: &str = "SELECT id, secret FROM signing_keys WHERE retired_at IS NULL ORDER BY id";

/// The ids and secrets of the rows of [`SIGNING_KEYS`].
///
/// # Errors
/// [`StoreError::Broken`].
pub fn signing_keys(rows: &[OwnedRow]) -> Result<Vec<(i64, [u8; 32])>, StoreError> {
    let key = |row: &OwnedRow| {
        let id = row.integer()?;
        let broken = || StoreError::Broken { table: "signing_keys", id, what: "the secret is not 32 bytes".to_owned() };
        Ok((id, row.text(1).and_then(unhex).ok_or_else(broken)?))
    };
    rows.iter().map(key).collect()
}

/// Reads the UUID drawn at the first migration: for [`installation`].
pub const INSTALLATION: &str = "SELECT uuid FROM installation";

/// The UUID of the row of [`INSTALLATION`].
///
/// # Errors
/// [`StoreError::Broken`] when it is not there.
pub fn installation(row: Option<&OwnedRow>) -> Result<[u8; 16], StoreError> {
    let broken = |what: &str| StoreError::Broken { table: "installation", id: 1, what: what.to_owned() };
    let text = row.and_then(|row| row.text(0)).ok_or_else(|| broken("no row"))?;
    Ok(uuid::Uuid::parse_str(text).map_err(|_| broken("not a UUID"))?.into_bytes())
}
