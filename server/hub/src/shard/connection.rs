//! One connection of a shard: its session or event stream, its socket, and the bytes that the socket has not taken.

use std::{io, task::Waker};

use super::{
    Sink,
    index::{HitIndex, ListIndex, TenantKey},
    protocol::{Encoding, Protocol},
};
use crate::moment::Moment;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection<S> {
    pub(super) protocol: Protocol,
    encoding: Encoding,
    pub(super) sink: S,
    /// The time of a fan-out's last write, until the shard tells the session.
    pub(super) written: Option<Moment>,
    pub(super) tenant: Option<TenantKey>,
    /// Bytes of a write that the socket has not taken.
    pub(super) rest: Vec<u8>,
    /// Our Close is in `rest`, or written.
    pub(super) is_closing: bool,
    /// A fan-out's write failed.
    pub(super) has_failed: bool,
    /// The socket takes no more at the moment.
    is_slow: bool,
    /// Wakes the task of the connection when the shard ends its live state.
    pub(super) waker: Option<Waker>,
}

impl<S> Connection<S> {
    pub(super) fn new(protocol: Protocol, sink: S) -> Self {
        Self {
            encoding: protocol.encoding(),
            protocol,
            sink,
            written: None,
            tenant: None,
            rest: Vec::new(),
            is_closing: false,
            has_failed: false,
            is_slow: false,
            waker: None,
        }
    }

    /// Returns the encoding of the protocol. A fan-out reads this copy, and does not touch the memory of the session.
    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Notes whether the socket takes bytes, for the metrics.
    pub(super) fn set_slow(&mut self, is_slow: bool) {
        if std::mem::replace(&mut self.is_slow, is_slow) != is_slow {
            self.protocol.metrics().slow_sessions.inc_by(if is_slow { 1 } else { -1 });
        }
    }

    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl<S: Sink> Connection<S> {
    /// Writes bytes, and keeps those that the socket does not take. Returns whether it took all.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let taken = if bytes.is_empty() { 0 } else { taken(self.sink.try_write(bytes))? };
        self.rest = bytes[taken..].to_vec();
        Ok(self.rest.is_empty())
    }

    /// Writes the rest of an earlier write. Returns whether the socket took all of it.
    pub(super) fn write_rest(&mut self) -> io::Result<bool> {
        if !self.rest.is_empty() {
            let taken = taken(self.sink.try_write(&self.rest))?;
            self.rest.drain(..taken);
            if self.rest.is_empty() {
                self.rest = Vec::new();
            }
        }
        Ok(self.rest.is_empty())
    }
}

/// Returns how many bytes a sink took.
pub(super) fn taken(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}

/// What a fan-out reads and writes of a connection at each delivery. The marks lie side by side, apart from the
/// connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// The session has everything up to this offset. [`BEHIND`] or [`PAUSED`] while the connection is not live.
    passed: u64,
    /// The frames of the batch that it gets.
    pub(super) list: ListIndex,
    /// Its index among the connections that the current publication reaches.
    pub(super) hit: HitIndex,
}

const BEHIND: u64 = u64::MAX;
const PAUSED: u64 = u64::MAX - 1;

impl Mark {
    /// The mark of a connection that was not pumped yet.
    pub(super) const NEW: Self = Self { passed: BEHIND, list: ListIndex::NONE, hit: HitIndex::NONE };

    /// Returns whether the shard writes to the connection.
    pub(super) fn is_live(self) -> bool {
        self.passed < PAUSED
    }

    /// Returns whether the connection is live or paused: its session has nothing to write or to read.
    pub(super) fn is_idle(self) -> bool {
        self.passed != BEHIND
    }

    /// Returns whether the shard has to deliver a publication at this offset.
    pub(super) fn wants(self, offset: u64) -> bool {
        self.passed < offset
    }

    /// Makes the connection live. Its session has everything up to this offset, and the shard writes the rest.
    pub(super) fn go_live(&mut self, offset: u64) {
        self.passed = offset;
    }

    /// Marks the session as paused in the middle of a subscribe.
    pub(super) fn pause(&mut self) {
        self.passed = PAUSED;
    }

    /// Puts the connection behind: its session reads on from the log.
    pub(super) fn fall_behind(&mut self) {
        self.passed = BEHIND;
    }
}
