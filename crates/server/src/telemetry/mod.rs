//! What the operator is told of the running server, beside the log.

pub mod disk;
pub mod metrics;
pub mod traces;
