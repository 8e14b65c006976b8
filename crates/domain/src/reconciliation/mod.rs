//! Reconciliation: whether an account at a network and the ledger agree on what was paid. What the
//! network's statements say is compared line by line, and what differs is for an operator to explain.
//!
//! A statement that an operator accepts is booked: what the network really took as fees, what it
//! exchanged, and what went to or came from the bank. These belong to no merchant, so they are booked
//! for the installation, on accounts of its own beside those of the merchants.

pub mod accept;
pub mod balance;
pub mod close_difference;
pub mod compare;
pub mod difference;
pub mod line;
pub mod post_lines;
pub mod record_lines;
pub mod reported;
pub mod run;
pub mod statement;
