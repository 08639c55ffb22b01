//! A shard owns the connections of one thread and delivers to them. It does no I/O: a socket is a [`Sink`], and time is
//! an argument.
//!
//! A connection is a WebSocket with its session, or an event stream ([`Protocol`]). Both get the same publications, in
//! encodings of their own. Below, "session" means either.
//!
//! The shard follows the logs of its tenants in order. A connection is *live* while its session has nothing to write
//! and nothing to read from the log. The shard writes each publication straight to the sockets of the live connections.
//!
//! ```text
//! behind       ── pump found nothing to write or read ──────────▶ live    the shard writes to it
//! behind       ── the same, and the session is paused ──────────▶ paused  nobody writes to it
//! live         ── its socket was full, or entries were evicted ─▶ behind  it drives itself
//! live, paused ── `handle` was called ──────────────────────────▶ behind
//! ```
//!
//! A connection that is behind drives itself: [`Shard::pump`] writes its session's output, which includes reading on
//! from the log. [`Shard::handle`] puts a connection behind before it calls the session. So the session's own output
//! and the fan-out can never overtake each other. A session that is paused in the middle of a subscribe is idle, but
//! not live: the shard writes nothing to it.

mod batch;
mod connection;
mod dirty;
mod fan_out;
mod followed;
mod index;
mod protocol;

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::Arc,
    task::{Poll, Waker},
};

use slab::Slab;
use tidings_shared::limits::FAN_OUT_WRITES;

use self::{
    batch::Gathered,
    connection::{Connection, Mark},
    dirty::Dirty,
    followed::Followed,
    index::TenantKey,
    protocol::{Amount, Encoding},
};
pub use self::{index::ConnectionKey, protocol::Protocol};
use crate::{
    access::Question,
    metrics::Metrics,
    moment::Moment,
    publication::Few,
    session::{QuestionId, Session},
    tenant_log::{Follower, TenantLog},
};

/// Takes the bytes of one connection.
pub trait Sink {
    /// Takes as many bytes as it can, and returns how many.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when it takes none at the moment. Any other error says that the connection is
    /// broken.
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize>;
}

/// The state of a connection's output after [`Shard::pump`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pumped {
    /// Everything is written. The connection is live, or its session is paused.
    Idle,
    /// There may be more. Read from the peer, let others have a turn, and pump again.
    More,
    /// The socket takes no more at the moment.
    Blocked {
        /// Whether it took a part.
        has_taken: bool,
    },
    /// Our Close is written. Nothing follows.
    Closed,
}

/// Connections, and the delivery to them. A server runs one shard on each of a few threads.
#[derive(Debug)]
pub struct Shard<S> {
    connections: Slab<Connection<S>>,
    /// The marks of the connections, by the same index.
    marks: Vec<Mark>,
    tenants: Slab<Followed>,
    /// The keys of the tenants, by their addresses.
    tenant_keys: HashMap<usize, TenantKey>,
    /// Tenants whose logs may have more, or whose batch is not written yet.
    ready: VecDeque<TenantKey>,
    dirty: Arc<Dirty>,
    scratch: Scratch,
    writes_per_turn: usize,
}

/// The current counts of a shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShardCounters {
    /// Connections.
    pub connections: usize,
    /// Tenants of these connections.
    pub tenants: usize,
    /// Topics that these connections subscribe to.
    pub topics: usize,
    /// Bytes that the sockets have not taken.
    pub unwritten_bytes: usize,
}

/// Memory that each fan-out uses again.
#[derive(Debug, Default)]
struct Scratch {
    /// The bytes of one write, by encoding.
    gathered: [Gathered; Encoding::COUNT],
    /// The connections that one publication reaches, and the topics that each of them matches.
    hits: Vec<(ConnectionKey, Few)>,
    /// Events that were written, and not counted yet.
    delivered: u64,
}

impl Scratch {
    /// Forgets the lists of an earlier batch.
    fn forget_lists(&mut self) {
        self.gathered.iter_mut().for_each(Gathered::forget_list);
    }
}

impl<S: Sink> Default for Shard<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Sink> Shard<S> {
    /// Returns a shard without connections.
    pub fn new() -> Self {
        Self {
            connections: Slab::new(),
            marks: Vec::new(),
            tenants: Slab::new(),
            tenant_keys: HashMap::new(),
            ready: VecDeque::new(),
            dirty: Arc::default(),
            scratch: Scratch::default(),
            writes_per_turn: FAN_OUT_WRITES,
        }
    }

    /// Sets the number of writes that end a turn of the fan-out, so that other tasks have a turn. Tests use small
    /// numbers.
    #[must_use]
    pub fn with_writes_per_turn(mut self, writes_per_turn: usize) -> Self {
        self.writes_per_turn = writes_per_turn;
        self
    }

    /// Adds a connection. It is not live until it is pumped.
    pub fn insert(&mut self, protocol: impl Into<Protocol>, sink: S) -> ConnectionKey {
        let slot = self.connections.insert(Connection::new(protocol.into(), sink));
        self.marks.resize(self.marks.len().max(slot + 1), Mark::NEW);
        self.marks[slot] = Mark::NEW;
        let key = ConnectionKey::new(slot);
        self.apply_changes(key);
        key
    }

    /// Removes a connection, and returns its sink.
    pub fn remove(&mut self, key: ConnectionKey) -> S {
        self.marks[key.slot()] = Mark::NEW;
        self.connections[key.slot()].set_slow(false);
        let Connection { mut protocol, sink, tenant, .. } = self.connections.remove(key.slot());
        if let (Some(follower), Some(tenant)) = (protocol.follower(), tenant) {
            self.leave(key, follower, tenant);
        }
        if self.connections.is_empty() {
            // A shard without connections keeps no memory for them.
            (self.connections, self.marks, self.scratch) = Default::default();
        }
        sink
    }

    /// Returns the metrics of the hub that a connection belongs to.
    pub fn metrics(&self, key: ConnectionKey) -> &Metrics {
        self.connections[key.slot()].protocol.metrics()
    }

    /// Returns a connection's sink.
    pub fn sink_mut(&mut self, key: ConnectionKey) -> &mut S {
        &mut self.connections[key.slot()].sink
    }

    /// Returns the keys of all connections.
    pub fn keys(&self) -> Vec<ConnectionKey> {
        self.connections.iter().map(|(slot, _)| ConnectionKey::new(slot)).collect()
    }

    /// Returns whether there is a connection with this key.
    pub fn contains(&self, key: ConnectionKey) -> bool {
        self.connections.contains(key.slot())
    }

    /// Returns the session or the event stream of a connection.
    pub fn protocol(&self, key: ConnectionKey) -> &Protocol {
        &self.connections[key.slot()].protocol
    }

    /// Returns whether the shard writes to a connection.
    pub fn is_live(&self, key: ConnectionKey) -> bool {
        self.marks[key.slot()].is_live()
    }

    /// Returns whether a connection needs no pump: it is live, or its session is paused.
    pub fn is_idle(&self, key: ConnectionKey) -> bool {
        self.marks[key.slot()].is_idle()
    }

    /// Sets the waker of the task that drives a connection. The shard wakes it when the connection has to be pumped.
    pub fn set_waker(&mut self, key: ConnectionKey, waker: &Waker) {
        match &mut self.connections[key.slot()].waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Wakes the task that drives a connection.
    pub fn wake(&mut self, key: ConnectionKey) {
        self.connections[key.slot()].wake();
    }

    /// Hands something to a session or an event stream. Pump the connection afterwards.
    pub fn handle(&mut self, key: ConnectionKey, now: Moment, act: impl FnOnce(&mut Protocol)) {
        self.settle(key, now);
        self.marks[key.slot()].fall_behind();
        act(&mut self.connections[key.slot()].protocol);
        self.apply_changes(key);
    }

    /// Hands something from the client to a session. Pump the connection afterwards. Does not call `act` for an event
    /// stream: its client sends nothing.
    pub fn handle_session(&mut self, key: ConnectionKey, now: Moment, act: impl FnOnce(&mut Session)) {
        self.handle(key, now, |protocol| {
            if let Protocol::WebSocket(session) = protocol {
                act(session);
            }
        });
    }

    /// Returns the next question of a session, see [`Session::poll_question`]. Hand in the answer with
    /// [`Shard::handle_session`].
    pub fn poll_question(&mut self, key: ConnectionKey) -> Option<(QuestionId, Question)> {
        match &mut self.connections[key.slot()].protocol {
            Protocol::WebSocket(session) => session.poll_question(),
            Protocol::EventStream(_) => None,
        }
    }

    /// Handles the answers of the journal that a session waits for. Pump the connection afterwards if this returns `true`.
    /// Otherwise `waker` is woken when there is one.
    pub fn poll_journal(&mut self, key: ConnectionKey, now: Moment, waker: &Waker) -> bool {
        let Protocol::WebSocket(session) = &mut self.connections[key.slot()].protocol else { return false };
        let has_come = session.poll_journal(waker);
        if has_come {
            self.handle_session(key, now, |session| session.handle_journal(now));
        }
        has_come
    }

    /// Ends a connection whose socket takes nothing. Pump it afterwards. A session tells its client the reason. An
    /// event stream is cut.
    pub fn handle_stalled(&mut self, key: ConnectionKey, now: Moment) {
        match self.protocol(key) {
            Protocol::WebSocket(_) => self.handle_session(key, now, Session::handle_stalled),
            Protocol::EventStream(_) => self.connections[key.slot()].has_failed = true,
        }
    }

    /// Ends the connections whose clients were revoked, and touches no others.
    pub fn handle_revocation(&mut self, now: Moment) {
        let is_revoked = |key: &ConnectionKey| self.protocol(*key).is_revoked(now);
        for key in self.keys().into_iter().filter(is_revoked).collect::<Vec<_>>() {
            self.handle(key, now, |protocol| protocol.handle_revocation(now));
            self.wake(key);
        }
    }

    /// Tells the clients of these connections of the hub's health, and touches no others. Connections that have gone
    /// meanwhile do not matter.
    pub fn handle_health(&mut self, keys: &[ConnectionKey], now: Moment) {
        for &key in keys {
            if self.contains(key) && self.protocol(key).has_health_news() {
                self.handle(key, now, Protocol::handle_health);
                self.wake(key);
            }
        }
    }

    /// Writes a connection's output, with at most one write to its sink.
    ///
    /// # Errors
    /// The sink's error, or an error of an earlier write of a fan-out. Remove the connection.
    pub fn pump(&mut self, key: ConnectionKey, now: Moment) -> io::Result<Pumped> {
        let pumped = self.write_output(key, now);
        self.connections[key.slot()].set_slow(matches!(pumped, Ok(Pumped::Blocked { .. })));
        pumped
    }

    fn write_output(&mut self, key: ConnectionKey, now: Moment) -> io::Result<Pumped> {
        self.settle(key, now);
        if self.is_idle(key) {
            return Ok(Pumped::Idle);
        }
        let Self { connections, marks, scratch, .. } = self;
        let (connection, mark) = (&mut connections[key.slot()], &mut marks[key.slot()]);
        if connection.has_failed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let before = connection.rest.len();
        if !connection.write_rest()? {
            return Ok(Pumped::Blocked { has_taken: connection.rest.len() < before });
        }
        if connection.is_closing {
            return Ok(Pumped::Closed);
        }
        if before > 0 {
            // The caller must have a turn to read, even if the connection never catches up.
            return Ok(Pumped::More);
        }
        let bytes = scratch.gathered[connection.encoding().index()].buffer();
        let output = connection.protocol.put_output(now, bytes);
        connection.is_closing = output == Amount::End;
        if !connection.write(bytes)? {
            return Ok(Pumped::Blocked { has_taken: connection.rest.len() < bytes.len() });
        }
        if connection.is_closing {
            return Ok(Pumped::Closed);
        }
        if output == Amount::Part {
            return Ok(Pumped::More);
        }
        if connection.protocol.is_paused() {
            mark.pause();
        } else {
            let follower = connection.protocol.follower();
            mark.go_live(follower.map_or(0, |follower| follower.reader().position().offset));
        }
        Ok(Pumped::Idle)
    }

    /// Does a bounded part of the fan-out. Returns `Pending` when there is nothing to deliver. The next publication
    /// then wakes `waker`.
    pub fn poll_fan_out(&mut self, now: Moment, waker: &Waker) -> Poll<()> {
        for tenant in self.dirty.take(waker) {
            self.make_ready(tenant);
        }
        let Some(tenant) = self.ready.pop_front() else { return Poll::Pending };
        if self.fan_out(tenant, now) {
            self.ready.push_back(tenant);
        } else if let Some(followed) = self.tenants.get_mut(tenant.slot()) {
            followed.is_ready = false;
        }
        Poll::Ready(())
    }

    /// Returns the current counts.
    pub fn counters(&self) -> ShardCounters {
        ShardCounters {
            connections: self.connections.len(),
            tenants: self.tenants.len(),
            topics: self.tenants.iter().map(|(_, followed)| followed.topic_count()).sum(),
            unwritten_bytes: self.connections.iter().map(|(_, connection)| connection.rest.len()).sum(),
        }
    }

    fn make_ready(&mut self, tenant: TenantKey) {
        if let Some(followed) = self.tenants.get_mut(tenant.slot())
            && !std::mem::replace(&mut followed.is_ready, true)
        {
            self.ready.push_back(tenant);
        }
    }

    /// Applies the changes of a session's topics, and of its tenant.
    fn apply_changes(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key.slot()];
        if let (Some(mut left), Some(tenant)) = (connection.protocol.take_left(), connection.tenant) {
            connection.tenant = None;
            self.leave(key, &mut left, tenant);
        }
        let connection = &mut self.connections[key.slot()];
        let Some(follower) = connection.protocol.follower() else { return };
        let tenant = if let Some(tenant) = connection.tenant {
            tenant
        } else {
            let tenant = follower.tenant().clone();
            let tenant = self.follow(tenant);
            self.tenants[tenant.slot()].connections += 1;
            self.connections[key.slot()].tenant = Some(tenant);
            tenant
        };
        if let Some(follower) = self.connections[key.slot()].protocol.follower() {
            self.tenants[tenant.slot()].apply_changes(follower, key);
        }
    }

    fn leave(&mut self, key: ConnectionKey, follower: &mut Follower, tenant: TenantKey) {
        let followed = &mut self.tenants[tenant.slot()];
        followed.leave(follower, key);
        followed.connections -= 1;
        if followed.connections == 0 {
            let followed = self.tenants.remove(tenant.slot());
            self.tenant_keys.remove(&followed.tenant.address());
        }
    }

    fn follow(&mut self, tenant: TenantLog) -> TenantKey {
        let address = tenant.address();
        if let Some(&key) = self.tenant_keys.get(&address) {
            return key;
        }
        let entry = self.tenants.vacant_entry();
        let key = TenantKey::new(entry.key());
        entry.insert(Followed::new(tenant, self.dirty.waker(key)));
        self.tenant_keys.insert(address, key);
        self.make_ready(key);
        self.dirty.wake();
        key
    }
}

#[cfg(test)]
mod tests;
