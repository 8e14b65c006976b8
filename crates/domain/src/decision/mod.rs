//! How decisions work: the list of commands, the rows that a decision reads and changes, and events.

pub mod command;
pub mod decide;
pub mod event;
pub mod events;
pub mod prefetch;
pub mod row;
pub mod settings;
pub mod workspace;
