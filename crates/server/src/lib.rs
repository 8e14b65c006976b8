//! kola: payment sessions, executions and a double-entry ledger in one self-hosted binary.
//!
//! A request becomes a `Command`; the engine loads the rows that it names, `domain` decides, and
//! the engine writes what changed, in one transaction for every command that was waiting. See
//! ARCHITECTURE.md.

pub mod api;
pub mod app;
mod callbacks;
pub mod cli;
pub mod config;
#[cfg(feature = "crash-points")]
pub mod crash;
pub mod credentials;
pub mod engine;
pub mod figures;
pub mod jobs;
pub mod net;
pub mod reconciliation;
pub mod request_id;
pub mod server;
pub mod sockets;
pub mod telemetry;
pub mod web;
