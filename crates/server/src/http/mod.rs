//! The HTTP API: the only place that knows JSON and status codes.
pub mod auth;
