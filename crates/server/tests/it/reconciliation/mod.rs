//! Reconciliation: statements of networks beside the ledger.

mod screens;
mod stage;
