//! Subscriptions: what is accepted, and how a session comes to have what is wanted.

use tidings_shared::frame::ClientFrame;

use super::{Client, Now};
use crate::{Error, SubscriptionId, Watching, subscriptions::Change};

impl<P: Clone> Client<P> {
    /// The user wants what is published on these topics.
    ///
    /// # Errors
    /// When one is no topic, when they are too many, or when the client is closed.
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
        self.wanted(now);
        Ok(id)
    }

    /// The user no longer wants what this subscription brings. One that is gone already is passed over.
    pub fn handle_unsubscribe(&mut self, id: SubscriptionId) {
        self.subscriptions.remove(id);
    }

    /// Brings the session to what is wanted, as far as the rate allows.
    pub(super) fn send_changes(&mut self, now: Now) {
        while self.subscriptions.changed() && self.pace.changes_ms() <= now.ms && self.send_change(now) {}
    }

    /// Brings the session nearer to what is wanted by a frame, if one is needed and there is a session.
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
