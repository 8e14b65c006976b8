//! Every rule of kola.
//!
//! Plain values in, decisions out: no SQL, no async, no clock, no randomness, no JSON. What decides
//! here is what runs in production, in the tests and in the simulator.

pub mod decision;
pub mod directory;
pub mod exceptions;
pub mod kernel;
pub mod ledger;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod payments;
pub mod sales;
pub mod tariff;

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
