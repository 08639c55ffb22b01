//! Watched subscriptions: the client says when to load data, and the user loads it.

use super::{Client, Now};
use crate::{Error, LoadId, Loaded, Output, Payload, SubscriptionId, Watching};

impl<P: Payload> Client<P> {
    /// Subscribes for data that changes with these topics. [`Output::Load`] says when to load the data.
    ///
    /// [`Output::Load`]: crate::Output::Load
    ///
    /// # Errors
    /// As [`Client::handle_subscribe`].
    pub fn handle_watch(&mut self, topics: &[impl AsRef<str>], now: Now) -> Result<SubscriptionId, Error> {
        self.handle_watch_with(topics, Watching::default(), now)
    }

    /// Subscribes as [`Client::handle_watch`] does, with another interval between loads, or with shared loads.
    ///
    /// # Errors
    /// As [`Client::handle_subscribe`].
    pub fn handle_watch_with(
        &mut self,
        topics: &[impl AsRef<str>],
        watching: Watching,
        now: Now,
    ) -> Result<SubscriptionId, Error> {
        self.add_subscription(topics, Some(watching), now)
    }

    /// Reports that the data of a watched subscription may have changed. The client loads it again: once for any number of
    /// reports, and once for all subscriptions that share the load.
    pub fn handle_outdated(&mut self, id: SubscriptionId, now: Now) {
        if let Some(watch) = self.subscriptions.watch(id) {
            watch.outdated();
            self.begin_loads(now);
        }
    }

    /// Loads the data of a watched subscription again, now. It does not wait for the retry of a load that failed.
    pub fn handle_reload(&mut self, id: SubscriptionId, now: Now) {
        if let Some(watch) = self.subscriptions.watch(id) {
            watch.reload_now();
        }
        self.begin_loads(now);
    }

    /// Reports the end of a load, for this subscription or for one that shares the load. The client ignores a load that it
    /// has replaced by another.
    pub fn handle_loaded(&mut self, id: SubscriptionId, load: LoadId, how: Loaded, now: Now) {
        if let Some(watch) = self.subscriptions.watch(id) {
            watch.loaded(load, how, now);
        }
        self.begin_loads(now);
    }

    /// Begins the loads that are due, after the driver has taken all other outputs.
    pub(super) fn begin_loads(&mut self, now: Now) {
        self.loads_due = Some(now);
    }

    /// Begins the next load that is due.
    pub(super) fn next_load(&mut self) -> Option<Output<P>> {
        let load = self.subscriptions.begin_load(self.loads_due?);
        if load.is_none() {
            self.loads_due = None;
        }
        load
    }
}
