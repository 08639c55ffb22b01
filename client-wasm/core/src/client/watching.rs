//! Watched subscriptions: the client says when to load, its user loads.

use super::{Client, Now};
use crate::{Error, LoadId, Loaded, Output, SubscriptionId, Watching};

impl<P: Clone> Client<P> {
    /// The user wants data that changes with these topics: a subscription for which [`Output::Load`] says when to
    /// load.
    ///
    /// [`Output::Load`]: crate::Output::Load
    ///
    /// # Errors
    /// As [`Client::handle_subscribe`].
    pub fn handle_watch(&mut self, topics: &[impl AsRef<str>], now: Now) -> Result<SubscriptionId, Error> {
        self.handle_watch_with(topics, Watching::default(), now)
    }

    /// As [`Client::handle_watch`], with another pause between loads, or loads that are shared.
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

    /// An event concerns the data of a watched subscription: it is loaded again, once however many events there were, and
    /// for however many subscriptions that share their loads.
    pub fn handle_outdated(&mut self, id: SubscriptionId, now: Now) {
        if let Some(watch) = self.subscriptions.watch(id) {
            watch.outdated();
            self.begin_loads(now);
        }
    }

    /// The user wants the data of a watched subscription again and now, also while a load that failed waits for its retry.
    pub fn handle_reload(&mut self, id: SubscriptionId, now: Now) {
        if let Some(watch) = self.subscriptions.watch(id) {
            watch.reload_now();
        }
        self.begin_loads(now);
    }

    /// A load ended, for this subscription or one that shares its loads. One that the client has given up is passed over.
    pub fn handle_loaded(&mut self, id: SubscriptionId, load: LoadId, how: Loaded, now: Now) {
        if let Some(watch) = self.subscriptions.watch(id) {
            watch.loaded(load, how, now);
        }
        self.begin_loads(now);
    }

    /// Begins the loads that are due, once all other outputs have been taken.
    pub(super) fn begin_loads(&mut self, now: Now) {
        self.loads_due = Some(now);
    }

    /// The next load that is due.
    pub(super) fn next_load(&mut self) -> Option<Output<P>> {
        let load = self.subscriptions.begin_load(self.loads_due?);
        if load.is_none() {
            self.loads_due = None;
        }
        load
    }
}
