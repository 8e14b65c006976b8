//! How a lane waits and measures time. This is not the clock of its decisions, which may be set back
//! while the lane runs.

use std::time::{Duration, Instant};

/// Measures time and waits.
pub trait Timer: Send + Sync {
    /// The time since some fixed point. It never goes back.
    fn elapsed(&self) -> Duration;

    /// Blocks the thread for `time`.
    fn sleep(&self, time: Duration);
}

/// Sleeps, and measures with the monotonic clock.
pub struct SystemTimer(Instant);

impl Default for SystemTimer {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Timer for SystemTimer {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
