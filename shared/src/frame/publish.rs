//! A publish: the same type in a WebSocket frame and in the body of an HTTP request.

use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::FrameError;
use crate::{
    RawEvent,
    json::{Members, check_shape},
    limits::MAX_ORIGIN_BYTES,
};

/// What a publisher sends: `{"event":…,"topics":…?,"key":…?,"origin":…?}`. Topics are text here, as in a
/// [`ClientFrame`](super::ClientFrame).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Publish<P = Box<RawValue>> {
    /// The event.
    pub event: RawEvent<P>,
    /// The topics, for events whose domain leaves them to the publisher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topics: Option<Vec<String>>,
    /// The idempotency key: a publish with the same key is answered with the first publication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Uuid>,
    /// An opaque tag of the program that caused this event. Subscribers get it with the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

impl Publish {
    /// Reads the body of an HTTP request.
    ///
    /// # Errors
    /// A sentence that names the member at fault.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        check_shape(text).and_then(|()| Self::read(&Members::parse(text)?)).map_err(FrameError)
    }

    pub(super) fn read(members: &Members<'_>) -> Result<Self, String> {
        Ok(Self {
            event: read_event(members)?,
            topics: members.optional("topics")?,
            key: members.optional("key")?,
            origin: members.short("origin", MAX_ORIGIN_BYTES)?,
        })
    }
}

/// Reads the member `event` of a frame.
pub(super) fn read_event(members: &Members<'_>) -> Result<RawEvent, String> {
    event_of(members.raw("event")?.get()).map_err(|error| format!("`event`: {error}"))
}

/// Reads the wire form of an event.
pub(crate) fn parse_event(text: &str) -> Result<RawEvent, FrameError> {
    check_shape(text).and_then(|()| event_of(text)).map_err(FrameError)
}

fn event_of(text: &str) -> Result<RawEvent, String> {
    let members = Members::parse(text)?;
    Ok(RawEvent {
        domain: members.required("domain")?,
        event: members.required("event")?,
        payload: members.raw("payload")?.to_owned(),
    })
}
