//! A database for each test: a SQLite file, or a database in the PostgreSQL that the run was given.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use store::workspace::codes::with_codes;
use tempfile::TempDir;

use super::postgres::PostgresDatabase;
use super::{WAIT_MAX, template};

/// The URL of the superuser of the PostgreSQL on which the tests run; `None` when they run on SQLite.
pub(crate) fn postgres() -> Option<String> {
    std::env::var("KOLA_TEST_POSTGRES").ok().filter(|url| !url.is_empty())
}

/// A new database, and a directory for the files of its test. Clones are the same database, which is
/// removed with the last of them.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) dir: Arc<TempDir>,
    backend: Arc<Backend>,
    /// Whether it was made with the schema in it.
    pub(super) has_schema: bool,
    /// Whether a server was ever started on it; see `in_process`.
    has_server: Arc<AtomicBool>,
}

enum Backend {
    Sqlite(PathBuf),
    Postgres(PostgresDatabase),
}

/// Switches off what makes the ledger append-only: on PostgreSQL for the connection, on SQLite for
/// good.
const UNPROTECTED_SQLITE: &str =
    "DROP TRIGGER IF EXISTS entries_are_not_changed; DROP TRIGGER IF EXISTS entries_are_not_removed;
    DROP TRIGGER IF EXISTS events_are_not_changed; DROP TRIGGER IF EXISTS events_are_not_removed;
    DROP TRIGGER IF EXISTS audit_is_not_changed; DROP TRIGGER IF EXISTS audit_is_not_removed;";
const UNPROTECTED_POSTGRES: &str = "SET session_replication_role = replica;";

impl Database {
    /// An empty database: the first process that opens it makes the schema.
    pub(crate) fn new() -> Self {
        let Some(admin) = postgres() else { return Self::in_a_file() };
        Self::at(
            directory(),
            Backend::Postgres(PostgresDatabase::create(&admin, "template0")),
            false,
        )
    }

    /// An empty SQLite database, in a run on PostgreSQL too.
    pub(crate) fn in_a_file() -> Self {
        let dir = directory();
        let backend = Backend::Sqlite(dir.path().join("kola.db"));
        Self::at(dir, backend, false)
    }

    /// A database with the schema and no merchant, for tests that are not about the first start.
    pub(crate) fn with_schema() -> Self {
        let dir = directory();
        let backend = match postgres() {
            None => {
                let file = dir.path().join("kola.db");
                template::write_sqlite(&file);
                Backend::Sqlite(file)
            }
            Some(admin) => {
                let database = PostgresDatabase::create(&admin, template::postgres_name(&admin));
                database.connect().batch_execute(&template::new_identity()).expect("an identity");
                Backend::Postgres(database)
            }
        };
        Self::at(dir, backend, true)
    }

    fn at(dir: TempDir, backend: Backend, has_schema: bool) -> Self {
        let has_server = Arc::new(AtomicBool::new(false));
        Self { dir: Arc::new(dir), backend: Arc::new(backend), has_schema, has_server }
    }

    pub(super) fn has_server(&self) -> bool {
        self.has_server.load(Ordering::SeqCst)
    }

    /// Notes that a server is started; answers whether one was started before.
    pub(super) fn note_server(&self) -> bool {
        self.has_server.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        match &*self.backend {
            Backend::Sqlite(file) => format!("sqlite:{}", file.display()),
            Backend::Postgres(database) => database.url.clone(),
        }
    }

    /// The PostgreSQL database.
    #[track_caller]
    pub(crate) fn postgres(&self) -> &PostgresDatabase {
        match &*self.backend {
            Backend::Sqlite(_) => panic!("this test is about PostgreSQL"),
            Backend::Postgres(database) => database,
        }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(&*self.backend, Backend::Sqlite(_))
    }

    /// The columns of a table.
    #[track_caller]
    pub(crate) fn columns(&self, table: &str) -> Vec<String> {
        let sql = if self.is_sqlite() {
            format!("SELECT name FROM pragma_table_info('{table}')")
        } else {
            format!(
                "SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' \
                 AND table_schema = current_schema()"
            )
        };
        self.rows(&sql).concat()
    }

    /// Runs SQL statements behind the server's back. Here and in [`Self::rows`] codes are in the form
    /// of [`with_codes`].
    #[track_caller]
    pub(crate) fn sql(&self, text: &str) {
        self.try_sql(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    }

    /// The same where the database may refuse the statements; the error is its message.
    pub(crate) fn try_sql(&self, text: &str) -> Result<(), String> {
        match &*self.backend {
            Backend::Sqlite(file) => {
                sqlite(file).execute_batch(&with_codes(text)).map_err(|error| error.to_string())
            }
            Backend::Postgres(database) => database
                .connect()
                .batch_execute(&with_codes(text))
                .map_err(|error| format!("{error:?}")),
        }
    }

    /// Runs SQL statements that the append-only tables would refuse, with codes in the form of
    /// [`with_codes`].
    #[track_caller]
    pub(crate) fn damage(&self, text: &str) {
        let unprotected = match &*self.backend {
            Backend::Sqlite(_) => UNPROTECTED_SQLITE,
            Backend::Postgres(_) => UNPROTECTED_POSTGRES,
        };
        self.sql(&format!("{unprotected} {}", with_codes(text)));
    }

    /// The rows of a query, each value as text; NULL is an empty text.
    #[track_caller]
    pub(crate) fn rows(&self, query: &str) -> Vec<Vec<String>> {
        match &*self.backend {
            Backend::Sqlite(file) => sqlite_rows(&sqlite(file), &with_codes(query)),
            Backend::Postgres(database) => database.rows(&with_codes(query)),
        }
    }

    /// The single value that a query returns.
    #[track_caller]
    pub(crate) fn value(&self, query: &str) -> String {
        let rows = self.rows(query);
        assert!(rows.len() == 1 && rows[0].len() == 1, "not one value: {query}: {rows:?}");
        rows[0][0].clone()
    }

    /// Every row of every table but these, as text: what must be the same where nothing was written.
    #[track_caller]
    pub(crate) fn contents(&self, except: &[&str]) -> BTreeMap<String, Vec<String>> {
        let (tables, sqlite) = match &*self.backend {
            Backend::Sqlite(_) => (
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
                true,
            ),
            Backend::Postgres(_) => {
                ("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", false)
            }
        };
        let first = |row: Vec<String>| row.into_iter().next().unwrap_or_default();
        let names = self.rows(tables).into_iter().map(first);
        let wanted = names.filter(|name| !except.contains(&name.as_str()));
        let rows_of = |table: &str| {
            let row = if sqlite {
                let columns = self.rows(&format!("SELECT name FROM pragma_table_info('{table}')"));
                let quoted = columns.into_iter().map(|name| format!("quote(\"{}\")", first(name)));
                quoted.collect::<Vec<_>>().join(" || ',' || ")
            } else {
                "t::text".to_owned()
            };
            let rows = self.rows(&format!("SELECT {row} FROM \"{table}\" AS t ORDER BY 1"));
            rows.into_iter().map(first).collect()
        };
        wanted.map(|table| (table.clone(), rows_of(&table))).collect()
    }

    /// Part of the database's message about a table that does not exist.
    pub(crate) fn no_such_table(&self) -> &'static str {
        match &*self.backend {
            Backend::Sqlite(_) => "no such table",
            Backend::Postgres(_) => "does not exist",
        }
    }
}

fn directory() -> TempDir {
    TempDir::new().expect("a directory")
}

fn sqlite(file: &PathBuf) -> Connection {
    let connection = Connection::open(file).expect("the database");
    connection.busy_timeout(WAIT_MAX).expect("a timeout");
    connection
}

#[track_caller]
fn sqlite_rows(connection: &Connection, query: &str) -> Vec<Vec<String>> {
    let mut statement = connection.prepare(query).expect("a query");
    let columns = statement.column_count();
    let read = |row: &rusqlite::Row<'_>| {
        (0..columns).map(|column| row.get_ref(column).map(shown)).collect()
    };
    statement.query_map([], read).expect("rows").map(|row| row.expect("a row")).collect()
}

fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        // As PostgreSQL writes them.
        ValueRef::Blob(bytes) => uuid::Uuid::from_slice(bytes).expect("a UUID").to_string(),
    }
}
