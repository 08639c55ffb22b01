//! A shard owns connections and delivers to them: it follows the logs of their tenants in order and writes each
//! publication's frame straight to the sockets of those that have caught up. Whoever has not, because its socket took no
//! more, reads on from the log by itself and joins again at the head. Pure: sockets are a [`Sink`], time is an argument.
//!
//! A connection is *live* while it has nothing to say or to read itself: everything up to the shard's place in the log
//! was delivered, and what comes next the shard will write. Whatever is handed to its session makes it leave that state
//! until [`Shard::pump`] has found it idle again. A session that is paused in the middle of a subscribe is idle and not
//! live: the shard writes nothing to it.

mod fan_out;

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Wake, Waker},
};

use futures_util::task::AtomicWaker;
use slab::Slab;
use tidings_shared::limits::{FAN_OUT_WRITES, WRITE_BYTES};

use self::fan_out::{Followed, taken};
use crate::{
    Moment, Output, Session,
    metrics::Metrics,
    publication::Few,
    tenant::{Follower, Tenant},
    websocket::{Kind, put, put_close},
};

/// Where bytes go.
pub trait Sink {
    /// Takes as many as it can; the error is [`io::ErrorKind::WouldBlock`] when it takes none just now.
    ///
    /// # Errors
    /// Any other one says that the connection is broken.
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize>;
}

/// How far a connection's output came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pumped {
    /// Everything is written; the connection is live, or its session is paused.
    Idle,
    /// There may be more: hear the peer, let others have a turn, and pump again.
    More,
    /// The socket takes no more just now; it may have taken some.
    Blocked {
        /// Whether it did.
        has_taken: bool,
    },
    /// Our Close is written, after which there is nothing.
    Closed,
}

/// Connections, and the delivery to them. See the module's text in the source for how it works; `Gateway` runs one for
/// each processor, and tests move it without sockets.
#[derive(Debug)]
pub struct Shard<S> {
    connections: Slab<Connection<S>>,
    /// By connection. Apart from them, because a fan-out touches these for each delivery.
    marks: Vec<Mark>,
    tenants: Slab<Followed>,
    by_address: HashMap<usize, usize>,
    /// Tenants whose logs may have more, or whose batch is not written out.
    ready: VecDeque<usize>,
    news: Arc<News>,
    scratch: Scratch,
    writes_per_turn: usize,
}

/// What a shard holds just now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShardCounters {
    /// Connections.
    pub connections: usize,
    /// Tenants that these are of.
    pub tenants: usize,
    /// Topics that they subscribe to.
    pub topics: usize,
    /// Bytes that their sockets have not taken.
    pub unwritten_bytes: usize,
}

#[derive(Debug)]
struct Connection<S> {
    // Boxed, so that a fan-out touches little of each.
    session: Box<Session>,
    sink: S,
    /// When a fan-out last wrote to it, as long as its session was not told.
    written: Option<Moment>,
    tenant: Option<usize>,
    /// What the socket has not taken of a write.
    rest: Vec<u8>,
    /// Our Close is in `rest` or written.
    is_closing: bool,
    has_failed: bool,
    /// Its socket takes no more just now.
    is_slow: bool,
    /// Wakes the task of a connection that leaves the live state by no doing of its own.
    waker: Option<Waker>,
}

/// What a fan-out has to know of a connection.
#[derive(Debug, Clone, Copy)]
struct Mark {
    /// The offset up to which it has everything by itself; [`BEHIND`] or [`PAUSED`] while it is not live.
    passed: u64,
    /// What it gets of the batch, as a list there.
    list: u32,
    /// Its place among those that the publication reaches.
    hit: u32,
}

const BEHIND: u64 = u64::MAX;
const PAUSED: u64 = u64::MAX - 1;
const NONE: u32 = u32::MAX;

impl Mark {
    const NEW: Self = Self { passed: BEHIND, list: NONE, hit: NONE };

    fn is_live(self) -> bool {
        self.passed < PAUSED
    }

    fn is_idle(self) -> bool {
        self.passed != BEHIND
    }

    /// Whether the shard is to deliver what is at this offset.
    fn wants(self, offset: u64) -> bool {
        self.passed < offset
    }
}

/// Memory that is used again and again.
#[derive(Debug)]
struct Scratch {
    /// Several frames for one write.
    gathered: Vec<u8>,
    /// Of which list of the batch that is served these are, and which frames.
    gathered_of: u32,
    frames: Vec<u32>,
    hits: Vec<(u32, Few)>,
    /// Events that were written and not counted.
    delivered: u64,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { gathered: Vec::new(), gathered_of: NONE, frames: Vec::new(), hits: Vec::new(), delivered: 0 }
    }
}

/// The tenants that have something new; whoever publishes adds to it. Each is here once at most: its waker goes with the
/// first publication, and back to its log when the shard has read that.
#[derive(Debug, Default)]
struct News {
    tenants: Mutex<Vec<usize>>,
    shard: AtomicWaker,
}

/// Wakes a shard for one tenant.
struct NewsOf {
    tenant: usize,
    news: Arc<News>,
}

impl Wake for NewsOf {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.news.tenants.lock().unwrap_or_else(PoisonError::into_inner).push(self.tenant);
        self.news.shard.wake();
    }
}

impl<S: Sink> Default for Shard<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Sink> Shard<S> {
    /// A shard without connections.
    pub fn new() -> Self {
        Self {
            connections: Slab::new(),
            marks: Vec::new(),
            tenants: Slab::new(),
            by_address: HashMap::new(),
            ready: VecDeque::new(),
            news: Arc::default(),
            scratch: Scratch::default(),
            writes_per_turn: FAN_OUT_WRITES,
        }
    }

    /// Others have a turn after so many writes of a fan-out. Tests make them few.
    #[must_use]
    pub fn with_writes_per_turn(mut self, writes_per_turn: usize) -> Self {
        self.writes_per_turn = writes_per_turn;
        self
    }

    /// Takes over a connection. It is not live before it was pumped.
    pub fn insert(&mut self, session: Box<Session>, sink: S) -> usize {
        let connection = Connection {
            session,
            sink,
            written: None,
            tenant: None,
            rest: Vec::new(),
            is_closing: false,
            has_failed: false,
            is_slow: false,
            waker: None,
        };
        let key = self.connections.insert(connection);
        self.marks.resize(self.marks.len().max(key + 1), Mark::NEW);
        self.marks[key] = Mark::NEW;
        key
    }

    /// Lets go of a connection, without a trace, and gives its sink back.
    pub fn remove(&mut self, key: usize) -> S {
        self.marks[key] = Mark::NEW;
        self.connections[key].set_slow(false);
        let Connection { mut session, sink, tenant, .. } = self.connections.remove(key);
        if let (Some(follower), Some(tenant)) = (session.follower(), tenant) {
            self.leave(key, follower, tenant);
        }
        if self.connections.is_empty() {
            // A crowd's memory is not kept for nobody.
            (self.connections, self.marks, self.scratch) = Default::default();
        }
        sink
    }

    /// Returns the metrics of the hub that a connection belongs to.
    pub fn metrics(&self, key: usize) -> &Metrics {
        self.connections[key].session.metrics()
    }

    /// Where a connection's bytes go.
    pub fn sink(&self, key: usize) -> &S {
        &self.connections[key].sink
    }

    /// The connections that are there.
    pub fn keys(&self) -> Vec<usize> {
        self.connections.iter().map(|(key, _)| key).collect()
    }

    /// Whether there is such a connection.
    pub fn contains(&self, key: usize) -> bool {
        self.connections.contains(key)
    }

    /// A connection's session.
    pub fn session(&self, key: usize) -> &Session {
        &self.connections[key].session
    }

    /// Whether the shard writes to a connection: it has nothing to say or to read by itself.
    pub fn is_live(&self, key: usize) -> bool {
        self.marks[key].is_live()
    }

    /// Whether there is nothing to do for a connection: it is live, or its session is paused.
    pub fn is_idle(&self, key: usize) -> bool {
        self.marks[key].is_idle()
    }

    /// Says who is to be woken when a connection has to be pumped by no doing of its own.
    pub fn set_waker(&mut self, key: usize, waker: &Waker) {
        match &mut self.connections[key].waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Wakes whoever drives a connection.
    pub fn wake(&mut self, key: usize) {
        self.connections[key].wake();
    }

    /// Hands something to a session; pump afterwards.
    pub fn handle(&mut self, key: usize, now: Moment, act: impl FnOnce(&mut Session)) {
        self.settle(key, now);
        self.marks[key].passed = BEHIND;
        act(&mut self.connections[key].session);
        self.take_account(key);
    }

    /// Ends the sessions that were revoked, and leaves the others as they are.
    pub fn handle_revocation(&mut self, now: Moment) {
        let is_revoked = |key: &usize| self.connections[*key].session.is_revoked(now);
        for key in self.keys().into_iter().filter(is_revoked).collect::<Vec<_>>() {
            self.handle(key, now, |session| session.handle_revocation(now));
            self.wake(key);
        }
    }

    /// Writes what there is, once.
    ///
    /// # Errors
    /// The sink's, or that an earlier write of a fan-out had one: remove the connection.
    pub fn pump(&mut self, key: usize, now: Moment) -> io::Result<Pumped> {
        let pumped = self.write_out(key, now);
        self.connections[key].set_slow(matches!(pumped, Ok(Pumped::Blocked { .. })));
        pumped
    }

    fn write_out(&mut self, key: usize, now: Moment) -> io::Result<Pumped> {
        self.settle(key, now);
        if self.marks[key].is_idle() {
            return Ok(Pumped::Idle);
        }
        let Self { connections, marks, scratch, .. } = self;
        let connection = &mut connections[key];
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
            // One that never catches up is heard all the same.
            return Ok(Pumped::More);
        }
        let is_drained = connection.gather(now, scratch);
        if !connection.write(&scratch.gathered)? {
            return Ok(Pumped::Blocked { has_taken: connection.rest.len() < scratch.gathered.len() });
        }
        if connection.is_closing {
            return Ok(Pumped::Closed);
        }
        if !is_drained {
            return Ok(Pumped::More);
        }
        let is_paused = connection.session.is_paused();
        let follower = connection.session.follower();
        let position = follower.map_or(0, |follower| follower.reader().position().offset);
        marks[key].passed = if is_paused { PAUSED } else { position };
        Ok(Pumped::Idle)
    }

    /// Does a bounded part of what there is to deliver; where there is nothing, `waker` is woken when there is.
    pub fn poll_fan_out(&mut self, now: Moment, waker: &Waker) -> Poll<()> {
        self.news.shard.register(waker);
        let news = std::mem::take(&mut *self.news.tenants.lock().unwrap_or_else(PoisonError::into_inner));
        for tenant in news {
            self.make_ready(tenant);
        }
        let Some(tenant) = self.ready.pop_front() else { return Poll::Pending };
        if self.fan_out(tenant, now) {
            self.ready.push_back(tenant);
        } else if let Some(followed) = self.tenants.get_mut(tenant) {
            followed.is_ready = false;
        }
        Poll::Ready(())
    }

    /// What it holds just now.
    pub fn counters(&self) -> ShardCounters {
        ShardCounters {
            connections: self.connections.len(),
            tenants: self.tenants.len(),
            topics: self.tenants.iter().map(|(_, followed)| followed.topic_count()).sum(),
            unwritten_bytes: self.connections.iter().map(|(_, connection)| connection.rest.len()).sum(),
        }
    }

    fn make_ready(&mut self, tenant: usize) {
        if let Some(followed) = self.tenants.get_mut(tenant)
            && !std::mem::replace(&mut followed.is_ready, true)
        {
            self.ready.push_back(tenant);
        }
    }

    /// Takes account of what a session has begun or ceased to follow.
    fn take_account(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        if let (Some(mut left), Some(tenant)) = (connection.session.take_left(), connection.tenant) {
            connection.tenant = None;
            self.leave(key, &mut left, tenant);
        }
        let connection = &mut self.connections[key];
        let Some(follower) = connection.session.follower() else { return };
        let tenant = if let Some(tenant) = connection.tenant {
            tenant
        } else {
            let tenant = follower.tenant().clone();
            let tenant = self.follow(tenant);
            self.tenants[tenant].connections += 1;
            self.connections[key].tenant = Some(tenant);
            tenant
        };
        if let Some(follower) = self.connections[key].session.follower() {
            self.tenants[tenant].take_account(follower, key);
        }
    }

    fn leave(&mut self, key: usize, follower: &mut Follower, tenant: usize) {
        let followed = &mut self.tenants[tenant];
        followed.leave(follower, key);
        followed.connections -= 1;
        if followed.connections == 0 {
            let followed = self.tenants.remove(tenant);
            self.by_address.remove(&followed.tenant.address());
        }
    }

    fn follow(&mut self, tenant: Tenant) -> usize {
        let address = tenant.address();
        if let Some(&key) = self.by_address.get(&address) {
            return key;
        }
        let entry = self.tenants.vacant_entry();
        let key = entry.key();
        let waker = Arc::new(NewsOf { tenant: key, news: Arc::clone(&self.news) }).into();
        entry.insert(Followed::new(tenant, waker));
        self.by_address.insert(address, key);
        self.make_ready(key);
        self.news.shard.wake();
        key
    }
}

impl<S: Sink> Connection<S> {
    /// Gathers what the session has to say, up to a bound; says whether that is all.
    fn gather(&mut self, now: Moment, scratch: &mut Scratch) -> bool {
        let Scratch { gathered, gathered_of, .. } = scratch;
        gathered.clear();
        *gathered_of = NONE;
        while gathered.len() < WRITE_BYTES {
            match self.session.poll_output(now) {
                Some(Output::Frame(frame)) => gathered.extend_from_slice(frame.message()),
                Some(Output::Ping) => put(gathered, Kind::Ping, &[]),
                Some(Output::Pong(payload)) => put(gathered, Kind::Pong, &payload),
                Some(Output::Close { code, reason }) => {
                    put_close(gathered, code, reason);
                    self.is_closing = true;
                    return true;
                }
                None => return true,
            }
        }
        false
    }

    /// Writes; what is not taken becomes the rest. Says whether all was.
    fn write(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let taken = if bytes.is_empty() { 0 } else { taken(self.sink.try_write(bytes))? };
        self.rest = bytes[taken..].to_vec();
        Ok(self.rest.is_empty())
    }

    fn write_rest(&mut self) -> io::Result<bool> {
        if !self.rest.is_empty() {
            let taken = taken(self.sink.try_write(&self.rest))?;
            self.rest.drain(..taken);
            if self.rest.is_empty() {
                self.rest = Vec::new();
            }
        }
        Ok(self.rest.is_empty())
    }

    fn set_slow(&mut self, is_slow: bool) {
        if std::mem::replace(&mut self.is_slow, is_slow) != is_slow {
            self.session.metrics().slow_sessions.inc_by(if is_slow { 1 } else { -1 });
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests;
