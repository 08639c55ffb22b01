//! Domains as data. The server and the browser check payloads by it, and the crate `tidings-generate` writes TypeScript,
//! JSON Schema, AsyncAPI and the tables of PROTOCOL.md from it.

pub mod check;

use std::fmt;

use crate::limits::MAX_COMPARED_DOMAINS;

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
    /// Whether Rust omits a missing value. Otherwise it writes `null`.
    pub omits: bool,
    /// Its description.
    pub docs: &'static str,
}

/// A field's type.
#[derive(Debug, Clone, Copy)]
pub enum Type {
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
        names: &'static [&'static str],
        /// Whether a later version may have more.
        is_open: bool,
    },
    /// Any JSON value.
    Any,
    /// A value, `null` or nothing.
    Option(&'static Type),
    /// A list.
    List(&'static Type),
}

impl Type {
    /// Returns whether the value may be `null` and the key may be absent.
    pub fn is_option(&self) -> bool {
        matches!(self, Self::Option(_))
    }

    /// Returns the type of a value that is there.
    pub fn without_option(&self) -> &Self {
        match self {
            Self::Option(inner) => inner.without_option(),
            other => other,
        }
    }
}

/// Computes the fingerprint of a set of domains for `hello` and `welcome`. It depends on topics, events and payloads, and not
/// on the order of the domains. By it a client and a server notice that they were compiled with different domains.
pub const fn fingerprint(domains: &[DomainSchema]) -> Fingerprint {
    let (mut sum, mut index) = (0_u64, 0);
    while index < domains.len() {
        sum = sum.wrapping_add(domains[index].hash());
        index += 1;
    }
    Fingerprint(sum)
}

/// Returns whether these domains include all domains of another set, in the same form. A set's fingerprint is the sum of
/// its domains' hashes, so the other fingerprint must be the sum of some hashes of these domains.
pub fn includes(domains: &[DomainSchema], other: Fingerprint) -> bool {
    fn is_sum_of_some(wanted: u64, hashes: &[u64]) -> bool {
        match hashes {
            [] => wanted == 0,
            [first, rest @ ..] => {
                is_sum_of_some(wanted, rest) || is_sum_of_some(wanted.wrapping_sub(*first), rest)
            }
        }
    }
    if domains.len() > MAX_COMPARED_DOMAINS {
        return fingerprint(domains) == other;
    }
    let hashes: Vec<u64> = domains.iter().map(DomainSchema::hash).collect();
    is_sum_of_some(other.0, &hashes)
}

/// A [`fingerprint`]. On the wire it has sixteen hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Reads the text that [`Display`](fmt::Display) writes. Returns `None` for other texts.
    pub fn parse(text: &str) -> Option<Self> {
        let fingerprint = u64::from_str_radix(text, 16).ok().map(Self)?;
        (fingerprint.to_string() == text).then_some(fingerprint)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// FNV-1a, 64 bits.
const fn hash_bytes(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    hash
}

/// Hashes a text and a zero at its end, so that two texts never look like one.
const fn hash_text(hash: u64, text: &str) -> u64 {
    hash_bytes(hash_bytes(hash, text.as_bytes()), &[0])
}

const fn hash_number(hash: u64, number: i64) -> u64 {
    hash_bytes(hash, &number.to_be_bytes())
}

const fn hash_type(hash: u64, ty: &Type) -> u64 {
    match ty {
        Type::Uuid => hash_text(hash, "uuid"),
        Type::String => hash_text(hash, "string"),
        Type::Segment { max } => hash_number(hash_text(hash, "segment"), *max as i64),
        Type::Bool => hash_text(hash, "bool"),
        Type::Integer { min, max } => hash_number(hash_number(hash_text(hash, "integer"), *min), *max),
        Type::Number => hash_text(hash, "number"),
        Type::Float32 => hash_text(hash, "float32"),
        Type::Any => hash_text(hash, "any"),
        Type::Option(inner) => hash_type(hash_text(hash, "option"), inner),
        Type::List(inner) => hash_type(hash_text(hash, "list"), inner),
        Type::Choice { names, is_open } => {
            let (mut hash, mut index) = (hash_number(hash_text(hash, "choice"), *is_open as i64), 0);
            while index < names.len() {
                hash = hash_text(hash, names[index]);
                index += 1;
            }
            hash
        }
    }
}

impl DomainSchema {
    const fn hash(&self) -> u64 {
        let mut hash = hash_text(0xcbf2_9ce4_8422_2325, self.name);
        let mut index = 0;
        while index < self.topics.len() {
            hash = hash_text(hash, self.topics[index].pattern);
            index += 1;
        }
        index = 0;
        while index < self.events.len() {
            let event = &self.events[index];
            hash = hash_text(hash, event.name);
            let mut field = 0;
            while field < event.payload.fields.len() {
                hash = hash_text(hash, event.payload.fields[field].name);
                hash = hash_type(hash, &event.payload.fields[field].ty);
                field += 1;
            }
            index += 1;
        }
        hash
    }
}

#[cfg(test)]
mod tests;
