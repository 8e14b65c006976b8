//! Accounts at networks: the operator's contracts, their secrets, and what the network says that can
//! be done with them.

pub mod account;
pub mod add_account;
pub mod change_account;
pub mod exchange;
pub mod fault;
pub mod operator_terms;
pub mod record_terms;
pub mod secret;
pub mod unmatched_callback;
