//! The domains that a server was compiled with, and what it checks of an event before it is published.

use std::fmt;

use serde::de::value::MapDeserializer;
use serde_json::Value;

use crate::{
    Code, Event, FanOut, RawEvent, Topic, TopicError, TopicName,
    domains::{catalogue, crm, projects, staff, store},
    json::Members,
    limits::{MAX_NAME_BYTES, MAX_TOPICS_PER_PUBLICATION},
    nearest::nearest,
    schema::{
        self, DomainSchema, FieldSchema, Fingerprint, PayloadSchema,
        check::{check_field, expected, whole_numbers},
    },
    topic::is_segment,
};

/// A set of domains. Topics and events of these are checked against their types; those of any other domain travel
/// as they are, to the topics that their publisher names.
///
/// ```
/// use tidings_shared::{Domains, RawEvent};
/// let raw = RawEvent::parse(
///     r#"{"domain":"projects","event":"task_created","payload":{"uuid":"0198c0de-0000-7000-8000-000000000001"}}"#,
/// )?;
/// let topics = Domains::shipped().fan_out(&raw, None)?;
/// assert_eq!(topics.iter().map(|t| t.as_str()).collect::<Vec<_>>(), ["projects:all", "projects:tasks"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Domains(Vec<Domain>);

/// One domain's checks, as plain functions.
#[derive(Debug, Clone)]
struct Domain {
    schema: DomainSchema,
    check_topic: fn(&TopicName) -> Result<(), TopicError>,
    check_event: fn(&RawEvent) -> Result<Vec<TopicName>, EventError>,
}

/// Why an event cannot be published. The publisher's fault; not to be retried as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventError {
    /// The domain is known and has no event of that name.
    Unknown {
        /// The domain.
        domain: &'static str,
        /// The name that was given.
        event: String,
        /// The names that would have been right.
        names: &'static [&'static str],
    },
    /// The payload, the event's names or the presence of topics is not what the domain declares.
    Invalid(String),
    /// A topic that was named breaks the grammar or is not this event's to reach.
    Topic(String),
    /// More topics than one publication may reach.
    TooManyTopics,
}

impl EventError {
    /// The code on the wire.
    pub fn code(&self) -> Code {
        match self {
            Self::Unknown { .. } => Code::UnknownEvent,
            Self::Invalid(_) => Code::InvalidEvent,
            Self::Topic(_) => Code::InvalidTopic,
            Self::TooManyTopics => Code::TooManyTopics,
        }
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { domain, event, names } => {
                write!(f, "{domain} has no event {event:?}; its events are {}", names.join(", "))
            }
            Self::Invalid(reason) | Self::Topic(reason) => f.write_str(reason),
            Self::TooManyTopics => {
                write!(
                    f,
                    "a publication reaches at most {MAX_TOPICS_PER_PUBLICATION} topics: publish to some of them at a time"
                )
            }
        }
    }
}

impl std::error::Error for EventError {}

impl Domains {
    /// No domain: everything travels as it is.
    pub fn none() -> Self {
        Self::default()
    }

    /// The five domains that ship.
    pub fn shipped() -> Self {
        Self::none()
            .with::<catalogue::Event>()
            .with::<staff::Event>()
            .with::<projects::Event>()
            .with::<crm::Event>()
            .with::<store::Event>()
    }

    /// Adds the domain of `E`; one of the same name is replaced.
    #[must_use]
    pub fn with<E: Event>(mut self) -> Self {
        let domain = Domain {
            schema: DomainSchema::of::<E>(),
            check_topic: |name| E::Topic::from_name(name).map(drop),
            check_event: check_event::<E>,
        };
        self.0.retain(|known| known.schema.name != domain.schema.name);
        self.0.push(domain);
        self
    }

    /// What tells this set from another, see [`fingerprint`](schema::fingerprint).
    pub fn fingerprint(&self) -> Fingerprint {
        let schemas: Vec<DomainSchema> = self.0.iter().map(|domain| domain.schema).collect();
        schema::fingerprint(&schemas)
    }

    /// Whether this set has all the domains of the set with that fingerprint, in the same form.
    pub fn include(&self, fingerprint: &str) -> bool {
        let schemas: Vec<DomainSchema> = self.0.iter().map(|domain| domain.schema).collect();
        Fingerprint::parse(fingerprint).is_some_and(|other| schema::includes(&schemas, other))
    }

    /// Whether the domain of that name is in this set.
    pub fn knows(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The domain of this set that may have been meant by a name that is none of them.
    pub fn nearest(&self, name: &str) -> Option<&'static str> {
        nearest(name, self.0.iter().map(|domain| domain.schema.name))
    }

    fn find(&self, name: &str) -> Option<&Domain> {
        self.0.iter().find(|domain| domain.schema.name == name)
    }

    /// Checks that a topic of a domain in this set is one of that domain's; topics of other domains pass.
    ///
    /// # Errors
    /// [`TopicError::NotOfDomain`].
    pub fn check_topic(&self, topic: &TopicName) -> Result<(), TopicError> {
        self.find(topic.domain()).map_or(Ok(()), |domain| (domain.check_topic)(topic))
    }

    /// Checks an event and says which topics it reaches, each once; `named` are the topics that its publisher
    /// named, if it named any.
    ///
    /// # Errors
    /// What is wrong with the event or with the topics.
    pub fn fan_out(
        &self,
        event: &RawEvent,
        named: Option<&[TopicName]>,
    ) -> Result<Vec<TopicName>, EventError> {
        check_name("domain", &event.domain)?;
        check_name("event", &event.event)?;
        let domain = self.find(&event.domain);
        let computed = domain.map(|domain| (domain.check_event)(event)).transpose()?;
        let rule = domain.map_or(FanOut::Named, |domain| domain.schema.fan_out);
        let topics = match (rule, computed, named) {
            (FanOut::Computed, _, Some(_)) => {
                return Err(EventError::Invalid(format!(
                    "the topics of the events of `{}` follow from the payload: leave `topics` out",
                    event.domain
                )));
            }
            (FanOut::Named, _, None) => {
                return Err(EventError::Invalid(format!(
                    "the payload of an event of `{}` does not say whom it reaches: name the `topics`",
                    event.domain
                )));
            }
            (_, Some(computed), None) => computed,
            (_, _, named) => self.check_named(event, named.unwrap_or_default())?,
        };
        if topics.len() > MAX_TOPICS_PER_PUBLICATION {
            return Err(EventError::TooManyTopics);
        }
        Ok(topics)
    }

    /// An event reaches topics of its own domain, or of domains that are not in this set.
    fn check_named(&self, event: &RawEvent, named: &[TopicName]) -> Result<Vec<TopicName>, EventError> {
        if named.is_empty() {
            return Err(EventError::Invalid("`topics` names no topic: name at least one".to_owned()));
        }
        for topic in named {
            if topic.domain() != event.domain && self.find(topic.domain()).is_some() {
                return Err(EventError::Topic(format!(
                    "{topic} takes events of {}, not of {}",
                    topic.domain(),
                    event.domain
                )));
            }
            self.check_topic(topic).map_err(|error| EventError::Topic(error.to_string()))?;
        }
        Ok(TopicName::each_once(named.iter().cloned()))
    }
}

fn check_name(member: &str, name: &str) -> Result<(), EventError> {
    if is_segment(name) && name.len() <= MAX_NAME_BYTES {
        return Ok(());
    }
    Err(EventError::Invalid(format!(
        "`{member}` has 1 to {MAX_NAME_BYTES} characters of A-Z a-z 0-9 _ . ~ -"
    )))
}

/// Reads a typed event from the form in which it travels.
pub(crate) fn decode<E: Event>(raw: &RawEvent) -> Result<E, EventError> {
    read(raw).map(|(event, _)| event)
}

/// The typed event, and its payload's members.
fn read<E: Event>(raw: &RawEvent) -> Result<(E, Members<'_>), EventError> {
    if raw.domain != E::Topic::DOMAIN {
        return Err(EventError::Invalid(format!("an event of {}, not of {}", raw.domain, E::Topic::DOMAIN)));
    }
    let unknown =
        || EventError::Unknown { domain: E::Topic::DOMAIN, event: raw.event.clone(), names: E::NAMES };
    let schema = E::SCHEMA.iter().find(|schema| schema.name == raw.event).ok_or_else(unknown)?;
    let invalid = |reason| EventError::Invalid(format!("payload of {}: {reason}", raw.event));
    let members = object(raw).map_err(invalid)?;
    let declared = declared(schema.payload, &members).map_err(invalid)?;
    // From these and not from the text: serde would tell 1.0 from 1, as no number in JavaScript does.
    let event = E::decode(&raw.event, MapDeserializer::new(declared.into_iter()));
    let event = event.map_err(|error: serde_json::Error| invalid(error.to_string()))?;
    Ok((event.ok_or_else(unknown)?, members))
}

/// The payload's members, if it is an object.
fn object(raw: &RawEvent) -> Result<Members<'_>, String> {
    let text = raw.payload.get();
    if text.starts_with('{') {
        return Members::parse(text);
    }
    let found: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Err(expected(&"an object", &&found))
}

/// The fields that the payload's type declares, each checked.
fn declared(schema: &PayloadSchema, members: &Members<'_>) -> Result<Vec<(&'static str, Value)>, String> {
    let mut declared = Vec::with_capacity(schema.fields.len());
    for FieldSchema { name, ty, .. } in schema.fields {
        // That it is JSON was seen before. What is left is a lone surrogate, which Rust's text can't hold.
        let half = |error| format!("{error} (half of a surrogate pair is no text)");
        let mut value: Option<Value> = members.value(name).map_err(half)?;
        check_field(name, ty, value.as_ref().as_ref())?;
        if let Some(value) = &mut value {
            whole_numbers(ty, value);
        }
        declared.extend(value.map(|value| (*name, value)));
    }
    Ok(declared)
}

fn check_event<E: Event>(raw: &RawEvent) -> Result<Vec<TopicName>, EventError> {
    let (event, members) = read::<E>(raw)?;
    if let Some(keys) = E::closed_keys(event.name())
        && let Some(key) = members.names().find(|name| !keys.contains(name))
    {
        return Err(EventError::Invalid(format!(
            "payload of {}: undeclared key {key:?}; {} events carry {} and nothing else",
            raw.event,
            raw.domain,
            keys.join(", ")
        )));
    }
    Ok(event.fan_out())
}

#[cfg(test)]
mod tests;
