//! Reconciliation: statements come from files of a dashboard and from what networks say of an account
//! when they are asked, are compared with the ledger, and are booked once an operator has accepted
//! them.

pub mod asking;
pub mod balances;
pub mod fetching;
pub mod file;
pub mod ledger;
pub mod mapping;
pub mod pawapay;
pub mod posting;
pub mod reading;
mod records;
pub mod stripe;
