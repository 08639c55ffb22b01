//! Domains as data. The server and the browser check payloads by it, and the crate `tidings-generate` writes TypeScript,
//! JSON Schema, AsyncAPI and the tables of PROTOCOL.md from it.

pub mod check;
mod data;
mod fingerprint;

pub use data::Domain;
pub use fingerprint::Fingerprint;

/// A domain.
#[derive(Debug, Clone, Copy)]
pub struct DomainSchema {
    /// The first segment of its topics.
    pub name: &'static str,
    /// The purpose of its topics.
    pub topic_docs: &'static str,
    /// The meaning of its events.
    pub event_docs: &'static str,
    /// Its topics.
    pub topics: &'static [TopicSchema],
    /// Its events.
    pub events: &'static [EventSchema],
    /// Who decides which topics an event reaches.
    pub fan_out: FanOut,
    /// Whether the server refuses undeclared payload keys.
    pub closed: bool,
}

/// Who decides which topics an event reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FanOut {
    /// The event itself, by its payload. The server refuses a publisher that names topics.
    Computed,
    /// The publisher. The payload does not contain the topics.
    Named,
    /// The event itself, unless the publisher names topics.
    ComputedOrNamed,
}

/// A topic.
#[derive(Debug, Clone, Copy)]
pub struct TopicSchema {
    /// The variant's name. Payloads refer to it.
    pub name: &'static str,
    /// The name of the function that builds it, in snake_case.
    pub builder: &'static str,
    /// Its pattern, with the domain: `staff:person:{uuid}`.
    pub pattern: &'static str,
    /// Its description.
    pub docs: &'static str,
}

impl TopicSchema {
    /// Returns the names of the fields in the pattern.
    pub fn fields(&self) -> impl Iterator<Item = &'static str> {
        self.pattern.split(':').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }
}

/// An event.
#[derive(Debug, Clone, Copy)]
pub struct EventSchema {
    /// Its name on the wire.
    pub name: &'static str,
    /// Its description.
    pub docs: &'static str,
    /// Its payload.
    pub payload: &'static PayloadSchema,
}

/// A payload. Several events may share it.
#[derive(Debug)]
pub struct PayloadSchema {
    /// The struct's name.
    pub name: &'static str,
    /// Its description.
    pub docs: &'static str,
    /// Its fields on the wire.
    pub fields: &'static [FieldSchema],
    /// The topics that it reaches. Empty if a method returns them.
    pub reaches: &'static [ReachSchema],
}

impl PayloadSchema {
    /// Returns whether it may appear on the topic.
    pub fn may_reach(&self, topic: &TopicSchema) -> bool {
        // A method may return any topic.
        self.reaches.is_empty() || self.reaches.iter().any(|reach| reach.topic == topic.name)
    }
}

/// A topic that a payload reaches. It does not reach it if a field of the pattern is absent, or if the condition is false.
#[derive(Debug, Clone, Copy)]
pub struct ReachSchema {
    /// The topic's variant.
    pub topic: &'static str,
    /// The payload's fields for the topic's pattern, in the order of the pattern.
    pub fields: &'static [&'static str],
    /// The field that must be true.
    pub condition: Option<&'static str>,
}

impl ReachSchema {
    /// Returns the topic's pattern with the names of the payload's fields: `staff:person:{staff_person_uuid}`.
    pub fn pattern(&self, domain: &DomainSchema) -> String {
        let pattern =
            domain.topics.iter().find(|topic| topic.name == self.topic).map_or("", |topic| topic.pattern);
        let mut fields = self.fields.iter();
        let segment = |segment: &str| match segment.strip_prefix('{') {
            Some(_) => format!("{{{}}}", fields.next().unwrap_or(&"")),
            None => segment.to_owned(),
        };
        pattern.split(':').map(segment).collect::<Vec<_>>().join(":")
    }
}

/// A field of a payload.
#[derive(Debug, Clone, Copy)]
pub struct FieldSchema {
    /// Its key on the wire.
    pub name: &'static str,
    /// Its type.
    pub ty: Type,
    /// Its description.
    pub docs: &'static str,
}

/// A field's type. `N` is the form of the names of a choice: a browser keeps them as JavaScript values.
#[derive(Debug, Clone, Copy)]
pub enum Type<N: 'static = &'static [&'static str]> {
    /// A UUID, as hyphenated text.
    Uuid,
    /// Text.
    String,
    /// Text that can be a segment of a topic.
    Segment {
        /// Its limit in bytes.
        max: usize,
    },
    /// True or false.
    Bool,
    /// A whole number.
    Integer {
        /// The smallest value.
        min: i64,
        /// The largest value.
        max: i64,
    },
    /// A number.
    Number,
    /// A number that a 32-bit float can hold. Rounding is allowed.
    Float32,
    /// One of several names.
    Choice {
        /// The known names.
        names: N,
        /// Whether a later version may have more.
        is_open: bool,
    },
    /// Any JSON value.
    Any,
    /// A value, `null` or nothing.
    Option(&'static Self),
    /// A list.
    List(&'static Self),
}

impl<N> Type<N> {
    /// Returns whether the value may be `null` and the key may be absent.
    pub fn is_option(&self) -> bool {
        matches!(self, Self::Option(_))
    }
}
