//! The two protocols that a shard serves: WebSocket sessions and streams of server-sent events. They get the same
//! publications. Only the bytes around a frame differ, and the clients of event streams send nothing.

use std::{cell::OnceCell, time::Duration};

use tidings_shared::{Position, limits::WRITE_BYTES};

use crate::{
    event_stream::{Block, EventStream, Framing},
    metrics::Metrics,
    moment::Moment,
    publication::EncodedFrame,
    session::{self, QuestionId, Session},
    tenant_log::Follower,
    websocket::{Kind, put, put_close},
};

/// The server side of one connection. Each method calls the same method of the session or the stream.
#[derive(Debug)]
pub enum Protocol {
    // Boxed, so that a fan-out touches little of each connection.
    /// A WebSocket.
    WebSocket(Box<Session>),
    /// A body of server-sent events.
    EventStream(Box<EventStream>),
}

impl From<Box<Session>> for Protocol {
    fn from(session: Box<Session>) -> Self {
        Self::WebSocket(session)
    }
}

impl From<Box<EventStream>> for Protocol {
    fn from(stream: Box<EventStream>) -> Self {
        Self::EventStream(stream)
    }
}

/// Calls a method that sessions and event streams both have.
macro_rules! each {
    ($protocol:expr, $side:ident => $act:expr) => {
        match $protocol {
            Protocol::WebSocket($side) => $act,
            Protocol::EventStream($side) => $act,
        }
    };
}

impl Protocol {
    /// Returns when [`Protocol::handle_timeout`] has something to do, as time since the clock's start.
    pub fn poll_timeout(&self) -> Option<Duration> {
        each!(self, side => side.poll_timeout())
    }

    /// Returns when [`Protocol::handle_expiry`] has something to do.
    pub fn poll_expiry(&self) -> Option<Duration> {
        each!(self, side => side.poll_expiry())
    }

    /// Sends a ping or ends the connection, if that is due. [`Protocol::poll_timeout`] says when.
    pub fn handle_timeout(&mut self, now: Moment) {
        each!(self, side => side.handle_timeout(now));
    }

    /// Ends the connection if its time is over: a part of [`Protocol::handle_timeout`].
    pub fn handle_expiry(&mut self, now: Moment) {
        each!(self, side => side.handle_expiry(now));
    }

    /// Tells the client to come back later, and ends.
    pub fn handle_drain(&mut self, spread: Duration) {
        each!(self, side => side.handle_drain(spread));
    }

    /// Ends the connection if its client was revoked.
    pub fn handle_revocation(&mut self, now: Moment) {
        each!(self, side => side.handle_revocation(now));
    }

    /// Tells the client of the hub's health, if the client has to hear of it.
    pub fn handle_health(&mut self) {
        each!(self, side => side.handle_health());
    }

    /// Returns whether the client has to hear of the hub's health.
    pub fn has_health_news(&self) -> bool {
        each!(self, side => side.has_health_news())
    }

    /// Returns whether it has ended. It may still have output.
    pub fn is_closed(&self) -> bool {
        each!(self, side => side.is_closed())
    }

    /// Returns the session of a WebSocket.
    pub fn session(&self) -> Option<&Session> {
        match self {
            Self::WebSocket(session) => Some(session),
            Self::EventStream(_) => None,
        }
    }

    /// Returns whether it takes more input, see [`Session::hears`].
    pub fn hears(&self) -> bool {
        match self {
            Self::WebSocket(session) => session.hears(),
            Self::EventStream(_) => true,
        }
    }

    /// Returns whether a session waits for the answer to this question, see [`Session::awaits`].
    pub fn awaits(&self, question: QuestionId) -> bool {
        self.session().is_some_and(|session| session.awaits(question))
    }

    pub(super) fn is_revoked(&self, now: Moment) -> bool {
        each!(self, side => side.is_revoked(now))
    }

    pub(super) fn is_paused(&self) -> bool {
        matches!(self, Self::WebSocket(session) if session.is_paused())
    }

    pub(super) fn metrics(&self) -> &Metrics {
        each!(self, side => side.metrics())
    }

    pub(super) fn follower(&mut self) -> Option<&mut Follower> {
        each!(self, side => side.follower())
    }

    pub(super) fn take_left(&mut self) -> Option<Follower> {
        each!(self, side => side.take_left())
    }

    /// Moves forward to a position. The shard has delivered everything of its topics up to it.
    pub(super) fn advance(&mut self, position: Position) {
        if let Some(follower) = self.follower() {
            follower.advance(position);
        }
    }

    pub(super) fn handle_told(&mut self, at: Moment) {
        each!(self, side => side.handle_told(at));
    }

    /// Appends its output to `bytes`, until they are at least [`WRITE_BYTES`].
    pub(super) fn put_output(&mut self, now: Moment, bytes: &mut Vec<u8>) -> Amount {
        while bytes.len() < WRITE_BYTES {
            let output = match self {
                Self::WebSocket(session) => put_message(session, now, bytes),
                Self::EventStream(stream) => put_block(stream, now, bytes),
            };
            if output != Amount::Part {
                return output;
            }
        }
        Amount::Part
    }

    /// Returns how a fan-out encodes its frames.
    pub(super) fn encoding(&self) -> Encoding {
        match self {
            Self::WebSocket(_) => Encoding::Message,
            Self::EventStream(stream) => Encoding::Block(stream.framing()),
        }
    }
}

/// How much of the output was put into a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amount {
    /// A part: there may be more.
    Part,
    /// All of the current output.
    All,
    /// All of the output, and the end of the connection.
    End,
}

fn put_message(session: &mut Session, now: Moment, bytes: &mut Vec<u8>) -> Amount {
    match session.poll_output(now) {
        Some(session::Output::Frame(frame)) => bytes.extend_from_slice(frame.message()),
        Some(session::Output::Ping) => put(bytes, Kind::Ping, &[]),
        Some(session::Output::Pong(payload)) => put(bytes, Kind::Pong, &payload),
        Some(session::Output::Close { code, reason }) => {
            put_close(bytes, code, reason);
            return Amount::End;
        }
        None => return Amount::All,
    }
    Amount::Part
}

fn put_block(stream: &mut EventStream, now: Moment, bytes: &mut Vec<u8>) -> Amount {
    if let Some(block) = stream.poll_output(now) {
        bytes.extend_from_slice(block.framed(stream.framing()));
        Amount::Part
    } else if stream.is_closed() {
        bytes.extend_from_slice(stream.framing().end());
        Amount::End
    } else {
        Amount::All
    }
}

/// How a frame becomes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// A WebSocket message.
    Message,
    /// A block of server-sent events.
    Block(Framing),
}

impl Encoding {
    pub(super) const COUNT: usize = 3;

    /// Returns a number below [`Encoding::COUNT`].
    pub(super) fn index(self) -> usize {
        match self {
            Self::Message => 0,
            Self::Block(Framing::Chunked) => 1,
            Self::Block(Framing::UntilClose) => 2,
        }
    }
}

/// The frame of a publication, for all encodings.
#[derive(Debug)]
pub(super) struct Frame {
    frame: EncodedFrame,
    pub(super) position: Position,
    /// Encoded for the first event stream that needs it.
    block: OnceCell<Block>,
}

impl Frame {
    pub(super) fn new(frame: EncodedFrame, position: Position) -> Self {
        Self { frame, position, block: OnceCell::new() }
    }

    pub(super) fn bytes(&self, encoding: Encoding) -> &[u8] {
        match encoding {
            Encoding::Message => self.frame.message(),
            Encoding::Block(framing) => {
                let encode = || Block::of("event", Some(&self.position.to_string()), self.frame.text());
                self.block.get_or_init(encode).framed(framing)
            }
        }
    }
}
