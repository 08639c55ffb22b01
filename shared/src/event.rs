//! A domain's topics and events as Rust types, and the raw form of an event on the wire.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{
    TopicError, TopicName,
    schema::{DomainSchema, EventSchema, FanOut, TopicSchema},
};

/// A domain's topics as a type. `#[derive(Topic)]` implements it; see [`crate::derive`].
pub trait Topic: Sized + Clone + Eq + fmt::Debug {
    /// The first segment of all names.
    const DOMAIN: &'static str;

    /// The patterns of the names, for people: `staff:person:{uuid}`.
    const PATTERNS: &'static [&'static str];

    /// What these topics are for, for the generated files.
    const DOCS: &'static str = "";

    /// The topics as data.
    const SCHEMA: &'static [TopicSchema];

    /// Reads the segments after the domain. Returns `None` if the domain has no such topic.
    fn from_segments(segments: &[&str]) -> Option<Self>;

    /// Returns the name of this topic.
    fn name(&self) -> TopicName;

    /// Reads a name.
    ///
    /// # Errors
    /// [`TopicError::NotOfDomain`] with the patterns of the domain.
    fn from_name(name: &TopicName) -> Result<Self, TopicError> {
        let segments: Vec<&str> = name.segments().collect();
        let topic = match segments.split_first() {
            Some((&domain, rest)) if domain == Self::DOMAIN => Self::from_segments(rest),
            _ => None,
        };
        topic.ok_or_else(|| TopicError::NotOfDomain {
            domain: Self::DOMAIN,
            topic: name.to_string(),
            patterns: Self::PATTERNS,
        })
    }

    /// Reads a text: it checks the grammar first, then the domain.
    ///
    /// # Errors
    /// The rule that the text breaks.
    fn parse(text: &str) -> Result<Self, TopicError> {
        Self::from_name(&TopicName::parse(text)?)
    }
}

/// A domain's events as a type.
///
/// Serde reads and writes the payload. Keys that the domain does not declare stay in the [`RawEvent`].
///
/// ```
/// use tidings_shared::{Event, RawEvent, domains::staff};
/// let raw = RawEvent::parse(
///     r#"{"domain":"staff","event":"team_deleted",
///         "payload":{"uuid":"0198c0de-0000-7000-8000-000000000001","note":"kept"}}"#,
/// )?;
/// let event: staff::Event = raw.decode()?;
/// assert_eq!(event.fan_out().len(), 2);
/// assert!(raw.payload.get().contains("kept"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Event: Sized + fmt::Debug {
    /// The topics that these events may reach.
    type Topic: Topic;

    /// The names of all events on the wire.
    const NAMES: &'static [&'static str];

    /// Who decides which topics an event reaches.
    const FAN_OUT: FanOut = FanOut::Computed;

    /// Whether the server refuses undeclared payload keys. Such a key could show data that a subscriber must not see.
    const CLOSED: bool = false;

    /// What these events are about, for the generated files.
    const DOCS: &'static str = "";

    /// The events as data.
    const SCHEMA: &'static [EventSchema];

    /// Returns the event's name on the wire.
    fn name(&self) -> &'static str;

    /// Returns the topics that this event reaches. The list may repeat a topic.
    fn topics(&self) -> Vec<Self::Topic>;

    /// Reads the payload of the event `name`. Returns `None` if there is no event of that name. The payload has the fields that
    /// [`Self::SCHEMA`] declares, already checked.
    ///
    /// # Errors
    /// The deserializer's error, if the payload does not match the event.
    fn decode<'de, D: Deserializer<'de>>(name: &str, payload: D) -> Result<Option<Self>, D::Error>;

    /// Writes the payload.
    ///
    /// # Errors
    /// The serializer's error.
    fn encode<S: Serializer>(&self, payload: S) -> Result<S::Ok, S::Error>;

    /// Returns the names of [`Event::topics`], each once, in their order.
    fn fan_out(&self) -> Vec<TopicName> {
        TopicName::each_once(self.topics().iter().map(Topic::name))
    }
}

/// An event on the wire: names and an unchanged payload, `{"domain":…,"event":…,"payload":{…}}`. The payload's type `P` is
/// JSON text in native programs and a JavaScript value in a browser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RawEvent<P = Box<RawValue>> {
    /// The domain. Its topics begin with this name.
    pub domain: String,
    /// The event's name in that domain.
    pub event: String,
    /// The payload, unchanged.
    pub payload: P,
}

impl RawEvent {
    /// Writes a typed event in its wire form.
    ///
    /// # Errors
    /// The serializer's error, if JSON cannot hold the payload: for example NaN, or a map with keys that are not strings.
    pub fn from_event<E: Event>(event: &E) -> Result<Self, serde_json::Error> {
        let mut payload = Vec::new();
        event.encode(&mut serde_json::Serializer::new(&mut payload))?;
        let payload: Box<RawValue> = serde_json::from_slice(&payload)?;
        Ok(Self { domain: E::Topic::DOMAIN.to_owned(), event: event.name().to_owned(), payload })
    }
}

impl DomainSchema {
    /// Describes the domain of these events.
    pub const fn of<E: Event>() -> Self {
        Self {
            name: E::Topic::DOMAIN,
            topic_docs: E::Topic::DOCS,
            event_docs: E::DOCS,
            topics: E::Topic::SCHEMA,
            events: E::SCHEMA,
            fan_out: E::FAN_OUT,
            closed: E::CLOSED,
        }
    }
}
