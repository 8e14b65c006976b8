//! Rows in, rows out: the only place that knows SQL.

pub mod queries;

/// Why the store could not do it.
#[derive(thiserror::Error, Debug)]
pub enum StoreError {
    /// The database refused or failed.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
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
}
