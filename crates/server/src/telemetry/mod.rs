//! How the server does, told to other programs.

pub mod metrics;
