//! What an application makes of watched data: it loads when the core says so.

use tidings_client_core::{LoadId, Output, SubscriptionId};

use crate::{Payload, Tab};

/// A view of something that a tab watches.
#[derive(Debug)]
pub struct View<T> {
    subscription: SubscriptionId,
    load: Option<LoadId>,
    data: Option<T>,
    loads: usize,
    syncs: usize,
}

impl<T> View<T> {
    /// A view of what has to do with these topics.
    #[track_caller]
    pub fn new(tab: &mut Tab, topics: &[&str]) -> Self {
        Self { subscription: tab.watch(topics), load: None, data: None, loads: 0, syncs: 0 }
    }

    /// Takes what the tab had for its user.
    #[track_caller]
    pub fn handle(&mut self, output: &Output<Payload>, tab: &mut Tab) {
        let own = self.subscription;
        match output {
            Output::Event { deliveries, .. } => {
                if deliveries.iter().any(|delivery| delivery.subscription == own) {
                    tab.outdated(own);
                }
            }
            Output::Sync { delivery, .. } => self.syncs += usize::from(delivery.subscription == own),
            Output::Load { subscription, load } if *subscription == own => {
                self.load = Some(*load);
                self.loads += 1;
            }
            // Of a view that was closed when this was on its way.
            Output::Load { .. } => {}
            Output::Ready { .. } | Output::Resumed { .. } | Output::Status(_) => {}
            other => panic!("nothing fails here: {other:?}"),
        }
    }

    /// A load that is to begin now.
    pub fn poll_load(&mut self) -> Option<LoadId> {
        self.load.take()
    }

    /// A load has brought this.
    pub fn handle_loaded(&mut self, load: LoadId, data: T, tab: &mut Tab) {
        self.data = Some(data);
        tab.loaded(self.subscription, load);
    }

    /// The view is closed.
    pub fn close(self, tab: &mut Tab) {
        tab.unsubscribe(self.subscription);
    }

    /// What was loaded last.
    pub fn data(&self) -> Option<&T> {
        self.data.as_ref()
    }

    /// The loads so far.
    pub fn loads(&self) -> usize {
        self.loads
    }

    /// The syncs so far.
    pub fn syncs(&self) -> usize {
        self.syncs
    }
}
