//! The life of the page, or of the machine, on which the client runs.
//!
//! A page that goes to sleep closes its connection. Otherwise it would be a slow reader, which the server cuts in the end. The
//! position makes the return cheap. A page that wakes sends a ping and gives the server 5 s, because its own timers may have
//! stopped meanwhile.

use tidings_shared::frame::ClientFrame;

use super::{Client, Now};
use crate::{Payload, connection::Connection, limits::PROBE_TIMEOUT_MS};

impl<P: Payload> Client<P> {
    /// Reports that the page is shown or thawed, or that the network is back. Waits for the next attempt to connect and for
    /// the retry of a load become short. The server must answer a ping soon: timers may have stopped meanwhile, and the
    /// connection may be dead.
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

    /// Reports that the page is frozen or put into the browser's cache. The client closes its connection, and reconnects when
    /// the page wakes.
    pub fn handle_sleep(&mut self, now: Now) {
        if self.connection.has_begun() {
            self.reconnect(now);
        }
        if let Connection::Waiting { until_ms } = &mut self.connection {
            *until_ms = None;
        }
    }
}
