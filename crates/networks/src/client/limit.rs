//! How many calls a second an account makes, and when it makes none: a state machine over a clock
//! and random numbers that are passed in.
//!
//! A token bucket is stored as one instant, when it is full again. It holds the calls of a second.

use std::time::Duration;

use domain::kernel::time::{ServerTime, millis, minutes, seconds};

/// The first pause after a refusal without `Retry-After`. Each further one doubles it.
const FIRST_PAUSE_US: i64 = seconds(1);
/// The longest pause, also if the network asks for a longer one: an answer that is wrong must not stop
/// an account for a day.
const LONGEST_PAUSE_US: i64 = minutes(10);
/// The longest pause that doubles, without `Retry-After`.
const LONGEST_BACKOFF_US: i64 = minutes(1);
/// What a pause that the network asked for is made longer by at most, so that the processes of an
/// installation do not come back at once.
const JITTER_US: i64 = millis(500);
/// While the circuit is open, a question costs as much as so many calls.
const SLOW_COST: i64 = 10;

/// The limit of one account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallLimit {
    /// What a call costs.
    interval_us: i64,
    full_at: ServerTime,
    paused_until: ServerTime,
    /// Refusals since the last answer.
    refusals: u32,
}

impl CallLimit {
    /// A limit of so many calls a second, at least one, of which none was made yet.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self {
            interval_us: seconds(1) / i64::from(per_second.max(1)),
            full_at: ServerTime(i64::MIN),
            paused_until: ServerTime(i64::MIN),
            refusals: 0,
        }
    }

    /// Takes one call.
    ///
    /// # Errors
    /// When it is worth trying again.
    pub fn take(&mut self, now: ServerTime) -> Result<(), ServerTime> {
        self.take_at_cost(1, now)
    }

    /// Takes one call at a tenth of the pace: a question, while the circuit is open.
    ///
    /// # Errors
    /// When it is worth trying again.
    pub fn take_slowly(&mut self, now: ServerTime) -> Result<(), ServerTime> {
        self.take_at_cost(SLOW_COST, now)
    }

    fn take_at_cost(&mut self, cost: i64, now: ServerTime) -> Result<(), ServerTime> {
        if now < self.paused_until {
            return Err(self.paused_until);
        }
        // A bucket that has room for one call gives a slow one, too, and is then in debt: it would
        // never hold ten calls where the limit is less than ten.
        let full_at = self.full_at.max(now);
        let latest = now.plus(seconds(1) - self.interval_us);
        if full_at > latest {
            return Err(now.plus(full_at.since(latest)));
        }
        self.full_at = full_at.plus(self.interval_us.saturating_mul(cost));
        Ok(())
    }

    /// The network answered, and did not refuse.
    pub const fn answered(&mut self) {
        self.refusals = 0;
    }

    /// The network refused for now: 429, or 503 with `Retry-After`. `random` is any number.
    pub fn refused(&mut self, after: Option<Duration>, random: u64, now: ServerTime) {
        // Calls that were under way are refused together: they are one refusal.
        if now >= self.paused_until {
            self.refusals = self.refusals.saturating_add(1);
        }
        let pause_us = match after {
            Some(after) => {
                let asked = i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
                asked.min(LONGEST_PAUSE_US).saturating_add(share(JITTER_US, random))
            }
            None => {
                let doublings = self.refusals.saturating_sub(1).min(30);
                let pause = FIRST_PAUSE_US.saturating_mul(1 << doublings).min(LONGEST_BACKOFF_US);
                // Between the half and the whole of it.
                pause / 2 + share(pause / 2, random)
            }
        };
        self.paused_until = self.paused_until.max(now.plus(pause_us));
        // Nothing was saved up meanwhile: calls begin again one after the other, not all at once.
        self.full_at = self.full_at.max(self.paused_until.plus(seconds(1) - self.interval_us));
    }
}

/// A random share of a time, from nothing to all of it.
fn share(whole_us: i64, random: u64) -> i64 {
    let steps = u64::try_from(whole_us).unwrap_or(0).saturating_add(1);
    i64::try_from(random % steps).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> ServerTime {
        ServerTime(seconds(1_780_000_000) + micros)
    }

    /// How many calls are taken at once.
    fn burst(limit: &mut CallLimit, now: ServerTime) -> usize {
        std::iter::repeat_with(|| limit.take(now)).take_while(Result::is_ok).take(1_000).count()
    }

    #[test]
    fn a_second_has_so_many_calls() {
        for per_second in [1, 3, 20, 80] {
            let mut limit = CallLimit::new(per_second);
            let count = usize::try_from(per_second).unwrap();
            assert_eq!(burst(&mut limit, at(0)), count);
            // One by one, each when it was said.
            let mut now = at(0);
            for _ in 0..per_second {
                now = limit.take(now).unwrap_err();
                assert_eq!(limit.take(now), Ok(()));
            }
            assert!((now.since(at(0)) - seconds(1)).abs() <= 100, "{per_second}");
            assert_eq!(burst(&mut limit, now.plus(seconds(60))), count);
        }
    }

    #[test]
    fn nothing_is_no_limit_of_nothing() {
        assert_eq!(burst(&mut CallLimit::new(0), at(0)), 1);
    }

    #[test]
    fn slow_questions_come_at_a_tenth_of_the_pace() {
        for per_second in [2, 20] {
            let mut limit = CallLimit::new(per_second);
            let (mut now, mut taken) = (at(0), 0);
            while now < at(seconds(100)) {
                match limit.take_slowly(now) {
                    Ok(()) => taken += 1,
                    Err(later) => now = later,
                }
            }
            let expected = per_second * 10;
            assert!((expected..=expected + 2).contains(&taken), "{taken} of {expected}");
        }
    }

    #[test]
    fn the_network_says_how_long() {
        let mut limit = CallLimit::new(20);
        assert_eq!(limit.take(at(0)), Ok(()));
        limit.refused(Some(Duration::from_secs(7)), 0, at(0));
        assert_eq!(limit.take(at(seconds(7) - 1)), Err(at(seconds(7))));
        assert_eq!(limit.take(at(seconds(7))), Ok(()));
        // Somewhat later, by the random number.
        limit.refused(Some(Duration::from_secs(7)), 123_456, at(seconds(7)));
        assert_eq!(limit.take(at(seconds(8))), Err(at(seconds(14) + 123_456)));
        // Not for a day.
        limit.refused(Some(Duration::from_secs(86_400)), 0, at(seconds(20)));
        assert_eq!(limit.take(at(seconds(20))), Err(at(seconds(620))));
        let mut endless = CallLimit::new(20);
        endless.refused(Some(Duration::MAX), u64::MAX, at(0));
        assert!(endless.take(at(0)).unwrap_err() <= at(minutes(10) + JITTER_US));
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        for (random, shares) in [
            (0, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]),
            // All of the half that is drawn.
            (u64::MAX, [0; 8]),
        ] {
            let (mut limit, mut now) = (CallLimit::new(20), at(0));
            for expected_ms in shares {
                limit.refused(None, random, now);
                let until = limit.take(now).unwrap_err();
                let pause = until.since(now);
                if random == 0 {
                    assert_eq!(pause, millis(expected_ms));
                }
                assert!(pause <= LONGEST_BACKOFF_US);
                now = until;
            }
        }
    }

    #[test]
    fn an_answer_begins_the_pauses_anew() {
        let mut limit = CallLimit::new(20);
        limit.refused(None, 0, at(0));
        limit.refused(None, 0, at(seconds(1)));
        limit.answered();
        limit.refused(None, 0, at(seconds(5)));
        assert_eq!(limit.take(at(seconds(5))), Err(at(seconds(5) + millis(500))));
    }

    #[test]
    fn refusals_of_one_moment_are_one() {
        let mut limit = CallLimit::new(20);
        for _ in 0..20 {
            limit.refused(None, 0, at(0));
        }
        assert_eq!(limit.take(at(0)), Err(at(millis(500))));
        // A later one of them that asks for more is heard.
        limit.refused(Some(Duration::from_secs(3)), 0, at(1));
        assert_eq!(limit.take(at(millis(500))), Err(at(seconds(3) + 1)));
    }

    #[test]
    fn calls_begin_again_one_after_the_other() {
        let mut limit = CallLimit::new(20);
        limit.refused(Some(Duration::from_secs(2)), 0, at(0));
        let now = at(seconds(2));
        assert_eq!(burst(&mut limit, now), 1);
        assert_eq!(limit.take(now), Err(now.plus(millis(50))));
    }
}
