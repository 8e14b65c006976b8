//! Reconciliation: whether an account at a network and the ledger agree on what was paid. What the
//! network's statements say is compared line by line, and what differs is for an operator to explain.

pub mod reported;
