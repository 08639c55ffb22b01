//! What happens to the page, or the machine, that the client runs on.

use tidings_shared::frame::ClientFrame;

use super::{Client, Now};
use crate::{connection::Connection, limits::PROBE_TIMEOUT_MS};

impl<P: Clone> Client<P> {
    /// The page is shown or thawed, or the network is back: a wait for the next connection, or for the retry of a load,
    /// becomes a short one. A connection has to prove soon that it is alive, because timers may have stood still and
    /// the other side be gone.
    pub fn handle_wake(&mut self, now: Now) {
        self.subscriptions.watches().for_each(|watch| watch.wake(now));
        match &mut self.connection {
            Connection::Waiting { until_ms } => {
                let soon = self.backoff.soon_ms(now);
                *until_ms = Some(until_ms.map_or(soon, |until| until.min(soon)));
            }
            Connection::Open { dead_ms, .. } if self.pace.ready_ms() <= now.ms => {
                *dead_ms = (*dead_ms).min(now.ms.saturating_add(PROBE_TIMEOUT_MS));
                let r#ref = self.next_ref();
                self.send(ClientFrame::Ping { r#ref }, now);
            }
            _ => {}
        }
    }

    /// The page is frozen or put away: it lets go of its connection and comes back when it is woken.
    pub fn handle_sleep(&mut self, now: Now) {
        if self.connection.has_begun() {
            self.give_up(now);
        }
        if let Connection::Waiting { until_ms } = &mut self.connection {
            *until_ms = None;
        }
    }
}
