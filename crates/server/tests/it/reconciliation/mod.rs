//! Reconciliation: statements of networks beside the ledger.

mod screens;
pub(crate) mod stage;
