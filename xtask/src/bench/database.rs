//! The database of the server under test: a SQLite file, or a database of a private PostgreSQL
//! cluster.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rusqlite::{Connection, OpenFlags};
use store::workspace::codes::with_codes;

use crate::cluster::Cluster;

const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub enum Database {
    Sqlite(PathBuf),
    /// A database of the cluster, and a folder for the files of its servers. `primary` is the port
    /// of another host that the servers' URL names first: the primary, if this cluster is a
    /// standby.
    Postgres {
        cluster: Arc<Cluster>,
        name: String,
        folder: PathBuf,
        primary: Option<u16>,
    },
}

/// A column of a table, with its type as the database spells it.
pub struct Column {
    pub name: String,
    pub type_name: String,
}

/// How much room a table or an index takes.
#[derive(Clone, Debug)]
pub struct Size {
    pub table: String,
    /// Empty for the table itself.
    pub index: String,
    pub bytes: i64,
}

impl Database {
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

    /// The path of the log of the `number`th server on this database.
    pub fn log(&self, number: usize) -> PathBuf {
        match self {
            Self::Sqlite(path) => path.with_extension(format!("{number}.log")),
            Self::Postgres { name, folder, .. } => folder.join(format!("{name}.{number}.log")),
        }
    }

    /// Another database of this name, in the same folder or cluster.
    pub fn sibling(&self, name: &str) -> Self {
        match self {
            Self::Sqlite(path) => Self::Sqlite(path.with_file_name(format!("{name}.db"))),
            Self::Postgres { cluster, folder, .. } => {
                Self::on_cluster(Arc::clone(cluster), name, folder)
            }
        }
    }

    /// Creates an empty database on a cluster. A file is created by the server.
    pub fn create(&self) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres { cluster, name, .. } => {
                cluster.sql("postgres", &format!("CREATE DATABASE {name}")).map(drop)
            }
        }
    }

    /// Creates this database as a copy of `template`, which nobody may have open.
    pub fn copy(&self, template: &Self) -> anyhow::Result<()> {
        match (self, template) {
            (Self::Sqlite(to), Self::Sqlite(from)) => Ok(fs::copy(from, to).map(drop)?),
            (Self::Postgres { cluster, name, .. }, Self::Postgres { name: from, .. }) => {
                let copied =
                    cluster.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {from}"));
                // The copied pages are written to disk now, not in the middle of a measurement.
                copied.and_then(|_| cluster.sql("postgres", "CHECKPOINT")).map(drop)
            }
            _ => anyhow::bail!("a copy is of the same kind"),
        }
    }

    /// Vacuums and checkpoints the database after it was filled, as it would do by itself in time.
    pub fn vacuum(&self) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres { cluster, name, .. } => {
                cluster.sql(name, "VACUUM ANALYZE").and(cluster.sql(name, "CHECKPOINT")).map(drop)
            }
        }
    }

    /// Makes a checkpoint after the last server has stopped.
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

    /// What test networks hold for the merchants, in minor units of all currencies. A clearing
    /// account is debited for it.
    pub fn held_by_test_networks(&self) -> anyhow::Result<i64> {
        self.number(
            "SELECT CAST(coalesce(-sum(a.balance_minor), 0) AS BIGINT) FROM accounts AS a \
             JOIN network_accounts AS n ON n.id = a.network_account_id \
             WHERE a.kind = 'CLEARING' AND n.mode = 'TEST'",
        )
    }

    /// The payments that networks have not ended.
    pub fn open_at_networks(&self) -> anyhow::Result<i64> {
        self.number("SELECT count(*) FROM provider_attempts WHERE next_check_at IS NOT NULL")
    }

    /// How much is known of what networks take.
    pub fn operator_terms(&self) -> anyhow::Result<i64> {
        self.number("SELECT count(*) FROM operator_terms")
    }

    /// The reference and the status of every execution.
    pub fn references(&self) -> anyhow::Result<Vec<(String, String)>> {
        let reference = match self {
            Self::Sqlite(_) => {
                "(SELECT substr(hex, 1, 8) || '-' || substr(hex, 9, 4) || '-' || substr(hex, 13, 4) || '-' \
                 || substr(hex, 17, 4) || '-' || substr(hex, 21) FROM (SELECT lower(hex(reference_id)) AS hex))"
            }
            Self::Postgres { .. } => "reference_id",
        };
        let lines = self.lines(&format!(
            "SELECT {reference} || ' ' || name FROM executions \
             JOIN stored_codes ON stored_codes.type = 'execution_status' AND code = status"
        ))?;
        let pair = |line: &String| {
            let (reference, status) = line.split_once(' ').context("an execution")?;
            Ok((reference.to_owned(), status.to_owned()))
        };
        lines.iter().map(pair).collect()
    }

    pub fn bytes(&self) -> anyhow::Result<i64> {
        self.number(match self {
            Self::Sqlite(_) => {
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
            }
            Self::Postgres { .. } => "SELECT pg_database_size(current_database())",
        })
    }

    /// A counter of committed batches. It may wrap around, so only differences mean something.
    pub fn commits(&self) -> anyhow::Result<u32> {
        match self {
            Self::Sqlite(path) => committed(path),
            Self::Postgres { .. } => {
                let batches = self.number("SELECT coalesce(sum(batch), 0) FROM lanes")?;
                Ok(u32::try_from(batches.rem_euclid(i64::from(u32::MAX)))?)
            }
        }
    }

    /// Runs SQL on the database, without the server. Here and in queries codes are in the form of
    /// [`with_codes`].
    pub fn sql(&self, sql: &str) -> anyhow::Result<()> {
        let sql = with_codes(sql);
        match self {
            Self::Sqlite(path) => {
                let connection = Connection::open(path)?;
                connection.busy_timeout(TIMEOUT)?;
                Ok(connection.execute_batch(&sql)?)
            }
            Self::Postgres { cluster, name, .. } => cluster.sql(name, &sql).map(drop),
        }
    }

    /// The rows of a query with one column of text.
    pub fn lines(&self, sql: &str) -> anyhow::Result<Vec<String>> {
        let sql = with_codes(sql);
        match self {
            Self::Sqlite(path) => {
                let connection =
                    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                let mut statement = connection.prepare(&sql)?;
                let rows = statement.query_map([], |row| row.get(0))?;
                Ok(rows.collect::<Result<_, _>>()?)
            }
            Self::Postgres { cluster, name, .. } => {
                Ok(cluster.sql(name, &sql)?.lines().map(str::to_owned).collect())
            }
        }
    }

    /// The columns of a table; none if there is no such table.
    pub fn columns(&self, table: &str) -> anyhow::Result<Vec<Column>> {
        let lines = self.lines(&match self {
            Self::Sqlite(_) => {
                format!("SELECT name || ' ' || type FROM pragma_table_info('{table}') ORDER BY cid")
            }
            Self::Postgres { .. } => format!(
                "SELECT column_name || ' ' || data_type FROM information_schema.columns \
                 WHERE table_schema = 'public' AND table_name = '{table}' ORDER BY ordinal_position"
            ),
        })?;
        let column = |line: &String| {
            let (name, type_name) = line.split_once(' ').context("a column without a type")?;
            Ok(Column { name: name.to_owned(), type_name: type_name.to_owned() })
        };
        lines.iter().map(column).collect()
    }

    /// The names of all tables, in alphabetical order.
    pub fn tables(&self) -> anyhow::Result<Vec<String>> {
        self.lines(match self {
            Self::Sqlite(_) => {
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
            }
            Self::Postgres { .. } => {
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
            }
        })
    }

    /// The sizes of all tables and their indexes, in the pages that they occupy.
    pub fn sizes(&self) -> anyhow::Result<Vec<Size>> {
        let lines = self.lines(match self {
            // The index of a UNIQUE constraint has no name of its own: its columns say what it is.
            Self::Sqlite(_) => {
                "SELECT tbl_name || '|' || CASE WHEN type = 'table' THEN '' WHEN sql IS NULL THEN 'UNIQUE (' \
                 || (SELECT group_concat(name, ', ') FROM pragma_index_info(sqlite_schema.name)) || ')' ELSE name END \
                 || '|' || (SELECT sum(pgsize) FROM dbstat WHERE dbstat.name = sqlite_schema.name) \
                 FROM sqlite_schema WHERE rootpage > 0"
            }
            Self::Postgres { .. } => {
                "SELECT relname || '||' || pg_table_size(oid) FROM pg_class \
                 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' \
                 UNION ALL SELECT indrelid::regclass || '|' || relname || '|' || pg_relation_size(indexrelid) \
                 FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
                 WHERE relnamespace = 'public'::regnamespace"
            }
        })?;
        let size = |line: &String| {
            let mut parts = line.split('|');
            let mut part = || parts.next().context("the size of a table or index");
            Ok(Size {
                table: part()?.to_owned(),
                index: part()?.to_owned(),
                bytes: part()?.parse()?,
            })
        };
        lines.iter().map(size).collect()
    }

    /// The result of a query for one integer.
    pub fn number(&self, sql: &str) -> anyhow::Result<i64> {
        let sql = with_codes(sql);
        match self {
            Self::Sqlite(path) => {
                let connection =
                    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                connection.busy_timeout(TIMEOUT)?;
                Ok(connection.query_row(&sql, [], |row| row.get(0))?)
            }
            Self::Postgres { cluster, name, .. } => Ok(cluster.sql(name, &sql)?.parse()?),
        }
    }
}

/// How many transactions were committed to the log, by a counter that wraps around. SQLite keeps it
/// in the header of the log's index, as the third number (`iChange`). Reading it there costs the
/// server nothing.
fn committed(database: &Path) -> anyhow::Result<u32> {
    let mut index = database.as_os_str().to_owned();
    index.push("-shm");
    let mut header = [[0; 4]; 3];
    File::open(&index)
        .and_then(|mut file| file.read_exact(header.as_flattened_mut()))
        .with_context(|| format!("{}", PathBuf::from(index).display()))?;
    Ok(u32::from_ne_bytes(header[2]))
}

/// Moves the log of a database into its file, so that the file alone can be copied. Nobody may have
/// the database open.
fn checkpoint_log(database: &Path) -> anyhow::Result<()> {
    let connection = Connection::open(database)?;
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    ensure!(busy == 0, "{} is still open", database.display());
    Ok(())
}
