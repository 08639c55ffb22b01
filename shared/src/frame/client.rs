//! Frames from a client to the server.

use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Fingerprints, FrameError, Publish, publish};
use crate::{
    Code,
    json::{Members, check_shape},
    limits::{MAX_CLIENT_BYTES, MAX_NAME_BYTES, MAX_REF},
};

/// A frame that a client sends. Topics are text here: the server judges each on its own, so that one bad topic does not
/// spoil a frame.
///
/// The first paragraph of each variant's and member's docs is its text in PROTOCOL.md: run `cargo xtask gen` after a
/// change.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "snake_case", bound(serialize = "P: Serialize"))]
pub enum ClientFrame<P = Box<RawValue>> {
    /// The first frame. The answer is `welcome`, or `error` and a close.
    Hello {
        /// A JWT. A server with `--dev` needs none.
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// `name/version` of the client, at most 128 bytes, for the server's log.
        #[serde(skip_serializing_if = "Option::is_none")]
        client: Option<String>,
        /// The fingerprints of the domains by which the client checks events, by name: at most 64 domains.
        #[serde(skip_serializing_if = "Fingerprints::is_empty")]
        domains: Fingerprints,
    },
    /// Adds topics to the session. The answer is `subscribed`.
    Subscribe {
        /// A number of the client's. It comes back in the answer.
        r#ref: u64,
        /// At most 128 topics.
        topics: Vec<String>,
        /// The position up to which this client has had everything. Without it the topics start now.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<String>,
        /// `true`: another subscribe follows that belongs to this one.
        ///
        /// Until the subscribe without it, the session reads nothing from the log, so that the `since` of all these frames
        /// is one resume.
        #[serde(skip_serializing_if = "is_false")]
        more: bool,
    },
    /// Removes topics from the session. The answer is `unsubscribed`.
    Unsubscribe {
        /// As in `subscribe`.
        r#ref: u64,
        /// At most 128 topics. A topic that the session does not have is no error.
        topics: Vec<String>,
    },
    /// Publishes an event. The answer is `published`, or `error`.
    #[serde(serialize_with = "publish::write_frame")]
    Publish {
        /// As in `subscribe`.
        r#ref: u64,
        /// The publish. Its members are members of the frame.
        publish: Publish<P>,
    },
    /// Replaces the session's token. The answer is `token_accepted`, or `error`: `forbidden` for another subject or tenant.
    Token {
        /// As in `subscribe`.
        r#ref: u64,
        /// The new JWT.
        token: String,
    },
    /// Asks whether the server is there. The answer is `pong`.
    Ping {
        /// As in `subscribe`.
        r#ref: u64,
    },
    /// Answers the server's `ping`. It has no answer itself.
    Pong,
}

// Serde calls it with a reference.
fn is_false(value: &bool) -> bool {
    !value
}

/// Why the server refuses a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The text is not a frame. The session ends after an `error`.
    Invalid(FrameError),
    /// The operation is not known. The frame may be of another protocol version, so the session goes on after an `error`.
    UnknownOp {
        /// The operation.
        op: String,
        /// The frame's `ref`, if it has a valid one.
        r#ref: Option<u64>,
    },
}

impl Refusal {
    /// Returns the code on the wire.
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

/// All operations, for the message about an unknown one.
const OPS: &str = "hello, subscribe, unsubscribe, publish, token, ping, pong";

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => error.fmt(f),
            Self::UnknownOp { op, .. } => {
                let op: String = op.chars().take(MAX_NAME_BYTES).collect();
                write!(f, "unknown `op` {op:?}: a client sends {OPS}")
            }
        }
    }
}

impl ClientFrame {
    /// Reads a frame.
    ///
    /// # Errors
    /// The refusal. Its sentence names the member at fault.
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
            _ => Err(format!("`ref` is an integer from 0 to {MAX_REF}")),
        };
        let op: String = members.required("op")?;
        Ok(match op.as_str() {
            "hello" => Self::Hello {
                token: members.optional("token")?,
                client: members.short("client", MAX_CLIENT_BYTES)?,
                domains: members.optional::<Fingerprints>("domains")?.unwrap_or_default().check()?,
            },
            "subscribe" => Self::Subscribe {
                r#ref: reference()?,
                topics: members.required("topics")?,
                since: members.not_null("since")?,
                more: members.not_null("more")?.unwrap_or_default(),
            },
            "unsubscribe" => Self::Unsubscribe { r#ref: reference()?, topics: members.required("topics")? },
            "publish" => Self::Publish { r#ref: reference()?, publish: Publish::read(&members)? },
            "token" => Self::Token { r#ref: reference()?, token: members.required("token")? },
            "ping" => Self::Ping { r#ref: reference()? },
            "pong" => Self::Pong,
            _ => return Err(Refusal::UnknownOp { op, r#ref: reference().ok() }),
        })
    }
}
