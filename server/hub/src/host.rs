//! The host of a hub: it gives the hub the time and random numbers.

use std::fmt;

use uuid::Uuid;

use crate::moment::Moment;

/// Gives a hub the time and random numbers. A server takes them from the operating system. A test makes its own, so
/// that each run is the same.
pub trait Host: fmt::Debug + Send + Sync + 'static {
    /// Returns the time. `since_start` never runs backwards. Under a gateway it must run as fast as
    /// [`Instant`](std::time::Instant): the gateway reads it once, and measures its deadlines with an `Instant`.
    fn now(&self) -> Moment;

    /// Returns a new idempotency key. It must never have been returned before.
    fn new_key(&self) -> Uuid;

    /// Returns the epoch of a new log. It must never have been returned before, by any process: a client compares the
    /// epoch of its position with the epoch of the log.
    fn new_epoch(&self) -> u64;
}
