//! How many frames a session may send.

use std::time::Duration;

/// A token bucket over frames: `frames_per_second`, bursts of twice as many.
#[derive(Debug)]
pub(super) struct Budget {
    frames: f64,
    refilled: Duration,
}

impl Budget {
    /// A full bucket.
    pub(super) fn new(per_second: u32, now: Duration) -> Self {
        Self { frames: f64::from(per_second) * 2.0, refilled: now }
    }

    /// Takes a frame, if there is one.
    pub(super) fn take(&mut self, per_second: u32, now: Duration) -> bool {
        let per_second = f64::from(per_second);
        let since = now.saturating_sub(self.refilled).as_secs_f64();
        self.frames = (self.frames + since * per_second).min(per_second * 2.0);
        self.refilled = now;
        let has_one = self.frames >= 1.0;
        if has_one {
            self.frames -= 1.0;
        }
        has_one
    }
}
