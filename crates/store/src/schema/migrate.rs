//! Migrations: the schema is brought up to date at start. Several processes may start at once: the
//! first one migrates, the others wait for it.
//!
//! A migration only adds, so that the previous kola still works on the same database. What is no
//! longer needed is removed by a later migration, or by one that no older kola may run beside. Where
//! an older kola would do something wrong on the new schema, the migration says so (`oldest`).

use std::path::Path;
use std::time::{Duration, Instant};

use crate::progress::{self, Unit};
use crate::schema::market::MarketFile;
use crate::schema::{installation, page_tokens, recount, tariff};
use crate::workspace::sql::{Dialect, OwnedRow, Purpose, Sql, transaction};
use crate::workspace::sql_value::params;
use crate::{StoreError, clock, small_file};

/// One step of the schema, in both dialects.
struct Migration {
    sqlite: &'static str,
    postgres: &'static str,
    /// The oldest schema version whose kola may still run once this step is done.
    oldest: i64,
}

// Schema versions, each named by what changed with it.

/// Refund capacity follows what the provider really moved.
const RECOUNTED: i64 = 4;
/// The cost of refunds is rounded once, over all refunds of a payment.
const ROUNDED_ONCE: i64 = 6;
/// Wallets store their incoming amount, and transfers store their recipient.
const INCOMING_STORED: i64 = 8;
/// The next check of an execution is stored in merchant time.
const BY_MERCHANT_TIME: i64 = 9;
/// Wrong passcodes are counted in a time window.
const TRIES_COUNTED: i64 = 10;
/// Nothing is collected for a source that an open review may show to be paid.
const LATE_SUCCESSES: i64 = 14;
/// Events have a position and a sequence.
const EVENTS_NUMBERED: i64 = 15;
/// Sessions, executions and entries are stored in another form, and executions have attempts.
const PAYMENTS_REMADE: i64 = 16;
/// Decisions change the tariff, and wallets count their open reviews.
const TARIFF_DECIDED: i64 = 17;
/// Payers pay on pages, which are found by the fingerprints of their tokens.
const PAID_ON_PAGES: i64 = 18;
/// Payment links count the payments under way for their orders.
const LINKS_COUNTED: i64 = 19;
/// Methods are named by the rows of the market.
const METHODS_OPEN: i64 = 21;
/// Networks are called through accounts, and what was not sent waits at a gate.
const NETWORKS_CONNECTED: i64 = 22;
const REQUESTS_SIGNED: i64 = 23;
/// Messages for webhook endpoints are written with the events.
const MESSAGES_WRITTEN: i64 = 24;
/// API keys count their events.
const KEYS_HAVE_EVENTS: i64 = 25;
/// API keys are narrowed to roles, and people have rights.
const RIGHTS_KEPT: i64 = 26;
/// The schema that nothing older must open: it would send what nobody approved.
const APPROVALS_KEPT: i64 = 27;
/// Decisions leave rows in the audit.
const AUDITED: i64 = 28;
/// Each commit says what it inserted.
const BATCHES_CHAINED: i64 = 29;
/// The first version that asks for a second person before a link that gives a role is used.
const LINKS_CONFIRMED: i64 = 30;
/// The schema that lets people keep filters.
const FILTERS_SAVED: i64 = 34;
/// Decisions change parties.
const PARTIES_CHANGED: i64 = 35;
/// Payouts and refunds can be stopped.
const PAYOUTS_STOPPED: i64 = 37;
/// Statements are booked, on accounts of their own.
const RECONCILED: i64 = 38;
/// Evidence is noted for disputes, as events.
const DISPUTES_ANSWERED: i64 = 39;

/// All migrations in order. A database's version is the number of them that it has.
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
        // An older kola computes the refund capacity of contradicted payments differently.
        oldest: RECOUNTED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0005_merchants.sql"),
        postgres: include_str!("../../../../migrations/postgres/0005_merchants.sql"),
        // An older kola may stay: it makes checkouts whose payer bears the fees, and no merchant
        // has another setting before all processes are new.
        oldest: RECOUNTED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0006_refunds.sql"),
        postgres: include_str!("../../../../migrations/postgres/0006_refunds.sql"),
        // An older kola rounds each refund by itself, and expects `refunded_total_minor` to include
        // what open refunds hold.
        oldest: ROUNDED_ONCE,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0007_tariff.sql"),
        postgres: include_str!("../../../../migrations/postgres/0007_tariff.sql"),
        // An older kola may stay: it applies the earlier rules, and its rows say which rules.
        oldest: ROUNDED_ONCE,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0008_room.sql"),
        postgres: include_str!("../../../../migrations/postgres/0008_room.sql"),
        // An older kola begins collections without raising the wallet's incoming amount, and does
        // not count the rounds of a balance.
        oldest: INCOMING_STORED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0009_merchant_time.sql"),
        postgres: include_str!("../../../../migrations/postgres/0009_merchant_time.sql"),
        // An older kola would read the next check, which is in merchant time, as server time.
        oldest: BY_MERCHANT_TIME,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0010_passcode_tries.sql"),
        postgres: include_str!("../../../../migrations/postgres/0010_passcode_tries.sql"),
        // An older kola ends a merchant's lock at the next right passcode, and reads a removed
        // passcode as a broken row.
        oldest: TRIES_COUNTED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0011_lists.sql"),
        postgres: include_str!("../../../../migrations/postgres/0011_lists.sql"),
        // An older kola may stay, although it adds items without counting them.
        oldest: TRIES_COUNTED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0012_links.sql"),
        postgres: include_str!("../../../../migrations/postgres/0012_links.sql"),
        // An older kola may stay: it does not find the page of such a link, all else is right.
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
        // An older kola collects for sources in review, does not count reviews, and credits a late
        // success to the wallet without taking fees.
        oldest: LATE_SUCCESSES,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0015_events.sql"),
        postgres: include_str!("../../../../migrations/postgres/0015_events.sql"),
        // An older kola writes events without positions, and would read the codes as broken rows.
        oldest: EVENTS_NUMBERED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0016_payments.sql"),
        postgres: include_str!("../../../../migrations/postgres/0016_payments.sql"),
        // An older kola would not understand a row of a payment.
        oldest: PAYMENTS_REMADE,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0017_tariff.sql"),
        postgres: include_str!("../../../../migrations/postgres/0017_tariff.sql"),
        // An older kola reads the version of the tariff elsewhere, expects the database to number
        // its rows, and does not count the open reviews of wallets.
        oldest: TARIFF_DECIDED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0018_pages.sql"),
        postgres: include_str!("../../../../migrations/postgres/0018_pages.sql"),
        // An older kola does not write the fingerprints of tokens, and would read the events of
        // payers as broken rows.
        oldest: PAID_ON_PAGES,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0019_payment_links.sql"),
        postgres: include_str!("../../../../migrations/postgres/0019_payment_links.sql"),
        // An older kola collects for an order of a link without reserving a use of the link.
        oldest: LINKS_COUNTED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0020_brands.sql"),
        postgres: include_str!("../../../../migrations/postgres/0020_brands.sql"),
        // An older kola shows the merchant's name alone, and keeps what it does not know.
        oldest: LINKS_COUNTED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0021_methods.sql"),
        postgres: include_str!("../../../../migrations/postgres/0021_methods.sql"),
        // An older kola opens markets without saying what their method is, and reads the name of an
        // opened method as a broken row.
        oldest: METHODS_OPEN,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0022_network_accounts.sql"),
        postgres: include_str!("../../../../migrations/postgres/0022_network_accounts.sql"),
        // An older kola does not know the mode TEST, and would ask a network for what was not sent.
        oldest: NETWORKS_CONNECTED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0023_network_details.sql"),
        postgres: include_str!("../../../../migrations/postgres/0023_network_details.sql"),
        // An older kola reads a signing key as a broken row.
        oldest: REQUESTS_SIGNED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0024_webhooks.sql"),
        postgres: include_str!("../../../../migrations/postgres/0024_webhooks.sql"),
        // An older kola would tell nobody of what it does.
        oldest: MESSAGES_WRITTEN,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0025_more_events.sql"),
        postgres: include_str!("../../../../migrations/postgres/0025_more_events.sql"),
        // An older kola would read the new events as broken rows.
        oldest: KEYS_HAVE_EVENTS,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0026_people.sql"),
        postgres: include_str!("../../../../migrations/postgres/0026_people.sql"),
        // An older kola would let a narrowed API key do everything.
        oldest: RIGHTS_KEPT,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0027_approvals.sql"),
        postgres: include_str!("../../../../migrations/postgres/0027_approvals.sql"),
        // An older kola would send what nobody approved.
        oldest: APPROVALS_KEPT,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0028_audit.sql"),
        postgres: include_str!("../../../../migrations/postgres/0028_audit.sql"),
        // An older kola leaves nothing in the audit.
        oldest: AUDITED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0029_batch_chain.sql"),
        postgres: include_str!("../../../../migrations/postgres/0029_batch_chain.sql"),
        // An older kola would insert rows that no batch has.
        oldest: BATCHES_CHAINED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0030_second_person.sql"),
        postgres: include_str!("../../../../migrations/postgres/0030_second_person.sql"),
        // An older kola would let people in by links that nobody has confirmed.
        oldest: LINKS_CONFIRMED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0031_search.sql"),
        postgres: include_str!("../../../../migrations/postgres/0031_search.sql"),
        oldest: LINKS_CONFIRMED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0032_reviews_of_merchants.sql"),
        postgres: include_str!("../../../../migrations/postgres/0032_reviews_of_merchants.sql"),
        oldest: LINKS_CONFIRMED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0033_forms.sql"),
        postgres: include_str!("../../../../migrations/postgres/0033_forms.sql"),
        oldest: LINKS_CONFIRMED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0034_saved_filters.sql"),
        postgres: include_str!("../../../../migrations/postgres/0034_saved_filters.sql"),
        // An older kola could not read what the audit says of them.
        oldest: FILTERS_SAVED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0035_customers.sql"),
        postgres: include_str!("../../../../migrations/postgres/0035_customers.sql"),
        // As above.
        oldest: PARTIES_CHANGED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0036_traces.sql"),
        postgres: include_str!("../../../../migrations/postgres/0036_traces.sql"),
        oldest: PARTIES_CHANGED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0037_checks.sql"),
        postgres: include_str!("../../../../migrations/postgres/0037_checks.sql"),
        // An older kola would send what is stopped.
        oldest: PAYOUTS_STOPPED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0038_reconciliation.sql"),
        postgres: include_str!("../../../../migrations/postgres/0038_reconciliation.sql"),
        // An older kola knows no accounts of settlements.
        oldest: RECONCILED,
    },
    Migration {
        sqlite: include_str!("../../../../migrations/sqlite/0039_disputes.sql"),
        postgres: include_str!("../../../../migrations/postgres/0039_disputes.sql"),
        // An older kola cannot read the new type of events.
        oldest: DISPUTES_ANSWERED,
    },
];

/// The table of versions. On PostgreSQL processes that start at once wait for its lock. SQLite also
/// has its version in the file's header.
const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT PRIMARY KEY, oldest BIGINT NOT NULL, \
     applied_at BIGINT NOT NULL)";

/// The advisory lock that is taken while there is no table to lock yet ("kola" in ASCII).
const VERSIONS_LOCK: i64 = 0x6b6f_6c61;

/// Brings the schema up to date. A new database gets the tariff of the market file, or the shipped
/// one.
///
/// # Errors
/// [`StoreError::Newer`] for a database that this version would not understand;
/// [`StoreError::Market`].
pub fn run(sql: &mut dyn Sql, market: Option<&Path>) -> Result<(), StoreError> {
    if market.is_some() {
        // A file with a mistake is reported before anything is created.
        read_market(market)?;
    }
    if sql.dialect() == Dialect::Postgres {
        in_utf8(sql)?;
    }
    // First without a write: whoever may only read, or reads at a standby, needs none.
    if check(version(sql)?, sql)? {
        return Ok(());
    }
    if sql.dialect() == Dialect::Postgres {
        make_versions(sql)?;
    }
    let begun = Instant::now();
    loop {
        match once(sql, market) {
            Err(error) if gave_way(&error) && begun.elapsed() < RETRY_FOR => {
                tracing::warn!(%error, "the schema is in use: bringing it up to date is tried again");
                std::thread::sleep(RETRY_PAUSE);
            }
            done => {
                progress::end();
                return done;
            }
        }
    }
}

/// Refuses a database whose encoding is not UTF-8. Names and notes may be in any language, and
/// another encoding would refuse some of them in the middle of a payment.
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

/// How long a migration is tried again while running servers, a backup or a verification hold the
/// tables.
const RETRY_FOR: Duration = Duration::from_secs(600);
/// The pause before the next try. It lets the statements run that queued up behind the migration.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// Whether the migration was ended so that others could go on: by its lock time-out (55P03) or by a
/// deadlock (40P01).
fn gave_way(error: &StoreError) -> bool {
    match error {
        StoreError::Script { error, .. } => gave_way(error),
        StoreError::Postgres { code: Some(code), .. } => {
            matches!(code.as_str(), "55P03" | "40P01")
        }
        _ => false,
    }
}

fn once(sql: &mut dyn Sql, market: Option<&Path>) -> Result<(), StoreError> {
    transaction(sql, Purpose::Write, |sql| {
        if sql.dialect() == Dialect::Postgres {
            // A process that starts at the same time waits here, and then finds the schema up to
            // date. The locks of the migration itself have a short time-out: while it waits for a
            // table, every statement of a running server queues up behind it.
            sql.script_by_statement(
                "the lock of the schema",
                "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; LOCK TABLE schema_versions IN EXCLUSIVE MODE; \
                 SET LOCAL lock_timeout = 1000",
            )?;
        }
        let found = version(sql)?;
        if check(found, sql)? { Ok(()) } else { migrate(sql, found, MIGRATIONS, market) }
    })
}

/// Creates the table of versions if it is missing, one process at a time: `IF NOT EXISTS` does not
/// see a table that another transaction is creating, and fails when that one commits.
fn make_versions(sql: &mut dyn Sql) -> Result<(), StoreError> {
    transaction(sql, Purpose::Write, |sql| {
        sql.script_by_statement(
            "the table of schema versions",
            &format!("SELECT pg_advisory_xact_lock({VERSIONS_LOCK}); {VERSIONS}"),
        )
    })
}

/// Whether the schema is up to date. A newer schema counts as such if its migrations allow this
/// version to run beside it.
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

/// The schema version that this kola creates.
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
    apply(sql, found, migrations)?;
    if found == 0 {
        first_run(sql, &read_market(market)?)?;
        return Ok(());
    }
    if found < ROUNDED_ONCE {
        recount::run(sql)?;
    }
    if found < PAID_ON_PAGES {
        page_tokens::run(sql)?;
    }
    Ok(())
}

/// Runs the steps that a database of version `found` lacks.
fn apply(sql: &mut dyn Sql, found: i64, migrations: &[Migration]) -> Result<(), StoreError> {
    let now = clock::now();
    let known = u64::try_from(migrations.len()).ok();
    let missing = known.and_then(|known| known.checked_sub(found.unsigned_abs()));
    progress::begin("migrating the database", Unit::Steps, missing);
    for (version, migration) in
        (1_i64..).zip(migrations).skip_while(|(version, _)| *version <= found)
    {
        let script = match sql.dialect() {
            Dialect::Sqlite => migration.sqlite,
            Dialect::Postgres => migration.postgres,
        };
        sql.script_by_statement(&format!("migration {version:04}"), script)?;
        progress::add(1);
        // On SQLite the table is created by the second migration.
        if version > 1 || sql.dialect() == Dialect::Postgres {
            // A kola that has this step may run after it, so `oldest` is at most its version.
            let row = params![
                "version" = version,
                "oldest" = migration.oldest.min(version),
                "now" = now.0
            ];
            sql.execute("INSERT INTO schema_versions (version, oldest, applied_at) VALUES (:version, :oldest, :now)", &row)?;
        }
    }
    if sql.dialect() == Dialect::Sqlite {
        sql.script(&format!("PRAGMA user_version = {}", migrations.len()))?;
    }
    Ok(())
}

/// The version of a database's schema; 0 for an empty database.
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

/// The largest market file that is read. The shipped one has some thousands of bytes.
const MARKET_SIZE_MAX: u64 = 1 << 20;

/// Reads the market file of a new database; without one, the shipped market.
///
/// # Errors
/// What is wrong with the file.
pub fn read_market(file: Option<&Path>) -> Result<MarketFile, StoreError> {
    let Some(path) = file else { return MarketFile::shipped().map_err(StoreError::Market) };
    let wrong = |what: String| StoreError::Market(format!("{}: {what}", path.display()));
    let text = small_file::read_text(path, MARKET_SIZE_MAX);
    let text = text.map_err(|error| wrong(error.to_string()))?;
    MarketFile::read(&text).map_err(wrong)
}

/// Writes the first rows of a new database: the installation and its tariff.
fn first_run(sql: &mut dyn Sql, market: &MarketFile) -> Result<(), StoreError> {
    let now = clock::now();
    installation::create(sql, now.0)?;
    installation::begin_chain(sql)?;
    tariff::create_version(sql)?;
    tariff::seed(sql, market, now)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::error::first_line;
    use crate::testing::Stage;
    use crate::workspace::postgres::script::statements;

    /// What a statement of a migration may begin with. A script that is split at a wrong place has
    /// a statement that begins with something else.
    const COMMANDS: [&str; 6] = ["ALTER", "CREATE", "DELETE", "DROP", "INSERT", "UPDATE"];

    #[test]
    fn every_statement_of_the_migrations_begins_with_a_command() {
        for (version, migration) in (1..).zip(MIGRATIONS) {
            for statement in statements(migration.postgres) {
                let word = first_line(statement).split_whitespace().next();
                assert!(
                    word.is_some_and(|word| COMMANDS.contains(&word)),
                    "{version}: {statement}"
                );
            }
        }
    }

    /// A script that fails in its last statement, and what that statement says of it.
    const FAILING: &str = "CREATE TABLE one (id BIGINT PRIMARY KEY, note TEXT);\n\
         -- Two; semicolons.\nINSERT INTO one VALUES (1, 'a;b');\n\
         -- The same id.\n\nINSERT INTO one\n    VALUES (1, 'c');";

    #[test]
    fn a_migration_that_fails_names_its_statement_and_leaves_nothing() {
        let migration = |text| Migration { sqlite: text, postgres: text, oldest: 1 };
        for mut stage in Stage::both() {
            for (text, at) in [
                (FAILING, "INSERT INTO one"),
                (
                    "CREATE TABLE one (id BIGINT);\nALTER TABLE none\n  ADD COLUMN a;",
                    "ALTER TABLE none",
                ),
            ] {
                let migrations: Vec<Migration> =
                    MIGRATIONS.iter().map(|_| migration("")).chain([migration(text)]).collect();
                let failed = transaction(stage.sql.as_mut(), Purpose::Write, |sql| {
                    migrate(sql, known(), &migrations, None)
                });
                let message = failed.unwrap_err().to_string();
                let name = format!("migration {:04}, at `{at}`: database: ", known() + 1);
                assert!(message.starts_with(&name), "{message}");
                assert!(stage.sql.rows("SELECT 1 FROM one", &vec![]).is_err(), "{text}");
            }
        }
    }

    #[test]
    fn a_migration_may_have_a_body_with_semicolons() {
        let trigger = "CREATE TABLE one (id BIGINT);\n\
             CREATE TRIGGER kept BEFORE DELETE ON one BEGIN\n  SELECT 1;\n  SELECT RAISE(ABORT, 'kept; all');\nEND;\n\
             INSERT INTO one VALUES (1);";
        let function = "CREATE TABLE one (id BIGINT);\n\
             CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n  RAISE EXCEPTION 'kept; all';\nEND\n$$;\n\
             CREATE TRIGGER kept BEFORE DELETE ON one FOR EACH STATEMENT EXECUTE FUNCTION keep();\n\
             INSERT INTO one VALUES (1);";
        for mut stage in Stage::both() {
            let script = match stage.sql.dialect() {
                Dialect::Sqlite => trigger,
                Dialect::Postgres => function,
            };
            stage.sql.script_by_statement("a test", script).unwrap();
            let refused = stage.sql.script("DELETE FROM one").unwrap_err().to_string();
            assert!(refused.contains("kept; all"), "{refused}");
        }
    }

    /// Creates the schema of an earlier version in an empty database.
    pub(crate) fn run_to(version: usize, sql: &mut dyn Sql) {
        if sql.dialect() == Dialect::Postgres {
            make_versions(sql).unwrap();
        }
        transaction(sql, Purpose::Write, |sql| {
            apply(sql, 0, &MIGRATIONS[..version])?;
            first_run_before_decisions(sql)
        })
        .unwrap();
    }

    /// The first rows of a database while the installation had the version of the tariff.
    fn first_run_before_decisions(sql: &mut dyn Sql) -> Result<(), StoreError> {
        let now = clock::now();
        sql.script(
            "INSERT INTO installation (id, uuid, next_id, book_version) \
             VALUES (1, '5fc3cbb2-09b1-4d6c-8ad8-3b8e7bbd5a1c', 1, 1)",
        )?;
        installation::add_signing_key(sql, now.0)?;
        // The rows are written by today's code, which knows columns that a later migration adds.
        for column in
            ["dial_prefix TEXT", "network_code TEXT", "display_name TEXT", "decimals INTEGER"]
        {
            sql.script(&format!("ALTER TABLE markets ADD COLUMN {column}"))?;
        }
        tariff::seed(sql, &MarketFile::shipped().map_err(StoreError::Market)?, now)?;
        for column in ["dial_prefix", "network_code", "display_name", "decimals"] {
            sql.script(&format!("ALTER TABLE markets DROP COLUMN {column}"))?;
        }
        Ok(())
    }
}
