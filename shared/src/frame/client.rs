//! Frames from a client to the server.

use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    Code, RawEvent,
    json::{Members, check_shape},
    limits::{MAX_CLIENT_BYTES, MAX_NAME_BYTES, MAX_ORIGIN_BYTES, MAX_REF, MAX_SCHEMA_BYTES},
};

/// A frame that a client sends. Topics are text here: each is judged on its own, so that one bad topic does not
/// spoil a frame.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum ClientFrame<P = Box<RawValue>> {
    /// The first frame: who this is.
    Hello {
        /// A JWT; not needed where a server runs for development.
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// `name/version` of the client, for the server's logs.
        #[serde(skip_serializing_if = "Option::is_none")]
        client: Option<String>,
        /// The [fingerprint](crate::schema::fingerprint) of the domains that the client was compiled with.
        #[serde(skip_serializing_if = "Option::is_none")]
        schema: Option<String>,
    },
    /// Adds topics to the session.
    Subscribe {
        /// Comes back in the answer.
        r#ref: u64,
        /// The topics.
        topics: Vec<String>,
        /// The position up to which this client has seen everything; without it the topics start now.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<String>,
        /// Another subscribe follows that belongs to this one. Until the one without it, the session reads nothing
        /// from the log, so that the `since` of all these frames is one resume.
        #[serde(skip_serializing_if = "is_false")]
        more: bool,
    },
    /// Takes topics from the session.
    Unsubscribe {
        /// Comes back in the answer.
        r#ref: u64,
        /// The topics.
        topics: Vec<String>,
    },
    /// Publishes an event.
    Publish {
        /// Comes back in the answer.
        r#ref: u64,
        /// The event.
        event: RawEvent<P>,
        /// The topics, for events that don't say them.
        #[serde(skip_serializing_if = "Option::is_none")]
        topics: Option<Vec<String>>,
        /// The idempotency key: the same key again answers the first publication.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<Uuid>,
        /// An opaque mark of who caused this, which travels with the publication.
        #[serde(skip_serializing_if = "Option::is_none")]
        origin: Option<String>,
    },
    /// Replaces the session's token.
    Token {
        /// Comes back in the answer.
        r#ref: u64,
        /// The new JWT.
        token: String,
    },
    /// Asks for a pong.
    Ping {
        /// Comes back in the answer.
        r#ref: u64,
    },
    /// Answers the server's ping.
    Pong,
}

// Serde hands over a reference.
fn is_false(value: &bool) -> bool {
    !value
}

/// A text that is not a frame. The connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameError(pub(crate) String);

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FrameError {}

/// What is wrong with a text that should have been a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is none: the session ends after an `error`.
    Invalid(FrameError),
    /// A frame of another protocol version, perhaps: the session goes on after an `error`.
    UnknownOp {
        /// The operation that is not known.
        op: String,
        /// The frame's `ref`, if it has a usable one.
        r#ref: Option<u64>,
    },
}

impl Refusal {
    /// The code on the wire.
    pub fn code(&self) -> Code {
        match self {
            Self::Invalid(_) => Code::InvalidFrame,
            Self::UnknownOp { .. } => Code::UnknownOp,
        }
    }
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Invalid(FrameError(reason))
    }
}

/// Every operation that a client may ask for, for the message to one that asks for another.
const OPS: &str = "hello, subscribe, unsubscribe, publish, token, ping, pong";

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => error.fmt(f),
            Self::UnknownOp { op, .. } => {
                let op: String = op.chars().take(MAX_NAME_BYTES).collect();
                write!(f, "`op` {op:?} is none of {OPS}")
            }
        }
    }
}

impl ClientFrame {
    /// Reads a frame.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence that names the member.
    ///
    /// ```
    /// use tidings_shared::{Code, frame::ClientFrame};
    /// let frame = ClientFrame::parse(r#"{"op":"ping","ref":5,"later":true}"#);
    /// assert!(matches!(frame, Ok(ClientFrame::Ping { r#ref: 5 })));
    /// let refusal = ClientFrame::parse(r#"{"op":"ping","ref":"5"}"#).unwrap_err();
    /// assert_eq!(refusal.code(), Code::InvalidFrame);
    /// ```
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        check_shape(text)?;
        let members = Members::parse(text)?;
        let reference = || match members.required("ref")? {
            number if number <= MAX_REF => Ok(number),
            _ => Err(format!("`ref` is an integer of 0 to {MAX_REF}")),
        };
        let op: String = members.required("op")?;
        Ok(match op.as_str() {
            "hello" => Self::Hello {
                token: members.optional("token")?,
                client: short(&members, "client", MAX_CLIENT_BYTES)?,
                schema: short(&members, "schema", MAX_SCHEMA_BYTES)?,
            },
            "subscribe" => Self::Subscribe {
                r#ref: reference()?,
                topics: members.required("topics")?,
                since: members.present("since")?,
                more: members.present("more")?.unwrap_or_default(),
            },
            "unsubscribe" => Self::Unsubscribe { r#ref: reference()?, topics: members.required("topics")? },
            "publish" => {
                let r#ref = reference()?;
                publish(&members, r#ref)?
            }
            "token" => Self::Token { r#ref: reference()?, token: members.required("token")? },
            "ping" => Self::Ping { r#ref: reference()? },
            "pong" => Self::Pong,
            _ => return Err(Refusal::UnknownOp { op, r#ref: reference().ok() }),
        })
    }

    /// Reads the body of an HTTP publish, `{"event":…,"topics":…?,"key":…?,"origin":…?}`, as the frame that it
    /// stands for, with 0 for its `ref`.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence that names the member.
    pub fn parse_publish_body(text: &str) -> Result<Self, FrameError> {
        let parse = || {
            check_shape(text)?;
            publish(&Members::parse(text)?, 0)
        };
        parse().map_err(FrameError)
    }
}

fn publish(members: &Members<'_>, r#ref: u64) -> Result<ClientFrame, String> {
    Ok(ClientFrame::Publish {
        r#ref,
        event: event_of(members.raw("event")?.get()).map_err(|error| format!("`event`: {error}"))?,
        topics: members.optional("topics")?,
        key: members.optional("key")?,
        origin: short(members, "origin", MAX_ORIGIN_BYTES)?,
    })
}

/// Reads an event's wire form.
pub(crate) fn parse_event(text: &str) -> Result<RawEvent, FrameError> {
    check_shape(text).and_then(|()| event_of(text)).map_err(FrameError)
}

pub(crate) fn event_of(text: &str) -> Result<RawEvent, String> {
    let members = Members::parse(text)?;
    Ok(RawEvent {
        domain: members.required("domain")?,
        event: members.required("event")?,
        payload: members.raw("payload")?.to_owned(),
    })
}

fn short(members: &Members<'_>, name: &str, max: usize) -> Result<Option<String>, String> {
    match members.optional::<String>(name)? {
        Some(text) if text.len() > max => Err(format!("`{name}` has at most {max} bytes")),
        text => Ok(text),
    }
}
