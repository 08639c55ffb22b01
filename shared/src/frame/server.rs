//! Frames from the server to a client.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    Code, RawEvent,
    frame::{FrameError, client::event_of},
    json::Members,
};

/// A frame that the server sends. Positions are opaque text, codes are text because a newer server may have more of
/// them; [`Code`] names those that are known.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServerFrame<P = Box<RawValue>> {
    /// Answers a hello.
    Welcome {
        /// The session's identity.
        session: String,
        /// The tenant that the token stands for.
        tenant: String,
        /// Where the log is now.
        position: String,
        /// An otherwise silent server sends a ping after so many milliseconds.
        heartbeat_ms: u64,
        /// When the token ends, in milliseconds since 1970; none when there is no token.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<u64>,
        /// How many milliseconds that is from now, for clients whose clock is wrong.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_in_ms: Option<u64>,
        /// The client's [fingerprint](crate::schema::fingerprint) if the server has all of the client's domains, otherwise
        /// that of the domains that the server was compiled with.
        #[serde(skip_serializing_if = "Option::is_none")]
        schema: Option<String>,
        /// What this server allows.
        limits: AnnouncedLimits,
    },
    /// Answers a subscribe, once the subscription is in force.
    Subscribed {
        /// The subscribe's.
        r#ref: u64,
        /// Everything after this follows.
        position: String,
        /// One outcome for each topic, in the order of the subscribe.
        topics: Vec<TopicOutcome>,
        /// Domains of topics in force that the server was not compiled with; none for a frame without such.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        unknown_domains: Vec<UnknownDomain>,
    },
    /// Answers an unsubscribe; without `ref` when a right was revoked.
    Unsubscribed {
        /// The unsubscribe's.
        #[serde(skip_serializing_if = "Option::is_none")]
        r#ref: Option<u64>,
        /// The topics of which nothing follows any more.
        topics: Vec<String>,
        /// Why, when it was not asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// A publication.
    Event {
        /// Its place in the log.
        position: String,
        /// Its identity.
        key: String,
        /// When it was published, in milliseconds since 1970.
        at: u64,
        /// The mark that its publisher gave it.
        #[serde(skip_serializing_if = "Option::is_none")]
        origin: Option<String>,
        /// Those of its topics that the session subscribes to.
        topics: Vec<String>,
        /// The event.
        event: RawEvent<P>,
    },
    /// The server can't prove that nothing was missed: load again.
    Sync {
        /// Everything after this follows.
        position: String,
        /// The topics that may have missed something.
        topics: Vec<String>,
    },
    /// Answers a publish.
    Published {
        /// The publish's.
        r#ref: u64,
        /// The publication's identity.
        key: String,
        /// Its place in the log.
        position: String,
        /// The whole fan-out.
        topics: Vec<String>,
    },
    /// Answers a token.
    TokenAccepted {
        /// The token frame's.
        r#ref: u64,
        /// When the new token ends, in milliseconds since 1970.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<u64>,
        /// How many milliseconds that is from now.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_in_ms: Option<u64>,
    },
    /// Answers a ping.
    Pong {
        /// The ping's.
        r#ref: u64,
    },
    /// Says that an otherwise silent server is there; a client answers with a pong.
    Ping {
        /// This session has had everything up to there.
        #[serde(skip_serializing_if = "Option::is_none")]
        position: Option<String>,
    },
    /// The server is about to close: come back after so many milliseconds.
    Goaway {
        /// The time to wait.
        retry_after_ms: u64,
    },
    /// Something was refused.
    Error {
        /// The `ref` of the frame that was refused, if it had one.
        #[serde(skip_serializing_if = "Option::is_none")]
        r#ref: Option<u64>,
        /// The [`Code`]'s name.
        code: String,
        /// A sentence for people, which names the fault and the remedy.
        message: String,
    },
    /// A frame that this version does not know; never sent.
    #[serde(skip)]
    Unknown {
        /// Its operation.
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
    /// Frames per second from a client, with bursts of twice as many.
    pub frames_per_second: u64,
}

/// What became of one topic of a subscribe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicOutcome {
    /// The topic, with its UUIDs in lower case; as it was given when it is none.
    pub topic: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A domain that a server was not compiled with: a typo, unless its events travel unchecked on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownDomain {
    /// Its name.
    pub domain: String,
    /// The one that may have been meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
}

/// What became of one topic of a subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It starts now; no `since` was given.
    Live,
    /// What was missed since the position follows as ordinary events.
    Resumed,
    /// The server can't prove that nothing was missed: load again. It starts now.
    Sync,
    /// It is not in force; the code says why.
    Refused,
    /// One that this version does not know; never sent. It is in force, and proves nothing: load again.
    #[serde(other)]
    Unknown,
}

/// The members of a server's frame, wherever they stand: in JSON text natively, in a JavaScript value in a browser.
pub trait FrameMembers<P> {
    /// The member as a `T`; absent and `null` are `None`.
    ///
    /// # Errors
    /// A sentence that names the member.
    fn optional<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, String>;

    /// The member `event`, with its payload as it is.
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
        event_of(self.raw("event")?.get()).map_err(|error| format!("`event`: {error}"))
    }
}

impl<P> ServerFrame<P> {
    /// Reads a frame from its members. What this version does not know is passed over, so that an old tab survives a
    /// newer server.
    ///
    /// # Errors
    /// The first member that it lacks, or that is not what it should be.
    pub fn read(members: &impl FrameMembers<P>) -> Result<Self, FrameError> {
        let mut reader = Reader { members, fault: None };
        let frame = reader.frame();
        reader.fault.map_or(Ok(frame), |fault| Err(FrameError(fault)))
    }
}

/// Reads on after a fault, with a default in the place of what is wrong: leaving at each of so many members would cost a
/// browser 2 KB of code.
struct Reader<'a, M> {
    members: &'a M,
    /// The first.
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
                schema: self.optional("schema"),
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
    /// Reads a frame from text, for clients that are not in a browser.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        Self::read(&Members::parse(text).map_err(FrameError)?)
    }

    /// An `error` frame.
    pub fn error(r#ref: Option<u64>, code: Code, message: impl fmt::Display) -> Self {
        Self::Error { r#ref, code: code.to_string(), message: message.to_string() }
    }
}
