//! When a delivery is tried again.

use crate::kernel::time::{ServerTime, minutes, seconds};
use crate::mutant;

/// The delays after each failed attempt, about three days in all. After the last there is no other.
pub const DELAYS_US: [i64; 10] = [
    seconds(5),
    minutes(1),
    minutes(5),
    minutes(30),
    minutes(2 * 60),
    minutes(5 * 60),
    minutes(10 * 60),
    minutes(14 * 60),
    minutes(20 * 60),
    minutes(24 * 60),
];

/// How far a delay is from the one in the list, in thousandths: up to a fifth more or less, so that
/// what failed together does not come back together.
pub const JITTER_PERMILLE: i64 = 200;

/// An endpoint that fails for so long is disabled.
pub const DISABLED_AFTER_US: i64 = minutes(5 * 24 * 60);

/// When an attempt follows the failed one of that number (from 1); `None` when there is none.
///
/// `jitter` is drawn by the caller, from -[`JITTER_PERMILLE`] to [`JITTER_PERMILLE`]. What the
/// endpoint asks for in `Retry-After` is obeyed between one and four times the delay.
#[must_use]
pub fn next_attempt_at(
    number: i64,
    jitter: i64,
    retry_after_us: Option<i64>,
    now: ServerTime,
) -> Option<ServerTime> {
    let index = usize::try_from(number.checked_sub(1)?).ok()?;
    let delay = *DELAYS_US.get(index)?;
    let jitter = jitter.clamp(-JITTER_PERMILLE, JITTER_PERMILLE);
    let drawn = delay / 1_000 * 1_000_i64.saturating_add(jitter);
    let longest = if mutant!(LongPause) { i64::MAX } else { delay.saturating_mul(4) };
    let asked = retry_after_us.map_or(0, |asked| asked.clamp(delay, longest));
    Some(now.plus(drawn.max(asked)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: ServerTime = ServerTime(1_800_000_000_000_000);

    fn after(number: i64, jitter: i64, retry_after: Option<i64>) -> Option<i64> {
        next_attempt_at(number, jitter, retry_after, NOW).map(|at| at.since(NOW))
    }

    #[test]
    fn there_are_eleven_attempts_within_about_three_days() {
        let delays: Vec<i64> = (1..=10).map(|number| after(number, 0, None).unwrap()).collect();
        assert_eq!(delays, DELAYS_US);
        assert_eq!(after(11, 0, None), None);
        assert_eq!(after(0, 0, None), None);
        let total: i64 = delays.iter().sum();
        assert_eq!(total, minutes(75 * 60 + 36) + seconds(5));
    }

    #[test]
    fn a_delay_is_a_fifth_more_or_less() {
        assert_eq!(after(2, 200, None), Some(seconds(72)));
        assert_eq!(after(2, -200, None), Some(seconds(48)));
        assert_eq!(after(2, 5_000, None), Some(seconds(72)), "no more than that");
    }

    #[test]
    fn what_the_endpoint_asks_for_is_obeyed_within_bounds() {
        assert_eq!(after(2, 0, Some(seconds(1))), Some(seconds(60)));
        assert_eq!(after(2, 0, Some(seconds(90))), Some(seconds(90)));
        assert_eq!(after(2, 0, Some(i64::MAX)), Some(seconds(240)));
        assert_eq!(after(2, -200, Some(seconds(1))), Some(seconds(60)));
    }
}
