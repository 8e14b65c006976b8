//! How rows are loaded for a decision and written after it, on SQLite and on PostgreSQL.

pub mod bulk_sql;
pub mod codes;
pub mod deleting;
mod execution_intent;
pub mod file;
pub mod postgres;
pub mod record;
pub(crate) mod rows;
mod session_intent;
pub mod sql;
pub mod sql_value;
pub mod sqlite;
