//! The topic grammar, in one place, and the trait that gives names their meaning.

use std::{
    borrow::{Borrow, Cow},
    collections::HashSet,
    fmt,
    str::FromStr,
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::{limits::MAX_TOPIC_BYTES, schema::TopicSchema};

/// A topic's address inside a tenant: segments of `[A-Za-z0-9_.~-]+` joined by `:`, at most 255 bytes, the first
/// of which is the domain. UUID segments are lower-cased, so that two spellings are one topic.
///
/// Made only by parsing. Cloning shares the text.
///
/// ```
/// use tidings_shared::TopicName;
/// let topic: TopicName = "staff:person:0198C0DE-0000-7000-8000-00000000002A".parse()?;
/// assert_eq!(topic.as_str(), "staff:person:0198c0de-0000-7000-8000-00000000002a");
/// assert_eq!(topic.domain(), "staff");
/// assert!("staff::people".parse::<TopicName>().is_err());
/// # Ok::<(), tidings_shared::TopicError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

/// The rule that a would-be topic breaks. The peer's fault; not to be retried as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicError {
    /// Nothing at all.
    Empty,
    /// More bytes than a name, or than a segment of its kind, may have.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The most that it may have.
        max: usize,
    },
    /// Two colons in a row, or one at an end.
    EmptySegment,
    /// A character that no segment may hold.
    Character {
        /// The character.
        character: char,
    },
    /// Grammatical, but none of its domain's topics.
    NotOfDomain {
        /// The domain.
        domain: &'static str,
        /// What was given.
        topic: String,
        /// The patterns that the domain's topics have.
        patterns: &'static [&'static str],
    },
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a topic has at least one segment"),
            Self::TooLong { bytes, max } => write!(f, "at most {max} bytes, and this has {bytes}"),
            Self::EmptySegment => f.write_str("a topic's segments, joined by ':', are not empty"),
            Self::Character { character } => {
                let character = character.escape_default();
                write!(f, "a topic's segments are of A-Z a-z 0-9 _ . ~ -, not '{character}'")
            }
            Self::NotOfDomain { domain, topic, patterns } => {
                write!(f, "{topic} is no topic of {domain}, whose topics are {}", patterns.join(", "))
            }
        }
    }
}

impl std::error::Error for TopicError {}

/// From so many names on, a table tells which are known; few are looked through.
const MANY: usize = 32;

impl TopicName {
    /// Parses a topic's name and lower-cases the UUIDs in it.
    ///
    /// # Errors
    /// The first rule of the grammar that it breaks.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        if text.is_empty() {
            return Err(TopicError::Empty);
        }
        if text.len() > MAX_TOPIC_BYTES {
            return Err(TopicError::TooLong { bytes: text.len(), max: MAX_TOPIC_BYTES });
        }
        if let Some(character) = text.chars().find(|&c| c != ':' && !is_segment_char(c)) {
            return Err(TopicError::Character { character });
        }
        if text.split(':').any(str::is_empty) {
            return Err(TopicError::EmptySegment);
        }
        let upper_case_uuid =
            |segment: &str| looks_like_uuid(segment) && segment.bytes().any(|b| b.is_ascii_uppercase());
        if !text.split(':').any(upper_case_uuid) {
            return Ok(Self(text.into()));
        }
        let lower_case = text.to_ascii_lowercase();
        let both = text.split(':').zip(lower_case.split(':'));
        let segments: Vec<&str> =
            both.map(|(given, lower)| if looks_like_uuid(given) { lower } else { given }).collect();
        Ok(Self(segments.join(":").into()))
    }

    /// Joins segments that are known to be good: a domain's own words, [`Segment`]s and UUIDs, which together fit.
    pub fn from_segments(segments: &[&str]) -> Self {
        let name = segments.join(":");
        debug_assert_eq!(Self::parse(&name).as_ref().map(Self::as_str), Ok(name.as_str()));
        Self(name.into())
    }

    /// These names, each once, in their order.
    pub fn each_once(names: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut once: Vec<Self> = Vec::new();
        let mut known = HashSet::new();
        for name in names {
            let is_new = if once.len() < MANY {
                !once.contains(&name)
            } else {
                if known.is_empty() {
                    known.extend(once.iter().cloned());
                }
                known.insert(name.clone())
            };
            if is_new {
                once.push(name);
            }
        }
        once
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first segment.
    pub fn domain(&self) -> &str {
        self.segments().next().unwrap_or_default()
    }

    /// The segments, the domain first.
    pub fn segments(&self) -> std::str::Split<'_, char> {
        self.0.split(':')
    }
}

fn is_segment_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '~' | '-')
}

/// Whether a text may stand as one segment of a topic.
pub(crate) fn is_segment(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_segment_char)
}

/// The hyphenated form, 8-4-4-4-12 hexadecimal digits; any version, nil and max too (RFC 9562, section 4).
pub(crate) fn looks_like_uuid(segment: &str) -> bool {
    segment.len() == 36
        && segment.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// Reads a segment that is a hyphenated UUID of any version.
pub fn uuid_segment(segment: &str) -> Option<Uuid> {
    if looks_like_uuid(segment) { Uuid::try_parse(segment).ok() } else { None }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl FromStr for TopicName {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        Self::parse(text)
    }
}

impl Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for TopicName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TopicName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// Free text that stands as one segment of a topic, such as a queue's or a schema's name; at most `MAX` bytes, which
/// leaves room for the rest of the name.
///
/// ```
/// use tidings_shared::Segment;
/// assert_eq!(Segment::<64>::parse("billing")?.as_str(), "billing");
/// assert!(Segment::<64>::parse("a:b").is_err());
/// # Ok::<(), tidings_shared::TopicError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Segment<const MAX: usize = 128>(Arc<str>);

impl<const MAX: usize> Segment<MAX> {
    /// Reads a segment.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        if text.len() > MAX {
            return Err(TopicError::TooLong { bytes: text.len(), max: MAX });
        }
        match text.chars().find(|&c| !is_segment_char(c)) {
            Some(character) => Err(TopicError::Character { character }),
            None if text.is_empty() => Err(TopicError::EmptySegment),
            None => Ok(Self(text.into())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Serialize for Segment<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Segment<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// A domain's topics as a type: what names there are, and how to read and write them.
///
/// Implementations are short enough to write by hand; see [`crate::domains`].
pub trait Topic: Sized + Clone + Eq + fmt::Debug {
    /// The first segment of all its names.
    const DOMAIN: &'static str;

    /// The patterns of its names, for people: `staff:person:{uuid}`.
    const PATTERNS: &'static [&'static str];

    /// What these topics are for, for those who are not Rust.
    const DOCS: &'static str = "";

    /// The topics as data, for those who are not Rust.
    const SCHEMA: &'static [TopicSchema];

    /// Reads the segments after the domain; `None` when they are no topic of this domain.
    fn from_segments(segments: &[&str]) -> Option<Self>;

    /// The name. Total: a topic that exists as a value has a name.
    fn name(&self) -> TopicName;

    /// Reads a name.
    ///
    /// # Errors
    /// [`TopicError::NotOfDomain`] with the patterns that would have been right.
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

    /// Reads a text: the grammar first, then the domain.
    ///
    /// # Errors
    /// The rule that the text breaks.
    fn parse(text: &str) -> Result<Self, TopicError> {
        Self::from_name(&TopicName::parse(text)?)
    }
}

#[cfg(test)]
mod tests;
