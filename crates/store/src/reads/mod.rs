//! What is read outside of decisions: single rows, lists, and what falls due.

pub mod lists;
pub mod queries;
