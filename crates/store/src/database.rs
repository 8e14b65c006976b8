use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::reads::Queries;
use crate::reads::scope::OperatorReads;
use crate::schema::migrate;
use crate::workspace::{file, postgres, sql, sqlite};
use crate::{Store, StoreError};

/// The location of the database, as a URL names it.
#[derive(Clone, Debug)]
pub enum Database {
    /// The path of the database file.
    Sqlite(PathBuf),
    /// One server, or several of which one accepts writes.
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

/// Two lanes a process: one decides a batch while the other one commits.
const POSTGRES_LANES: usize = 2;
/// On SQLite a single read takes some microseconds, so few connections serve many requests.
const SQLITE_READERS: usize = 4;
/// More than on SQLite, since a read on PostgreSQL waits for the network.
const POSTGRES_READERS: usize = 8;
/// Lists may use half of the connections, so single reads never wait for lists.
const POSTGRES_LISTS: usize = POSTGRES_READERS / 2;
/// How many connections a server has to PostgreSQL at most: with one of its own for a verification.
pub const POSTGRES_CONNECTIONS: usize = POSTGRES_LANES + POSTGRES_READERS + 1;
const MAX_SQLITE_LIST_READERS: usize = 4;

/// On SQLite each list that is read keeps a processor busy, so lists may use half of them.
fn sqlite_list_readers() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (processors / 2).clamp(1, MAX_SQLITE_LIST_READERS)
}

impl Database {
    /// The folder of the database file; `None` on PostgreSQL, whose disk is that of its server.
    #[must_use]
    pub fn folder(&self) -> Option<PathBuf> {
        let Self::Sqlite(path) = self else { return None };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Some(folder.unwrap_or_else(|| Path::new(".")).to_owned())
    }

    /// The name of the database system.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    /// A blocking connection, with the schema brought up to date. A database that does not exist is
    /// created, with the market of the file. Must not be called within a Tokio runtime.
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

    /// A blocking connection to an existing database, whose schema is left as it is. Must not be
    /// called within a Tokio runtime.
    pub fn open_as_it_is(&self) -> Result<Box<dyn sql::Sql>, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(sqlite::SqliteSql(sqlite::open_as_it_is(path)?)),
            Self::Postgres(config) => Box::new(postgres::PostgresSql::connect(config)?),
        })
    }

    /// Another connection for a process that has the database open already. It looks at the file through
    /// SQLite alone: whoever opens the file by itself and closes it again takes the locks away that
    /// the process has on it, and then nobody knows that it is in use.
    pub fn open_beside(&self) -> Result<Box<dyn sql::Sql>, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(sqlite::SqliteSql(sqlite::connect(path)?)),
            Self::Postgres(config) => Box::new(postgres::PostgresSql::connect(config)?),
        })
    }

    /// The store of one lane, on a database whose schema is up to date. Must not be called within a
    /// Tokio runtime.
    pub fn store(&self) -> Result<Box<dyn Store + Send>, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(sqlite::SqliteStore::new(sqlite::open(path)?)?),
            Self::Postgres(address) => Box::new(postgres::lane::PostgresStore::open(address)?),
        })
    }

    /// The stores of all lanes of a server. Must not be called within a Tokio runtime.
    pub fn stores(&self) -> Result<Vec<Box<dyn Store + Send>>, StoreError> {
        match self {
            Self::Sqlite(path) => {
                let connection = sqlite::open(path)?;
                file::renew_application_id(&connection)?;
                Ok(vec![Box::new(sqlite::SqliteStore::new(connection)?)])
            }
            Self::Postgres(_) => (0..POSTGRES_LANES).map(|_| self.store()).collect(),
        }
    }

    /// The reads, on a database whose schema is up to date. Must be called within a Tokio runtime.
    pub fn queries(&self) -> Result<Queries, StoreError> {
        match self {
            Self::Sqlite(path) => Queries::sqlite(path, SQLITE_READERS, sqlite_list_readers()),
            Self::Postgres(address) => Queries::postgres(address, POSTGRES_READERS, POSTGRES_LISTS),
        }
    }

    /// The reads of all merchants' rows, for the command line. As for [`Self::queries`], the schema
    /// is up to date and the caller is within a Tokio runtime.
    pub fn operator_reads(&self) -> Result<OperatorReads, StoreError> {
        self.queries().map(OperatorReads::new)
    }
}
