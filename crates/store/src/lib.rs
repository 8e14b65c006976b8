//! The only place that knows SQL: it loads rows for decisions and writes them back, answers reads,
//! and manages the schema, on SQLite and on PostgreSQL.

pub mod chain;
pub mod clock;
mod database;
mod error;
pub mod hex;
mod lane_store;
pub mod progress;
pub mod reads;
pub mod schema;
pub mod small_file;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod workspace;

pub use database::{Database, POSTGRES_CONNECTIONS};
pub use error::{StoreError, Trouble};
pub use lane_store::Store;

#[cfg(test)]
mod tests;
