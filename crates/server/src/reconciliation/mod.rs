//! Reconciliation: statements of networks are read, compared with the ledger, and booked once an
//! operator has accepted them.

pub mod ledger;
pub mod posting;
pub mod reading;
