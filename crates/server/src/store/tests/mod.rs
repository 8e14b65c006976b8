//! What holds on both databases: one schema, statements that both understand, and lists that are read by indexes.
//!
//! Tests that need PostgreSQL run where `KOLA_TEST_POSTGRES` has the URL of its superuser, as `cargo xtask test` gives it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::Write as _;
use std::path::Path;

use tokio::runtime::Runtime;

use super::postgres::readers::IN_ORDER;
use super::postgres::{Address, PostgresSql};
use super::queries::Queries;
use super::sql::{Dialect, OwnedRow, Params, Sql, Value, numbered};
use super::sqlite::SqliteSql;
use super::{Database, StoreError};
use crate::clock;
use crate::hex::hex;

mod counts;
mod due;
mod lists;
mod schema;
mod statements;
mod tariff;

thread_local! {
    static ASKED: RefCell<Vec<(String, Params<'static>)>> = const { RefCell::new(Vec::new()) };
}

/// Notes a read of this thread: all reads pass here.
pub(super) fn note(sql: &str, params: &Params<'_>) {
    let owned = |value: &Value<'_>| match value {
        Value::Int(value) => Value::Int(*value),
        Value::Text(text) => Value::Text(text.as_ref().map(|text| Cow::Owned(text.clone().into_owned()))),
    };
    let params = params.iter().map(|(name, value)| (*name, owned(value))).collect();
    ASKED.with_borrow_mut(|asked| asked.push((sql.to_owned(), params)));
}

/// A SQLite database without a schema, as a start makes one before it gives it its name.
fn bare(path: &Path) -> Box<dyn Sql> {
    Box::new(SqliteSql(rusqlite::Connection::open(path).unwrap()))
}

/// The URL of PostgreSQL's superuser; `None` where there is none, which is said where the test runner does not swallow it.
fn superuser() -> Option<String> {
    let url = std::env::var("KOLA_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
    if url.is_none() {
        writeln!(std::io::stderr(), "SKIPPED the tests of store that are about PostgreSQL").unwrap();
    }
    url
}

/// A database of PostgreSQL's that is dropped with this.
struct Own {
    admin: String,
    name: String,
}

impl Own {
    /// Runs a statement that may take its time, as the superuser.
    fn run(admin: &str, sql: &str) -> Result<(), StoreError> {
        let mut admin = PostgresSql::connect(&Address::parse(admin).unwrap())?;
        admin.script("SET statement_timeout = 0")?;
        admin.script(sql)
    }

    fn create(admin: &str) -> (Self, Database) {
        let name = format!("kola_store_{}", hex(&clock::random::<8>().unwrap()));
        // Nobody is ever connected to template0, so that many tests can copy it at once.
        Self::run(admin, &format!("CREATE DATABASE {name} TEMPLATE template0")).unwrap();
        let (server, database) = admin.rsplit_once('/').unwrap();
        let parameters = database.find('?').map_or("", |at| &database[at..]);
        let place = format!("{server}/{name}{parameters}").parse().unwrap();
        (Self { admin: admin.to_owned(), name }, place)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _dropped = Self::run(&self.admin, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// Where a database is that goes with the test.
enum Home {
    Sqlite(#[expect(dead_code, reason = "the directory goes with it")] tempfile::TempDir),
    Postgres(#[expect(dead_code, reason = "the database goes with it")] Own),
}

/// A new database with today's schema: what reads it, and a connection that looks into it.
struct Stage {
    queries: Queries,
    runtime: Runtime,
    sql: Box<dyn Sql>,
    place: Database,
    _home: Home,
}

impl Stage {
    fn open(place: &Database, home: Home) -> Self {
        let sql = place.open(None).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let queries = runtime.block_on(async { place.queries().unwrap() });
        Self { queries, runtime, sql, place: place.clone(), _home: home }
    }

    fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Database::Sqlite(directory.path().join("kola.db"));
        Self::open(&place, Home::Sqlite(directory))
    }

    fn postgres() -> Option<Self> {
        let (own, place) = Own::create(&superuser()?);
        Some(Self::open(&place, Home::Postgres(own)))
    }

    /// On SQLite, and on PostgreSQL where there is one.
    fn both() -> impl Iterator<Item = Self> {
        std::iter::once(Self::sqlite()).chain(Self::postgres())
    }

    /// Reads.
    fn ask<T>(&self, read: impl AsyncFnOnce(&Queries) -> T) -> T {
        self.runtime.block_on(read(&self.queries))
    }

    /// The first column of what a statement answers.
    fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows = self.sql.rows(sql, &vec![]).unwrap_or_else(|error| panic!("{error}: {sql}"));
        rows.iter().map(|row| row.text(0).unwrap_or_default().to_owned()).collect()
    }

    /// How the database runs the reads of this thread since the last time. PostgreSQL plans a statement for its parameters at
    /// first, and after some runs once for all if that seems no dearer: then these are two.
    fn plans(&mut self) -> Vec<(String, Vec<String>)> {
        let asked = ASKED.take();
        asked.into_iter().map(|(sql, params)| (sql.clone(), self.plans_of(&sql, &params))).collect()
    }

    fn plans_of(&mut self, sql: &str, params: &Params<'_>) -> Vec<String> {
        let told = |rows: Vec<OwnedRow>, column: usize| {
            rows.iter().map(|row| row.text(column).unwrap_or_default().to_owned()).collect::<Vec<_>>().join("\n")
        };
        match self.sql.dialect() {
            Dialect::Sqlite => vec![told(self.sql.rows(&format!("EXPLAIN QUERY PLAN {sql}"), params).unwrap(), 3)],
            Dialect::Postgres => {
                let (types, values): (Vec<_>, Vec<_>) = params.iter().map(|(_, value)| literal(value)).unzip();
                let (types, values) = (list(&types), list(&values));
                self.sql.script(IN_ORDER).unwrap();
                self.sql.script(&format!("PREPARE often {types} AS {}", numbered(sql, params))).unwrap();
                let mut run = || told(self.sql.rows(&format!("EXPLAIN EXECUTE often {values}"), &vec![]).unwrap(), 0);
                let (at_first, later) = (run(), (0..6).map(|_| run()).last().unwrap());
                self.sql.script("DEALLOCATE often").unwrap();
                vec![at_first, later]
            }
        }
    }
}

/// The type and the value of a parameter, as PostgreSQL spells them.
fn literal(value: &Value<'_>) -> (&'static str, String) {
    match value {
        Value::Int(value) => ("bigint", value.map_or("NULL".to_owned(), |value| value.to_string())),
        Value::Text(text) => {
            ("text", text.as_ref().map_or("NULL".to_owned(), |text| format!("'{}'", text.replace('\'', "''"))))
        }
    }
}

/// In brackets, but nothing where there is nothing.
fn list<T: std::borrow::Borrow<str>>(parts: &[T]) -> String {
    if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) }
}
