//! The double-entry ledger: wallets, system accounts, postings, and the posting recipe of each movement
//! of money.

pub mod account;
pub mod batch_chain;
pub mod fund_wallet;
pub mod funding;
pub mod incoming;
pub mod installation_check;
pub mod open_wallet;
pub mod post;
pub mod postings;
pub mod recipes;
pub mod set_wallet_status;
pub mod wallet;
