//! Between the network and the API: the listener, limits, the authenticated caller, the request log.

pub mod challenge;
pub mod cors;
pub mod csv;
pub mod forwarded;
pub mod limits;
pub mod listen;
pub mod log;
pub mod principal;
pub mod rate_limits;
pub mod request_log;
pub mod response_permits;
pub mod server_sent_events;
pub mod unread;
