//! Subscriptions: which are accepted, and the frames that subscribe the session to their topics.

use tidings_shared::frame::ClientFrame;

use super::{Client, Now};
use crate::{Error, Payload, SubscriptionId, Watching, subscriptions::Change};

impl<P: Payload> Client<P> {
    /// Subscribes to topics.
    ///
    /// # Errors
    /// When one is not a topic, when there are too many, or when the client is closed.
    pub fn handle_subscribe(
        &mut self,
        topics: &[impl AsRef<str>],
        now: Now,
    ) -> Result<SubscriptionId, Error> {
        self.add_subscription(topics, None, now)
    }

    pub(super) fn add_subscription(
        &mut self,
        topics: &[impl AsRef<str>],
        watching: Option<Watching>,
        now: Now,
    ) -> Result<SubscriptionId, Error> {
        self.check_not_closed()?;
        let id = self.subscriptions.add(topics, watching, now, &mut self.out)?;
        self.ensure_connection(now);
        Ok(id)
    }

    /// Ends a subscription. The client ignores one that has ended already.
    pub fn handle_unsubscribe(&mut self, id: SubscriptionId) {
        self.subscriptions.remove(id);
    }

    /// Notes that a subscription has missed events, because another client served it before. It gets a sync for each topic
    /// as soon as the server has answered for the topic.
    pub fn handle_missed(&mut self, id: SubscriptionId) {
        self.subscriptions.missed(id);
    }

    /// Sends changes of topics until there are none left, or the rate limit is reached.
    pub(super) fn send_changes(&mut self, now: Now) {
        while self.subscriptions.changed() && self.pace.changes_ms() <= now.ms && self.send_change(now) {}
    }

    /// Sends the next change of topics, if there is one and a connection for it. Returns whether it did.
    pub(super) fn send_change(&mut self, now: Now) -> bool {
        if self.connection.sendable().is_none() {
            return false;
        }
        let r#ref = self.next_ref();
        let (position, max_bytes) = (self.position.as_ref(), self.max_message_bytes);
        let change = self.subscriptions.next_change(r#ref, position, max_bytes, &mut self.out);
        let Some(change) = change else { return false };
        let frame = match change {
            Change::Unsubscribe { topics } => ClientFrame::Unsubscribe { r#ref, topics },
            Change::Subscribe { topics, since, more } => {
                ClientFrame::Subscribe { r#ref, topics, since, more }
            }
        };
        self.send(frame, now);
        self.pace.changed(now.ms);
        true
    }
}
