//! What the database says of itself and of the installation in it.

use domain::kernel::time::ServerTime;
use domain::ledger::installation_check::{CheckKind, InstallationCheck};
use domain::payments::payouts_stop::PayoutsStop;

use crate::cli::Target;
use store::reads::due::DueKind;
use store::reads::scope::OperatorReads;
use store::schema::{migrate, networks};
use store::workspace::sql::{Dialect, OwnedRow, Sql};
use store::{Database, StoreError, Trouble, clock};

/// A database that was reached.
#[derive(Clone, Default)]
pub struct Found {
    /// Where it is, without a password.
    pub place: String,
    /// The version of its schema, and the one that this kola knows.
    pub schema: (i64, i64),
    /// For PostgreSQL.
    pub server: Option<ServerFacts>,
    /// The ids of the keys that secrets in it are encrypted with.
    pub keys_needed: Vec<String>,
    /// What can be read only where the schema is the current one.
    pub installation: Option<InstallationFacts>,
}

/// A PostgreSQL server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerFacts {
    /// 150018 for 15.18.
    pub version: i64,
    pub in_recovery: bool,
    /// Whether this user may write, and may change the schema.
    pub may_write: bool,
    pub may_migrate: bool,
    pub encoding: String,
    pub fsync: String,
    pub full_page_writes: String,
    /// The default, which kola's own connections do not take where it is `off`.
    pub synchronous_commit: String,
    pub standby_names: String,
    /// Name, state, sync state, and how far it is behind in bytes, as far as this user may see.
    pub standbys: Vec<Standby>,
    pub archive_mode: String,
    /// Whether the last try to archive failed.
    pub archive_fails: bool,
    pub max_connections: i64,
    pub connections: i64,
    /// How many processes of kola have written within a minute.
    pub processes: i64,
    /// How far the clock of the process that wrote last is ahead of the server's.
    pub lanes_ahead_us: Option<i64>,
    /// How far the server's clock is ahead of this machine's.
    pub clock_ahead_us: i64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standby {
    pub name: String,
    pub sync_state: String,
    pub behind_bytes: Option<i64>,
}

/// The installation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InstallationFacts {
    pub now: ServerTime,
    pub verification: InstallationCheck,
    pub backup: InstallationCheck,
    pub payouts_stop: Option<PayoutsStop>,
    /// The names of accounts at real networks that are held, and of those whose token is refused.
    pub held: Vec<String>,
    pub refused: Vec<String>,
    pub open_reviews: usize,
    pub oldest_review_at: Option<ServerTime>,
    pub oldest_due_at: Option<ServerTime>,
    pub webhooks_waiting: i64,
    pub oldest_webhook_at: Option<ServerTime>,
}

/// Why a database cannot be looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unusable {
    pub said: String,
    pub trouble: Trouble,
    /// Whether it is a file.
    pub is_file: bool,
}

/// Looks at the database. It is not brought up to date.
pub fn look(target: &Target) -> Result<Found, Unusable> {
    read(target).map_err(|error| Unusable {
        said: error.to_string(),
        trouble: error.trouble(),
        is_file: file(&target.database).is_some(),
    })
}

fn read(target: &Target) -> Result<Found, StoreError> {
    let mut sql = target.database.open_as_it_is()?;
    let sql = sql.as_mut();
    let mut found = Found {
        place: format!("{} {}", target.database.kind(), target.database),
        schema: (migrate::version(sql)?, migrate::known()),
        ..Found::default()
    };
    if sql.dialect() == Dialect::Postgres {
        found.server = Some(server(sql, found.schema.0 > 0)?);
    }
    if found.schema.0 >= found.schema.1 {
        found.keys_needed = networks::secrets_keys(sql)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(StoreError::Runtime)?;
        found.installation = Some(
            runtime.block_on(async { installation(target.database.operator_reads()?).await })?,
        );
    }
    Ok(found)
}

/// The id of the key that secrets are encrypted with, if there is one.
pub fn key(target: &Target) -> Result<Option<String>, String> {
    let key = target.secrets_key().read_if_there().map_err(|error| format!("{error:#}"))?;
    Ok(key.map(|key| key.id().to_owned()))
}

/// A yes or no, as an integer.
fn yes(condition: &str) -> String {
    format!("CAST(CASE WHEN {condition} THEN 1 ELSE 0 END AS BIGINT)")
}

fn integer(sql: &mut dyn Sql, what: &str) -> Result<i64, StoreError> {
    let rows = sql.rows(&format!("SELECT {what}"), &vec![])?;
    rows.first().map_or(Err(StoreError::Unexpected("no row")), OwnedRow::integer)
}

fn text(sql: &mut dyn Sql, what: &str) -> Result<String, StoreError> {
    let rows = sql.rows(&format!("SELECT CAST({what} AS TEXT)"), &vec![])?;
    Ok(rows.first().and_then(|row| row.text(0)).unwrap_or_default().to_owned())
}

fn server(sql: &mut dyn Sql, is_made: bool) -> Result<ServerFacts, StoreError> {
    const NOW: &str = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)";
    let before = clock::now();
    let database_time = ServerTime(integer(sql, NOW)?);
    let halfway = before.plus(clock::now().since(before) / 2);
    // A database of nobody has no tables yet that could be asked about.
    let may_write = match is_made {
        true => yes(
            "has_table_privilege('events', 'INSERT') AND has_table_privilege('wallets', 'UPDATE')",
        ),
        false => yes("true"),
    };
    let may_migrate = match is_made {
        true => yes(
            "pg_has_role((SELECT relowner FROM pg_class WHERE oid = to_regclass('installation')), 'USAGE')",
        ),
        false => yes("has_schema_privilege(current_schema(), 'CREATE')"),
    };
    let default_of =
        |name: &str| format!("(SELECT reset_val FROM pg_settings WHERE name = '{name}')");
    let lanes = format!("SELECT coalesce(max(seen_at), 0) - {NOW} FROM lanes");
    let recent = format!("SELECT count(*) FROM lanes WHERE seen_at > {NOW} - 60000000");
    let lanes_ahead_us = match is_made {
        true => sql.rows(&lanes, &vec![])?.first().map(OwnedRow::integer).transpose()?,
        false => None,
    };
    let lanes = match is_made {
        true => sql.rows(&recent, &vec![])?.first().map_or(Ok(0), OwnedRow::integer)?,
        false => 0,
    };
    Ok(ServerFacts {
        version: integer(sql, "CAST(current_setting('server_version_num') AS BIGINT)")?,
        in_recovery: integer(sql, &yes("pg_is_in_recovery()"))? == 1,
        may_write: integer(sql, &may_write)? == 1,
        may_migrate: integer(sql, &may_migrate)? == 1,
        encoding: text(sql, "current_setting('server_encoding')")?,
        fsync: text(sql, "current_setting('fsync')")?,
        full_page_writes: text(sql, "current_setting('full_page_writes')")?,
        synchronous_commit: text(sql, &default_of("synchronous_commit"))?,
        standby_names: text(sql, "current_setting('synchronous_standby_names')")?,
        standbys: standbys(sql)?,
        archive_mode: text(sql, "current_setting('archive_mode')")?,
        archive_fails: integer(
            sql,
            &format!(
                "{} FROM pg_stat_archiver",
                yes("last_failed_time > coalesce(last_archived_time, '-infinity')")
            ),
        )? == 1,
        max_connections: integer(
            sql,
            "CAST(current_setting('max_connections') AS BIGINT) \
             - CAST(current_setting('superuser_reserved_connections') AS BIGINT)",
        )?,
        connections: integer(
            sql,
            "count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'",
        )?,
        // Each has the same number of lanes.
        processes: lanes.unsigned_abs().div_ceil(2).try_into().unwrap_or(i64::MAX),
        lanes_ahead_us,
        clock_ahead_us: database_time.since(halfway),
    })
}

fn standbys(sql: &mut dyn Sql) -> Result<Vec<Standby>, StoreError> {
    let behind = "CASE WHEN pg_is_in_recovery() THEN NULL \
                  ELSE CAST(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) AS BIGINT) END";
    let text = format!(
        "SELECT CAST(coalesce(application_name, '?') AS TEXT), CAST(coalesce(sync_state, '?') AS TEXT), \
         CAST({behind} AS TEXT) FROM pg_stat_replication ORDER BY 1"
    );
    let rows = sql.rows(&text, &vec![])?;
    let of = |row: &OwnedRow, index| row.text(index).unwrap_or_default().to_owned();
    let standby = |row: &OwnedRow| Standby {
        name: of(row, 0),
        sync_state: of(row, 1),
        behind_bytes: of(row, 2).parse().ok(),
    };
    Ok(rows.iter().map(standby).collect())
}

async fn installation(reads: OperatorReads) -> Result<InstallationFacts, StoreError> {
    let system = reads.for_system();
    let tariff = system.tariff().await?;
    let names = |is_so: fn(&domain::network_accounts::account::NetworkAccount) -> bool| {
        tariff
            .real_accounts()
            .filter(|account| is_so(account))
            .map(|account| account.name.clone())
            .collect()
    };
    let now = clock::now();
    let reviews = reads.open_reviews().await?;
    let deliveries = system.waiting_deliveries().await?;
    Ok(InstallationFacts {
        now,
        verification: system.installation_check(CheckKind::Verify).await?,
        backup: system.installation_check(CheckKind::Backup).await?,
        payouts_stop: tariff.payouts_stop.clone(),
        held: names(|account| account.held),
        refused: names(|account| account.token_refused_at.is_some()),
        open_reviews: reviews.len(),
        oldest_review_at: reviews.iter().map(|(review, _)| review.created_at).min(),
        oldest_due_at: system.oldest_due(DueKind::Executions, now).await?,
        webhooks_waiting: deliveries.count,
        oldest_webhook_at: deliveries.oldest_untried_at,
    })
}

/// The file of an SQLite database.
pub const fn file(database: &Database) -> Option<&std::path::PathBuf> {
    match database {
        Database::Sqlite(path) => Some(path),
        Database::Postgres(_) => None,
    }
}
