//! Changes of a data store, by schema. The only shipped domain whose events carry records.

use std::fmt::Debug;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{FanOut, Segment, TopicError, TopicName, event::event_names};

/// Where a store's changes appear, unless the publisher names topics of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// One schema.
    Schema(Segment<MAX_SCHEMA_BYTES>),
}

/// Bytes of a schema's name: what a topic has beside `store:`.
pub const MAX_SCHEMA_BYTES: usize = 249;

impl Topic {
    /// The topic of a schema.
    ///
    /// # Errors
    /// The rule of the grammar that the schema's name breaks.
    pub fn schema(name: &str) -> Result<Self, TopicError> {
        Segment::parse(name).map(Self::Schema)
    }
}

impl crate::Topic for Topic {
    const DOMAIN: &'static str = "store";
    const PATTERNS: &'static [&'static str] = &["store:{schema}"];

    fn from_segments(segments: &[&str]) -> Option<Self> {
        match segments {
            [schema] => Self::schema(schema).ok(),
            _ => None,
        }
    }

    fn name(&self) -> TopicName {
        let Self::Schema(schema) = self;
        TopicName::from_segments(&["store", schema.as_str()])
    }
}

/// A record was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upserted<R> {
    /// The schema.
    pub schema: Segment<MAX_SCHEMA_BYTES>,
    /// The record's key, as text.
    pub key: String,
    /// The record, as the caller types it.
    pub record: R,
}

/// A record was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// The schema.
    pub schema: Segment<MAX_SCHEMA_BYTES>,
    /// The record's key, as text.
    pub key: String,
}

/// What happens in a store whose records are `R`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<R = Value> {
    /// A record was written.
    Upserted(Upserted<R>),
    /// A record was removed.
    Deleted(Deleted),
}

impl<R: Debug + Serialize + DeserializeOwned> crate::Event for Event<R> {
    type Topic = Topic;

    const FAN_OUT: FanOut = FanOut::ComputedOrNamed;

    event_names! { Upserted = "upserted", Deleted = "deleted" }

    fn topics(&self) -> Vec<Topic> {
        let (Self::Upserted(Upserted { schema, .. }) | Self::Deleted(Deleted { schema, .. })) = self;
        vec![Topic::Schema(schema.clone())]
    }
}
