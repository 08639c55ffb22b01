//! An idle connection lingers: it stays open for a while, and then the client closes it.

use super::{Client, Now};
use crate::{
    Output, Payload,
    connection::Connection,
    limits::{HEALTHY_MS, LINGER_MS},
};

impl<P: Payload> Client<P> {
    /// Returns whether the user has a subscription or waits for a publish.
    pub fn is_wanted(&self) -> bool {
        !self.subscriptions.is_empty() || self.publishes.any_wanted()
    }

    /// Returns whether there is a connection that nobody needs.
    pub(super) fn lingers(&self) -> bool {
        self.connection.has_begun() && !self.is_wanted()
    }

    /// Starts or stops the time for which the connection lingers.
    pub(super) fn update_linger(&mut self, now: Now) {
        let until_ms = self.lingers_until_ms.unwrap_or(now.ms.saturating_add(LINGER_MS));
        self.lingers_until_ms = self.lingers().then_some(until_ms);
    }

    /// Closes a connection that has lingered long enough.
    pub(super) fn close_idle_connection(&mut self, now: Now) {
        if let Some(connection) = self.connection.socket() {
            self.out.push(Output::Disconnect { connection });
        }
        self.reset_backoff_if_healthy(now);
        self.subscriptions.connection_lost();
        self.publishes.connection_lost();
        self.set_connection(Connection::Idle);
    }

    /// Makes the next wait short if the session lasted long enough.
    pub(super) fn reset_backoff_if_healthy(&mut self, now: Now) {
        if let Connection::Open { since_ms, .. } = self.connection
            && now.ms.saturating_sub(since_ms) >= HEALTHY_MS
        {
            self.backoff.reset();
        }
    }
}
