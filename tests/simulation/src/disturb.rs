//! Disturbances: restarts of the server, and connections that are cut, go silent or stall.

use crate::{
    invariant::Check,
    link::{Peer, Side},
    restart::Restart,
    world::{Event, World},
};

impl World {
    pub(crate) fn disturb(&mut self) -> Check {
        if self.heals {
            return Ok(());
        }
        let next = self.around(self.config.disturb_ms);
        self.after(next, Event::Disturb);
        if self.config.cluster.is_some() {
            if self.rng.percent(self.config.restarts_percent) {
                return self.trouble();
            }
        } else if self.nodes[0].is_up && self.rng.percent(self.config.restarts_percent) {
            let how = match self.rng.below(10) {
                0..4 => Restart::Kept,
                4..7 => Restart::Lost,
                _ => Restart::RolledBack,
            };
            return self.restart(how);
        }
        let links: Vec<u64> = self.links.keys().copied().collect();
        if links.is_empty() {
            return Ok(());
        }
        let link = *self.rng.pick(&links);
        if self.config.cluster.is_some() && self.rng.percent(30) {
            return self.moves(link);
        }
        let side = if self.rng.percent(50) { Side::Server } else { Side::Peer };
        match self.rng.below(100) {
            0..50 => {
                // A server may notice it much later than the client, which has a new connection by then.
                let late_ms = *self.rng.pick(&[0, 100, 2_000, 40_000]);
                self.cut(link, late_ms);
            }
            50..65 => self.silence(link, side),
            _ => {
                let ms = *self.rng.pick(&[200, 2_000, 40_000]);
                self.stall(link, side, ms);
            }
        }
        Ok(())
    }

    /// Cuts a connection of a client that comes back at once, mostly to another node.
    fn moves(&mut self, link: u64) -> Check {
        let peer = self.links.get(&link).map(|link| link.peer);
        self.cut(link, 0);
        if let Some(Peer::Client { client, life, .. }) = peer {
            self.after(10, Event::Wake { client, life });
        }
        Ok(())
    }
}
