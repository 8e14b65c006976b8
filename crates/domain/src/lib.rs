//! Every rule of kola.
//!
//! Plain values in, decisions out: no SQL, no async, no clock, no randomness, no JSON. What decides here is what runs in
//! production, in the tests and in the simulator.

pub mod account;
pub mod tariff;
pub mod caller;
pub mod change;
pub mod checkout;
pub mod command;
pub mod contradiction;
pub mod country;
pub mod currency;
pub mod event;
pub mod execute;
pub mod execution;
pub mod fees;
pub mod ids;
mod late;
pub mod ledger;
pub mod merchant;
pub mod money;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod names;
pub mod party;
pub mod passcode;
pub mod rates;
pub mod recipient;
pub mod refund;
pub mod refusal;
pub mod review;
pub mod session;
pub mod settle;
pub mod source;
pub mod time;
pub mod wallet;
pub mod workspace;

/// Whether a deliberate fault was chosen; see [`mutants`].
#[cfg(feature = "mutants")]
#[macro_export]
macro_rules! mutant {
    ($name:ident) => {
        $crate::mutants::is($crate::mutants::Mutant::$name)
    };
}

/// Whether a deliberate fault was chosen: they are not compiled.
#[cfg(not(feature = "mutants"))]
#[macro_export]
macro_rules! mutant {
    ($name:ident) => {
        false
    };
}
