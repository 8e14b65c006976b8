//! Tests that run on both databases: one schema, statements that both understand, lists that are
//! read by indexes.

mod batches;
mod due;
mod interrupting;
mod lists;
mod schema;
mod statements;
mod tariff;

use std::path::Path;

use crate::workspace::sql::Sql;
use crate::workspace::sqlite::SqliteSql;

/// A new SQLite database without a schema.
pub(crate) fn without_schema(path: &Path) -> Box<dyn Sql> {
    Box::new(SqliteSql(rusqlite::Connection::open(path).unwrap()))
}
