//! Watched data as an application has it: it loads when the core says so.

use tidings_client_core::{LoadId, Output, SubscriptionId};

use crate::{Payload, Tab};

/// A view of data that a tab watches.
#[derive(Debug)]
pub struct View<T> {
    subscription: SubscriptionId,
    load: Option<LoadId>,
    data: Option<T>,
    loads: usize,
    syncs: usize,
}

impl<T> View<T> {
    /// Returns a view of the data of these topics.
    #[track_caller]
    pub fn new(tab: &mut Tab, topics: &[&str]) -> Self {
        Self { subscription: tab.watch(topics), load: None, data: None, loads: 0, syncs: 0 }
    }

    /// Takes an output of the tab.
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
            // This was on its way when the view was closed.
            Output::Load { .. } => {}
            Output::Ready { .. } | Output::Resumed { .. } | Output::Status(_) => {}
            other => panic!("nothing fails here: {other:?}"),
        }
    }

    /// Returns the load that must begin now.
    pub fn poll_load(&mut self) -> Option<LoadId> {
        self.load.take()
    }

    /// Takes the data of a load.
    pub fn handle_loaded(&mut self, load: LoadId, data: T, tab: &mut Tab) {
        self.data = Some(data);
        tab.loaded(self.subscription, load);
    }

    /// Closes the view.
    pub fn close(self, tab: &mut Tab) {
        tab.unsubscribe(self.subscription);
    }

    /// Returns the data of the last load.
    pub fn data(&self) -> Option<&T> {
        self.data.as_ref()
    }

    /// Returns the number of loads.
    pub fn loads(&self) -> usize {
        self.loads
    }

    /// Returns the number of syncs.
    pub fn syncs(&self) -> usize {
        self.syncs
    }
}
