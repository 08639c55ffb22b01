//! A publish: the same type in a WebSocket frame and in the body of an HTTP request.

use serde::{Serialize, Serializer, ser::SerializeStruct};
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
#[derive(Debug, Clone, PartialEq)]
pub struct Publish<P = Box<RawValue>> {
    /// The event.
    pub event: RawEvent<P>,
    /// The topics, if the event's domain does not compute them.
    pub topics: Option<Vec<String>>,
    /// The idempotency key. The same key again answers the first publication.
    pub key: Option<Uuid>,
    /// An opaque tag of the publisher, at most 64 bytes. Subscribers get it with the event.
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

/// Writes a frame with a `ref` and the members of a publish. Serde's `flatten` would write a map, and a browser would make a
/// `Map` of it instead of an object.
pub(super) fn write_frame<P: Serialize, S: Serializer>(
    r#ref: &u64,
    publish: &Publish<P>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let Publish { event, topics, key, origin } = publish;
    let mut members = serializer.serialize_struct("Publish", 5)?;
    members.serialize_field("ref", r#ref)?;
    members.serialize_field("event", event)?;
    if let Some(topics) = topics {
        members.serialize_field("topics", topics)?;
    }
    if let Some(key) = key {
        members.serialize_field("key", key)?;
    }
    if let Some(origin) = origin {
        members.serialize_field("origin", origin)?;
    }
    members.end()
}

/// Reads the member `event` of a frame.
pub(super) fn read_event(members: &Members<'_>) -> Result<RawEvent, String> {
    event_of(members.raw("event")?.get()).map_err(|error| format!("`event`: {error}"))
}

impl RawEvent {
    /// Reads the wire form of an event.
    ///
    /// # Errors
    /// A sentence that names the member at fault.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        check_shape(text).and_then(|()| event_of(text)).map_err(FrameError)
    }
}

fn event_of(text: &str) -> Result<RawEvent, String> {
    let members = Members::parse(text)?;
    Ok(RawEvent {
        domain: members.required("domain")?,
        event: members.required("event")?,
        payload: members.raw("payload")?.to_owned(),
    })
}
