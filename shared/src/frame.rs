//! The wire protocol, version 1: one JSON object per WebSocket message.
//!
//! [`ClientFrame`] and [`ServerFrame`] are the whole of it. Each side writes its frames with serde. The server reads
//! with [`ClientFrame::parse`], which is strict; a client reads with [`ServerFrame::read`], which takes what it knows and
//! passes over the rest, so that an old tab survives a newer server. The payload's type `P` is JSON text natively and a
//! JavaScript value in a browser.

mod client;
mod server;

pub(crate) use client::parse_event;
pub use client::{ClientFrame, FrameError, Refusal};
pub use server::{AnnouncedLimits, FrameMembers, Outcome, ServerFrame, TopicOutcome, UnknownDomain};

/// The WebSocket subprotocol that names this protocol.
pub const SUBPROTOCOL: &str = "tidings.v1.json";

/// The HTTP header that carries an `origin` to an application's own backend, which hands it on when it publishes: at most
/// [`MAX_ORIGIN_BYTES`](crate::limits::MAX_ORIGIN_BYTES) of visible ASCII.
pub const ORIGIN_HEADER: &str = "Tidings-Origin";
