//! Rows in, rows out: the only place that knows SQL.

use std::path::PathBuf;

use domain::world::{IdBlock, Key, Tables, World};

pub mod book;
pub mod migrate;
pub mod queries;
pub mod record;
mod rows;
pub mod sqlite;
pub mod verify;

/// Why the store could not do it.
#[derive(thiserror::Error, Debug)]
pub enum StoreError {
    /// The database refused or failed.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The database file cannot be made.
    #[error("{path}: {error}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The database was written by a newer version.
    #[error("the database has schema {found}, this version of kola knows {known}: use the newer kola")]
    Newer {
        /// Of the database.
        found: i64,
        /// Of this version.
        known: i64,
    },
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
    /// The market file of a new database cannot be read, or contradicts itself.
    #[error("the market: {0}")]
    Market(String),
    /// A row that was read is not there any more.
    #[error("an update of {table} changed {count} rows instead of one")]
    Lost {
        /// The table.
        table: &'static str,
        /// How many.
        count: usize,
    },
    /// The lane panicked while it worked on a batch; it was rolled back.
    #[error("a fault in kola: the log has the place")]
    Panicked,
    /// The operating system has no random numbers.
    #[error("random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

impl StoreError {
    /// Whether another process kept the database for longer than a writer waits.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Sqlite(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy))
    }
}

/// A lane's own connection to the database: what the engine needs of it.
pub trait Store {
    /// Takes `count` ids that no one else will get, as part of the transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    fn reserve_ids(&mut self, count: i64) -> Result<IdBlock, StoreError>;

    /// Starts a transaction that will write.
    ///
    /// # Errors
    /// [`StoreError`].
    fn begin(&mut self) -> Result<(), StoreError>;

    /// A world without rows, with the book as it is in this transaction.
    fn world(&self, ids: IdBlock) -> World;

    /// Looks a row up.
    ///
    /// # Errors
    /// [`StoreError`].
    fn load(&mut self, key: &Key, tables: &mut Tables) -> Result<(), StoreError>;

    /// Writes what changed.
    ///
    /// # Errors
    /// [`StoreError`].
    fn persist(&mut self, world: &World) -> Result<(), StoreError>;

    /// Commits: what was written is on disk.
    ///
    /// # Errors
    /// [`StoreError`]; the transaction may still be open.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Undoes the transaction, if one is open.
    fn rollback(&mut self);
}
