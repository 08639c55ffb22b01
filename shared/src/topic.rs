//! The grammar of topics.

use std::{
    borrow::{Borrow, Cow},
    collections::HashSet,
    fmt,
    str::FromStr,
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::limits::MAX_TOPIC_BYTES;

/// A topic's name in a tenant: segments of `[A-Za-z0-9_.~-]+`, joined by `:`. It has at most 255 bytes. The first segment
/// is the domain. Parsing lower-cases UUIDs, so that both spellings are one topic.
///
/// A name is always valid. Clones share its text.
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

/// The rule that a text breaks. The peer is at fault, and the same text fails again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicError {
    /// The text is empty.
    Empty,
    /// The name or the segment has too many bytes.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// Two colons in a row, or a colon at an end.
    EmptySegment,
    /// A character that no segment may have.
    Character {
        /// The character.
        character: char,
    },
    /// The grammar is right, but the domain has no such topic.
    NotOfDomain {
        /// The domain.
        domain: &'static str,
        /// The given text.
        topic: String,
        /// The patterns of the domain's topics.
        patterns: &'static [&'static str],
    },
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a topic has at least one segment"),
            Self::TooLong { bytes, max } => write!(f, "it has {bytes} bytes, and the limit is {max}"),
            Self::EmptySegment => f.write_str("a topic has no empty segment: check its colons"),
            Self::Character { character } => {
                let character = character.escape_default();
                write!(f, "a segment of a topic has characters of A-Z a-z 0-9 _ . ~ -, not '{character}'")
            }
            Self::NotOfDomain { domain, topic, patterns } => {
                write!(f, "{domain} has no topic {topic}: its topics are {}", patterns.join(", "))
            }
        }
    }
}

impl std::error::Error for TopicError {}

/// From this many names on, [`TopicName::each_once`] uses a hash table. A list is faster for fewer.
const MANY: usize = 32;

impl TopicName {
    /// Parses a topic's name and lower-cases its UUIDs.
    ///
    /// # Errors
    /// The first rule of the grammar that the text breaks.
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

    /// Joins valid segments: a domain's own words, [`Segment`]s and UUIDs. The caller makes sure that the name is not too
    /// long.
    pub fn from_segments(segments: &[&str]) -> Self {
        let name = segments.join(":");
        debug_assert_eq!(Self::parse(&name).as_ref().map(Self::as_str), Ok(name.as_str()));
        Self(name.into())
    }

    /// Removes repeated names, and keeps the order.
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

    /// Returns the whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first segment.
    pub fn domain(&self) -> &str {
        self.segments().next().unwrap_or_default()
    }

    /// Returns the segments. The first one is the domain.
    pub fn segments(&self) -> std::str::Split<'_, char> {
        self.0.split(':')
    }
}

fn is_segment_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '~' | '-')
}

/// Returns whether a text may be a segment of a topic.
pub(crate) fn is_segment(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_segment_char)
}

/// Returns whether a segment is a UUID in the hyphenated form, 8-4-4-4-12 hexadecimal digits: of any version, nil or max
/// (RFC 9562, section 4).
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

impl AsRef<str> for TopicName {
    fn as_ref(&self) -> &str {
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

/// A text that may be a segment of a topic, for example the name of a queue. It has at most `MAX` bytes, so that the rest
/// of the topic's name fits too.
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

    /// Returns the text.
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

#[cfg(test)]
mod tests;
