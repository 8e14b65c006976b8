//! Reads for callers that change nothing. A read sees what was committed before it began.
//!
//! Each resource has one file with its single reads, its lists and their filters; [`pages`] has what
//! the lists share. Each read is a method of a scope: [`scope`] says who may read what.
//!
//! On SQLite a single row is read in some microseconds, so it is read on the caller's own thread;
//! lists are read on a blocking thread. Each statement is written once, in SQL that both databases
//! understand, with `:name` for a value; for PostgreSQL the names are replaced by `$n`.

pub mod api_keys;
pub mod approvals;
pub mod audit;
pub mod backlog;
mod batches;
pub mod checkouts;
pub mod checks;
pub mod due;
pub mod entries;
pub mod events;
pub mod executions;
pub mod figures;
pub mod merchants;
mod network_accounts;
pub mod pages;
pub mod parties;
pub mod payment_accounts;
pub mod payment_links;
pub mod people;
pub mod receipts;
pub mod reconciliation;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod recorder;
pub mod reviews;
pub mod scope;
mod search;
pub mod sessions;
pub mod signing_keys;
pub mod sources;
pub mod tariff;
pub mod wallets;
pub mod watched;
pub mod webhooks;

use std::path::Path;
use std::sync::{Arc, RwLock};

use domain::tariff::Tariff;
use tokio::sync::Semaphore;

use crate::StoreError;
use crate::reads::scope::SystemReads;
use crate::workspace::postgres::Address;
use crate::workspace::postgres::readers::PostgresReaders;
use crate::workspace::record::Record;
use crate::workspace::sql::{Dialect, integer};
use crate::workspace::sql_value::{Params, ResultRow};
use crate::workspace::sqlite;
use crate::workspace::sqlite::Readers;

/// The way to the reads of a database, each by the scope of whoever reads: see [`scope`]. It has no
/// read of its own. Cheap to clone.
#[derive(Clone)]
pub struct Queries {
    connections: Connections,
    /// Limits the lists that are read at the same time, so that single reads never wait for them.
    pub(crate) list_permits: Arc<Semaphore>,
    /// The tariff that was read last.
    tariff: Arc<RwLock<Arc<Tariff>>>,
}

/// How many connections of a pool are in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolUse {
    pub name: &'static str,
    pub in_use: usize,
    pub idle: usize,
}

#[derive(Clone)]
enum Connections {
    Sqlite {
        /// For reads that take some microseconds, on the caller's thread.
        single_rows: Arc<Readers>,
        /// For lists, on blocking threads.
        lists: Arc<Readers>,
    },
    Postgres(PostgresReaders),
}

impl Queries {
    /// Opens `count` connections for single reads and `lists` for lists.
    pub fn sqlite(path: &Path, count: usize, lists: usize) -> Result<Self, StoreError> {
        let open = |count| Readers::open(path, count).map(Arc::new);
        let connections = Connections::Sqlite { single_rows: open(count)?, lists: open(lists)? };
        Ok(Self::new(connections, lists))
    }

    /// A pool of at most `count` connections, of which at most `lists` read lists at the same time.
    /// Must be called within a Tokio runtime.
    pub fn postgres(address: &Address, count: usize, lists: usize) -> Result<Self, StoreError> {
        Ok(Self::new(Connections::Postgres(PostgresReaders::open(address, count)?), lists))
    }

    /// The default tariff has version 0, which no stored one has: the first use reads the tariff.
    fn new(connections: Connections, lists: usize) -> Self {
        let list_permits = Arc::new(Semaphore::new(lists));
        Self { connections, list_permits, tariff: Arc::default() }
    }

    /// How many connections are in use.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolUse> {
        match &self.connections {
            Connections::Sqlite { single_rows, lists } => {
                vec![single_rows.pool_use("single_rows"), lists.pool_use("lists")]
            }
            Connections::Postgres(readers) => vec![readers.pool_use("readers")],
        }
    }

    const fn dialect(&self) -> Dialect {
        match self.connections {
            Connections::Sqlite { .. } => Dialect::Sqlite,
            Connections::Postgres(_) => Dialect::Postgres,
        }
    }

    async fn rows<T>(
        &self,
        sql: &str,
        params: &Params<'_>,
        read_row: impl Fn(&dyn ResultRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        #[cfg(any(test, feature = "testing"))]
        recorder::record(sql, params);
        match &self.connections {
            Connections::Sqlite { single_rows, .. } => {
                sqlite::read(&*single_rows.get()?, sql, params, read_row)
            }
            Connections::Postgres(readers) => {
                readers.rows(sql, params).await?.iter().map(|row| read_row(row)).collect()
            }
        }
    }

    async fn one<R: Record>(
        &self,
        condition: &str,
        params: &Params<'_>,
    ) -> Result<Option<R>, StoreError> {
        let columns = &R::statements().columns;
        let sql =
            ["SELECT ", columns, " FROM ", R::TABLE, " WHERE ", condition, " LIMIT 1"].concat();
        Ok(self.rows(&sql, params, |row| R::from_row(row, 0)).await?.pop())
    }

    async fn many<R: Record>(
        &self,
        condition: &str,
        order: &str,
        params: &Params<'_>,
    ) -> Result<Vec<R>, StoreError> {
        let columns = &R::statements().columns;
        let sql =
            ["SELECT ", columns, " FROM ", R::TABLE, " WHERE ", condition, " ORDER BY ", order]
                .concat();
        self.rows(&sql, params, |row| R::from_row(row, 0)).await
    }
}

/// The condition, and that a row is the merchant's. The unary plus keeps both databases from looking
/// through all of the merchant's rows: the condition has the key by which rows are found.
fn of_merchant(condition: &str) -> String {
    ["(", condition, ") AND +merchant_id = :merchant"].concat()
}

impl SystemReads<'_> {
    /// Makes sure that SQLite's file is still where it was opened. On PostgreSQL there is nothing
    /// to check.
    ///
    /// # Errors
    /// [`StoreError::FileMoved`].
    pub fn check_file(&self) -> Result<(), StoreError> {
        match &self.0.connections {
            Connections::Sqlite { single_rows, lists } => {
                // Each pool remembers its own result, so both have to check.
                let (single_rows, lists) = (single_rows.check_file(), lists.check_file());
                single_rows.and(lists)
            }
            Connections::Postgres(_) => Ok(()),
        }
    }

    /// Makes sure that the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.0.rows("SELECT 1", &vec![], integer).await.map(|_| ())
    }
}
