//! SQLite: the lane's own connection, which writes, and the pool that reads.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::book::Book;
use domain::world::{Bulk, Change, IdBlock, Key, Loaded, Lookup, LookupOf, Table, Tables, World};
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags, ToSql};

use super::record::{Cell, Column, Found, KeyedRecord, Record};
use super::{Store, StoreError, book, migrate};

/// How long a writer waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements kept prepared on a connection: all that there are.
const STATEMENT_CACHE: usize = 256;
/// The log is written back into the database file each time it has grown to so many pages (of 4 KiB): rarely enough that
/// hot pages are written back once for many commits, often enough that the log stays small.
const CHECKPOINT_PAGES: i64 = 8_000;
/// The page cache of the writing connection, in KiB.
const WRITER_CACHE_KIB: i64 = 32_768;

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Cell::Null => ValueRef::Null,
            Cell::Int(value) => ValueRef::Integer(*value),
            Cell::Text(value) => ValueRef::Text(value.as_bytes()),
        }))
    }
}

impl Found for rusqlite::Row<'_> {
    fn cell(&self, index: usize) -> Result<Cell<'_>, StoreError> {
        match self.get_ref(index)? {
            ValueRef::Null => Ok(Cell::Null),
            ValueRef::Integer(value) => Ok(Cell::Int(value)),
            ValueRef::Text(bytes) => Ok(Cell::Text(Cow::Borrowed(std::str::from_utf8(bytes).map_err(rusqlite::Error::from)?))),
            other @ (ValueRef::Real(_) | ValueRef::Blob(_)) => {
                Err(rusqlite::Error::InvalidColumnType(index, String::new(), other.data_type()).into())
            }
        }
    }
}

/// Opens the database file, makes it when it is not there, and brings its schema up to date. Only its owner may read it.
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
    restrict(path)?;
    let mut connection = Connection::open(path)?;
    prepare(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // What was acknowledged is on disk: every commit waits for the log to be synced.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    migrate::run(&mut connection, market)?;
    Ok(connection)
}

/// What every connection needs.
fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    // Else SQLite compiles a statement anew at each run, to look at the parameters: that took half of a read's time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Makes the file readable for its owner alone before anything is in it. SQLite gives its side files the same mode.
#[cfg(unix)]
fn restrict(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::Open { path: path.to_owned(), error }),
    }
}

#[cfg(not(unix))]
fn restrict(_: &Path) -> Result<(), StoreError> {
    Ok(())
}

/// The lane's own connection.
pub struct SqliteStore {
    connection: Connection,
    installation: [u8; 16],
    book: Arc<Book>,
}

impl SqliteStore {
    /// A store on an opened database.
    ///
    /// # Errors
    /// [`StoreError`] when installation or book cannot be read.
    pub fn new(connection: Connection) -> Result<Self, StoreError> {
        let installation = migrate::installation(&connection)?;
        let book = Arc::new(book::load(&connection)?);
        Ok(Self { connection, installation, book })
    }

    /// The connection, for what is no decision: statistics, checks, the book.
    #[must_use]
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The same, to change the book.
    pub const fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    fn fetch<R: Loaded + KeyedRecord>(&self, lookup: &LookupOf<R>) -> Result<Option<R>, StoreError> {
        let mut cells = Vec::new();
        let sql = match lookup {
            Lookup::Id(id) => {
                id.put(&mut cells);
                &R::statements().by_id
            }
            Lookup::Name(name) => {
                name.put(&mut cells);
                &R::statements().by_name
            }
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(cells))?;
        rows.next()?.map(|row| R::from_row(row, 0)).transpose()
    }

    fn take_in<R: Loaded + KeyedRecord>(&self, lookup: &LookupOf<R>, table: &mut Table<R>) -> Result<(), StoreError> {
        let found = self.fetch::<R>(lookup)?;
        table.load(lookup.clone(), found);
        Ok(())
    }

    fn write<R: Loaded + KeyedRecord>(&self, table: &Table<R>) -> Result<(), StoreError> {
        for change in table.changes() {
            let mut cells = Vec::with_capacity(R::WIDTH + 1);
            let sql = match change {
                Change::Insert(row) => {
                    row.put(&mut cells);
                    &R::statements().insert
                }
                Change::Update(row) => {
                    row.put_changes(&mut cells);
                    &R::statements().update
                }
            };
            let count = execute(&mut self.connection.prepare_cached(sql)?, &cells)?;
            if count != 1 {
                return Err(StoreError::Lost { table: R::TABLE, count });
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
            let mut cells = Vec::with_capacity(R::WIDTH);
            row.put(&mut cells);
            execute(&mut statement, &cells)?;
        }
        Ok(())
    }

    fn change_many(&self, bulk: &Bulk) -> Result<(), StoreError> {
        match bulk {
            Bulk::PullChecks { merchant, by_us } => {
                let sql = "UPDATE executions SET next_check_at = next_check_at - ? WHERE merchant_id = ? AND next_check_at IS NOT NULL";
                self.connection.prepare_cached(sql)?.execute([*by_us, merchant.0])?;
            }
        }
        Ok(())
    }
}

fn execute(statement: &mut CachedStatement<'_>, cells: &[Cell<'_>]) -> Result<usize, StoreError> {
    for (i, cell) in cells.iter().enumerate() {
        statement.raw_bind_parameter(i + 1, cell)?;
    }
    Ok(statement.raw_execute()?)
}

impl Store for SqliteStore {
    fn reserve_ids(&mut self, count: i64) -> Result<IdBlock, StoreError> {
        let sql = "UPDATE installation SET next_id = next_id + ? RETURNING next_id";
        let end = self.connection.prepare_cached(sql)?.query_row([count], |row| row.get::<_, i64>(0))?;
        Ok(IdBlock { next: end - count, end })
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        // Another process may write too: take the write lock before reading, so that what is read stays true.
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.raw_execute()?;
        let version = book::version(&self.connection)?;
        if version != self.book.version {
            self.book = Arc::new(book::load(&self.connection)?);
        }
        Ok(())
    }

    fn world(&self, ids: IdBlock) -> World {
        World::new(Arc::clone(&self.book), self.installation, ids)
    }

    fn load(&mut self, key: &Key, tables: &mut Tables) -> Result<(), StoreError> {
        match key {
            Key::Merchant(lookup) => self.take_in(lookup, &mut tables.merchants),
            Key::ApiKey(lookup) => self.take_in(lookup, &mut tables.api_keys),
            Key::Passcode(lookup) => self.take_in(lookup, &mut tables.passcodes),
            Key::Party(lookup) => self.take_in(lookup, &mut tables.parties),
            Key::Counterparty(lookup) => self.take_in(lookup, &mut tables.counterparties),
            Key::PaymentAccount(lookup) => self.take_in(lookup, &mut tables.payment_accounts),
            Key::Counter(lookup) => self.take_in(lookup, &mut tables.counters),
            Key::Source(lookup) => self.take_in(lookup, &mut tables.sources),
            Key::Item(lookup) => self.take_in(lookup, &mut tables.items),
            Key::CheckoutConfig(lookup) => self.take_in(lookup, &mut tables.checkout_configs),
            Key::Session(lookup) => self.take_in(lookup, &mut tables.sessions),
            Key::Execution(lookup) => self.take_in(lookup, &mut tables.executions),
            Key::Wallet(lookup) => self.take_in(lookup, &mut tables.wallets),
            Key::Account(lookup) => self.take_in(lookup, &mut tables.accounts),
            Key::Review(lookup) => self.take_in(lookup, &mut tables.reviews),
        }
    }

    fn persist(&mut self, world: &World) -> Result<(), StoreError> {
        let tables = &world.tables;
        self.write(&tables.merchants)?;
        self.write(&tables.api_keys)?;
        self.write(&tables.passcodes)?;
        self.write(&tables.parties)?;
        self.write(&tables.counterparties)?;
        self.write(&tables.payment_accounts)?;
        self.write(&tables.wallets)?;
        self.write(&tables.counters)?;
        self.write(&tables.sources)?;
        self.write(&tables.items)?;
        self.write(&tables.checkout_configs)?;
        self.write(&tables.sessions)?;
        self.write(&tables.executions)?;
        self.write(&tables.reviews)?;
        self.write(&tables.accounts)?;
        self.append(&world.events)?;
        self.append(&world.entries)?;
        for bulk in &world.bulk {
            self.change_many(bulk)?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.connection.prepare_cached("COMMIT")?.raw_execute()?;
        Ok(())
    }

    fn rollback(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }
}

/// Connections that read.
pub struct Readers {
    connections: Vec<Mutex<Connection>>,
}

impl Readers {
    /// `count` readers of the database file.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened.
    pub fn open(path: &PathBuf, count: usize) -> Result<Self, StoreError> {
        let reader = || -> Result<Mutex<Connection>, StoreError> {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            prepare(&connection)?;
            connection.pragma_update(None, "query_only", true)?;
            Ok(Mutex::new(connection))
        };
        Ok(Self { connections: (0..count).map(|_| reader()).collect::<Result<_, _>>()? })
    }

    /// A reader that is free, or the first to become so.
    pub fn get(&self) -> Option<MutexGuard<'_, Connection>> {
        let free = self.connections.iter().find_map(|connection| connection.try_lock().ok());
        // A panic while reading leaves nothing half done: the connection is as good as before.
        free.or_else(|| self.connections.first().map(|first| first.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}
