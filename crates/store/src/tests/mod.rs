//! What holds on both databases: one schema, statements that both understand, and lists that are
//! read by indexes.

mod due;
mod lists;
mod schema;
mod statements;
mod tariff;

use std::path::Path;

use crate::workspace::sql::Sql;
use crate::workspace::sqlite::SqliteSql;

/// A SQLite database without a schema, as a start makes one before it gives it its name.
pub(crate) fn bare(path: &Path) -> Box<dyn Sql> {
    Box::new(SqliteSql(rusqlite::Connection::open(path).unwrap()))
}
