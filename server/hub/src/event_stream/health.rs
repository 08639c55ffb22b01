//! What an event stream tells its client of the hub's health.

use tidings_shared::frame::ServerFrame;

use super::{Block, EventStream};
use crate::{moment::Moment, session::encode};

impl EventStream {
    /// Returns whether the client has to hear of the hub's health.
    pub(crate) fn has_health_news(&self) -> bool {
        !self.is_closed() && self.told.is_outdated(self.hub.health())
    }

    /// Tells the client of the hub's health, if the client has to hear of it. `restored` follows when the stream has read
    /// everything that its log has now.
    pub fn handle_health(&mut self) {
        let Some(follower) = &self.follower else { return };
        let health = self.hub.health();
        if !self.told.is_outdated(health) {
            return;
        }
        if let Some(since) = self.told.look(health, follower.tenant().head().offset) {
            let frame = ServerFrame::Degraded { since: since.unix_ms };
            self.blocks.push_back(Block::of("degraded", None, encode(&frame).text()));
        }
    }

    /// Returns the block that tells the client that it is restored, if it has everything that was late.
    pub(super) fn restored(&mut self, now: Moment) -> Option<Block> {
        let position = self.follower.as_ref()?.reader().position();
        if !self.told.reached(position.offset) {
            return None;
        }
        self.last_told = now.since_start;
        let position = position.to_string();
        let frame = ServerFrame::Restored { position: position.clone() };
        Some(Block::of("restored", Some(&position), encode(&frame).text()))
    }
}
