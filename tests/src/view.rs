//! What an application does with a subscription so that its view is never stale.

use tidings_client_wasm::core::{Output, SubscriptionId};

use crate::Payload;

/// A view of something that a subscription tells about: once in force it is loaded, and again for each event or sync,
/// one load at a time.
#[derive(Debug)]
pub struct View<T> {
    subscription: SubscriptionId,
    is_loading: bool,
    wants_load: bool,
    data: Option<T>,
    loads: usize,
    syncs: usize,
}

impl<T> View<T> {
    /// A view that waits for its subscription.
    pub fn new(subscription: SubscriptionId) -> Self {
        Self { subscription, is_loading: false, wants_load: false, data: None, loads: 0, syncs: 0 }
    }

    /// Takes what a tab had for its user.
    #[track_caller]
    pub fn handle(&mut self, output: &Output<Payload>) {
        let concerned = match output {
            Output::Ready { subscription } => *subscription == self.subscription,
            Output::Event { deliveries, .. } => {
                deliveries.iter().any(|delivery| delivery.subscription == self.subscription)
            }
            Output::Sync { delivery, .. } => {
                let concerned = delivery.subscription == self.subscription;
                self.syncs += usize::from(concerned);
                concerned
            }
            Output::Status(_) => false,
            other => panic!("nothing fails here: {other:?}"),
        };
        self.wants_load |= concerned;
    }

    /// Whether a load is to begin now.
    pub fn poll_load(&mut self) -> bool {
        let begins = self.wants_load && !self.is_loading;
        if begins {
            (self.wants_load, self.is_loading) = (false, true);
            self.loads += 1;
        }
        begins
    }

    /// A load has ended.
    pub fn handle_loaded(&mut self, data: T) {
        self.is_loading = false;
        self.data = Some(data);
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
