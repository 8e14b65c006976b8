//! How decisions work: the list of commands, the rows that a decision reads and changes, and events.

pub mod command;
pub mod event;
pub mod events;
pub mod preview;
pub mod retention;
pub mod row;
pub mod settings;
pub mod use_case;
pub mod workspace;
