//! SQLite: the lane's own connection, which writes, and the pool that reads.

use std::borrow::Cow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::decision::retention::Deletion;
use domain::decision::row::{Lookup, LookupOf};
use domain::decision::use_case::LockKey;
use domain::decision::workspace::{IdBlock, Loaded, RowChange, RowKey, Table, Tables, Workspace};
use domain::each_table;
use domain::kernel::uuids::Uuid;
use domain::tariff::Tariff;
use rusqlite::config::DbConfig;
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags, ToSql};

use crate::chain::{self, LaneChain};
use crate::reads::PoolUse;
use crate::schema::{installation, migrate, tariff};
use crate::workspace::deleting::DeleteSql as _;
use crate::workspace::file;
use crate::workspace::record::{Column, KeyedRecord, Record};
use crate::workspace::sql::{Dialect, Interrupter, OwnedRow, Sql};
use crate::workspace::sql_value::{ColumnType, Param, Params, ResultRow, SqlValue};
use crate::{Store, StoreError};

/// How long a writer waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a process that starts waits for another one that brings the schema up to date.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(600);
/// The statements that stay prepared on a connection: more than there are.
const STATEMENT_CACHE: usize = 256;
/// The log is written back into the database file each time it has grown to so many pages (of 4
/// KiB): rarely enough that hot pages are written back once for many commits, often enough that the
/// log stays small.
const CHECKPOINT_PAGES: i64 = 8_000;
/// The page cache of the writing connection, in KiB.
const WRITER_CACHE_KIB: i64 = 32_768;

impl ToSql for SqlValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            SqlValue::Null => ValueRef::Null,
            SqlValue::Int(value) => ValueRef::Integer(*value),
            SqlValue::Text(value) => ValueRef::Text(value.as_bytes()),
            SqlValue::Uuid(uuid) => ValueRef::Blob(uuid.as_bytes()),
        }))
    }
}

impl ResultRow for rusqlite::Row<'_> {
    fn value(&self, index: usize) -> Result<SqlValue<'_>, StoreError> {
        match self.get_ref(index)? {
            ValueRef::Null => Ok(SqlValue::Null),
            ValueRef::Integer(value) => Ok(SqlValue::Int(value)),
            ValueRef::Text(bytes) => Ok(SqlValue::Text(Cow::Borrowed(
                std::str::from_utf8(bytes).map_err(rusqlite::Error::from)?,
            ))),
            ValueRef::Blob(bytes) => Ok(SqlValue::Uuid(
                Uuid::from_slice(bytes)
                    .map_err(|_| StoreError::Unexpected("bytes that are no UUID"))?,
            )),
            other @ ValueRef::Real(_) => {
                Err(rusqlite::Error::InvalidColumnType(index, String::new(), other.data_type())
                    .into())
            }
        }
    }
}

/// Opens the database file and brings its schema up to date. If the file does not exist, it is
/// created, readable by its owner only.
///
/// # Errors
/// [`StoreError`] when the file cannot be opened, or was written by a newer version.
pub fn open(path: &Path) -> Result<Connection, StoreError> {
    open_with(path, None)
}

/// The same; a new database gets the market of this file.
///
/// # Errors
/// See [`open`]; [`StoreError::Market`].
pub fn open_with(path: &Path, market: Option<&Path>) -> Result<Connection, StoreError> {
    if !file::exists(path)? {
        make(path, market)?;
    }
    let connection = open_as_it_is(path)?;
    up_to_date(connection, market)
}

/// Makes a database under another name, and gives it its own when it is whole: of what fails or is
/// interrupted nothing is left that could be taken for a database. Another process may be quicker.
fn make(path: &Path, market: Option<&Path>) -> Result<(), StoreError> {
    let failed = |error| StoreError::Open { path: path.to_owned(), error };
    let aside = file::aside(path, "new")?;
    file::create_new(&aside).map_err(failed)?;
    let made = connect(&aside).and_then(|connection| up_to_date(connection, market)).map(drop);
    match made.and_then(|()| file::publish(&aside, path).map_err(failed)) {
        Ok(_) => Ok(()),
        Err(error) => {
            file::remove(&aside);
            match error {
                StoreError::Open { error, .. }
                    if error.kind() == std::io::ErrorKind::AlreadyExists =>
                {
                    // Another process was quicker. Its file is complete, and is used.
                    Ok(())
                }
                error => Err(error),
            }
        }
    }
}

fn up_to_date(connection: Connection, market: Option<&Path>) -> Result<Connection, StoreError> {
    if connection.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0))?
        == file::UNOPENED
    {
        // From now on a write-ahead log of this name is the file's own. Set before there is a log,
        // so that the number is in the file itself.
        connection.pragma_update(None, "application_id", 0)?;
    }
    enable_wal(&connection)?;
    // Every commit waits until the log is synced, so what was acknowledged is on disk.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // SQLite checks foreign keys only on connections that ask for it.
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    let mut sql = SqliteSql(connection);
    // If another process is migrating the same database, wait for it.
    sql.0.busy_timeout(MIGRATION_TIMEOUT)?;
    migrate::run(&mut sql, market)?;
    sql.0.busy_timeout(BUSY_TIMEOUT)?;
    Ok(sql.0)
}

/// Switches a new file to a write-ahead log. If two processes do so at the same time, SQLite
/// refuses one of them without waiting, so it tries again.
fn enable_wal(connection: &Connection) -> Result<(), StoreError> {
    let begun = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL").map_err(StoreError::from) {
            Err(error) if error.is_busy() && begun.elapsed() < BUSY_TIMEOUT => {
                std::thread::sleep(Duration::from_millis(10))
            }
            done => return done,
        }
    }
}

/// Opens an existing database file and leaves its schema and settings as they are.
pub fn open_as_it_is(path: &Path) -> Result<Connection, StoreError> {
    if !file::exists(path)? {
        return Err(StoreError::Refused(format!("there is no database at {}", path.display())));
    }
    let connection = connect(path)?;
    let is_ours = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('installation', 'signing_keys')";
    if connection.query_row(is_ours, [], |row| row.get::<_, i64>(0))? < 2 {
        return Err(StoreError::Refused(format!(
            "{} is another program's database",
            path.display()
        )));
    }
    Ok(connection)
}

/// Opens the file of a database that is known to be one.
pub fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    configure(&connection)?;
    Ok(connection)
}

/// Sets what every connection needs.
fn configure(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    // Without this SQLite compiles a statement again at each run, to plan for the values of its
    // parameters: that took half of a read's time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Reads the rows of a statement's result.
pub fn read<T>(
    connection: &Connection,
    sql: &str,
    params: &Params<'_>,
    take: impl Fn(&dyn ResultRow) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, params)?;
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(take(row)?);
    }
    Ok(found)
}

fn bind(statement: &mut CachedStatement<'_>, params: &Params<'_>) -> Result<(), StoreError> {
    for Param { name, value, .. } in params {
        let index = statement
            .parameter_index(name)?
            .ok_or(StoreError::Unexpected("a statement lacks one of its parameters"))?;
        statement.raw_bind_parameter(index, value)?;
    }
    Ok(())
}

/// A blocking connection.
pub struct SqliteSql(pub Connection);

impl Sql for SqliteSql {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn interrupter(&self) -> Interrupter {
        let handle = self.0.get_interrupt_handle();
        Box::new(move || handle.interrupt())
    }

    fn rows(&mut self, sql: &str, params: &Params<'_>) -> Result<Vec<OwnedRow>, StoreError> {
        let width = self.0.prepare_cached(sql)?.column_count();
        read(&self.0, sql, params, |row| OwnedRow::read(row, width))
    }

    fn execute(&mut self, sql: &str, params: &Params<'_>) -> Result<u64, StoreError> {
        let mut statement = self.0.prepare_cached(sql)?;
        bind(&mut statement, params)?;
        Ok(u64::try_from(statement.raw_execute()?).unwrap_or(u64::MAX))
    }

    fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        Ok(self.0.execute_batch(sql)?)
    }

    fn script_by_statement(&mut self, name: &str, script: &str) -> Result<(), StoreError> {
        // SQLite itself says where each statement ends. It is prepared after the one before has
        // run, so it may use tables that the script creates.
        let mut batch = rusqlite::Batch::new(&self.0, script);
        let mut rest = script;
        loop {
            let failed = |error| StoreError::in_script(name, rest, error);
            let Some(mut statement) = batch.next().map_err(failed)? else { return Ok(()) };
            let mut rows = statement.raw_query();
            // Some pragmas return rows.
            while rows.next().map_err(failed)?.is_some() {}
            drop(rows);
            let text = statement.expanded_sql().unwrap_or_default();
            rest = rest.split_once(&text).map_or(rest, |(_, rest)| rest);
        }
    }

    fn append(
        &mut self,
        table: &str,
        columns: &[(String, ColumnType)],
        rows: &[OwnedRow],
    ) -> Result<(), StoreError> {
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let marks = vec!["?"; names.len()].join(", ");
        let sql = format!("INSERT INTO {table} ({}) VALUES ({marks})", names.join(", "));
        let mut statement = self.0.prepare_cached(&sql)?;
        for row in rows {
            execute(&mut statement, row.values())?;
        }
        Ok(())
    }
}

/// The tariff, as of the connection's current transaction.
pub fn read_tariff(connection: &Connection) -> Result<Tariff, StoreError> {
    let rows = |sql: &String| {
        let width = connection.prepare_cached(sql)?.column_count();
        read(connection, sql, &vec![], |row| OwnedRow::read(row, width))
    };
    tariff::build(&tariff::queries().iter().map(rows).collect::<Result<Vec<_>, _>>()?)
}

/// The version of the tariff, as of the connection's current transaction.
pub fn tariff_version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.prepare_cached(tariff::VERSION)?.query_row([], |row| row.get(0))?)
}

/// The store of a lane, with its own connection.
pub struct SqliteStore {
    connection: Connection,
    open_files: file::OpenFiles,
    installation: [u8; 16],
    tariff: Arc<Tariff>,
    chain: LaneChain,
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.open_files.leave_log(&self.connection);
    }
}

impl SqliteStore {
    /// A store on an opened database.
    ///
    /// # Errors
    /// [`StoreError`] when installation or tariff cannot be read.
    pub fn new(connection: Connection) -> Result<Self, StoreError> {
        let uuid = read(&connection, installation::UUID, &vec![], |row| OwnedRow::read(row, 1))?;
        let installation = installation::uuid(uuid.first())?;
        let tariff = Arc::new(read_tariff(&connection)?);
        let newest = read(&connection, chain::NEWEST, &vec![], chain::Followed::read)?.pop();
        let open_files = file::OpenFiles::of(&connection);
        let chain = LaneChain::after(newest);
        Ok(Self { connection, open_files, installation, tariff, chain })
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        // Takes some microseconds: little compared with a commit, which waits for the disk.
        self.open_files.check()?;
        // Take the write lock before reading, since another process may write too: what is read is
        // then still true at the commit.
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.raw_execute()?;
        if tariff_version(&self.connection)? != self.tariff.version {
            self.tariff = Arc::new(read_tariff(&self.connection)?);
        }
        Ok(())
    }

    fn fetch<R: Loaded + KeyedRecord>(
        &self,
        lookup: &LookupOf<R>,
    ) -> Result<Option<R>, StoreError> {
        let mut values = Vec::new();
        let sql = match lookup {
            Lookup::Id(id) => {
                id.write(&mut values);
                &R::statements().by_id
            }
            Lookup::AltKey(key) => {
                key.write(&mut values);
                &R::statements().by_alt_key
            }
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        rows.next()?.map(|row| R::from_row(row, 0)).transpose()
    }

    fn load_row<R: Loaded + KeyedRecord>(
        &self,
        lookup: &LookupOf<R>,
        table: &mut Table<R>,
    ) -> Result<(), StoreError> {
        let found = self.fetch::<R>(lookup)?;
        // An absent row is loaded, too: otherwise the decision would ask for it without end.
        table.load(lookup.clone(), found);
        Ok(())
    }

    fn write<R: Loaded + KeyedRecord>(&self, table: &Table<R>) -> Result<(), StoreError> {
        for change in table.changes() {
            let mut values = Vec::with_capacity(R::WIDTH + 1);
            let sql = match change {
                RowChange::Insert(row) => {
                    row.write(&mut values);
                    &R::statements().insert
                }
                RowChange::Update(row) => {
                    row.write_changes(&mut values);
                    &R::statements().update
                }
            };
            let count = execute(&mut self.connection.prepare_cached(sql)?, &values)?;
            // An UPDATE that finds no row is no error for SQLite, but the change would be lost.
            if count != 1 {
                return Err(StoreError::RowsAffected { table: R::TABLE, count, expected: 1 });
            }
        }
        Ok(())
    }

    fn append<R: Record>(&self, rows: &[R]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut statement = self.connection.prepare_cached(&R::statements().insert)?;
        for row in rows {
            let mut values = Vec::with_capacity(R::WIDTH);
            row.write(&mut values);
            execute(&mut statement, &values)?;
        }
        Ok(())
    }
}

fn execute(
    statement: &mut CachedStatement<'_>,
    values: &[SqlValue<'_>],
) -> Result<usize, StoreError> {
    for (i, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(i + 1, value)?;
    }
    Ok(statement.raw_execute()?)
}

macro_rules! by_table {
    ($($(#[$doc:meta])* $field:ident: $variant:ident = $row:ty),+ $(,)?) => {
        impl SqliteStore {
            fn load_one(&self, key: &RowKey, tables: &mut Tables) -> Result<(), StoreError> {
                match key { $(RowKey::$variant(lookup) => self.load_row(lookup, &mut tables.$field)),+ }
            }

            fn write_all(&self, tables: &Tables) -> Result<(), StoreError> {
                $(self.write(&tables.$field)?;)+
                Ok(())
            }
        }
    };
}
each_table!(by_table);

impl Store for SqliteStore {
    fn is_local(&self) -> bool {
        true
    }

    fn reserve_ids(&mut self, count: i64) -> Result<IdBlock, StoreError> {
        let sql = "UPDATE installation SET next_id = next_id + ? RETURNING next_id";
        let end =
            self.connection.prepare_cached(sql)?.query_row([count], |row| row.get::<_, i64>(0))?;
        Ok(IdBlock { next: end - count, end })
    }

    fn open(
        &mut self,
        ids: IdBlock,
        lock_keys: &[LockKey],
        keys: &[RowKey],
    ) -> Result<Workspace, StoreError> {
        self.begin()?;
        let mut work = Workspace::new(Arc::clone(&self.tariff), self.installation, ids);
        for LockKey { key, .. } in lock_keys {
            self.load(std::slice::from_ref(key), &mut work.tables)?;
        }
        self.load(keys, &mut work.tables)?;
        Ok(work)
    }

    fn load(&mut self, keys: &[RowKey], tables: &mut Tables) -> Result<(), StoreError> {
        for key in keys {
            if !tables.is_loaded(key) {
                self.load_one(key, tables)?;
            }
        }
        Ok(())
    }

    fn confirm(&mut self, _: &mut Tables) -> Result<bool, StoreError> {
        // The transaction has held the only write lock since its start.
        Ok(true)
    }

    fn persist(&mut self, work: &Workspace) -> Result<(), StoreError> {
        self.write_all(&work.tables)?;
        self.append(&work.events)?;
        self.append(&work.entries)?;
        self.append(&work.audit)?;
        let batches = self.chain.batches(work)?;
        self.append(&batches)?;
        for Deletion { table, id } in &work.deletions {
            self.connection.prepare_cached(table.delete_one())?.execute([id])?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.connection.prepare_cached("COMMIT")?.raw_execute()?;
        self.chain.committed();
        Ok(())
    }

    fn is_committed(&mut self) -> Result<bool, StoreError> {
        // Never needed: a commit of SQLite always returns whether it succeeded.
        Ok(false)
    }

    fn rollback(&mut self) {
        self.chain.undone();
        // After some errors, such as a full disk, SQLite has rolled back by itself. A ROLLBACK
        // without a transaction would be an error.
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }
}

/// Connections that only read.
pub struct Readers {
    connections: Vec<Mutex<Connection>>,
    open_files: file::OpenFiles,
    /// Whether the file had been moved at the last check.
    file_moved: AtomicBool,
}

impl Drop for Readers {
    fn drop(&mut self) {
        for connection in &mut self.connections {
            self.open_files.leave_log(connection.get_mut().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Readers {
    /// How many connections are in use.
    pub fn pool_use(&self, name: &'static str) -> PoolUse {
        // Each lock is held for a moment: whoever wants a connection meanwhile takes another one.
        let idle = self.connections.iter().filter(|place| place.try_lock().is_ok()).count();
        PoolUse { name, in_use: self.connections.len().saturating_sub(idle), idle }
    }

    /// Opens `count` connections.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened.
    pub fn open(path: &Path, count: usize) -> Result<Self, StoreError> {
        let reader = || -> Result<Connection, StoreError> {
            // Not opened read-only: a reader must be able to create the index of the log. Writes
            // are refused by `query_only`.
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            configure(&connection)?;
            connection.pragma_update(None, "query_only", true)?;
            // SQLite opens the file and its log at the first read, not before.
            connection.pragma_query_value(None, "user_version", |_| Ok(()))?;
            Ok(connection)
        };
        let connections = (0..count).map(|_| reader()).collect::<Result<Vec<_>, StoreError>>()?;
        let open_files = connections
            .first()
            .map(file::OpenFiles::of)
            .ok_or(StoreError::Unexpected("no reader"))?;
        Ok(Self {
            connections: connections.into_iter().map(Mutex::new).collect(),
            open_files,
            file_moved: AtomicBool::new(false),
        })
    }

    /// Makes sure that the file is still where it was opened. While it is not, nothing is read.
    ///
    /// # Errors
    /// [`StoreError::FileMoved`].
    pub fn check_file(&self) -> Result<(), StoreError> {
        let result = self.open_files.check();
        self.file_moved.store(result.is_err(), Ordering::Relaxed);
        result
    }

    /// A free connection. If all are in use, waits for the first one.
    ///
    /// # Errors
    /// [`StoreError::FileMoved`].
    pub fn get(&self) -> Result<MutexGuard<'_, Connection>, StoreError> {
        if self.file_moved.load(Ordering::Relaxed) {
            self.check_file()?;
        }
        let free = self.connections.iter().find_map(|connection| connection.try_lock().ok());
        // A poisoned lock is no problem: a read that panicked has changed nothing.
        let first = || {
            self.connections
                .first()
                .map(|first| first.lock().unwrap_or_else(PoisonError::into_inner))
        };
        free.or_else(first).ok_or(StoreError::Unexpected("no reader"))
    }
}
