//! The domains that a server was compiled with, and its checks of an event before it publishes it.

use std::fmt;

use serde::de::value::MapDeserializer;
use serde_json::Value;

use crate::{
    Code, Event, FanOut, RawEvent, Topic, TopicError, TopicName,
    domains::{catalogue, crm, projects, staff, store},
    frame::Fingerprints,
    json::Members,
    limits::{MAX_NAME_BYTES, MAX_TOPICS_PER_PUBLICATION},
    nearest::nearest,
    schema::{
        DomainSchema, FieldSchema, Fingerprint,
        check::{expected, whole_numbers},
    },
    topic::is_segment,
};

/// A set of domains. It checks their topics and events against their types. Events of other domains are carried unchecked,
/// to the topics that their publisher names.
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

/// The checks of one domain, as plain functions.
#[derive(Debug, Clone)]
struct Domain {
    schema: DomainSchema,
    fingerprint: Fingerprint,
    check_topic: fn(&TopicName) -> Result<(), TopicError>,
    check_event: fn(&RawEvent) -> Result<Vec<TopicName>, EventError>,
}

impl Domains {
    /// Returns the empty set: it checks no event.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns the five domains that ship.
    pub fn shipped() -> Self {
        Self::none()
            .with::<catalogue::Event>()
            .with::<staff::Event>()
            .with::<projects::Event>()
            .with::<crm::Event>()
            .with::<store::Event>()
    }

    /// Adds the domain of `E`. It replaces a domain of the same name.
    #[must_use]
    pub fn with<E: Event>(mut self) -> Self {
        let schema = DomainSchema::of::<E>();
        let domain = Domain {
            schema,
            fingerprint: schema.fingerprint(),
            check_topic: |name| E::Topic::from_name(name).map(drop),
            check_event: check_event::<E>,
        };
        self.0.retain(|known| known.schema.name != domain.schema.name);
        self.0.push(domain);
        self
    }

    /// Returns the fingerprint of each domain.
    pub fn fingerprints(&self) -> impl Iterator<Item = (&'static str, Fingerprint)> {
        self.0.iter().map(|domain| (domain.schema.name, domain.fingerprint))
    }

    /// Returns those of the given domains that this set has in another form: with another fingerprint. A domain that this set
    /// does not have is none of them.
    pub fn differences<'a>(&self, others: &'a Fingerprints) -> Vec<&'a str> {
        let differs = |&(name, other): &(&str, &str)| {
            self.find(name).is_some_and(|domain| domain.fingerprint.to_string() != other)
        };
        others.iter().filter(differs).map(|(name, _)| name).collect()
    }

    /// Returns the names of the domains.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|domain| domain.schema.name)
    }

    /// Returns the domain of that name as data, if it is in this set.
    pub fn schema(&self, name: &str) -> Option<&DomainSchema> {
        self.find(name).map(|domain| &domain.schema)
    }

    /// Returns whether the domain of that name is in this set.
    pub fn knows(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Returns whether the domain of that name is in this set, and its events compute all their topics from the payload.
    pub fn computes_topics(&self, name: &str) -> bool {
        self.find(name).is_some_and(|domain| domain.schema.fan_out == FanOut::Computed)
    }

    /// Returns the domain of this set that a misspelt name probably means.
    pub fn nearest(&self, name: &str) -> Option<&'static str> {
        nearest(name, self.names())
    }

    fn find(&self, name: &str) -> Option<&Domain> {
        self.0.iter().find(|domain| domain.schema.name == name)
    }

    /// Checks that the topic's domain has this topic. A topic of a domain outside this set passes.
    ///
    /// # Errors
    /// [`TopicError::NotOfDomain`].
    pub fn check_topic(&self, topic: &TopicName) -> Result<(), TopicError> {
        self.find(topic.domain()).map_or(Ok(()), |domain| (domain.check_topic)(topic))
    }

    /// Checks an event and returns the topics that it reaches, each once. `named` are the topics that its publisher named, if
    /// any.
    ///
    /// # Errors
    /// The fault of the event or of its topics.
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
                    "the payload of an event of `{}` does not contain its topics: name them in `topics`",
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

    /// An event may reach topics of its own domain, and of domains outside this set.
    fn check_named(&self, event: &RawEvent, named: &[TopicName]) -> Result<Vec<TopicName>, EventError> {
        if named.is_empty() {
            return Err(EventError::Invalid("`topics` is empty: name at least one topic".to_owned()));
        }
        for topic in named {
            if topic.domain() != event.domain && self.find(topic.domain()).is_some() {
                return Err(EventError::Topic(format!(
                    "an event of `{}` cannot reach {topic}: that topic takes events of `{}`",
                    event.domain,
                    topic.domain()
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

impl RawEvent {
    /// Reads the typed event.
    ///
    /// # Errors
    /// [`EventError`], if `E` has no such event or the payload does not match it.
    pub fn decode<E: Event>(&self) -> Result<E, EventError> {
        read(self).map(|(event, ..)| event)
    }
}

/// Reads a typed event. Returns the declared fields and the members of its payload too.
fn read<E: Event>(raw: &RawEvent) -> Result<(E, &'static [FieldSchema], Members<'_>), EventError> {
    if raw.domain != E::Topic::DOMAIN {
        return Err(EventError::Invalid(format!(
            "this is an event of `{}`, not of `{}`",
            raw.domain,
            E::Topic::DOMAIN
        )));
    }
    let unknown =
        || EventError::Unknown { domain: E::Topic::DOMAIN, event: raw.event.clone(), names: E::NAMES };
    let schema = E::SCHEMA.iter().find(|schema| schema.name == raw.event).ok_or_else(unknown)?;
    let invalid = |reason| EventError::Invalid(format!("payload of {}: {reason}", raw.event));
    let fields = schema.payload.fields;
    let members = object(raw).map_err(invalid)?;
    let declared = declared(fields, &members).map_err(invalid)?;
    // The decoder gets these values and not the text, because serde does not read `1.0` as an integer. JavaScript does.
    let event = E::decode(&raw.event, MapDeserializer::new(declared.into_iter()));
    let event = event.map_err(|error: serde_json::Error| invalid(error.to_string()))?;
    Ok((event.ok_or_else(unknown)?, fields, members))
}

/// Reads the payload's members, if it is an object.
fn object(raw: &RawEvent) -> Result<Members<'_>, String> {
    let text = raw.payload.get();
    if text.starts_with('{') {
        return Members::parse(text);
    }
    let found: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Err(expected("an object", &Some(&found)))
}

/// Reads and checks the fields that the payload's type declares.
fn declared(
    fields: &'static [FieldSchema],
    members: &Members<'_>,
) -> Result<Vec<(&'static str, Value)>, String> {
    let mut declared = Vec::with_capacity(fields.len());
    for FieldSchema { name, ty, .. } in fields {
        // The text is valid JSON. The only fault that remains is a lone surrogate, because Rust's strings cannot hold it.
        let lone_surrogate = |error| format!("{error} (half of a surrogate pair is not a text)");
        let mut value: Option<Value> = members.nullable(name).map_err(lone_surrogate)?;
        ty.check(&value.as_ref()).map_err(|fault| fault.of_field(name))?;
        if let Some(value) = &mut value {
            whole_numbers(ty, value);
        }
        declared.extend(value.map(|value| (*name, value)));
    }
    Ok(declared)
}

fn check_event<E: Event>(raw: &RawEvent) -> Result<Vec<TopicName>, EventError> {
    let (event, fields, members) = read::<E>(raw)?;
    let is_declared = |name: &str| fields.iter().any(|field| field.name == name);
    if E::CLOSED
        && let Some(key) = members.names().find(|name| !is_declared(name))
    {
        let keys: Vec<&str> = fields.iter().map(|field| field.name).collect();
        return Err(EventError::Invalid(format!(
            "payload of {}: undeclared key {key:?}: an event of `{}` has the keys {} only",
            raw.event,
            raw.domain,
            keys.join(", ")
        )));
    }
    Ok(event.fan_out())
}

/// Why the server cannot publish an event. The publisher is at fault, and the same event fails again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventError {
    /// The domain has no event of that name.
    Unknown {
        /// The domain.
        domain: &'static str,
        /// The given name.
        event: String,
        /// The names of the domain's events.
        names: &'static [&'static str],
    },
    /// The payload or a name does not match what the domain declares, or `topics` is missing or not allowed.
    Invalid(String),
    /// A named topic breaks the grammar, or this event must not reach it.
    Topic(String),
    /// The event reaches more topics than the limit of a publication.
    TooManyTopics,
}

impl EventError {
    /// Returns the code on the wire.
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
                write!(f, "{domain} has no event {event:?}: its events are {}", names.join(", "))
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

#[cfg(test)]
mod tests;
