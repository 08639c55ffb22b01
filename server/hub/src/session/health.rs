//! What a session tells its client of the hub's health.

use tidings_shared::frame::ServerFrame;

use super::{Session, State};

impl Session {
    /// Returns whether the client has to hear of the hub's health.
    pub(crate) fn has_health_news(&self) -> bool {
        matches!(self.state, State::Open { .. }) && self.told.is_outdated(self.hub.health())
    }

    /// Tells the client of the hub's health, if the client has to hear of it. `restored` follows when the session has
    /// read everything that its log has now.
    pub fn handle_health(&mut self) {
        let State::Open { follower, .. } = &self.state else { return };
        let health = self.hub.health();
        if !self.told.is_outdated(health) {
            return;
        }
        if let Some(since) = self.told.look(health, follower.tenant().head().offset) {
            self.send(&ServerFrame::Degraded { since: since.unix_ms });
        }
    }

    /// Tells the client that it is restored, if everything that was late is in the outbox. Returns whether it did.
    pub(super) fn send_restored(&mut self) -> bool {
        let State::Open { follower, .. } = &self.state else { return false };
        let position = follower.reader().position();
        let is_restored = self.paused_until.is_none() && self.told.reached(position.offset);
        if is_restored {
            self.send(&ServerFrame::Restored { position: position.to_string() });
        }
        is_restored
    }
}
