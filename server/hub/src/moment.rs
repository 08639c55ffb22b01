//! Time as the pure cores see it: an argument.

use std::time::Duration;

/// A moment: `since_start` runs evenly and measures deadlines and ages; `unix_ms` is what people and tokens mean, and
/// may jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Time since the clock was started.
    pub since_start: Duration,
    /// Milliseconds since 1970.
    pub unix_ms: u64,
}

impl Moment {
    /// The moment that is so much later, by both clocks.
    pub(crate) fn after(self, time: Duration) -> Self {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self { since_start: self.since_start.saturating_add(time), unix_ms: self.unix_ms.saturating_add(ms) }
    }

    /// Whether this moment has come by either clock: the even one stands still while the machine sleeps.
    pub(crate) fn has_come(self, now: Self) -> bool {
        now.since_start >= self.since_start || now.unix_ms >= self.unix_ms
    }
}
