//! Checked arithmetic, and the error of rows that contradict each other.

/// Rows contradict each other, or a sum overflows where it must not: an error of ours, never of the
/// caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inconsistent(pub String);

/// # Errors
/// [`Inconsistent`] on overflow.
pub fn sum(a: i64, b: i64) -> Result<i64, Inconsistent> {
    a.checked_add(b).ok_or_else(|| Inconsistent(format!("{a} + {b} does not fit")))
}

/// # Errors
/// [`Inconsistent`] on overflow.
pub fn difference(a: i64, b: i64) -> Result<i64, Inconsistent> {
    a.checked_sub(b).ok_or_else(|| Inconsistent(format!("{a} - {b} does not fit")))
}
