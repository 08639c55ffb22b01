//! The catalogue: one topic and one event, which says what kind of record changed and never what is in it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::{TopicName, event::event_names};

/// Where catalogue events appear.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Everything.
    Catalogue,
}

impl crate::Topic for Topic {
    const DOMAIN: &'static str = "catalogue";
    const PATTERNS: &'static [&'static str] = &["catalogue"];

    fn from_segments(segments: &[&str]) -> Option<Self> {
        segments.is_empty().then_some(Self::Catalogue)
    }

    fn name(&self) -> TopicName {
        TopicName::from_segments(&["catalogue"])
    }
}

/// What kind of record changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A catalogue.
    Catalogue,
    /// A category.
    Category,
    /// An item.
    Item,
    /// A manufacturer.
    Manufacturer,
    /// A supplier.
    Supplier,
    /// A rule that fills a catalogue by itself.
    SmartRule,
    /// Links between items and manufacturers or suppliers.
    Links,
    /// A kind that came into being after this code; let through as it is.
    Other(String),
}

impl Kind {
    const KNOWN: [(&'static str, Kind); 7] = [
        ("catalogue", Kind::Catalogue),
        ("category", Kind::Category),
        ("item", Kind::Item),
        ("manufacturer", Kind::Manufacturer),
        ("supplier", Kind::Supplier),
        ("smart_rule", Kind::SmartRule),
        ("links", Kind::Links),
    ];

    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => Self::KNOWN.iter().find(|(_, kind)| kind == known).map_or("", |(name, _)| name),
        }
    }
}

impl From<&str> for Kind {
    fn from(name: &str) -> Self {
        let known = Self::KNOWN.into_iter().find(|(known, _)| *known == name);
        known.map_or_else(|| Self::Other(name.to_owned()), |(_, kind)| kind)
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl de::Visitor<'_> for Name {
            type Value = Kind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a kind of record")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Kind, E> {
                Ok(name.into())
            }
        }

        deserializer.deserialize_str(Name)
    }
}

/// A change in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What kind of record changed.
    pub kind: Kind,
    /// Which record; `null` when no single one changed, as in a bulk sync of links.
    #[serde(default)]
    pub uuid: Option<Uuid>,
    /// The catalogue that holds the record, so that the page of another one can ignore the event.
    #[serde(default)]
    pub parent: Option<Uuid>,
}

/// What happens to the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Something changed.
    DataChanged(Change),
}

impl crate::Event for Event {
    type Topic = Topic;

    event_names! { DataChanged = "data_changed" }

    fn topics(&self) -> Vec<Topic> {
        vec![Topic::Catalogue]
    }

    /// No record data: prices and the like stay behind the application's own API.
    fn closed_keys(_name: &str) -> Option<&'static [&'static str]> {
        Some(&["kind", "uuid", "parent"])
    }
}
