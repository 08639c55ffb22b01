//! Frames from the server to a client.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{FrameError, publish::read_event};
use crate::{Code, RawEvent, json::Members};

/// A frame that the server sends. Positions are opaque text. Codes are text because a newer server may have more of
/// them; [`Code`] names the known ones.
///
/// The first paragraph of each variant's and member's docs is its text in PROTOCOL.md: run `cargo xtask gen` after a
/// change.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServerFrame<P = Box<RawValue>> {
    /// Answers `hello`.
    Welcome {
        /// The session's identity, a UUID. `POST /v1/admin/revoke` takes it.
        session: String,
        /// The tenant that the token names.
        tenant: String,
        /// The newest position of the log.
        position: String,
        /// A server that is otherwise silent sends a `ping` after so many milliseconds.
        heartbeat_ms: u64,
        /// When the token ends, in milliseconds since 1970. Absent if there is no token.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<u64>,
        /// Milliseconds until the token ends, for clients with a wrong clock.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_in_ms: Option<u64>,
        /// The domains of the hello that the server has in another form: with another fingerprint. Absent if there are none.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        domains: Vec<String>,
        /// The limits of this server.
        limits: AnnouncedLimits,
    },
    /// Answers `subscribe`, once the subscription is in force.
    Subscribed {
        /// The `ref` of the subscribe.
        r#ref: u64,
        /// Everything after this position follows.
        position: String,
        /// An outcome for each topic, in the order of the subscribe.
        topics: Vec<TopicOutcome>,
        /// Domains, at most 8, of topics in force that the server was not compiled with. Absent if there are none.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        unknown_domains: Vec<UnknownDomain>,
    },
    /// Answers `unsubscribe`. Without a `ref` it comes unasked: a right was revoked.
    Unsubscribed {
        /// The `ref` of the unsubscribe.
        #[serde(skip_serializing_if = "Option::is_none")]
        r#ref: Option<u64>,
        /// The topics that are no longer in force.
        topics: Vec<String>,
        /// Why, if it came unasked.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// A publication.
    Event {
        /// The position of this publication in the log.
        position: String,
        /// The publication's key, a UUID.
        key: String,
        /// When it was published, in milliseconds since 1970.
        at: u64,
        /// The tag that its publisher gave it.
        #[serde(skip_serializing_if = "Option::is_none")]
        origin: Option<String>,
        /// The topics that it reaches and that the session subscribes to, and no others.
        topics: Vec<String>,
        /// The event.
        event: RawEvent<P>,
    },
    /// Events may have been lost: the client loads its data again.
    Sync {
        /// Everything after this position follows.
        position: String,
        /// The topics of the session that may have missed something, and no others.
        topics: Vec<String>,
    },
    /// Answers `publish`.
    Published {
        /// The `ref` of the publish.
        r#ref: u64,
        /// The publication's key, a UUID.
        key: String,
        /// The position of the publication in the log.
        position: String,
        /// All topics that the event reaches.
        topics: Vec<String>,
    },
    /// Answers `token`.
    TokenAccepted {
        /// The `ref` of the token frame.
        r#ref: u64,
        /// When the new token ends, in milliseconds since 1970.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<u64>,
        /// Milliseconds until the new token ends.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_in_ms: Option<u64>,
    },
    /// Answers `ping`.
    Pong {
        /// The `ref` of the ping.
        r#ref: u64,
    },
    /// Says that an otherwise silent server is there. A client answers with `pong`.
    Ping {
        /// This session has had everything up to this position.
        #[serde(skip_serializing_if = "Option::is_none")]
        position: Option<String>,
    },
    /// The server has heard nothing from its journal for a while, so events may be late. Nothing is lost.
    Degraded {
        /// Since when, in milliseconds since 1970 by the server's clock.
        since: u64,
    },
    /// The server hears its journal again, and this session has caught up.
    Restored {
        /// This session has had everything up to this position.
        position: String,
    },
    /// The server is about to close the connection.
    Goaway {
        /// Come back after so many milliseconds.
        retry_after_ms: u64,
    },
    /// The server refused something.
    Error {
        /// The `ref` of the refused frame, if it had one.
        #[serde(skip_serializing_if = "Option::is_none")]
        r#ref: Option<u64>,
        /// One of the [codes](Code).
        code: String,
        /// A sentence for people. It names the fault and the remedy.
        message: String,
    },
    /// A frame that this version does not know. Nobody sends it.
    #[serde(skip)]
    Unknown {
        /// The operation.
        op: String,
    },
}

/// The limits that a server tells its clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnouncedLimits {
    /// Bytes of one frame from a client.
    pub max_message_bytes: u64,
    /// Topics of one session.
    pub max_topics_per_session: u64,
    /// Topics in one subscribe or unsubscribe.
    pub max_topics_per_frame: u64,
    /// Frames per second from a client; a burst may have twice as many.
    pub frames_per_second: u64,
}

/// The outcome of one topic of a subscribe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicOutcome {
    /// The topic, with its UUIDs in lower case. A text that is no topic comes back as it was sent.
    pub topic: String,
    /// The outcome.
    pub outcome: Outcome,
    /// Why the topic was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A domain that the server was not compiled with: a typo, unless its events travel unchecked on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownDomain {
    /// The domain's name.
    pub domain: String,
    /// The known domain that was probably meant: it differs by one or two letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
}

/// The outcome of a subscribe for one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The topic starts now, because the subscribe had no `since`. Everything after `position` follows.
    Live,
    /// The missed events follow, as ordinary `event` frames.
    Resumed,
    /// The server can't prove that nothing was missed: load again. Everything after `position` follows.
    Sync,
    /// The topic is not in force; `code` says why.
    Refused,
    /// An outcome that this version does not know; never sent. The topic is in force, and nothing is proved: load again.
    #[serde(other)]
    Unknown,
}

/// Access to the members of a server's frame: JSON text in native programs, a JavaScript value in a browser.
pub trait FrameMembers<P> {
    /// Reads a member. An absent one and `null` are `None`.
    ///
    /// # Errors
    /// A sentence that names the member.
    fn optional<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, String>;

    /// Reads the member `event`, with its payload unchanged.
    ///
    /// # Errors
    /// A sentence that names the member.
    fn event(&self) -> Result<RawEvent<P>, String>;
}

impl FrameMembers<Box<RawValue>> for Members<'_> {
    fn optional<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, String> {
        Members::optional(self, name)
    }

    fn event(&self) -> Result<RawEvent, String> {
        read_event(self)
    }
}

impl<P> ServerFrame<P> {
    /// Reads a frame from its members. It ignores everything that this version does not know, so that an old tab works with
    /// a newer server.
    ///
    /// # Errors
    /// A sentence that names the first member that is missing or wrong.
    pub fn read(members: &impl FrameMembers<P>) -> Result<Self, FrameError> {
        let mut reader = Reader { members, fault: None };
        let frame = reader.frame();
        reader.fault.map_or(Ok(frame), |fault| Err(FrameError(fault)))
    }
}

/// Reads members, with a default for a wrong one, and keeps the first fault. An early return at each member would cost a
/// browser 2 KB of code.
struct Reader<'a, M> {
    members: &'a M,
    /// The first fault.
    fault: Option<String>,
}

impl<M> Reader<'_, M> {
    fn frame<P>(&mut self) -> ServerFrame<P>
    where
        M: FrameMembers<P>,
    {
        let op: String = self.required("op");
        match op.as_str() {
            "welcome" => ServerFrame::Welcome {
                session: self.required("session"),
                tenant: self.required("tenant"),
                position: self.required("position"),
                heartbeat_ms: self.required("heartbeat_ms"),
                expires_at: self.optional("expires_at"),
                expires_in_ms: self.optional("expires_in_ms"),
                domains: self.optional("domains").unwrap_or_default(),
                limits: self.required("limits"),
            },
            "subscribed" => ServerFrame::Subscribed {
                r#ref: self.required("ref"),
                position: self.required("position"),
                topics: self.required("topics"),
                unknown_domains: self.optional("unknown_domains").unwrap_or_default(),
            },
            "unsubscribed" => ServerFrame::Unsubscribed {
                r#ref: self.optional("ref"),
                topics: self.required("topics"),
                code: self.optional("code"),
            },
            "event" => match self.members.event() {
                Ok(event) => ServerFrame::Event {
                    position: self.required("position"),
                    key: self.required("key"),
                    at: self.required("at"),
                    origin: self.optional("origin"),
                    topics: self.required("topics"),
                    event,
                },
                Err(fault) => {
                    self.fault = Some(fault);
                    ServerFrame::Unknown { op }
                }
            },
            "sync" => {
                ServerFrame::Sync { position: self.required("position"), topics: self.required("topics") }
            }
            "published" => ServerFrame::Published {
                r#ref: self.required("ref"),
                key: self.required("key"),
                position: self.required("position"),
                topics: self.required("topics"),
            },
            "token_accepted" => ServerFrame::TokenAccepted {
                r#ref: self.required("ref"),
                expires_at: self.optional("expires_at"),
                expires_in_ms: self.optional("expires_in_ms"),
            },
            "pong" => ServerFrame::Pong { r#ref: self.required("ref") },
            "ping" => ServerFrame::Ping { position: self.optional("position") },
            "degraded" => ServerFrame::Degraded { since: self.required("since") },
            "restored" => ServerFrame::Restored { position: self.required("position") },
            "goaway" => ServerFrame::Goaway { retry_after_ms: self.required("retry_after_ms") },
            "error" => ServerFrame::Error {
                r#ref: self.optional("ref"),
                code: self.required("code"),
                message: self.optional("message").unwrap_or_default(),
            },
            _ => ServerFrame::Unknown { op },
        }
    }

    fn optional<P, T: DeserializeOwned>(&mut self, name: &str) -> Option<T>
    where
        M: FrameMembers<P>,
    {
        self.members.optional(name).unwrap_or_else(|fault| {
            self.fault.get_or_insert(fault);
            None
        })
    }

    fn required<P, T: DeserializeOwned + Default>(&mut self, name: &str) -> T
    where
        M: FrameMembers<P>,
    {
        self.optional(name).unwrap_or_else(|| {
            self.fault.get_or_insert_with(|| ["`", name, "` is missing"].concat());
            T::default()
        })
    }
}

impl ServerFrame {
    /// Reads a frame from text, for native clients.
    ///
    /// # Errors
    /// A sentence about the fault.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        Self::read(&Members::parse(text).map_err(FrameError)?)
    }

    /// Makes an `error` frame.
    pub fn error(r#ref: Option<u64>, code: Code, message: impl fmt::Display) -> Self {
        Self::Error { r#ref, code: code.to_string(), message: message.to_string() }
    }
}
