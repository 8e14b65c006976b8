//! Every rule of kola.
//!
//! Plain values in, decisions out: no SQL, no async, no clock, no randomness, no JSON. The same
//! code runs in production, in the tests and in the simulator.

pub mod audit;
pub mod decision;
pub mod directory;
pub mod exceptions;
pub mod kernel;
pub mod ledger;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod network_accounts;
pub mod payments;
pub mod people;
pub mod reconciliation;
pub mod sales;
pub mod tariff;
pub mod webhooks;

/// A deliberate fault at one line of the code; see [`mutants`].
///
/// `mutant!(Name)` is whether the fault was chosen. `mutant!(Name => return wrong(arguments))`
/// returns the result of [`mutants::faults`]`::wrong`, unless that is `None`;
/// `mutant!(Name => wrong(arguments)?)` calls it and continues.
#[cfg(feature = "mutants")]
#[macro_export]
macro_rules! mutant {
    ($name:ident) => {
        $crate::mutants::is($crate::mutants::Mutant::$name)
    };
    ($name:ident => return $wrong:ident($($argument:expr),* $(,)?)) => {
        if $crate::mutant!($name)
            && let Some(result) = $crate::mutants::faults::$wrong($($argument),*)
        {
            return result;
        }
    };
    ($name:ident => $wrong:ident($($argument:expr),* $(,)?)?) => {
        if $crate::mutant!($name) {
            $crate::mutants::faults::$wrong($($argument),*)?;
        }
    };
}

/// Deliberate faults are not compiled without the feature `mutants`.
#[cfg(not(feature = "mutants"))]
#[macro_export]
macro_rules! mutant {
    ($name:ident) => {
        false
    };
    ($name:ident => $($wrong:tt)*) => {};
}
