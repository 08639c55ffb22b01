//! The options of a publish, and why a publish can fail.

use std::fmt;

use tidings_shared::{Code, EventError, RawEvent, TopicName, limits::MAX_ORIGIN_BYTES};
use uuid::Uuid;

use crate::tenant_id::TenantId;

/// Options of a publish.
///
/// ```
/// use tidings_hub::PublishOptions;
///
/// let options = PublishOptions::default().origin("tab-7".to_owned());
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PublishOptions {
    /// The idempotency key. A second publish with the same key and the same topics publishes nothing and returns the
    /// first answer, as long as the key is [remembered](crate::KeyLimits). Without a key, the hub makes a new one (UUID
    /// version 7).
    pub key: Option<Uuid>,
    /// An opaque tag that names the cause, at most [`MAX_ORIGIN_BYTES`]. Every subscriber sees it.
    pub origin: Option<String>,
}

crate::setters!(PublishOptions { key: impl Into<Option<Uuid>>, origin: impl Into<Option<String>> });

/// One of the events that [`Hub::publish_all`](crate::Hub::publish_all) publishes.
#[derive(Debug, Clone)]
pub struct RawPublish {
    /// The tenant that gets the event.
    pub tenant: TenantId,
    /// The event, as it came over the wire or from a table.
    pub event: RawEvent,
    /// The topics that the publisher names. With `None`, the domain computes them.
    pub named: Option<Vec<TopicName>>,
    /// The key and the origin.
    pub options: PublishOptions,
}

/// Why an event was not published. [`PublishError::code`] says whether a retry can help.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// The domain refuses the event or its topics.
    Event(EventError),
    /// The origin is too long.
    Origin,
    /// Another publication has this key, with other topics. Nothing was published.
    Key,
    /// The payload cannot be written as JSON.
    Encode(String),
    /// The journal does not answer, or too much waits for it. The event may be published nevertheless: try again with the
    /// same key.
    Overloaded,
}

impl PublishError {
    /// Returns the code on the wire.
    pub fn code(&self) -> Code {
        match self {
            Self::Event(error) => error.code(),
            Self::Key => Code::Forbidden,
            Self::Overloaded => Code::Overloaded,
            Self::Origin | Self::Encode(_) => Code::InvalidEvent,
        }
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(error) => error.fmt(f),
            Self::Key => f.write_str("this key is that of another publication: draw a new one for each"),
            Self::Origin => write!(f, "`origin` has at most {MAX_ORIGIN_BYTES} bytes"),
            Self::Overloaded => f.write_str("the journal does not answer: try again later with the same key"),
            Self::Encode(reason) => write!(f, "the payload can't be written as JSON: {reason}"),
        }
    }
}

impl std::error::Error for PublishError {}

impl From<EventError> for PublishError {
    fn from(error: EventError) -> Self {
        Self::Event(error)
    }
}
