//! Server-sent events: the frames of a session, for clients that only listen. Each block carries a frame: `event` is
//! its operation, `data` is the frame, and `id` is its position, so that `Last-Event-ID` resumes. It does no I/O: a
//! shard drives it with moments and polls it for blocks.
//!
//! Drive it like a session: after each `handle_…` call, poll until it returns `None`.

mod block;
mod health;

use std::{collections::VecDeque, io::Write as _, task::Waker, time::Duration};

use serde_json::json;
use tidings_shared::{
    Code, TopicName,
    frame::{Outcome, ServerFrame, UnknownDomain},
    limits,
};

pub use self::block::{Block, Framing};
use crate::{
    Hub, Moment,
    health::Told,
    metrics::Metrics,
    problem::Problem,
    reader::Delivery,
    revocation::Admitted,
    session::{NO_ROOM, NamedTopics, SessionSettings, count, encode, expiry, frame_of},
    tenant_log::Follower,
    unknown_domains::comment,
};

/// The server side of one stream. Events that the client has not taken yet wait in the log.
#[derive(Debug)]
pub struct EventStream {
    /// The topics, until the stream ends.
    follower: Option<Follower>,
    /// The topics of a stream that has ended, until its shard takes them.
    left: Option<Follower>,
    /// Blocks about the stream itself. They go before `ready`.
    blocks: VecDeque<Block>,
    /// Deliveries that were read from the log, and are not encoded yet.
    ready: VecDeque<Delivery>,
    framing: Framing,
    heartbeat: Duration,
    /// When the listener was last told a position.
    last_told: Duration,
    hub: Hub,
    admitted: Admitted,
    /// The number of the newest revocation that its rights know.
    obeyed: u64,
    /// The domains of its topics that this server does not know.
    unknown: Vec<UnknownDomain>,
    /// When the stream must end: its token's expiry and the grace after it.
    expires: Option<Moment>,
    /// The client's reconnect delay, unless the last block names another.
    retry: Duration,
    /// What the client has heard of the hub's health.
    told: Told,
}

/// A client of an event stream, and its rights.
#[derive(Debug)]
pub struct StreamAccess {
    /// The client.
    pub admitted: Admitted,
    /// The number of the [newest](crate::revocation::Revocations::newest) revocation when the rights were asked for.
    pub asked_at: u64,
    /// Whether the client may subscribe to each of the [named topics](NamedTopics::names), in order.
    pub allowed: Vec<bool>,
}

impl EventStream {
    /// Returns a stream of the topics that `access` allows. It begins after `since`, or now without `since`.
    ///
    /// # Errors
    /// No topic is named, the tenant is full, or a topic is refused. One refused topic refuses the whole stream: a
    /// stream of the other topics would be silently stale.
    pub fn open(
        hub: &Hub,
        settings: SessionSettings,
        access: StreamAccess,
        topics: NamedTopics,
        since: Option<&str>,
        now: Moment,
    ) -> Result<Self, Problem> {
        Self::check(&topics, settings)?;
        let StreamAccess { admitted, asked_at, mut allowed } = access;
        hub.revocations().withdraw(&admitted, topics.names(), &mut allowed, now);
        let identity = &admitted.identity;
        let Some(mut follower) = hub.tenant_log(&identity.tenant).try_follow_in_shard() else {
            return Err(Problem::new(Code::Overloaded, NO_ROOM));
        };
        let outcomes = topics.subscribe(hub, settings, &mut follower, Ok(allowed), since);
        if let Some(refused) = outcomes.iter().find(|topic| topic.outcome == Outcome::Refused) {
            let is_its = |code: &&Code| refused.code.as_deref() == Some(code.as_str());
            let code = Code::ALL.iter().copied().find(|code| is_its(&code)).unwrap_or(Code::Internal);
            let why = match code {
                // The code's meaning speaks of sessions, too.
                Code::Forbidden => "the client may not subscribe to it, or it does not exist",
                code => code.meaning(),
            };
            return Err(Problem::new(code, format!("topic {:?}: {why}", refused.topic)));
        }
        let unknown = hub.unknown_domains().among(hub.domains(), &outcomes);
        let position = follower.reader().position().to_string();
        let first = if outcomes.iter().any(|topic| topic.outcome == Outcome::Sync) {
            let topics = follower.reader().topics().map(TopicName::to_string).collect();
            let frame = ServerFrame::Sync { position: position.clone(), topics };
            Block::of("sync", Some(&position), encode(&frame).text())
        } else {
            let frame = json!({ "op": "subscribed", "position": position, "topics": outcomes });
            Block::of("subscribed", Some(&position), frame.to_string().as_bytes())
        };
        let mut stream = Self {
            follower: Some(follower),
            left: None,
            blocks: VecDeque::from([with_comment(&comment(&unknown), first)]),
            ready: VecDeque::new(),
            framing: Framing::Chunked,
            heartbeat: settings.heartbeat,
            last_told: now.since_start,
            hub: hub.clone(),
            unknown,
            expires: expiry(identity.expires_at, settings.expiry_grace, now),
            admitted,
            obeyed: asked_at,
            retry: limits::STREAM_RETRY,
            told: Told::default(),
        };
        stream.handle_health();
        Ok(stream)
    }

    /// Checks the number of topics. Do this before the application is asked about them.
    ///
    /// # Errors
    /// No topic is named, or there are more than a stream may have.
    pub fn check(topics: &NamedTopics, settings: SessionSettings) -> Result<(), Problem> {
        if topics.is_empty() {
            let message = "name the topics to listen to: /v1/events?topic=staff:people&topic=projects:all";
            return Err(Problem::new(Code::InvalidTopic, message));
        }
        let max = settings.max_topics;
        let Some(beyond) = topics.names().get(max).map(TopicName::as_str) else { return Ok(()) };
        let message =
            format!("a stream has at most {max} topics (--max-topics-per-session), {beyond:?} is beyond");
        Err(Problem::new(Code::TooManyTopics, message))
    }

    /// Sets the client's reconnect delay. The first block tells it.
    #[must_use]
    pub fn coming_back_after(mut self, retry: Duration) -> Self {
        self.retry = retry;
        if let Some(first) = self.blocks.front_mut() {
            *first = with_retry(retry, first);
        }
        self
    }

    /// Sets the framing of the body. It is [`Framing::Chunked`] otherwise.
    #[must_use]
    pub fn framed(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// Returns the framing of the body.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Returns the domains of its topics that this server does not know, separated by commas.
    pub fn unknown_domains(&self) -> Option<String> {
        let names: Vec<&str> = self.unknown.iter().map(|unknown| unknown.domain.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Returns the next block. `None` means that there is none until the log has more or the timeout comes.
    pub fn poll_output(&mut self, now: Moment) -> Option<Block> {
        if let Some(block) = self.blocks.pop_front() {
            return Some(block);
        }
        // An idle stream keeps no memory for its blocks.
        self.blocks = VecDeque::new();
        if self.ready.is_empty() {
            if let Some(block) = self.restored(now) {
                return Some(block);
            }
            self.ready = self.follower.as_mut()?.poll_read(limits::READ_BATCH, Waker::noop()).into();
        }
        let Some(delivery) = self.ready.pop_front() else { return self.restored(now) };
        self.last_told = now.since_start;
        count(&delivery, self.hub.metrics());
        let (event, position) = match &delivery {
            Delivery::Event { publication, .. } => ("event", publication.position),
            Delivery::Sync { position, .. } => ("sync", *position),
        };
        Some(Block::of(event, Some(&position.to_string()), frame_of(&delivery).text()))
    }

    /// Returns when [`EventStream::handle_timeout`] has something to do, as time since the clock's start.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let ping_due = self.last_told + self.heartbeat;
        (!self.is_closed()).then(|| self.poll_expiry().map_or(ping_due, |expiry| expiry.min(ping_due)))
    }

    /// Returns when [`EventStream::handle_expiry`] has something to do.
    pub fn poll_expiry(&self) -> Option<Duration> {
        self.expires.filter(|_| !self.is_closed()).map(|expires| expires.since_start)
    }

    /// Ends the stream if its time is over: a part of [`EventStream::handle_timeout`].
    pub fn handle_expiry(&mut self, now: Moment) {
        if self.expires.is_some_and(|expires| expires.has_come(now)) {
            let frame = ServerFrame::error(None, Code::TokenExpired, Code::TokenExpired.meaning());
            self.end(Block::of("error", None, encode(&frame).text()));
        }
    }

    /// Sends a ping or ends the stream, if that is due. [`EventStream::poll_timeout`] says when.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.handle_expiry(now);
        let now = now.since_start;
        let Some(follower) = &mut self.follower else { return };
        if now >= self.last_told + self.heartbeat && self.ready.is_empty() {
            let position = follower.passed().to_string();
            let frame = ServerFrame::Ping { position: Some(position.clone()) };
            self.blocks.push_back(Block::of("ping", Some(&position), encode(&frame).text()));
            self.last_told = now;
        }
    }

    /// Returns whether a revocation ends the stream.
    pub(crate) fn is_revoked(&self, now: Moment) -> bool {
        let Some(follower) = &self.follower else { return false };
        let (revocations, topics) = (self.hub.revocations(), follower.reader().topics());
        revocations.ends(None, &self.admitted, now)
            || revocations.takes_away(&self.admitted, topics, self.obeyed, now)
    }

    /// Ends the stream if its listener or one of its topics was revoked. A stream of the other topics would be silently
    /// stale. If the client comes back for the same topics, it is refused.
    pub fn handle_revocation(&mut self, now: Moment) {
        let Some(follower) = &self.follower else { return };
        let revocations = self.hub.revocations();
        let message = if revocations.ends(None, &self.admitted, now) {
            self.hub.keep_out(None, &self.admitted, now);
            "this stream was revoked"
        } else {
            let topics = follower.reader().topics();
            let (lost, newest, known) = revocations.lost(&self.admitted, topics, self.obeyed, now);
            self.hub.keep_revoked(known, now);
            self.obeyed = newest;
            if lost.is_empty() {
                return;
            }
            "the right to a topic of this stream was revoked"
        };
        let frame = ServerFrame::error(None, Code::Forbidden, message);
        self.end(Block::of("error", None, encode(&frame).text()));
    }

    /// Tells the client to come back after its reconnect delay and `spread` together, and ends.
    pub fn handle_drain(&mut self, spread: Duration) {
        self.end(goaway(self.retry + spread, None));
    }

    /// Ends the stream with a last block. The next stream resumes, and gets the events that were read and not sent.
    fn end(&mut self, last: Block) {
        if let Some(follower) = self.follower.take() {
            self.left = Some(follower);
            self.ready = VecDeque::new();
            self.blocks.push_back(last);
        }
    }

    /// Returns whether this stream has ended. It may still have blocks to send.
    pub fn is_closed(&self) -> bool {
        self.follower.is_none()
    }

    /// Returns the topics, while the stream is open.
    pub(crate) fn follower(&mut self) -> Option<&mut Follower> {
        self.follower.as_mut()
    }

    /// Returns the topics of a stream that has ended, once.
    pub(crate) fn take_left(&mut self) -> Option<Follower> {
        self.left.take()
    }

    /// Notes that its shard has told the client a position.
    pub(crate) fn handle_told(&mut self, at: Moment) {
        self.last_told = self.last_told.max(at.since_start);
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        self.hub.metrics()
    }
}

/// Returns the last block of a stream. The client comes back after `retry`. Within a stream the block needs no id: the
/// client keeps the last one.
fn goaway(retry: Duration, id: Option<&str>) -> Block {
    let frame = ServerFrame::Goaway { retry_after_ms: millis(retry) };
    with_retry(retry, &Block::of("goaway", id, encode(&frame).text()))
}

/// Returns the one block of a stream that can't be served at the moment. `id` is the client's last event id.
pub fn refusal(problem: &Problem, retry: Duration, id: Option<&str>) -> Block {
    if problem.code == Code::GoingAway {
        return goaway(retry, id);
    }
    let frame = ServerFrame::error(None, problem.code, &problem.message);
    with_retry(retry, &Block::of("error", id, encode(&frame).text()))
}

/// Puts a reconnect delay before a block.
fn with_retry(retry: Duration, block: &Block) -> Block {
    Block::new(block.text().len() + 32, |text| {
        // Writing to a vector cannot fail.
        let _ = writeln!(text, "retry: {}", millis(retry));
        text.extend_from_slice(block.text());
    })
}

/// Adds comment lines at the end of a block.
fn with_comment(comment: &str, block: Block) -> Block {
    if comment.is_empty() {
        return block;
    }
    let text = block.text();
    // A block ends with an empty line.
    let parts = [&text[..text.len() - 1], comment.as_bytes(), b"\n"];
    Block::new(text.len() + comment.len(), |text| parts.iter().for_each(|part| text.extend_from_slice(part)))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
