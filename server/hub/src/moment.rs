//! Time, as an argument.

use std::time::Duration;

/// A moment on two clocks. `since_start` never jumps: it measures deadlines and ages. `unix_ms` is the time of day,
/// which tokens and people use, and may jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Time since the clock started.
    pub since_start: Duration,
    /// Milliseconds since 1970.
    pub unix_ms: u64,
}

impl Moment {
    /// Returns the moment that is later by `time`, on both clocks.
    pub(crate) fn after(self, time: Duration) -> Self {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self { since_start: self.since_start.saturating_add(time), unix_ms: self.unix_ms.saturating_add(ms) }
    }

    /// Returns whether this moment has come on either clock. Only `unix_ms` moves on while the machine sleeps.
    pub(crate) fn has_come(self, now: Self) -> bool {
        now.since_start >= self.since_start || now.unix_ms >= self.unix_ms
    }
}
