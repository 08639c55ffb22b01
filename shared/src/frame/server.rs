//! Frames from the server to a client.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Code, RawEvent, frame::FrameError};

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
        /// The [fingerprint](crate::schema::fingerprint) of the domains that the server was compiled with.
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
    },
    /// Answers a ping.
    Pong {
        /// The ping's.
        r#ref: u64,
    },
    /// Says that an otherwise silent server is there; a client answers with a pong.
    Ping,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// The members of any server frame, before it is known which one it is. One flat type reads all of them from any
/// deserializer, which costs a browser less code than an enum whose tag may come last.
#[derive(Debug, Clone, Deserialize)]
pub struct ServerMembers<P = Box<RawValue>> {
    op: String,
    #[serde(default)]
    r#ref: Option<u64>,
    #[serde(default)]
    session: Option<String>,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    position: Option<String>,
    #[serde(default)]
    heartbeat_ms: Option<u64>,
    #[serde(default)]
    expires_at: Option<u64>,
    #[serde(default)]
    schema: Option<String>,
    #[serde(default)]
    limits: Option<AnnouncedLimits>,
    #[serde(default)]
    topics: Option<Vec<TopicMember>>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    at: Option<u64>,
    #[serde(default)]
    origin: Option<String>,
    #[serde(default = "Option::default")]
    event: Option<RawEvent<P>>,
    #[serde(default)]
    retry_after_ms: Option<u64>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// `topics` holds names, but outcomes in a `subscribed`.
#[derive(Debug, Clone)]
enum TopicMember {
    Name(String),
    Outcome(TopicOutcome),
}

impl<'de> Deserialize<'de> for TopicMember {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrOutcome;

        impl<'de> serde::de::Visitor<'de> for NameOrOutcome {
            type Value = TopicMember;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a topic or its outcome")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<TopicMember, E> {
                Ok(TopicMember::Name(name.to_owned()))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<TopicMember, A::Error> {
                TopicOutcome::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    .map(TopicMember::Outcome)
            }
        }

        deserializer.deserialize_any(NameOrOutcome)
    }
}

impl<P> TryFrom<ServerMembers<P>> for ServerFrame<P> {
    type Error = FrameError;

    /// Tells which frame it is.
    ///
    /// # Errors
    /// The member that it lacks.
    fn try_from(m: ServerMembers<P>) -> Result<Self, FrameError> {
        fn need<T>(member: Option<T>, name: &str) -> Result<T, FrameError> {
            member.ok_or_else(|| FrameError(format!("`{name}` is missing in a frame of the server")))
        }
        fn names(topics: Option<Vec<TopicMember>>) -> Result<Vec<String>, FrameError> {
            let name = |member| match member {
                TopicMember::Name(name) => Ok(name),
                TopicMember::Outcome(_) => Err(FrameError("`topics` holds names here".to_owned())),
            };
            need(topics, "topics")?.into_iter().map(name).collect()
        }
        fn outcomes(topics: Option<Vec<TopicMember>>) -> Result<Vec<TopicOutcome>, FrameError> {
            let outcome = |member| match member {
                TopicMember::Outcome(outcome) => Ok(outcome),
                TopicMember::Name(_) => Err(FrameError("`topics` holds outcomes here".to_owned())),
            };
            need(topics, "topics")?.into_iter().map(outcome).collect()
        }
        Ok(match m.op.as_str() {
            "welcome" => Self::Welcome {
                session: need(m.session, "session")?,
                tenant: need(m.tenant, "tenant")?,
                position: need(m.position, "position")?,
                heartbeat_ms: need(m.heartbeat_ms, "heartbeat_ms")?,
                expires_at: m.expires_at,
                schema: m.schema,
                limits: need(m.limits, "limits")?,
            },
            "subscribed" => Self::Subscribed {
                r#ref: need(m.r#ref, "ref")?,
                position: need(m.position, "position")?,
                topics: outcomes(m.topics)?,
            },
            "unsubscribed" => Self::Unsubscribed { r#ref: m.r#ref, topics: names(m.topics)?, code: m.code },
            "event" => Self::Event {
                position: need(m.position, "position")?,
                key: need(m.key, "key")?,
                at: need(m.at, "at")?,
                origin: m.origin,
                topics: names(m.topics)?,
                event: need(m.event, "event")?,
            },
            "sync" => Self::Sync { position: need(m.position, "position")?, topics: names(m.topics)? },
            "published" => Self::Published {
                r#ref: need(m.r#ref, "ref")?,
                key: need(m.key, "key")?,
                position: need(m.position, "position")?,
                topics: names(m.topics)?,
            },
            "token_accepted" => {
                Self::TokenAccepted { r#ref: need(m.r#ref, "ref")?, expires_at: m.expires_at }
            }
            "pong" => Self::Pong { r#ref: need(m.r#ref, "ref")? },
            "ping" => Self::Ping,
            "goaway" => Self::Goaway { retry_after_ms: need(m.retry_after_ms, "retry_after_ms")? },
            "error" => Self::Error {
                r#ref: m.r#ref,
                code: need(m.code, "code")?,
                message: m.message.unwrap_or_default(),
            },
            _ => Self::Unknown { op: m.op },
        })
    }
}

impl ServerFrame {
    /// Reads a frame from text, for clients that are not in a browser.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        let members: ServerMembers =
            serde_json::from_str(text).map_err(|error| FrameError(error.to_string()))?;
        members.try_into()
    }

    /// An `error` frame.
    pub fn error(r#ref: Option<u64>, code: Code, message: impl fmt::Display) -> Self {
        Self::Error { r#ref, code: code.to_string(), message: message.to_string() }
    }
}
