//! Who hears of the events of guards, beside the hub.

use std::fmt;

use tidings_shared::RawEvent;

/// Hears of the events of a hub's guards. A check of [write coverage](crate::Hub::observe_changes) is one.
pub trait ChangesObserver: fmt::Debug + Send + Sync + 'static {
    /// Somebody has made a guard. Returns a mark that comes again in [`ChangesObserver::announcing`].
    fn begun(&self) -> u64;

    /// The guard with this mark announces these events now. A guard whose transaction was rolled back announces none.
    fn announcing(&self, mark: u64, events: Vec<RawEvent>);
}
