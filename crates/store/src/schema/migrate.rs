//! The schema, brought up to date at start. Several processes may start at once: the first one does
//! it, the others wait.
//!
//! A migration only adds at first, so that the kola before it goes on working on the same database;
//! what it does not need any more is taken away by a later one. Where the kola before it would go
//! on wrongly, the migration says so (`oldest`).

use std::path::Path;
use std::time::{Duration, Instant};

use crate::schema::market::MarketFile;
use crate::schema::{installation, recount, tariff};
use crate::workspace::sql::{Dialect, OwnedRow, Purpose, Sql, transaction};
use crate::workspace::sql_value::params;
use crate::{StoreError, clock};

/// One step of the schema, in both dialects.
struct Migration {
    sqlite: &'static str,
    postgres: &'static str,
    /// The oldest version of the schema whose kola may still run once this step is done.
    oldest: i64,
}

/// From this version on what counts against a payment's refunds follows what its provider moved.
const RECOUNTED: i64 = 4;
/// From this version on what refunds cost is rounded once over all of their payment.
const ROUNDED_ONCE: i64 = 6;
/// From this version on wallets know what is on its way in, and transfers who receives them.
const ROOM_KEPT: i64 = 8;
/// From this version on what waits of a sandbox merchant is looked at by the merchant's clock.
const BY_MERCHANT_TIME: i64 = 9;
/// From this version on wrong passcodes are counted in a window.
const TRIES_COUNTED: i64 = 10;

/// From this version on nothing is collected for what a review may show to be paid.
const LATE_SUCCESSES: i64 = 14;

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
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0003_over_refunds.sql"),
        postgres: include_str!("../../../../migrations/postgres/0003_over_refunds.sql"),
        oldest: 1,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0004_reviews_again.sql"),
        postgres: include_str!("../../../../migrations/postgres/0004_reviews_again.sql"),
        // An older kola counts otherwise what is with the payers of contradicted payments.
        oldest: RECOUNTED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0005_merchants.sql"),
        postgres: include_str!("../../../../migrations/postgres/0005_merchants.sql"),
        // An older kola goes on with checkouts whose payer bears the fees: nothing is set otherwise
        // before all are new.
        oldest: RECOUNTED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0006_refunds.sql"),
        postgres: include_str!("../../../../migrations/postgres/0006_refunds.sql"),
        // An older kola rounds each refund by itself, and takes what was paid for them for what
        // they hold, too.
        oldest: ROUNDED_ONCE,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0007_tariff.sql"),
        postgres: include_str!("../../../../migrations/postgres/0007_tariff.sql"),
        // An older kola goes on by the rules before, and its rows say so.
        oldest: ROUNDED_ONCE,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0008_room.sql"),
        postgres: include_str!("../../../../migrations/postgres/0008_room.sql"),
        // An older kola begins collections that no wallet awaits, and does not count the rounds of
        // a balance.
        oldest: ROOM_KEPT,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0009_merchant_time.sql"),
        postgres: include_str!("../../../../migrations/postgres/0009_merchant_time.sql"),
        // An older kola would take the merchant's time of the next look for the server's.
        oldest: BY_MERCHANT_TIME,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0010_passcode_tries.sql"),
        postgres: include_str!("../../../../migrations/postgres/0010_passcode_tries.sql"),
        // An older kola ends the lock of a merchant at the next right passcode, and takes a removed
        // one for a broken one.
        oldest: TRIES_COUNTED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0011_lists.sql"),
        postgres: include_str!("../../../../migrations/postgres/0011_lists.sql"),
        // An older kola adds items without counting them.
        oldest: TRIES_COUNTED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0012_links.sql"),
        postgres: include_str!("../../../../migrations/postgres/0012_links.sql"),
        // An older kola does not find the page of such a link, and goes on rightly otherwise.
        oldest: TRIES_COUNTED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0013_fundings.sql"),
        postgres: include_str!("../../../../migrations/postgres/0013_fundings.sql"),
        oldest: TRIES_COUNTED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0014_late_successes.sql"),
        postgres: include_str!("../../../../migrations/postgres/0014_late_successes.sql"),
        // An older kola collects for what is in review, does not count reviews, and gives what is
        // found to the wallet without fees.
        oldest: LATE_SUCCESSES,
    },
];

/// The table that PostgreSQL's processes wait for each other at; SQLite has its version in the
/// file's header, too.
const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT PRIMARY KEY, oldest BIGINT NOT NULL, \
     applied_at BIGINT NOT NULL)";

/// What is locked where there is no table yet: a number of ours among the database's advisory
/// locks.
const VERSIONS_LOCK: i64 = 0x6b6f_6c61;

/// Brings the schema up to date. A new database gets the market of the file, or the one that is
/// shipped.
///
/// # Errors
/// [`StoreError::Newer`] for a database that this version would not understand;
/// [`StoreError::Market`].
pub fn run(sql: &mut dyn Sql, market: Option<&Path>) -> Result<(), StoreError> {
    if market.is_some() {
        // Before anything is made.
        read_market(market)?;
    }
    if sql.dialect() == Dialect::Postgres {
        in_utf8(sql)?;
        make_versions(sql)?;
    }
    if check(version(sql)?, sql)? {
        return Ok(());
    }
    let begun = Instant::now();
    loop {
        match once(sql, market) {
            Err(error) if stands_back(&error) && begun.elapsed() < PATIENCE => {
                tracing::warn!(%error, "the schema is in use: bringing it up to date is tried again");
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

/// Names and notes are of any language: another encoding would refuse some of them, in the middle
/// of a payment.
fn in_utf8(sql: &mut dyn Sql) -> Result<(), StoreError> {
    let rows = sql.rows("SELECT current_setting('server_encoding')", &vec![])?;
    match rows.first().and_then(|row| row.text(0)) {
        Some("UTF8") => Ok(()),
        encoding => Err(StoreError::Refused(format!(
            "the database's encoding is {} and must be UTF8: make it with `createdb --encoding UTF8 --template template0`",
            encoding.unwrap_or_default()
        ))),
    }
}

/// So long servers of before, a backup or a verification may keep the schema from being brought up
/// to date.
const PATIENCE: Duration = Duration::from_secs(600);
/// Whoever queued up behind a migration that waited in vain goes first.
const PAUSE: Duration = Duration::from_secs(2);

/// Whether a migration gave way to others: to one that held a table for too long, or in a circle of
/// waiting.
fn stands_back(error: &StoreError) -> bool {
    matches!(error, StoreError::Postgres { code: Some(code), .. } if matches!(code.as_str(), "55P03" | "40P01"))
}

fn once(sql: &mut dyn Sql, market: Option<&Path>) -> Result<(), StoreError> {
    transaction(sql, Purpose::Write, |sql| {
        if sql.dialect() == Dialect::Postgres {
            // Who starts at the same time waits here, and then finds it done. From here on nobody
            // waits for long: what a migration waits for, all servers wait for behind it.
            sql.script(
                "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; LOCK TABLE schema_versions IN EXCLUSIVE MODE; \
                 SET LOCAL lock_timeout = 1000",
            )?;
        }
        let found = version(sql)?;
        if check(found, sql)? { Ok(()) } else { migrate(sql, found, MIGRATIONS, market) }
    })
}

/// Makes the table of versions where there is none, one process at a time: `IF NOT EXISTS` does not
/// see a table that another one is making, and fails in several ways when that one is done.
fn make_versions(sql: &mut dyn Sql) -> Result<(), StoreError> {
    transaction(sql, Purpose::Write, |sql| {
        sql.script(&format!("SELECT pg_advisory_xact_lock({VERSIONS_LOCK}); {VERSIONS}"))
    })
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

fn migrate(
    sql: &mut dyn Sql,
    found: i64,
    migrations: &[Migration],
    market: Option<&Path>,
) -> Result<(), StoreError> {
    let now = clock::now();
    for (version, migration) in
        (1_i64..).zip(migrations).skip_while(|(version, _)| *version <= found)
    {
        sql.script(match sql.dialect() {
            Dialect::Sqlite => migration.sqlite,
            Dialect::Postgres => migration.postgres,
        })?;
        // The first schema on SQLite had no such table.
        if version > 1 || sql.dialect() == Dialect::Postgres {
            // No step shuts out a kola that has it.
            let row = params![
                "version" = version,
                "oldest" = migration.oldest.min(version),
                "now" = now.0
            ];
            sql.execute("INSERT INTO schema_versions (version, oldest, applied_at) VALUES (:version, :oldest, :now)", &row)?;
        }
    }
    if found == 0 {
        first_run(sql, &read_market(market)?)?;
    } else if found < ROUNDED_ONCE {
        recount::run(sql)?;
    }
    if sql.dialect() == Dialect::Sqlite {
        sql.script(&format!("PRAGMA user_version = {}", migrations.len()))?;
    }
    Ok(())
}

/// The version of a database's schema; 0 where there is none.
pub fn version(sql: &mut dyn Sql) -> Result<i64, StoreError> {
    let is_made = "SELECT 1 FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = 'schema_versions'";
    if sql.dialect() == Dialect::Postgres && sql.rows(is_made, &vec![])?.is_empty() {
        return Ok(0);
    }
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

/// What a new database begins with.
fn first_run(sql: &mut dyn Sql, market: &MarketFile) -> Result<(), StoreError> {
    let now = clock::now();
    installation::create(sql, now.0)?;
    tariff::seed(sql, market, now)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Makes the schema of an earlier version, in an empty database.
    pub(crate) fn run_to(version: usize, sql: &mut dyn Sql) {
        if sql.dialect() == Dialect::Postgres {
            make_versions(sql).unwrap();
        }
        transaction(sql, Purpose::Write, |sql| migrate(sql, 0, &MIGRATIONS[..version], None))
            .unwrap();
    }
}
