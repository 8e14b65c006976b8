//! Rows in, rows out: the only place that knows SQL.

pub mod clock;
pub mod hex;
pub mod reads;
pub mod schema;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod workspace;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::reads::Queries;
use crate::schema::migrate;
use crate::workspace::{file, postgres, sql, sqlite};
use domain::decision::prefetch::LockKey;
use domain::decision::workspace::{IdBlock, RowKey, Tables, Workspace};

/// Why the store could not do it.
#[derive(thiserror::Error, Debug)]
pub enum StoreError {
    /// SQLite refused or failed.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL refused or failed, or could not be reached.
    #[error("database: {what}")]
    Postgres {
        /// Its five characters for what is wrong, when it said something.
        code: Option<String>,
        /// Whether the connection is gone.
        gone: bool,
        /// What it said, or what became of the connection.
        what: String,
    },
    /// PostgreSQL's connection was open and nothing came.
    #[error("database: no answer")]
    Silent,
    /// No connection was free in time.
    #[error("database: {0}")]
    Pool(String),
    /// A commit was sent and its answer lost: it may be on disk or not.
    #[error("a commit without an answer: {0}")]
    Unknown(Box<StoreError>),
    /// The driver's runtime cannot be started.
    #[error("runtime: {0}")]
    Runtime(std::io::Error),
    /// An answer of another shape than its statement has.
    #[error("an odd answer of the database: {0}")]
    Odd(&'static str),
    /// The database file cannot be made.
    #[error("{path}: {error}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file that is open has its name no more: what would be written into it nobody would find
    /// again.
    #[error(
        "{path} was removed, moved or replaced while this process had it open. Nothing is acknowledged until it is back; to go on with \
         another file, start kola again"
    )]
    Misplaced {
        /// The name that it had.
        path: PathBuf,
    },
    /// The database was changed by a newer version in a way that this one would not understand.
    #[error(
        "the database has schema {found}, this version of kola knows {known}: use the newer kola"
    )]
    Newer {
        /// Of the database.
        found: i64,
        /// Of this version.
        known: i64,
    },
    /// A list is to continue after a row that is not one of its merchant's.
    #[error("there is no such row to continue after")]
    UnknownCursor,
    /// A row contradicts itself or another.
    #[error("the row {id} of {table} is broken: {what}")]
    Broken {
        /// The table.
        table: &'static str,
        /// The row's id.
        id: i64,
        /// What is wrong.
        what: String,
    },
    /// The market file of a new database cannot be read or contradicts itself, or a change of the
    /// market does.
    #[error("{0}")]
    Market(String),
    /// An installation cannot be copied or backed up as it is.
    #[error("{0}")]
    Refused(String),
    /// A row that was read is not there any more.
    #[error("a statement changed {count} rows of {table} instead of {expected}")]
    Lost {
        /// The table.
        table: &'static str,
        /// How many.
        count: usize,
        /// How many it should have been.
        expected: usize,
    },
    /// The lane panicked while it worked on a batch; it was rolled back.
    #[error("a fault in kola: the log has the place")]
    Panicked,
    /// The operating system has no random numbers.
    #[error("random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

impl StoreError {
    /// Whether another process kept rows, or the whole database, for longer than a writer waits.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Sqlite(error) => {
                error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
            }
            // lock_not_available, and query_canceled by the time-out of a statement.
            Self::Postgres { code: Some(code), .. } => matches!(code.as_str(), "55P03" | "57014"),
            _ => false,
        }
    }

    /// Whether the database cannot be reached, is going down or coming up, or does not take writes
    /// (any more): the next try needs a new connection.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            Self::Silent | Self::Pool(_) => true,
            Self::Postgres { code: Some(code), gone, .. } => {
                // Connection exceptions; shutdowns; a session ended by a time-out; too many
                // connections; a standby.
                let class = code.get(..2).unwrap_or_default();
                *gone
                    || class == "08"
                    || matches!(
                        code.as_str(),
                        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "53300" | "25006"
                    )
            }
            Self::Postgres { code: None, gone, .. } => *gone,
            _ => false,
        }
    }
}

/// A lane's own connection to the database: what the engine needs of it.
pub trait Store {
    /// Whether a row is some microseconds away, so that each is loaded when a decision turns out to
    /// need it, and a batch may run on a thread that serves requests. Else what is missing is
    /// loaded in rounds, for all commands of a batch together.
    fn is_local(&self) -> bool;

    /// Takes `count` ids that no one else will get. Where rows are at hand as part of the
    /// transaction, else outside one.
    fn reserve_ids(&mut self, count: i64) -> Result<IdBlock, StoreError>;

    /// Starts a transaction that will write: a workspace with the tariff as it is now, the rows of
    /// `lock_keys`, locked where rows are locked and they are their owners', and then those of
    /// `keys`.
    fn open(
        &mut self,
        ids: IdBlock,
        lock_keys: &[LockKey],
        keys: &[RowKey],
    ) -> Result<Workspace, StoreError>;

    /// Looks rows up.
    fn load(&mut self, keys: &[RowKey], tables: &mut Tables) -> Result<(), StoreError>;

    /// Makes sure that nobody else changes the rows that the workspace changes. Answers whether
    /// they are as they were loaded; if not, they have been loaded again, and what was decided on
    /// them does not hold.
    fn confirm(&mut self, tables: &mut Tables) -> Result<bool, StoreError>;

    /// Writes what changed.
    fn persist(&mut self, work: &Workspace) -> Result<(), StoreError>;

    /// Commits: what was written is on disk.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] when it may have been done; else the transaction may still be open.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// After a commit without an answer: whether the batch is on disk. Waits for a transaction that
    /// is still ending.
    ///
    /// # Errors
    /// [`StoreError`]: it is still not known.
    fn is_committed(&mut self) -> Result<bool, StoreError>;

    /// Undoes the transaction, if one is open.
    fn rollback(&mut self);
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn is_local(&self) -> bool {
        (**self).is_local()
    }

    fn reserve_ids(&mut self, count: i64) -> Result<IdBlock, StoreError> {
        (**self).reserve_ids(count)
    }

    fn open(
        &mut self,
        ids: IdBlock,
        lock_keys: &[LockKey],
        keys: &[RowKey],
    ) -> Result<Workspace, StoreError> {
        (**self).open(ids, lock_keys, keys)
    }

    fn load(&mut self, keys: &[RowKey], tables: &mut Tables) -> Result<(), StoreError> {
        (**self).load(keys, tables)
    }

    fn confirm(&mut self, tables: &mut Tables) -> Result<bool, StoreError> {
        (**self).confirm(tables)
    }

    fn persist(&mut self, work: &Workspace) -> Result<(), StoreError> {
        (**self).persist(work)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        (**self).commit()
    }

    fn is_committed(&mut self) -> Result<bool, StoreError> {
        (**self).is_committed()
    }

    fn rollback(&mut self) {
        (**self).rollback();
    }
}

/// Where everything is kept.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file.
    Sqlite(PathBuf),
    /// A server, or several of which one takes writes.
    Postgres(Box<postgres::Address>),
}

impl FromStr for Database {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(Box::new(postgres::Address::parse(url)?)));
        }
        let Some(path) = url.strip_prefix("sqlite:") else {
            return Err("a database URL looks like sqlite:kola.db or postgres://user:password@host/database".to_owned());
        };
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.starts_with("file:") {
            return Err(
                "sqlite: takes a path and no URI: sqlite:kola.db, or sqlite:./file:kola.db"
                    .to_owned(),
            );
        }
        if path.is_empty() || path.starts_with(":memory:") {
            return Err(
                "sqlite: needs the path of a file: what is acknowledged is kept on disk".to_owned()
            );
        }
        Ok(Self::Sqlite(path.into()))
    }
}

impl std::fmt::Display for Database {
    /// Without a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(address) => address.fmt(f),
        }
    }
}

/// Lanes of a process on PostgreSQL: two, so that one merchant's batch is decided while another's
/// is committed.
const POSTGRES_LANES: usize = 2;
/// Connections that read. On SQLite a read is some microseconds, so a few serve many requests.
const READERS: usize = 4;
/// On PostgreSQL a read waits for the network.
const POSTGRES_READERS: usize = 8;
/// Of these, lists have half: what reads one row never waits for them.
const POSTGRES_LISTS: usize = POSTGRES_READERS / 2;
/// The most connections that read lists on SQLite.
const LISTS_MAX: usize = 4;

/// On SQLite a list that is read keeps a processor busy: half of them may be.
fn lists_at_once() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (processors / 2).clamp(1, LISTS_MAX)
}

impl Database {
    /// What it runs on.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    /// A connection that waits, with the schema up to date; a new database is made, with the market
    /// of the file. Never within a runtime.
    pub fn open(&self, market: Option<&Path>) -> Result<Box<dyn sql::Sql>, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(sqlite::SqliteSql(sqlite::open_with(path, market)?)),
            Self::Postgres(address) => {
                let mut sql = postgres::PostgresSql::connect(address)?;
                migrate::run(&mut sql, market)?;
                Box::new(sql)
            }
        })
    }

    /// A connection that waits, to a database that is there already, whose schema is left as it is.
    /// Never within a runtime.
    pub fn open_as_it_is(&self) -> Result<Box<dyn sql::Sql>, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(sqlite::SqliteSql(sqlite::open_as_it_is(path)?)),
            Self::Postgres(config) => Box::new(postgres::PostgresSql::connect(config)?),
        })
    }

    /// The store of one lane, on a database whose schema is up to date. Never within a runtime.
    pub fn store(&self) -> Result<Box<dyn Store + Send>, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(sqlite::SqliteStore::new(sqlite::open(path)?)?),
            Self::Postgres(address) => Box::new(postgres::lane::PostgresStore::open(address)?),
        })
    }

    /// The stores of a server's lanes. Never within a runtime.
    pub fn stores(&self) -> Result<Vec<Box<dyn Store + Send>>, StoreError> {
        match self {
            Self::Sqlite(path) => {
                let connection = sqlite::open(path)?;
                file::renew(&connection)?;
                Ok(vec![Box::new(sqlite::SqliteStore::new(connection)?)])
            }
            Self::Postgres(_) => (0..POSTGRES_LANES).map(|_| self.store()).collect(),
        }
    }

    /// After so long a batch has been written that decided on what it had read, or never will be.
    /// On SQLite nobody else writes while one does.
    #[must_use]
    pub const fn longest_batch(&self) -> Duration {
        match self {
            Self::Sqlite(_) => Duration::ZERO,
            Self::Postgres(_) => postgres::lane::PATIENCE.saturating_add(Duration::from_secs(1)),
        }
    }

    /// Reading, on a database whose schema is up to date. Within a runtime.
    pub fn queries(&self) -> Result<Queries, StoreError> {
        match self {
            Self::Sqlite(path) => Queries::sqlite(path, READERS, lists_at_once()),
            Self::Postgres(address) => Queries::postgres(address, POSTGRES_READERS, POSTGRES_LISTS),
        }
    }
}

#[cfg(test)]
mod tests;
