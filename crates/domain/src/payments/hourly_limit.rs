//! Limits of so many in an hour. A token bucket that refills steadily has its whole state in one
//! timestamp: when it is full again.

use crate::kernel::time::{minutes, seconds};

/// Takes one out of a bucket of `per_hour`, at the time `now` of the clock that the bucket is kept by,
/// in microseconds. `full_at` is when the stored bucket is full again, if there is one; `max_skew_us` is
/// by how much the clock that wrote it may have been ahead. Returns when the bucket is full after this.
///
/// # Errors
/// The seconds until one may be taken.
pub(crate) fn take(
    full_at: Option<i64>,
    now: i64,
    per_hour: i64,
    max_skew_us: i64,
) -> Result<i64, i64> {
    let hour = minutes(60);
    // A bucket never takes longer than an hour to refill. A time further ahead was written by a clock
    // that has been set back since, and is ignored.
    let stored = full_at.filter(|at| at.saturating_sub(now) <= hour + max_skew_us);
    let full_at = stored.unwrap_or(now).max(now).saturating_add(hour / per_hour.max(1));
    let late_us = full_at.saturating_sub(now) - hour;
    if late_us > 0 { Err(late_us.saturating_add(seconds(1) - 1) / seconds(1)) } else { Ok(full_at) }
}
