//! The clock of the fakes, which a test can move.

use std::sync::atomic::{AtomicI64, Ordering};

/// Tells the time in milliseconds since 1970. Both fakes of a process share one.
pub struct Clock {
    /// When the clock stands still but for its jumps; `None` follows the system's clock.
    stands_at: Option<i64>,
    offset: AtomicI64,
}

impl Clock {
    /// The clock of the system.
    #[must_use]
    pub const fn of_the_system() -> Self {
        Self { stands_at: None, offset: AtomicI64::new(0) }
    }

    /// A clock that stands at `now` (milliseconds since 1970) until it is advanced.
    #[must_use]
    pub const fn standing_at(now: i64) -> Self {
        Self { stands_at: Some(now), offset: AtomicI64::new(0) }
    }

    #[must_use]
    pub fn now(&self) -> i64 {
        self.stands_at.unwrap_or_else(system_now) + self.offset()
    }

    /// How far the clock has been moved, in milliseconds.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.offset.load(Ordering::SeqCst)
    }

    /// Whether time passes by itself.
    pub(crate) const fn runs(&self) -> bool {
        self.stands_at.is_none()
    }

    pub(crate) fn advance(&self, milliseconds: i64) {
        self.offset.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

#[expect(clippy::disallowed_methods, reason = "the fakes read the clock in this one place")]
fn system_now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

/// Seconds since 1970.
pub(crate) const fn seconds(milliseconds: i64) -> i64 {
    milliseconds.div_euclid(1_000)
}

/// ISO 8601 in UTC, with seconds: `2026-11-28T22:59:34Z`.
pub(crate) fn iso(milliseconds: i64) -> String {
    jiff::Timestamp::from_second(seconds(milliseconds)).unwrap_or_default().to_string()
}
