//! How a lane waits. Apart from the clock of its decisions, because that one may be set while the
//! lane runs.

use std::time::{Duration, Instant};

/// Waits, and tells how long it has been.
pub trait Pause: Send + Sync {
    /// Time that has passed since some point in the past; it never goes back.
    fn elapsed(&self) -> Duration;

    /// Returns so much later.
    fn pause(&self, time: Duration);
}

/// Waits by sleeping.
pub struct RealPause(Instant);

impl Default for RealPause {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Pause for RealPause {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
