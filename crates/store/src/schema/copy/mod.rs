//! Copies an installation from one database into another, new one: all of it or nothing.
//!
//! Nobody writes to the source meanwhile. On SQLite the write lock is held, on PostgreSQL locks on
//! tables that every writer uses. The target's rows are written in one transaction, read back, and
//! compared with what was read from the source.

pub mod tables;

use sha2::{Digest, Sha256};

use crate::StoreError;
use crate::hex::hex;
use crate::progress::{self, Unit};
use crate::schema::migrate;
use crate::schema::networks;
use crate::schema::verify::{self, Report};
use crate::workspace::sql::{Dialect, OwnedRow, Purpose, Sql, transaction};
use crate::workspace::sql_value::{ColumnType, SqlValue, params};

use tables::{TABLES, Table};

/// Rows read and written at a time.
const PAGE: i64 = 5_000;
/// If a lane wrote less than so many seconds ago, its server counts as running.
const RECENT_S: i64 = 10;

/// What was copied of one table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CopiedTable {
    pub table: &'static str,
    /// The number of rows.
    pub rows: i64,
    /// A hash of all values of all rows.
    pub checksum: String,
}

/// What was copied.
#[derive(Clone, Debug)]
pub struct Copied {
    /// How many accounts at real networks are held at the target until an operator resumes them.
    pub held_accounts: u64,
    pub tables: Vec<CopiedTable>,
    /// The report of `kola ledger verify`, which is the same for source and target.
    pub report: Report,
    /// Lanes of processes that wrote to the source and did not sign off: they were killed, or still
    /// run.
    pub lanes: i64,
}

/// Copies all rows of an installation into a new database.
///
/// # Errors
/// [`StoreError`]; then the target is as it was.
pub fn copy(source: &mut dyn Sql, target: &mut dyn Sql) -> Result<Copied, StoreError> {
    let version = migrate::version(source)?;
    if version != migrate::known() || migrate::version(target)? != version {
        return Err(refused(format!(
            "the schema of the source is version {version}, that of the target {}, that of this kola {}: all three must be the \
             same; run this kola once on what is older",
            migrate::version(target)?,
            migrate::known()
        )));
    }
    disable_timeouts(source)?;
    disable_timeouts(target)?;
    transaction(source, Purpose::ExclusiveLock, |source| {
        let lanes = lock_out_writers(source)?;
        let report = verified(source, "source")?;
        transaction(target, Purpose::Write, |target| {
            clear_new_target(target)?;
            if progress::is_watched() {
                progress::begin("copying", Unit::Rows, Some(rows_to_read(source)?));
            }
            let tables = TABLES
                .iter()
                .map(|table| copy_table(source, target, *table))
                .collect::<Result<_, _>>()?;
            if verified(target, "target")? != report {
                return Err(refused("the ledgers of source and target differ".to_owned()));
            }
            let held_accounts = networks::hold(target, None)?;
            Ok(Copied { tables, report, lanes, held_accounts })
        })
    })
}

fn refused(why: String) -> StoreError {
    StoreError::Refused(why)
}

/// Turns off time-outs that are meant for payments: during a copy one database is idle within its
/// transaction while the other is busy.
fn disable_timeouts(sql: &mut dyn Sql) -> Result<(), StoreError> {
    match sql.dialect() {
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => {
            sql.script("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
        }
    }
}

/// Makes sure that nobody writes to the source and that no server is running. Returns how many
/// lanes did not sign off.
fn lock_out_writers(source: &mut dyn Sql) -> Result<i64, StoreError> {
    if source.dialect() == Dialect::Sqlite {
        return Ok(0);
    }
    // The locks come before the first read, whose snapshot then has all that was committed before
    // them.
    source.script("LOCK TABLE installation, signing_keys, lanes IN SHARE MODE")?;
    let now = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let last = count(
        source,
        &format!("SELECT coalesce({now} - max(seen_at), 9223372036854775807)::bigint FROM lanes"),
    )?;
    if last < RECENT_S * 1_000_000 {
        return Err(refused(format!(
            "a server wrote at the source {} s ago: stop all of them, then wait for {RECENT_S} s",
            last / 1_000_000
        )));
    }
    count(source, "SELECT count(*) FROM lanes")
}

/// Verifies the ledger, which must be right before it is copied, and after.
fn verified(sql: &mut dyn Sql, end: &str) -> Result<Report, StoreError> {
    let report = verify::check_all(sql)?;
    match report.violations.first() {
        None => Ok(report),
        Some((rule, place)) => Err(refused(format!(
            "the ledger of the {end} is broken, nothing was moved: {rule}: {place}; {} violations in all",
            report.violations.len()
        ))),
    }
}

/// Locks the target, makes sure that nothing has happened there yet, and deletes the rows that a
/// new database begins with.
fn clear_new_target(target: &mut dyn Sql) -> Result<(), StoreError> {
    if target.dialect() == Dialect::Postgres {
        target
            .script("LOCK TABLE installation, signing_keys, lanes, merchants IN EXCLUSIVE MODE")?;
    }
    for Table { name, seeded, .. } in TABLES {
        if seeded {
            target.script(&format!("DELETE FROM {name}"))?;
        } else if !target.rows(&format!("SELECT 1 FROM {name} LIMIT 1"), &vec![])?.is_empty() {
            return Err(refused(format!(
                "the target is in use: it has {name}; copy into a new database"
            )));
        }
    }
    Ok(())
}

/// How many rows a copy reads: each is read at the source, and again at the target.
fn rows_to_read(source: &mut dyn Sql) -> Result<u64, StoreError> {
    let mut all = 0;
    for Table { name, .. } in TABLES {
        all += 2 * count(source, &format!("SELECT count(*) FROM {name}"))?.unsigned_abs();
    }
    Ok(all)
}

/// Copies a table, and compares what was read with what was written.
fn copy_table(
    source: &mut dyn Sql,
    target: &mut dyn Sql,
    table: Table,
) -> Result<CopiedTable, StoreError> {
    let Table { name, .. } = table;
    let columns = tables::columns(source, name)?;
    if tables::columns(target, name)? != columns {
        return Err(refused(format!("{name} has other columns at the target")));
    }
    let from = read(source, table, &columns, |rows| target.append(name, &columns, rows))?;
    if target.dialect() == Dialect::Postgres {
        // The verification that follows reads the whole table. Without statistics PostgreSQL would
        // plan its queries as for an empty one.
        target.script(&format!("ANALYZE {name}"))?;
    }
    let to = read(target, table, &columns, |_| Ok(()))?;
    // The count is a check of the paging itself: both reads would miss the same rows.
    let all = count(source, &format!("SELECT count(*) FROM {name}"))?;
    if from != to || from.rows != all {
        return Err(refused(format!(
            "of {all} rows of {name}, {} were read and {} are at the target, or they differ",
            from.rows, to.rows
        )));
    }
    Ok(from)
}

/// Reads all rows of a table in the order of its key, page by page.
fn read(
    sql: &mut dyn Sql,
    table: Table,
    columns: &[(String, ColumnType)],
    mut for_page: impl FnMut(&[OwnedRow]) -> Result<(), StoreError>,
) -> Result<CopiedTable, StoreError> {
    let Table { name, key, .. } = table;
    let list: Vec<&str> = columns.iter().map(|(column, _)| column.as_str()).collect();
    // The key is selected once more in front, so that the next page can begin after it.
    let text = format!(
        "SELECT {key}, {} FROM {name} WHERE {key} > :after ORDER BY {key} LIMIT :page",
        list.join(", ")
    );
    let (mut after, mut count, mut hash) = (i64::MIN, 0, Sha256::new());
    loop {
        let mut rows = sql.rows(&text, &params!["after" = after, "page" = PAGE])?;
        let Some(last) = rows.last() else { break };
        after = last.integer()?;
        count += i64::try_from(rows.len()).unwrap_or(i64::MAX);
        rows.iter_mut().for_each(OwnedRow::drop_first);
        rows.iter().for_each(|row| add(&mut hash, row));
        for_page(&rows)?;
        progress::add(rows.len());
    }
    let checksum = hex(hash.finalize().get(..8).unwrap_or_default());
    Ok(CopiedTable { table: name, rows: count, checksum })
}

/// Adds a row to the hash. Each value has its type in front, and a text its length, so that
/// different rows never give the same bytes.
fn add(hash: &mut Sha256, row: &OwnedRow) {
    for value in row.values() {
        match value {
            SqlValue::Null => hash.update([0]),
            SqlValue::Int(value) => {
                hash.update([1]);
                hash.update(value.to_le_bytes());
            }
            SqlValue::Text(text) => {
                hash.update([2]);
                hash.update(text.len().to_le_bytes());
                hash.update(text.as_bytes());
            }
            SqlValue::Uuid(uuid) => {
                hash.update([3]);
                hash.update(uuid.as_bytes());
            }
        }
    }
}

fn count(sql: &mut dyn Sql, text: &str) -> Result<i64, StoreError> {
    sql.rows(text, &vec![])?.first().map_or(Ok(0), OwnedRow::integer)
}
