//! How many deliveries may be under way to an endpoint, by how it has answered. It has no clock: the
//! time is passed in, from a beginning that the caller chooses.

use std::time::Duration;

/// How many deliveries are under way to one endpoint that takes them quickly.
const AT_ONE_ENDPOINT: usize = 8;
/// Whoever takes longer than this is slow.
const SLOW: Duration = Duration::from_secs(1);
/// After so many failures in a row an endpoint is left alone for a while.
const FAILURES_MAX: u32 = 20;
const PAUSE_MIN: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);

/// How an endpoint has answered lately.
#[derive(Clone, Default, Debug)]
pub struct Pace {
    under_way: usize,
    /// Whether the last attempt that ended was taken, and quickly. Until then only one is under way, so
    /// that many endpoints that hang leave room for the others.
    is_quick: bool,
    failures: u32,
    paused_until: Duration,
    pause: Duration,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub is_success: bool,
    pub took: Duration,
}

impl Pace {
    #[must_use]
    pub const fn under_way(&self) -> usize {
        self.under_way
    }

    #[must_use]
    pub const fn is_quick(&self) -> bool {
        self.is_quick
    }

    /// How many deliveries more may be under way.
    #[must_use]
    pub fn places(&self, now: Duration) -> usize {
        let most = if self.is_quick { AT_ONE_ENDPOINT } else { 1 };
        if self.is_paused(now) { 0 } else { most.saturating_sub(self.under_way) }
    }

    /// So many deliveries are under way from now on.
    pub const fn begun(&mut self, count: usize) {
        self.under_way = self.under_way.saturating_add(count);
    }

    pub fn ended(&mut self, attempt: Ended, now: Duration) {
        self.under_way = self.under_way.saturating_sub(1);
        self.is_quick = attempt.is_success && attempt.took < SLOW;
        if attempt.is_success {
            self.forget_failures();
            return;
        }
        self.failures = self.failures.saturating_add(1);
        // What was under way when the pause began does not make it longer.
        if self.failures >= FAILURES_MAX && !self.is_paused(now) {
            self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
            self.paused_until = now + self.pause;
        }
    }

    /// The endpoint is not left alone any longer.
    pub const fn forget_failures(&mut self) {
        (self.failures, self.paused_until, self.pause) = (0, Duration::ZERO, Duration::ZERO);
    }

    /// How long the endpoint is left alone from now on, if it is.
    #[must_use]
    pub fn pause_left(&self, now: Duration) -> Option<Duration> {
        self.paused_until.checked_sub(now).filter(|left| !left.is_zero())
    }

    fn is_paused(&self, now: Duration) -> bool {
        self.pause_left(now).is_some()
    }

    /// Whether it is like an endpoint that was never met.
    #[must_use]
    pub const fn is_forgettable(&self) -> bool {
        self.under_way == 0 && self.failures == 0
    }
}
