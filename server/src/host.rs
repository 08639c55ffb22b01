//! The operating system's clock and random numbers, for a hub and for the shell around it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tidings_hub::{Host, Hub, Moment};
use uuid::Uuid;

/// The operating system's clock and random numbers.
#[derive(Debug, Clone, Copy)]
pub struct SystemHost(Clock);

impl SystemHost {
    /// Returns a host whose time begins now.
    pub fn start() -> Self {
        Self(Clock::start())
    }
}

impl Host for SystemHost {
    fn now(&self) -> Moment {
        self.0.now()
    }

    fn new_key(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn new_epoch(&self) -> u64 {
        Uuid::new_v4().as_u64_pair().0
    }
}

/// The wait until a deadline that never comes: a setting may be `Duration::MAX`.
pub(crate) const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// A clock that agrees with the hub's, and can convert a deadline to an [`Instant`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// Returns a clock that starts now.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Returns a clock that agrees with the hub's.
    pub(crate) fn of(hub: &Hub) -> Self {
        let now = Instant::now();
        Self { start: now.checked_sub(hub.now().since_start).unwrap_or(now) }
    }

    /// Returns the time.
    pub(crate) fn now(&self) -> Moment {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment {
            since_start: self.start.elapsed(),
            unix_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Returns the instant at which `since_start` will have passed. A time that no clock can show is far away.
    pub(crate) fn instant(&self, since_start: Duration) -> Instant {
        self.start.checked_add(since_start).unwrap_or_else(|| Instant::now() + FAR)
    }
}
