//! The server side of one connection: the protocol as a state machine without I/O.
//!
//! # How to drive it
//!
//! 1. Hand in the input of one read of the socket, with the `handle_…` methods.
//! 2. Call [`Session::poll_question`], and ask the application. Hand in its answer when it comes.
//! 3. Call [`Session::poll_output`] until it returns `None`, or at least until [`Session::hears`] is true.
//! 4. Only after that, hand in more. So the outbox has at most the answers to one read and two batches of the log.
//!
//! Poll also when the log has something new, and when [`Session::poll_timeout`] has come.

mod budget;
mod deadlines;
mod encode;
mod health;
mod named_topics;
mod pending;
mod publishing;
mod questions;
mod settings;
mod subscribe;
mod token;

use std::{collections::VecDeque, task::Waker, time::Duration};

use bytes::Bytes;
use tidings_shared::{
    Code, TopicName,
    code::close,
    frame::{AnnouncedLimits, ClientFrame, Fingerprints, Refusal, ServerFrame},
    limits,
};
use uuid::Uuid;

use self::{budget::Budget, pending::Pending, questions::Asking};
pub(crate) use self::{
    encode::{count, encode, frame_of},
    token::expiry,
};
pub use self::{named_topics::NamedTopics, questions::QuestionId, settings::SessionSettings};

use crate::{
    Hub, Moment,
    health::Told,
    metrics::Metrics,
    problem::Problem,
    publication::EncodedFrame,
    publication::Published,
    publish::Checked,
    revocation::Admitted,
    tenant_log::Follower,
    websocket::{Awaited, Fault},
};

/// One action that the shell must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this frame.
    Frame(EncodedFrame),
    /// Send a WebSocket ping. Tools that do not know our frames answer it by themselves.
    Ping,
    /// Answer a WebSocket ping.
    Pong(Bytes),
    /// Close the connection. It is the last output.
    Close {
        /// The close code. `None` is the answer to a Close without a code.
        code: Option<u16>,
        /// The name of the code, or a few words.
        reason: &'static str,
    },
}

/// The server side of one connection.
#[derive(Debug)]
pub struct Session {
    id: Uuid,
    hub: Hub,
    settings: SessionSettings,
    outbox: VecDeque<Output>,
    state: State,
    /// The follower of a session that has ended, until its shard takes it.
    left: Option<Follower>,
    started: Duration,
    /// When the client last learned a position, by an event, a sync or a ping.
    last_told: Duration,
    last_heard: Duration,
    pinged: Option<Duration>,
    /// When the session must end: its token's expiry and the grace after it.
    expires: Option<Moment>,
    /// The session is paused: a subscribe has more frames to come. The pause ends at this time at the latest.
    paused_until: Option<Duration>,
    budget: Budget,
    /// Publishes that wait for the journal.
    publishing: publishing::Waiting,
    /// The open question to the application, or the open wait for the journal.
    asking: Option<Box<Asking>>,
    /// The number of questions so far.
    questions: u64,
    was_welcomed: bool,
    /// The client has named a position that the journal did not have in time.
    has_waited_in_vain: bool,
    /// What the client has heard of the hub's health.
    told: Told,
}

#[derive(Debug)]
enum State {
    AwaitsHello,
    Open {
        admitted: Box<Admitted>,
        follower: Follower,
        /// The number of the newest revocation that was applied to the topics.
        obeyed: u64,
        /// The version of the revocations that were applied.
        seen: u64,
    },
    Closed,
}

impl Session {
    /// Returns a session whose connection began `now`. No other session may have this `id`.
    pub fn new(id: Uuid, hub: Hub, settings: SessionSettings, now: Moment) -> Self {
        let now = now.since_start;
        Self {
            id,
            hub,
            settings,
            outbox: VecDeque::new(),
            state: State::AwaitsHello,
            left: None,
            started: now,
            last_told: now,
            last_heard: now,
            pinged: None,
            expires: None,
            paused_until: None,
            budget: Budget::new(settings.frames_per_second, now),
            publishing: publishing::Waiting::default(),
            asking: None,
            questions: 0,
            was_welcomed: false,
            has_waited_in_vain: false,
            told: Told::default(),
        }
    }

    /// Handles a text message.
    pub fn handle_text(&mut self, text: &str, now: Moment) {
        self.handle_alive(now);
        if self.is_closed() {
            return;
        }
        if text.len() > self.max_message_bytes() {
            return self.handle_fault(Fault::TooLarge);
        }
        if !self.spend(now) {
            return;
        }
        if !self.hold(text) {
            self.handle_parsed(ClientFrame::parse(text), now);
        }
    }

    fn handle_parsed(&mut self, parsed: Result<ClientFrame, Refusal>, now: Moment) {
        match parsed {
            Ok(frame) => self.handle_frame(frame, now),
            Err(Refusal::UnknownOp { r#ref, .. }) if matches!(self.state, State::AwaitsHello) => {
                self.require_hello(r#ref);
            }
            Err(refusal @ Refusal::UnknownOp { r#ref, .. }) => {
                let message = refusal.to_string();
                self.refuse(r#ref, Problem::new(Code::UnknownOp, message));
            }
            Err(refusal @ Refusal::Invalid(_)) => self.end(None, Code::InvalidFrame, refusal.to_string()),
        }
    }

    /// Handles a binary message: refuses it, and closes. Frames are text.
    pub fn handle_binary(&mut self, now: Moment) {
        self.handle_alive(now);
        self.refuse(None, Problem::new(Code::InvalidFrame, "frames are text messages"));
        self.close(close::UNSUPPORTED, Code::InvalidFrame.as_str());
    }

    /// Handles a WebSocket ping: counts it as a frame, and answers it.
    pub fn handle_ping(&mut self, payload: &[u8], now: Moment) {
        self.handle_control(now);
        if !self.is_closed() {
            self.outbox.push_back(Output::Pong(Bytes::copy_from_slice(payload)));
        }
    }

    /// Handles a WebSocket pong or a fragment: counts it as a frame.
    pub fn handle_control(&mut self, now: Moment) {
        self.handle_alive(now);
        if !self.is_closed() {
            self.spend(now);
        }
    }

    /// Handles a WebSocket Close. The answer has the same code.
    pub fn handle_close(&mut self, code: Option<u16>) {
        if !self.is_closed() {
            self.end_with(Output::Close { code, reason: "" });
        }
    }

    /// Handles bytes that are not a WebSocket message, or the header of a message that is too large.
    pub fn handle_fault(&mut self, fault: Fault) {
        if fault == Fault::TooLarge {
            let max = self.max_message_bytes();
            let message = if self.awaits_hello() {
                format!("a message before the hello has at most {max} bytes (`--max-hello-bytes`)")
            } else {
                format!(
                    "a message has at most {max} bytes (`--max-message-bytes`); an event that names more topics goes \
                     by `POST /v1/publish` (`--max-body-bytes`), or by `publish_to` where the hub is embedded"
                )
            };
            self.end(None, Code::TooLarge, message);
        } else if !self.is_closed() {
            self.close(fault.close(), "");
        }
    }

    /// Returns the bytes that a message may have. Before the hello it is fewer.
    pub fn max_message_bytes(&self) -> usize {
        if self.awaits_hello() {
            self.settings.max_message_bytes_before_hello
        } else {
            self.settings.max_message_bytes
        }
    }

    /// Returns whether no hello has come yet.
    fn awaits_hello(&self) -> bool {
        matches!(self.state, State::AwaitsHello) && self.asking.is_none()
    }

    /// Returns what the client may send next.
    pub fn awaited(&self) -> Awaited {
        if self.is_closed() { Awaited::Close } else { Awaited::Messages(self.max_message_bytes()) }
    }

    fn handle_alive(&mut self, now: Moment) {
        self.last_heard = now.since_start;
        self.pinged = None;
    }

    /// Tells the client to come back after a while, and closes.
    pub fn handle_drain(&mut self, retry_after: Duration) {
        if !self.is_closed() {
            if self.outbox.is_empty() {
                // A batch of publications from before the drain goes ahead of the goaway.
                self.read_log();
            }
            let retry_after_ms = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
            self.send(&ServerFrame::Goaway { retry_after_ms });
            self.close(close::RESTART, Code::GoingAway.as_str());
        }
    }

    /// Ends a session whose socket takes no bytes.
    pub fn handle_stalled(&mut self) {
        self.end(None, Code::SlowConsumer, "the socket accepted nothing for too long".to_owned());
    }

    /// Returns the next output. `None` means that there is none until the log has more or the timeout comes.
    pub fn poll_output(&mut self, now: Moment) -> Option<Output> {
        if self.outbox.is_empty() && self.read_log() {
            self.last_told = now.since_start;
        }
        let output = self.outbox.pop_front();
        if output.is_none() {
            // An idle session keeps no memory for its outbox.
            self.outbox = VecDeque::new();
        }
        output
    }

    /// Reads a batch from the log. Returns whether the client learns a position.
    fn read_log(&mut self) -> bool {
        let State::Open { follower, .. } = &mut self.state else { return false };
        let deliveries = follower.poll_read(limits::READ_BATCH, Waker::noop());
        deliveries.iter().for_each(|delivery| count(delivery, self.hub.metrics()));
        self.outbox.extend(deliveries.iter().map(|delivery| Output::Frame(frame_of(delivery))));
        let is_restored = self.send_restored();
        is_restored || !deliveries.is_empty()
    }

    /// Returns whether the session takes more input. It takes none while more than a batch of outputs waits, and while
    /// it waits for the answer to a question, or for too many answers of the journal.
    pub fn hears(&self) -> bool {
        self.outbox.len() <= limits::READ_BATCH && self.asking.is_none() && !self.publishing.is_full()
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        self.hub.metrics()
    }

    /// Notes that the shard has told the client a position.
    pub(crate) fn handle_told(&mut self, at: Moment) {
        self.last_told = self.last_told.max(at.since_start);
    }

    /// Returns whether the session reads nothing from the log, because a subscribe has more frames to come.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused_until.is_some()
    }

    /// Returns the session's follower while it is open.
    pub(crate) fn follower(&mut self) -> Option<&mut Follower> {
        match &mut self.state {
            State::Open { follower, .. } => Some(follower),
            State::AwaitsHello | State::Closed => None,
        }
    }

    /// Takes the follower of a session that has ended, once.
    pub(crate) fn take_left(&mut self) -> Option<Follower> {
        self.left.take()
    }

    /// Returns whether this session has ended. Its last output may still have to be polled.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Returns whether the client's hello was accepted.
    pub fn was_welcomed(&self) -> bool {
        self.was_welcomed
    }

    /// Counts a frame. Ends a session that sends too many. Returns whether the session goes on.
    fn spend(&mut self, now: Moment) -> bool {
        let per_second = self.settings.frames_per_second;
        let has_budget = self.budget.take(per_second, now.since_start);
        if !has_budget {
            self.end(None, Code::RateLimited, format!("at most {per_second} frames per second"));
        }
        has_budget
    }

    fn handle_frame(&mut self, frame: ClientFrame, now: Moment) {
        match (&mut self.state, frame) {
            (State::Closed, _) => {}
            (State::AwaitsHello, ClientFrame::Hello { token, client, domains }) => {
                self.ask(Pending::Hello { token, domains, client }, now);
            }
            (State::AwaitsHello, frame) => self.require_hello(ref_of(&frame)),
            (State::Open { .. }, ClientFrame::Hello { .. }) => {
                let message = "this session has had its hello; send `token` to replace the token";
                self.refuse(None, Problem::new(Code::Forbidden, message));
            }
            (State::Open { .. }, ClientFrame::Subscribe { r#ref, topics, since, more }) => {
                self.subscribe(r#ref, &topics, since, more, now);
            }
            (State::Open { follower, .. }, ClientFrame::Unsubscribe { r#ref, topics }) => {
                if let Err(problem) = self.settings.check_frame(&topics) {
                    return self.refuse(Some(r#ref), problem);
                }
                let name = |topic: String| match TopicName::parse(&topic) {
                    Ok(topic) => {
                        follower.unsubscribe(&topic);
                        topic.to_string()
                    }
                    Err(_) => topic,
                };
                let topics = topics.into_iter().map(name).collect();
                self.send(&ServerFrame::Unsubscribed { r#ref: Some(r#ref), topics, code: None });
            }
            (State::Open { .. }, ClientFrame::Publish { r#ref, publish }) => {
                match Checked::new(&self.hub, publish) {
                    Ok(publish) => self.ask(Pending::Publish { r#ref, publish }, now),
                    Err(problem) => self.refuse(Some(r#ref), problem),
                }
            }
            (State::Open { .. }, ClientFrame::Token { r#ref, token }) => {
                self.ask(Pending::Token { r#ref, token }, now);
            }
            (State::Open { .. }, ClientFrame::Ping { r#ref }) => self.send(&ServerFrame::Pong { r#ref }),
            (State::Open { .. }, ClientFrame::Pong) => {}
        }
    }

    fn welcome(&mut self, admitted: Admitted, domains: Fingerprints, client: Option<String>, now: Moment) {
        let identity = &admitted.identity;
        let mut wait = self.hub.tenant(&identity.tenant).catch_up(None);
        if wait.poll_ready(Waker::noop()).is_pending() {
            return self.wait_for_journal(wait, Pending::Welcome { admitted, domains, client }, now);
        }
        let tenant = self.hub.tenant_log(&identity.tenant);
        let Some(follower) = tenant.try_follow_in_shard() else {
            return self.end(None, Code::Overloaded, NO_ROOM.to_owned());
        };
        self.send(&ServerFrame::Welcome {
            session: self.id.to_string(),
            tenant: identity.tenant.to_string(),
            position: follower.reader().position().to_string(),
            heartbeat_ms: u64::try_from(self.settings.heartbeat.as_millis()).unwrap_or(u64::MAX),
            expires_at: identity.expires_at,
            expires_in_ms: token::left_ms(identity.expires_at, now),
            domains: self.hub.compare_domains(&domains, client.as_deref()),
            limits: AnnouncedLimits {
                max_message_bytes: self.settings.max_message_bytes as u64,
                max_topics_per_session: self.settings.max_topics as u64,
                max_topics_per_frame: self.settings.max_topics_per_frame as u64,
                frames_per_second: u64::from(self.settings.frames_per_second),
            },
        });
        self.expires = expiry(identity.expires_at, self.settings.expiry_grace, now);
        self.was_welcomed = true;
        let obeyed = admitted.newest_revocation;
        // A revocation may have come since. `seen` is no version, so the next look does not skip it.
        self.state = State::Open { admitted: Box::new(admitted), follower, obeyed, seen: u64::MAX };
        self.handle_health();
    }

    fn published(&mut self, r#ref: u64, published: Result<Published, Problem>) {
        match published {
            Ok(published) => self.send(&ServerFrame::Published {
                r#ref,
                key: published.key.to_string(),
                position: published.position.to_string(),
                topics: published.topics.iter().map(TopicName::to_string).collect(),
            }),
            Err(problem) => self.refuse(Some(r#ref), problem),
        }
    }

    fn require_hello(&mut self, r#ref: Option<u64>) {
        self.end(r#ref, Code::HelloRequired, "the first frame is a hello".to_owned());
    }

    fn send(&mut self, frame: &ServerFrame) {
        self.outbox.push_back(Output::Frame(encode(frame)));
    }

    /// Answers with an error, and goes on.
    fn refuse(&mut self, r#ref: Option<u64>, problem: Problem) {
        self.hub.metrics().refused(problem.code);
        self.send(&ServerFrame::error(r#ref, problem.code, problem.message));
    }

    /// Answers with an error, and closes with the close code of its code.
    fn end(&mut self, r#ref: Option<u64>, code: Code, message: String) {
        if !self.is_closed() {
            self.refuse(r#ref, Problem::new(code, message));
            self.close(code.close().unwrap_or(close::NORMAL), code.as_str());
        }
    }

    fn close(&mut self, code: u16, reason: &'static str) {
        self.end_with(Output::Close { code: Some(code), reason });
    }

    fn end_with(&mut self, close: Output) {
        self.outbox.push_back(close);
        (self.paused_until, self.asking) = (None, None);
        self.publishing = publishing::Waiting::default();
        if let State::Open { follower, .. } = std::mem::replace(&mut self.state, State::Closed) {
            self.left = Some(follower);
        }
    }
}

/// The message of the refusal when a tenant has no room for one more session or event stream.
pub(crate) const NO_ROOM: &str = "this tenant has as many sessions as it may; close some";

fn ref_of(frame: &ClientFrame) -> Option<u64> {
    match frame {
        ClientFrame::Subscribe { r#ref, .. }
        | ClientFrame::Unsubscribe { r#ref, .. }
        | ClientFrame::Publish { r#ref, .. }
        | ClientFrame::Token { r#ref, .. }
        | ClientFrame::Ping { r#ref } => Some(*r#ref),
        ClientFrame::Hello { .. } | ClientFrame::Pong => None,
    }
}

#[cfg(test)]
mod tests;
