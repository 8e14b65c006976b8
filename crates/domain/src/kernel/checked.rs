//! Sums that must fit, and rows that contradict each other.

/// Rows contradict each other, or a sum does not fit where it must: a fault of ours, never of the
/// caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inconsistent(pub String);

/// A checked sum that must fit.
///
/// # Errors
/// [`Inconsistent`] when it does not.
pub fn sum(a: i64, b: i64) -> Result<i64, Inconsistent> {
    a.checked_add(b).ok_or_else(|| Inconsistent(format!("{a} + {b} does not fit")))
}

/// A checked difference that must fit.
///
/// # Errors
/// [`Inconsistent`] when it does not.
pub fn difference(a: i64, b: i64) -> Result<i64, Inconsistent> {
    a.checked_sub(b).ok_or_else(|| Inconsistent(format!("{a} - {b} does not fit")))
}
