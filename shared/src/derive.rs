//! The derives that declare a domain, and the traits that they implement.
//!
//! ```
//! use tidings_shared::{Event as _, Segment, derive::{Event, Payload, Topic}};
//! use uuid::Uuid;
//!
//! /// The topics of the help desk.
//! #[derive(Debug, Clone, PartialEq, Eq, Topic)]
//! #[topic(domain = "helpdesk")]
//! enum Topic {
//!     /// The tickets in a queue.
//!     #[topic("queue:{name}")]
//!     Queue(Segment),
//!     /// One ticket.
//!     #[topic("ticket:{uuid}")]
//!     Ticket(Uuid),
//! }
//!
//! /// A ticket.
//! #[derive(Debug, Clone, PartialEq, Payload)]
//! #[payload(reaches(Queue(queue), Ticket(uuid)))]
//! struct Ticket {
//!     /// The ticket's id.
//!     uuid: Uuid,
//!     /// The queue, until an agent takes the ticket.
//!     queue: Option<Segment>,
//! }
//!
//! /// The events of tickets.
//! #[derive(Debug, Clone, PartialEq, Event)]
//! enum Event {
//!     /// A customer opened a ticket.
//!     Opened(Ticket),
//!     /// An agent closed a ticket.
//!     Closed(Ticket),
//! }
//!
//! let queue = Some(Segment::parse("billing")?);
//! let event = Event::Opened(Ticket { uuid: Uuid::nil(), queue });
//! assert_eq!(event.name(), "opened");
//! assert_eq!(event.fan_out()[0].as_str(), "helpdesk:queue:billing");
//! # Ok::<(), tidings_shared::TopicError>(())
//! ```

use std::fmt;

use ::serde::{
    Deserializer,
    de::{Error as _, Visitor},
};
use uuid::Uuid;

pub use tidings_macros::{Choice, Event, Payload, Topic};

use crate::{
    Segment,
    schema::{PayloadSchema, Type},
    uuid_segment,
};

#[doc(hidden)]
pub use ::serde;

/// An event's payload and the topics that it reaches. `#[derive(Payload)]` implements it.
pub trait Payload {
    /// The domain's topics.
    type Topic: crate::Topic;

    /// Its fields as data.
    const SCHEMA: &'static PayloadSchema;

    /// Returns the topics that an event with this payload reaches.
    fn topics(&self) -> Vec<Self::Topic>;
}

/// A type that can be a field of a payload: JSON can carry it and JavaScript can hold it exactly.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a payload",
    label = "JSON or JavaScript cannot hold this type",
    note = "JavaScript's numbers are exact up to 2^53 - 1: send `u64`, `i64`, `u128`, `i128`, `usize` and `isize` as `String`",
    note = "fields may be Uuid, Segment, String, bool, integers up to 32 bits, f32, f64, serde_json::Value, enums with `#[derive(Choice)]`, and `Option` and `Vec` of these"
)]
pub trait PayloadField {
    /// The type that a server and a browser check before they read the field.
    const TYPE: Type;

    /// Returns whether JSON can hold the value. serde_json would write NaN and infinity as `null`, which is another value.
    fn is_json(&self) -> bool {
        true
    }
}

macro_rules! fields {
    ($( $type:ty => $schema:expr ),+ $(,)?) => {
        $( impl PayloadField for $type { const TYPE: Type = $schema; } )+
    };
}

fields! {
    Uuid => Type::Uuid,
    String => Type::String,
    bool => Type::Bool,
    u8 => Type::Integer { min: 0, max: u8::MAX as i64 },
    u16 => Type::Integer { min: 0, max: u16::MAX as i64 },
    u32 => Type::Integer { min: 0, max: u32::MAX as i64 },
    i8 => Type::Integer { min: i8::MIN as i64, max: i8::MAX as i64 },
    i16 => Type::Integer { min: i16::MIN as i64, max: i16::MAX as i64 },
    i32 => Type::Integer { min: i32::MIN as i64, max: i32::MAX as i64 },
    serde_json::Value => Type::Any,
}

impl PayloadField for f32 {
    const TYPE: Type = Type::Float32;

    fn is_json(&self) -> bool {
        self.is_finite()
    }
}

impl PayloadField for f64 {
    const TYPE: Type = Type::Number;

    fn is_json(&self) -> bool {
        self.is_finite()
    }
}

impl<const MAX: usize> PayloadField for Segment<MAX> {
    const TYPE: Type = Type::Segment { max: MAX };
}

impl<T: PayloadField> PayloadField for Option<T> {
    const TYPE: Type = Type::Option(&T::TYPE);

    fn is_json(&self) -> bool {
        self.as_ref().is_none_or(T::is_json)
    }
}

impl<T: PayloadField> PayloadField for Vec<T> {
    const TYPE: Type = Type::List(&T::TYPE);

    fn is_json(&self) -> bool {
        self.iter().all(T::is_json)
    }
}

/// A type that can be a field of a topic: its value is one segment of the name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a topic",
    label = "this type is not a segment of a topic's name",
    note = "a topic's fields are `Uuid` and `Segment`"
)]
pub trait TopicField: Sized {
    /// Reads a segment.
    fn read(segment: &str) -> Option<Self>;
    /// Writes the segment.
    fn write(&self) -> String;
}

impl TopicField for Uuid {
    fn read(segment: &str) -> Option<Self> {
        uuid_segment(segment)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl<const MAX: usize> TopicField for Segment<MAX> {
    fn read(segment: &str) -> Option<Self> {
        Self::parse(segment).ok()
    }

    fn write(&self) -> String {
        self.as_str().to_owned()
    }
}

/// A payload's field that can be an argument of a topic in `reaches(…)`. If the field is `None`, the payload does not reach
/// the topic.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a topic",
    note = "the arguments in `reaches(Topic(field))` are fields of type `Uuid` or `Segment`, or `Option`s of these"
)]
pub trait TopicArgument {
    /// The type of the topic's field.
    type Field: TopicField + Clone;
    /// Returns the value, if there is one.
    fn argument(&self) -> Option<&Self::Field>;
}

impl TopicArgument for Uuid {
    type Field = Self;

    fn argument(&self) -> Option<&Self> {
        Some(self)
    }
}

impl<const MAX: usize> TopicArgument for Segment<MAX> {
    type Field = Self;

    fn argument(&self) -> Option<&Self> {
        Some(self)
    }
}

impl<T: TopicField + Clone> TopicArgument for Option<T> {
    type Field = T;

    fn argument(&self) -> Option<&T> {
        self.as_ref()
    }
}

/// A payload's field that can follow `if` in `reaches(…)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a condition",
    note = "the field in `Topic if field` has the type `bool` or `Option<bool>`"
)]
pub trait Condition {
    /// Returns whether the condition is true.
    fn holds(&self) -> bool;
}

impl Condition for bool {
    fn holds(&self) -> bool {
        *self
    }
}

impl Condition for Option<bool> {
    fn holds(&self) -> bool {
        *self == Some(true)
    }
}

/// Makes the error of a payload that JSON cannot hold.
#[doc(hidden)]
pub fn not_json<E: ::serde::ser::Error>(field: &str) -> E {
    E::custom(format_args!("`{field}` contains NaN or infinity, which JSON cannot hold"))
}

/// Reads a derived choice.
#[doc(hidden)]
pub fn read_choice<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: fn(&str) -> Option<T>,
    names: &'static [&'static str],
) -> Result<T, D::Error> {
    struct Name;

    impl Visitor<'_> for Name {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a name")
        }

        fn visit_str<E>(self, name: &str) -> Result<String, E> {
            Ok(name.to_owned())
        }
    }

    let name = deserializer.deserialize_str(Name)?;
    read(&name).ok_or_else(|| D::Error::unknown_variant(&name, names))
}
