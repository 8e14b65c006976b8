//! Where the server under test keeps its rows: a SQLite file, or a database of a private PostgreSQL
//! cluster.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rusqlite::{Connection, OpenFlags};

use crate::cluster::Cluster;

const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub enum Database {
    /// A file.
    Sqlite(PathBuf),
    /// A database of the cluster, and a folder for what belongs to it. Servers may be told of
    /// another port before the cluster's: that of a primary which it follows.
    Postgres { cluster: Arc<Cluster>, name: String, folder: PathBuf, primary: Option<u16> },
}

impl Database {
    /// A database of a cluster.
    pub fn on_cluster(cluster: Arc<Cluster>, name: &str, folder: &Path) -> Self {
        Self::Postgres { cluster, name: name.to_owned(), folder: folder.to_owned(), primary: None }
    }

    pub fn url(&self) -> OsString {
        match self {
            Self::Sqlite(path) => {
                let mut url = OsString::from("sqlite:");
                url.push(path);
                url
            }
            Self::Postgres { cluster, name, primary, .. } => {
                cluster.url_with_primary(*primary, name).into()
            }
        }
    }

    /// Where the `number`th server on it writes its log.
    pub fn log(&self, number: usize) -> PathBuf {
        match self {
            Self::Sqlite(path) => path.with_extension(format!("{number}.log")),
            Self::Postgres { name, folder, .. } => folder.join(format!("{name}.{number}.log")),
        }
    }

    /// Another one of this name, beside it.
    pub fn sibling(&self, name: &str) -> Self {
        match self {
            Self::Sqlite(path) => Self::Sqlite(path.with_file_name(format!("{name}.db"))),
            Self::Postgres { cluster, folder, .. } => {
                Self::on_cluster(Arc::clone(cluster), name, folder)
            }
        }
    }

    /// Makes what a server can start on: nothing for a file, an empty database on a cluster.
    pub fn create(&self) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres { cluster, name, .. } => {
                cluster.sql("postgres", &format!("CREATE DATABASE {name}")).map(drop)
            }
        }
    }

    /// Makes a copy of one that nobody has open.
    pub fn copy(&self, template: &Self) -> anyhow::Result<()> {
        match (self, template) {
            (Self::Sqlite(to), Self::Sqlite(from)) => Ok(fs::copy(from, to).map(drop)?),
            (Self::Postgres { cluster, name, .. }, Self::Postgres { name: from, .. }) => {
                let copied =
                    cluster.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {from}"));
                // What was copied is written out now, not in the middle of a measurement.
                copied.and_then(|_| cluster.sql("postgres", "CHECKPOINT")).map(drop)
            }
            _ => anyhow::bail!("a copy is of the same kind"),
        }
    }

    /// Writes out and tidies up what a long filling left, as the database does by itself in time.
    pub fn vacuum(&self) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres { cluster, name, .. } => {
                cluster.sql(name, "VACUUM ANALYZE").and(cluster.sql(name, "CHECKPOINT")).map(drop)
            }
        }
    }

    /// Ends what was left open when the last server stopped.
    pub fn checkpoint(&self) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(path) => checkpoint_log(path),
            Self::Postgres { .. } => Ok(()),
        }
    }

    pub fn remove(&self) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(path) => {
                for suffix in ["", "-wal", "-shm"] {
                    let mut file = path.clone().into_os_string();
                    file.push(suffix);
                    fs::remove_file(file).ok();
                }
                Ok(())
            }
            Self::Postgres { cluster, name, .. } => {
                cluster.sql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)")).map(drop)
            }
        }
    }

    pub fn executions(&self) -> anyhow::Result<i64> {
        self.number("SELECT count(*) FROM executions")
    }

    pub fn bytes(&self) -> anyhow::Result<i64> {
        self.number(match self {
            Self::Sqlite(_) => {
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
            }
            Self::Postgres { .. } => "SELECT pg_database_size(current_database())",
        })
    }

    /// How many batches were committed; only differences count, and they may wrap.
    pub fn commits(&self) -> anyhow::Result<u32> {
        match self {
            Self::Sqlite(path) => committed(path),
            Self::Postgres { .. } => {
                let batches = self.number("SELECT coalesce(sum(batch), 0) FROM lanes")?;
                Ok(u32::try_from(batches.rem_euclid(i64::from(u32::MAX)))?)
            }
        }
    }

    /// Changes it behind the server's back.
    pub fn sql(&self, sql: &str) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(path) => {
                let connection = Connection::open(path)?;
                connection.busy_timeout(TIMEOUT)?;
                Ok(connection.execute_batch(sql)?)
            }
            Self::Postgres { cluster, name, .. } => cluster.sql(name, sql).map(drop),
        }
    }

    /// The rows of a query of one text.
    pub fn lines(&self, sql: &str) -> anyhow::Result<Vec<String>> {
        match self {
            Self::Sqlite(path) => {
                let connection =
                    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                let mut statement = connection.prepare(sql)?;
                let rows = statement.query_map([], |row| row.get(0))?;
                Ok(rows.collect::<Result<_, _>>()?)
            }
            Self::Postgres { cluster, name, .. } => {
                Ok(cluster.sql(name, sql)?.lines().map(str::to_owned).collect())
            }
        }
    }

    /// The columns of a table.
    pub fn columns(&self, table: &str) -> anyhow::Result<Vec<String>> {
        self.lines(&match self {
            Self::Sqlite(_) => format!("SELECT name FROM pragma_table_info('{table}')"),
            Self::Postgres { .. } => format!(
                "SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'"
            ),
        })
    }

    /// A look into it from outside, between the measurements.
    pub fn number(&self, sql: &str) -> anyhow::Result<i64> {
        match self {
            Self::Sqlite(path) => {
                let connection =
                    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                connection.busy_timeout(TIMEOUT)?;
                Ok(connection.query_row(sql, [], |row| row.get(0))?)
            }
            Self::Postgres { cluster, name, .. } => Ok(cluster.sql(name, sql)?.parse()?),
        }
    }
}

/// The number of transactions that have been committed to the log, by a counter that wraps. SQLite
/// keeps it in the header of the log's index, as the third number (`iChange`), so that it costs the
/// server nothing to be asked.
fn committed(database: &Path) -> anyhow::Result<u32> {
    let mut index = database.as_os_str().to_owned();
    index.push("-shm");
    let mut header = [[0; 4]; 3];
    File::open(&index)
        .and_then(|mut file| file.read_exact(header.as_flattened_mut()))
        .with_context(|| format!("{}", PathBuf::from(index).display()))?;
    Ok(u32::from_ne_bytes(header[2]))
}

/// Moves everything from the log of a database that nobody has open into its one file, so that the
/// file can be copied.
fn checkpoint_log(database: &Path) -> anyhow::Result<()> {
    let connection = Connection::open(database)?;
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    ensure!(busy == 0, "{} is still open", database.display());
    Ok(())
}
