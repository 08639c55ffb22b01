//! Events: typed payloads that know their fan-out, and the form in which they travel.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{Topic, TopicName, schema::EventSchema};

/// Who says which topics an event reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FanOut {
    /// The event itself, from its payload. A publisher that names topics is refused.
    Computed,
    /// The publisher, because the payload does not tell (and must not).
    Named,
    /// The event itself, unless the publisher names other topics.
    ComputedOrNamed,
}

/// A domain's events as a type.
///
/// The payload is plain serde; what the domain does not declare stays in the [`RawEvent`] that carries it.
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
    /// The topics that these events may reach, and no others.
    type Topic: Topic;

    /// Every event's name on the wire.
    const NAMES: &'static [&'static str];

    /// Who says which topics an event reaches.
    const FAN_OUT: FanOut = FanOut::Computed;

    /// Whether undeclared payload keys are refused, because they could tell a subscriber what it must not learn.
    const CLOSED: bool = false;

    /// What these events are about, for those who are not Rust.
    const DOCS: &'static str = "";

    /// The events as data, for those who are not Rust.
    const SCHEMA: &'static [EventSchema];

    /// This event's name on the wire.
    fn name(&self) -> &'static str;

    /// The topics that this event reaches; one that stands twice counts once.
    fn topics(&self) -> Vec<Self::Topic>;

    /// Reads the payload of the event `name`; `None` when there is no event of that name. It is given the fields that
    /// [`Self::SCHEMA`] declares, once they were checked.
    ///
    /// # Errors
    /// The deserializer's, when the payload is not what the event declares.
    fn decode<'de, D: Deserializer<'de>>(name: &str, payload: D) -> Result<Option<Self>, D::Error>;

    /// Writes the payload.
    ///
    /// # Errors
    /// The serializer's.
    fn encode<S: Serializer>(&self, payload: S) -> Result<S::Ok, S::Error>;

    /// The only payload keys that a publisher may send with the event `name`, where the domain is [`Event::CLOSED`].
    /// `None`: undeclared keys survive.
    fn closed_keys(_name: &str) -> Option<&'static [&'static str]> {
        None
    }

    /// The names of [`Event::topics`], each once, in their order.
    fn fan_out(&self) -> Vec<TopicName> {
        TopicName::each_once(self.topics().iter().map(Topic::name))
    }
}

/// An event as it travels: names and a payload that is carried as it is. Its wire form is
/// `{"domain":…,"event":…,"payload":{…}}`. The payload's type `P` is JSON text on a server and a JavaScript value in
/// a browser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RawEvent<P = Box<RawValue>> {
    /// The domain, which is the first segment of its topics.
    pub domain: String,
    /// The event's name in that domain.
    pub event: String,
    /// The payload, untouched.
    pub payload: P,
}

impl RawEvent {
    /// Reads the wire form.
    ///
    /// # Errors
    /// A sentence that names the member at fault.
    pub fn parse(text: &str) -> Result<Self, crate::frame::FrameError> {
        crate::frame::parse_event(text)
    }

    /// The wire form of a typed event.
    ///
    /// # Errors
    /// When the payload can't be written as JSON, such as a map whose keys are no strings.
    pub fn from_event<E: Event>(event: &E) -> Result<Self, serde_json::Error> {
        let mut payload = Vec::new();
        event.encode(&mut serde_json::Serializer::new(&mut payload))?;
        let payload: Box<RawValue> = serde_json::from_slice(&payload)?;
        Ok(Self { domain: E::Topic::DOMAIN.to_owned(), event: event.name().to_owned(), payload })
    }

    /// Reads the typed event.
    ///
    /// # Errors
    /// [`EventError`](crate::EventError), when it is none of `E`'s events or the payload is not what `E` declares.
    pub fn decode<E: Event>(&self) -> Result<E, crate::EventError> {
        crate::domain_set::decode(self)
    }
}
