//! What falls due.
pub mod dispatch;
