//! The options of a publish, and its answer.

use tidings_shared::TopicName;
use uuid::Uuid;

use crate::Error;

/// Options of a publish.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishOptions {
    pub(crate) key: Option<Uuid>,
    pub(crate) origin: Option<String>,
}

impl PublishOptions {
    /// Sets the idempotency key. A second publish with the same key and the same topics publishes nothing, and gets the first
    /// answer. Without a key, the client makes a new one (UUID version 7).
    #[must_use]
    pub fn key(mut self, key: impl Into<Option<Uuid>>) -> Self {
        self.key = key.into();
        self
    }

    /// Sets an opaque tag that names the cause, at most 64 bytes. Every subscriber sees it.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }
}

/// The server's answer to a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// Its position in the log; opaque.
    pub position: String,
    /// Its idempotency key.
    pub key: Uuid,
    /// All topics that the event reaches.
    pub topics: Vec<TopicName>,
}

/// What comes of a publish.
pub(crate) type Answer = Result<Published, Error>;
