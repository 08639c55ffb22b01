//! Changes of a data store, by schema. The events of this domain carry records: of any type that serde can read and write.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use tidings_shared::{RawEvent, domains::store};
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! struct Link {
//!     url: String,
//! }
//!
//! let raw = RawEvent::parse(
//!     r#"{"domain":"store","event":"upserted",
//!         "payload":{"schema":"links","key":"7","record":{"url":"https://example.org"}}}"#,
//! )?;
//! let store::Event::Upserted(upserted) = raw.decode::<store::Event<Link>>()? else { unreachable!() };
//! assert_eq!(upserted.record.url, "https://example.org");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde_json::Value;

use crate::{
    Segment, TopicError,
    derive::{Event, Payload, Topic},
};

/// A schema's name. A topic has space for 249 bytes after `store:`.
pub type Schema = Segment<249>;

/// The topics of a store. The publisher may name other topics instead.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Topic)]
#[topic(domain = "store")]
pub enum Topic {
    /// The changes of one schema.
    #[topic("{schema}")]
    Schema(Schema),
}

impl Topic {
    /// Returns the topic of a schema.
    ///
    /// # Errors
    /// The rule of the grammar that the schema's name breaks.
    pub fn schema(name: &str) -> Result<Self, TopicError> {
        Schema::parse(name).map(Self::Schema)
    }
}

/// A written record.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(Schema(schema)))]
pub struct Upserted<#[any] R> {
    /// The schema.
    pub schema: Schema,
    /// The record's key, as text.
    pub key: String,
    /// The record. Its type is the caller's.
    pub record: R,
}

/// A deleted record.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(Schema(schema)))]
pub struct Deleted {
    /// The schema.
    pub schema: Schema,
    /// The record's key, as text.
    pub key: String,
}

/// The changes of a store with records of type `R`.
#[derive(Debug, Clone, PartialEq, Eq, Event)]
#[event(computed_or_named)]
pub enum Event<#[any] R = Value> {
    /// A record was written.
    Upserted(Upserted<R>),
    /// A record was deleted.
    Deleted(Deleted),
}
