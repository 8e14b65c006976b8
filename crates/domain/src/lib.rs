//! Every rule of kola.
//!
//! Plain values in, decisions out: no SQL, no async, no clock, no randomness, no JSON. What decides here is what runs in
//! production, in the tests and in the simulator.

pub mod account;
pub mod book;
pub mod checkout;
pub mod command;
pub mod currency;
pub mod event;
pub mod execute;
pub mod execution;
pub mod fees;
pub mod ids;
pub mod ledger;
pub mod merchant;
pub mod money;
pub mod names;
pub mod party;
pub mod rejection;
pub mod review;
pub mod session;
pub mod settle;
pub mod source;
pub mod time;
pub mod wallet;
pub mod world;
