//! Server-sent events: what a session is told, for those who only listen. Each block is a frame: `event` is its
//! operation, `data` the frame, `id` its position, so that `Last-Event-ID` resumes. Pure: it is driven with moments and
//! polled for blocks.
//!
//! The law of calling is a session's: after every `handle_*`, poll until there is nothing.

use std::{collections::VecDeque, task::Waker, time::Duration};

use bytes::Bytes;
use serde_json::json;
use tidings_shared::{
    Code, TopicName,
    frame::{Outcome, ServerFrame, UnknownDomain},
    limits,
};

use crate::{
    Authorize, Hub, Moment,
    problem::Problem,
    reader::Delivery,
    revocation::Admitted,
    session::{NO_ROOM, SessionSettings, count, encode, expiry, frame_of, subscribe},
    tenant::Follower,
    unknown_domains::comment,
};

/// A listener's stream. What it has not taken yet waits in the log.
#[derive(Debug)]
pub struct EventStream {
    follower: Follower,
    /// What the stream says of itself; it goes before what was read.
    blocks: VecDeque<Bytes>,
    /// What was read from the log.
    ready: VecDeque<Delivery>,
    heartbeat: Duration,
    /// When the listener was last told a position.
    last_told: Duration,
    hub: Hub,
    admitted: Admitted,
    /// The domains of its topics that this server does not know.
    unknown: Vec<UnknownDomain>,
    /// When the token ends, with its grace.
    expires: Option<Moment>,
    has_ended: bool,
    /// The client's pause before it comes back, unless a last block names another.
    retry: Duration,
}

impl EventStream {
    /// A stream of these topics, after `since` if there is one. A stream of some of them would be silently stale in the
    /// others, so one topic that is refused refuses all.
    pub fn open(
        hub: &Hub,
        access: &dyn Authorize,
        settings: SessionSettings,
        admitted: Admitted,
        topics: &[String],
        since: Option<&str>,
        now: Moment,
    ) -> Result<Self, Problem> {
        if topics.is_empty() {
            let message = "name the topics to listen to: /v1/events?topic=staff:people&topic=projects:all";
            return Err(Problem::new(Code::InvalidTopic, message));
        }
        let identity = &admitted.identity;
        let Some(mut follower) = hub.tenant(&identity.tenant).try_follow() else {
            return Err(Problem::new(Code::Overloaded, NO_ROOM));
        };
        let outcomes = subscribe(hub, access, settings, identity, &mut follower, topics, since);
        if let Some(refused) = outcomes.iter().find(|topic| topic.outcome == Outcome::Refused) {
            let is_its = |code: &&Code| refused.code.as_deref() == Some(code.as_str());
            let code = Code::ALL.iter().copied().find(|code| is_its(&code)).unwrap_or(Code::Internal);
            let topic = &refused.topic;
            let message = match code {
                Code::TooManyTopics => {
                    let max = settings.max_topics;
                    format!(
                        "a stream has at most {max} topics (--max-topics-per-session), {topic:?} is beyond"
                    )
                }
                _ => format!("topic {topic:?}: {}", code.meaning()),
            };
            return Err(Problem::new(code, message));
        }
        let unknown = hub.unknown_domains().among(hub.domains(), &outcomes);
        let position = follower.reader().position().to_string();
        let first = if outcomes.iter().any(|topic| topic.outcome == Outcome::Sync) {
            let topics = follower.reader().topics().map(TopicName::to_string).collect();
            let frame = ServerFrame::Sync { position: position.clone(), topics };
            block("sync", Some(&position), encode(&frame).text())
        } else {
            let frame = json!({ "op": "subscribed", "position": position, "topics": outcomes });
            block("subscribed", Some(&position), frame.to_string().as_bytes())
        };
        // A block ends with an empty line.
        let first = [&first[..first.len() - 1], comment(&unknown).as_bytes(), b"\n"].concat().into();
        Ok(Self {
            follower,
            blocks: VecDeque::from([first]),
            ready: VecDeque::new(),
            heartbeat: settings.heartbeat,
            last_told: now.since_start,
            hub: hub.clone(),
            unknown,
            expires: expiry(identity.expires_at, settings.expiry_grace, now),
            admitted,
            has_ended: false,
            retry: limits::STREAM_RETRY,
        })
    }

    /// Tells the client its pause before it comes back, in the first block.
    #[must_use]
    pub fn coming_back_after(mut self, retry: Duration) -> Self {
        self.retry = retry;
        if let Some(first) = self.blocks.front_mut() {
            *first = with_retry(retry, first);
        }
        self
    }

    /// The names of the domains of its topics that this server does not know, separated by commas.
    pub fn unknown_domains(&self) -> Option<String> {
        let names: Vec<&str> = self.unknown.iter().map(|unknown| unknown.domain.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// What to send next; `None` when there is nothing until the waker is woken or the timeout comes.
    pub fn poll_output(&mut self, now: Moment, waker: &Waker) -> Option<Bytes> {
        if let Some(block) = self.blocks.pop_front() {
            return Some(block);
        }
        if self.has_ended {
            return None;
        }
        if self.ready.is_empty() {
            self.ready.extend(self.follower.poll_read(limits::READ_BATCH, waker));
        }
        let delivery = self.ready.pop_front()?;
        self.last_told = now.since_start;
        count(&delivery, self.follower.tenant().metrics());
        let (event, position) = match &delivery {
            Delivery::Event { publication, .. } => ("event", publication.position),
            Delivery::Sync { position, .. } => ("sync", *position),
        };
        Some(block(event, Some(&position.to_string()), frame_of(&delivery).text()))
    }

    /// When [`EventStream::handle_timeout`] has something to do, as time since the clock's start.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let ping_due = self.last_told + self.heartbeat;
        (!self.has_ended).then(|| self.expires.map_or(ping_due, |expires| expires.since_start.min(ping_due)))
    }

    /// When [`EventStream::handle_expiry`] has something to do.
    pub fn poll_expiry(&self) -> Option<Duration> {
        self.expires.filter(|_| !self.has_ended).map(|expires| expires.since_start)
    }

    /// Ends the stream if its time is over: a part of [`EventStream::handle_timeout`].
    pub fn handle_expiry(&mut self, now: Moment) {
        if self.expires.is_some_and(|expires| expires.has_come(now)) {
            let frame = ServerFrame::error(None, Code::TokenExpired, Code::TokenExpired.meaning());
            self.end(block("error", None, encode(&frame).text()));
        }
    }

    /// Acts on what [`EventStream::poll_timeout`] announced.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.handle_expiry(now);
        let now = now.since_start;
        if !self.has_ended && now >= self.last_told + self.heartbeat && self.ready.is_empty() {
            let position = self.follower.passed().to_string();
            let frame = ServerFrame::Ping { position: Some(position.clone()) };
            self.blocks.push_back(block("ping", Some(&position), encode(&frame).text()));
            self.last_told = now;
        }
    }

    /// Ends the stream if its listener was revoked.
    pub fn handle_revocation(&mut self, now: Moment) {
        if self.hub.revocations().ends(None, &self.admitted, now) {
            self.hub.revocations().keep_out(None, &self.admitted, now);
            let frame = ServerFrame::error(None, Code::Forbidden, "this stream was revoked");
            self.end(block("error", None, encode(&frame).text()));
        }
    }

    /// Tells the client to come back after its pause and its part of the drain's spread, and ends.
    pub fn handle_drain(&mut self, spread: Duration) {
        self.end(goaway(self.retry + spread, None));
    }

    /// Says a last word. What was read and not sent is for the next stream, which resumes.
    fn end(&mut self, last: Bytes) {
        if !self.has_ended {
            self.blocks.push_back(last);
            self.has_ended = true;
        }
    }

    /// Whether this stream has ended; what is left to poll is its last words.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }
}

/// The last block of a stream whose client comes back after `retry`. Within a stream it needs no id: the client keeps the
/// last one.
fn goaway(retry: Duration, id: Option<&str>) -> Bytes {
    let frame = ServerFrame::Goaway { retry_after_ms: millis(retry) };
    with_retry(retry, &block("goaway", id, encode(&frame).text()))
}

/// The one block of a stream that can't be served at the moment. `id` is the client's last event id.
pub fn refusal(problem: &Problem, retry: Duration, id: Option<&str>) -> Bytes {
    if problem.code == Code::GoingAway {
        return goaway(retry, id);
    }
    let frame = ServerFrame::error(None, problem.code, &problem.message);
    with_retry(retry, &block("error", id, encode(&frame).text()))
}

fn with_retry(retry: Duration, block: &[u8]) -> Bytes {
    [format!("retry: {}\n", millis(retry)).as_bytes(), block].concat().into()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn block(event: &str, id: Option<&str>, frame: &[u8]) -> Bytes {
    let mut block = Vec::with_capacity(frame.len() + 96);
    if let Some(id) = id {
        block.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    block.extend_from_slice(format!("event: {event}\ndata: ").as_bytes());
    for &byte in frame {
        // A payload is carried as it was sent, and JSON may have line ends between its tokens.
        match byte {
            b'\n' | b'\r' => block.extend_from_slice(b"\ndata: "),
            byte => block.push(byte),
        }
    }
    block.extend_from_slice(b"\n\n");
    block.into()
}

#[cfg(test)]
mod tests;
