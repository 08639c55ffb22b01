//! Changes of a data store, by schema. The only shipped domain whose events carry records.

use serde_json::Value;

use crate::{
    Segment, TopicError,
    derive::{Event, Payload, Topic},
};

/// A schema's name: what a topic has room for beside `store:`.
pub type Schema = Segment<249>;

/// Where a store's changes appear, unless the publisher names topics of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Topic)]
#[topic(domain = "store")]
pub enum Topic {
    /// One schema.
    #[topic("{schema}")]
    Schema(Schema),
}

impl Topic {
    /// The topic of a schema.
    ///
    /// # Errors
    /// The rule of the grammar that the schema's name breaks.
    pub fn schema(name: &str) -> Result<Self, TopicError> {
        Schema::parse(name).map(Self::Schema)
    }
}

/// A record was written.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(Schema(schema)))]
pub struct Upserted<R> {
    /// The schema.
    pub schema: Schema,
    /// The record's key, as text.
    pub key: String,
    /// The record, as the caller types it.
    pub record: R,
}

/// A record was removed.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(Schema(schema)))]
pub struct Deleted {
    /// The schema.
    pub schema: Schema,
    /// The record's key, as text.
    pub key: String,
}

/// What happens in a store whose records are `R`.
#[derive(Debug, Clone, PartialEq, Eq, Event)]
#[event(computed_or_named)]
pub enum Event<R = Value> {
    /// A record was written.
    Upserted(Upserted<R>),
    /// A record was removed.
    Deleted(Deleted),
}
