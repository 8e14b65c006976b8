//! Collecting several refusals of one command.

use crate::kernel::currency::Currency;
use crate::kernel::money::{AmountFault, Decimal, Money};
use crate::kernel::refusal::Refusal;

/// Collects the refusals of one command, so that the caller reads all of them at once.
#[derive(Default, Debug)]
pub struct Refusals(Vec<Refusal>);

impl Refusals {
    pub fn add(&mut self, refusal: Refusal) {
        self.0.push(refusal);
    }

    /// Adds `refusal` unless `accepted`.
    pub fn unless(&mut self, accepted: bool, refusal: Refusal) {
        if !accepted {
            self.add(refusal);
        }
    }

    /// The value, or `None` after adding the refusal.
    pub fn take<T>(&mut self, result: Result<T, Refusal>) -> Option<T> {
        result.map_err(|refusal| self.add(refusal)).ok()
    }

    /// `Ok` when nothing was refused.
    ///
    /// # Errors
    /// All refusals that were added, in order.
    pub fn finish(self) -> Result<(), Vec<Refusal>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }

    /// The checked value when nothing was refused. A value is `None` only after its refusal was
    /// added; see [`Refusals::take`].
    ///
    /// # Errors
    /// All refusals that were added, in order.
    pub fn finish_with<T>(self, checked: Option<T>) -> Result<T, Vec<Refusal>> {
        debug_assert!(checked.is_some() || !self.0.is_empty(), "missing without a refusal");
        match checked {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }
}

/// The amount of a request as money, where the currency is known only from a stored row.
///
/// # Errors
/// [`Refusal::TooManyDecimals`], [`Refusal::AmountTooSmall`], [`Refusal::AmountTooLarge`].
pub fn request_amount(amount: Decimal, currency: Currency) -> Result<Money, Refusal> {
    amount.to_money(currency).map_err(|fault| match fault {
        AmountFault::NotPositive => Refusal::AmountTooSmall,
        AmountFault::TooManyDecimals { allowed } => Refusal::TooManyDecimals { allowed },
        AmountFault::TooLarge => Refusal::AmountTooLarge,
    })
}
