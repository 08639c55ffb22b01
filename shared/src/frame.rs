//! The wire protocol, version 1: one JSON object per WebSocket message.
//!
//! [`ClientFrame`] and [`ServerFrame`] are all frames. Both sides write their frames with serde. The server reads with
//! [`ClientFrame::parse`], which refuses unknown operations and wrong members. A client reads with
//! [`ServerFrame::read`], which ignores everything that it does not know, so that an old tab works with a newer server.
//! The payload's type `P` is JSON text in native programs and a JavaScript value in a browser.

mod client;
mod fingerprints;
mod publish;
mod server;

use std::fmt;

pub use client::{ClientFrame, Refusal};
pub use fingerprints::Fingerprints;
pub use publish::Publish;
pub use server::{AnnouncedLimits, FrameMembers, Outcome, ServerFrame, TopicOutcome, UnknownDomain};

/// The WebSocket subprotocol that names this protocol.
pub const SUBPROTOCOL: &str = "tidings.v1.json";

/// The HTTP header that carries an `origin` to an application's own backend. The backend passes it on when it publishes.
/// It has at most [`MAX_ORIGIN_BYTES`](crate::limits::MAX_ORIGIN_BYTES) of visible ASCII.
pub const ORIGIN_HEADER: &str = "Tidings-Origin";

/// A text that is not a frame. The sentence says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameError(String);

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FrameError {}
