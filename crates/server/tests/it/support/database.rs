//! A database for each test: a file of SQLite's, or a database of its own in the PostgreSQL that
//! the run was given.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tempfile::TempDir;

use super::PATIENCE;
use super::postgres::Own;

/// The URL of the superuser of a PostgreSQL on which the tests are to run; without it they run on
/// SQLite.
pub(crate) fn postgres() -> Option<String> {
    std::env::var("KOLA_TEST_POSTGRES").ok().filter(|url| !url.is_empty())
}

/// A fresh database, and a directory beside it. Clones are the same database, which goes with the
/// last of them.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) dir: Arc<TempDir>,
    home: Arc<Home>,
}

enum Home {
    Sqlite(PathBuf),
    Postgres(Own),
}

/// What makes the ledger append-only, switched off for the connection that says so or, in SQLite,
/// for good.
const UNPROTECTED_SQLITE: &str =
    "DROP TRIGGER IF EXISTS entries_are_not_changed; DROP TRIGGER IF EXISTS entries_are_not_removed;
    DROP TRIGGER IF EXISTS events_are_not_changed; DROP TRIGGER IF EXISTS events_are_not_removed;";
const UNPROTECTED_POSTGRES: &str = "SET session_replication_role = replica;";

impl Database {
    pub(crate) fn new() -> Self {
        let Some(admin) = postgres() else { return Self::in_a_file() };
        let dir = TempDir::new().expect("a directory");
        Self { dir: Arc::new(dir), home: Arc::new(Home::Postgres(Own::create(&admin))) }
    }

    /// A file of SQLite's, in a run on PostgreSQL too.
    pub(crate) fn in_a_file() -> Self {
        let dir = TempDir::new().expect("a directory");
        let home = Home::Sqlite(dir.path().join("kola.db"));
        Self { dir: Arc::new(dir), home: Arc::new(home) }
    }

    pub(crate) fn url(&self) -> String {
        match &*self.home {
            Home::Sqlite(file) => format!("sqlite:{}", file.display()),
            Home::Postgres(own) => own.url.clone(),
        }
    }

    /// The database as one of PostgreSQL's.
    #[track_caller]
    pub(crate) fn postgres(&self) -> &Own {
        match &*self.home {
            Home::Sqlite(_) => panic!("this test is about PostgreSQL"),
            Home::Postgres(own) => own,
        }
    }

    /// Runs SQL statements behind the server's back.
    #[track_caller]
    pub(crate) fn sql(&self, text: &str) {
        self.try_sql(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    }

    /// The same where the database may refuse; answers why.
    pub(crate) fn try_sql(&self, text: &str) -> Result<(), String> {
        match &*self.home {
            Home::Sqlite(file) => {
                sqlite(file).execute_batch(text).map_err(|error| error.to_string())
            }
            Home::Postgres(own) => {
                own.connect().batch_execute(text).map_err(|error| format!("{error:?}"))
            }
        }
    }

    /// Runs SQL statements that the append-only ledger would refuse.
    #[track_caller]
    pub(crate) fn damage(&self, text: &str) {
        let unprotected = match &*self.home {
            Home::Sqlite(_) => UNPROTECTED_SQLITE,
            Home::Postgres(_) => UNPROTECTED_POSTGRES,
        };
        self.sql(&format!("{unprotected} {text}"));
    }

    /// The rows of a query, each value as text; NULL is an empty one.
    #[track_caller]
    pub(crate) fn rows(&self, query: &str) -> Vec<Vec<String>> {
        match &*self.home {
            Home::Sqlite(file) => sqlite_rows(&sqlite(file), query),
            Home::Postgres(own) => own.rows(query),
        }
    }

    /// The one value that a query answers.
    #[track_caller]
    pub(crate) fn value(&self, query: &str) -> String {
        let rows = self.rows(query);
        assert!(rows.len() == 1 && rows[0].len() == 1, "not one value: {query}: {rows:?}");
        rows[0][0].clone()
    }

    /// What the database says about a table that is not there.
    pub(crate) fn no_such_table(&self) -> &'static str {
        match &*self.home {
            Home::Sqlite(_) => "no such table",
            Home::Postgres(_) => "does not exist",
        }
    }
}

fn sqlite(file: &PathBuf) -> Connection {
    let connection = Connection::open(file).expect("the database");
    connection.busy_timeout(PATIENCE).expect("a timeout");
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
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
    }
}
