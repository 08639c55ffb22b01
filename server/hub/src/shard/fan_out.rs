//! The fan-out: from a tenant's log to the sockets of the live connections.
//!
//! One turn takes a batch of publications from the log, or writes a part of the batch that is there:
//!
//! ```text
//!  log      … 41 42 43        the shard has passed 40, and takes 41, 42 and 43
//!  batch    41 → A B   42 → C   43 → A B C
//!  writes   A: 41+43   B: 41+43 (the same bytes)   C: 42+43
//! ```
//!
//! If the socket of B takes only a part of its bytes, B keeps the rest of the frame that was begun, and falls behind.
//! Its session reads on from the log by itself, after that frame. When it has caught up, the shard writes to it again.
//!
//! For a publication with up to 128 topics, a word of 128 bits says which of them one session has. The fan-out copies
//! this word for each delivery. A shard does not fan out a publication with more topics: the sessions that it reaches
//! read on from the log. So such a publication does not make others slower, and no shard ever holds a thousand frames
//! of one large payload.

use std::time::Duration;

use tidings_shared::limits::{FAN_OUT_BYTES, FAN_OUT_DELIVERIES};

use super::{
    ConnectionKey, Scratch, Shard, Sink,
    batch::{Batch, Gathered},
    connection::taken,
    index::{ListIndex, TenantKey},
};
use crate::{moment::Moment, tenant_log::After};

/// The clients of a tenant with a new history come back over this time.
const SEND_AWAY_SPREAD: Duration = Duration::from_secs(2);

/// How many moments it has. Clients with the same moment come back together.
const SEND_AWAY_PARTS: u32 = 64;

impl<S: Sink> Shard<S> {
    /// Does one turn for a tenant: takes a batch from its log, or writes a part of the batch that is there. Returns
    /// whether there may be more.
    pub(super) fn fan_out(&mut self, tenant: TenantKey, now: Moment) -> bool {
        let Some(followed) = self.tenants.get(tenant.slot()) else { return false };
        if followed.batch.is_served() && !self.take_batch(tenant, now) {
            return false;
        }
        self.scratch.forget_lists();
        for _ in 0..self.writes_per_turn {
            let Some(followed) = self.tenants.get_mut(tenant.slot()) else { return false };
            let Some(connection) = followed.batch.next_due() else { break };
            self.flush(connection, now);
        }
        let delivered = std::mem::take(&mut self.scratch.delivered);
        if let (1.., Some(followed)) = (delivered, self.tenants.get(tenant.slot())) {
            let metrics = followed.tenant.metrics();
            metrics.deliveries.inc_by(delivered);
            metrics.took(now.since_start.saturating_sub(followed.batch.since));
        }
        true
    }

    /// Takes the next batch from a tenant's log. Returns whether the log had something.
    fn take_batch(&mut self, tenant: TenantKey, now: Moment) -> bool {
        let followed = &mut self.tenants[tenant.slot()];
        followed.batch.clear();
        let after = followed.tenant.read_after(followed.passed.offset, &followed.waker);
        let Self { connections, marks, tenants, scratch, .. } = self;
        let followed = &mut tenants[tenant.slot()];
        match after {
            After::Retired => {
                self.send_away(tenant, now);
                return false;
            }
            After::Nothing => {
                // An idle shard keeps little memory.
                followed.batch = Batch::default();
                scratch.gathered.iter_mut().for_each(Gathered::shrink);
                return false;
            }
            After::Lost(head) => {
                let before = std::mem::replace(&mut followed.passed, head);
                // Each session reads the log by itself, and gets a sync for the topics that lost entries.
                for (key, connection) in connections.iter_mut().filter(|(_, one)| one.tenant == Some(tenant))
                {
                    if marks[key].is_live() {
                        marks[key].fall_behind();
                        connection.protocol.advance(before);
                        connection.wake();
                    }
                }
            }
            After::Publications(publications) => {
                followed.batch.after = Some(followed.passed);
                followed.batch.since = publications.first().map_or(Duration::ZERO, |first| first.appended);
                let mut bytes = 0;
                for publication in publications {
                    if publication.reaches_many() || publication.is_gap {
                        // The connections that it reaches must first get what is in the batch.
                        if followed.batch.deliveries() > 0 {
                            break;
                        }
                        followed.leave_to_log(&publication, connections, marks);
                        followed.passed = publication.position;
                        continue;
                    }
                    followed.enlist(&publication, marks, scratch);
                    followed.passed = publication.position;
                    bytes += publication.event.payload.get().len();
                    if followed.batch.deliveries() >= FAN_OUT_DELIVERIES || bytes >= FAN_OUT_BYTES {
                        break;
                    }
                }
            }
        }
        true
    }

    /// Sends the clients of a tenant away: its history is another one now. They come back, and load again.
    fn send_away(&mut self, tenant: TenantKey, now: Moment) {
        let of_tenant = |key: &ConnectionKey| self.connections[key.slot()].tenant == Some(tenant);
        for (number, key) in (0..).zip(self.keys().into_iter().filter(of_tenant).collect::<Vec<_>>()) {
            let part = number % SEND_AWAY_PARTS;
            self.handle(key, now, |protocol| {
                protocol.handle_drain(SEND_AWAY_SPREAD / SEND_AWAY_PARTS * part)
            });
            self.wake(key);
        }
    }

    /// Writes a live connection's frames of the batch, and tells its session the new position. Afterwards the session
    /// has everything up to the shard's position, or the connection is not live.
    pub(super) fn settle(&mut self, key: ConnectionKey, now: Moment) {
        if !self.marks[key.slot()].is_live() {
            return;
        }
        self.scratch.forget_lists();
        self.flush(key, now);
        let connection = &mut self.connections[key.slot()];
        if let Some(written) = connection.written.take() {
            connection.protocol.handle_told(written);
        }
        if let (true, Some(tenant)) = (self.marks[key.slot()].is_live(), connection.tenant) {
            connection.protocol.advance(self.tenants[tenant.slot()].passed);
        }
    }

    /// Writes a connection's frames of the batch.
    fn flush(&mut self, key: ConnectionKey, now: Moment) {
        let Self { connections, marks, tenants, scratch, .. } = self;
        let mark = &mut marks[key.slot()];
        let list = std::mem::replace(&mut mark.list, ListIndex::NONE);
        if list == ListIndex::NONE {
            // It was served already, or the connection has left.
            return;
        }
        let connection = &mut connections[key.slot()];
        let Some(tenant) = connection.tenant else { return };
        let batch = &tenants[tenant.slot()].batch;
        let Scratch { gathered, delivered, .. } = scratch;
        let encoding = connection.encoding();
        let (frames, bytes) = gathered[encoding.index()].gather(batch, list, encoding);
        let Ok(taken) = taken(connection.sink.try_write(bytes)) else {
            mark.fall_behind();
            connection.has_failed = true;
            return connection.wake();
        };
        if taken == bytes.len() {
            *delivered += frames.len() as u64;
            connection.written = Some(now);
            return;
        }
        connection.protocol.handle_told(now);
        connection.set_slow(true);
        // The session goes on by itself, after the frame that was begun.
        let mut position = batch.after;
        let mut end = 0;
        for &frame in frames {
            if end >= taken {
                break;
            }
            let frame = batch.frame(frame);
            end += frame.bytes(encoding).len();
            position = Some(frame.position);
            *delivered += 1;
        }
        connection.rest = bytes[taken..end.max(taken)].to_vec();
        if let Some(position) = position {
            connection.protocol.advance(position);
        }
        mark.fall_behind();
        connection.wake();
    }
}
