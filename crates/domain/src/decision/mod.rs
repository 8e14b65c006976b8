//! How a decision works: the rows that it sees, what it changes, and the list of commands.

pub mod command;
pub mod event;
pub mod events;
pub mod prefetch;
pub mod row;
pub mod settings;
pub mod workspace;
