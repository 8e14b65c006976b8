//! Connections: the listener, limits, who asks, what is logged.

pub mod challenge;
pub mod cors;
pub mod forwarded;
pub mod limits;
pub mod listen;
pub mod log;
pub mod principal;
pub mod rate_limits;
pub mod response_permits;
pub mod unread;
