//! A connection that nobody wants anything of any more: it stays open for a while, and is let go of.

use super::{Client, Now};
use crate::{
    Output,
    connection::Connection,
    limits::{HEALTHY_MS, LINGER_MS},
};

impl<P: Clone> Client<P> {
    /// Whether anybody wants anything of this client: has a subscription, or waits for a publish.
    pub fn is_wanted(&self) -> bool {
        !self.subscriptions.is_empty() || self.publishes.any_wanted()
    }

    /// Whether there is a connection that nobody uses.
    pub(super) fn lingers(&self) -> bool {
        self.connection.has_begun() && !self.is_wanted()
    }

    /// Counts the time for which it lingers.
    pub(super) fn linger(&mut self, now: Now) {
        let until_ms = self.lingers_until_ms.unwrap_or(now.ms.saturating_add(LINGER_MS));
        self.lingers_until_ms = self.lingers().then_some(until_ms);
    }

    /// Closes a connection that nobody has used for long.
    pub(super) fn leave(&mut self, now: Now) {
        if let Some(connection) = self.connection.socket() {
            self.out.push(Output::Disconnect { connection });
        }
        self.forgive(now);
        self.subscriptions.connection_lost();
        self.publishes.connection_lost();
        self.become_(Connection::Idle);
    }

    /// After a session that was healthy, the next wait is a short one.
    pub(super) fn forgive(&mut self, now: Now) {
        if let Connection::Open { since_ms, .. } = self.connection
            && now.ms.saturating_sub(since_ms) >= HEALTHY_MS
        {
            self.backoff.reset();
        }
    }
}
