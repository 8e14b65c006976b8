//! How a lane waits and measures how long. This is not the clock of its decisions: that one may be
//! set back while the lane runs.

use std::time::{Duration, Instant};

pub trait Pause: Send + Sync {
    /// The time since some fixed point. It never goes back.
    fn elapsed(&self) -> Duration;

    /// Blocks for `time`.
    fn pause(&self, time: Duration);
}

/// Sleeps, and measures with the monotonic clock.
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
