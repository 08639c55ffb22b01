//! How a domain is declared: the derives, and the traits that their output stands on.
//!
//! ```
//! use tidings_shared::{Event as _, Segment, derive::{Event, Payload, Topic}};
//! use uuid::Uuid;
//!
//! /// Where tickets appear.
//! #[derive(Debug, Clone, PartialEq, Eq, Topic)]
//! #[topic(domain = "helpdesk")]
//! enum Topic {
//!     /// The tickets that wait in a queue.
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
//!     /// Which one.
//!     uuid: Uuid,
//!     /// The queue that it waits in, if nobody has it yet.
//!     queue: Option<Segment>,
//! }
//!
//! /// What happens to tickets.
//! #[derive(Debug, Clone, PartialEq, Event)]
//! enum Event {
//!     /// A ticket is new.
//!     Opened(Ticket),
//!     /// A ticket is done.
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

/// An event's payload, with the topics that it reaches. Derived.
pub trait Payload {
    /// The domain's topics.
    type Topic: crate::Topic;

    /// The keys that it has on the wire.
    const KEYS: &'static [&'static str];

    /// Its fields, for those who are not Rust.
    const SCHEMA: &'static PayloadSchema;

    /// The topics that an event with this payload reaches.
    fn topics(&self) -> Vec<Self::Topic>;
}

/// What can be a field of a payload: what JSON carries and JavaScript holds exactly.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a field of a payload",
    label = "not something that every side can hold",
    note = "JavaScript's numbers are exact up to 2^53 - 1: `u64`, `i64`, `u128`, `i128`, `usize` and `isize` travel as `String`",
    note = "known are Uuid, Segment, String, bool, integers up to 32 bits, f32, f64, serde_json::Value, enums with `#[derive(Choice)]`, and `Option` and `Vec` of these"
)]
pub trait PayloadField {
    /// Its type: what a server and a browser check before anything reads it.
    const TYPE: Type;

    /// Whether JSON can say it. NaN and infinity would be written as `null`, which is something else.
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

/// What can be a field of a topic: a segment, or something that is written as one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a field of a topic",
    label = "not one segment of a topic's name",
    note = "a topic's fields are `Uuid` and `Segment`"
)]
pub trait TopicField: Sized {
    /// Reads a segment that stands for one.
    fn read(segment: &str) -> Option<Self>;
    /// The segment.
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

/// What can stand behind a topic in `reaches(…)`: a field, or an `Option` of it that may reach nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't name a topic",
    note = "the arguments in `reaches(Topic(field))` are fields of type `Uuid` or `Segment`, or `Option`s of these"
)]
pub trait TopicArgument {
    /// The topic's field.
    type Field: TopicField + Clone;
    /// Its value, if it has one.
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

/// What can stand behind `if` in `reaches(…)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no condition",
    note = "`Topic if field` asks a field of type `bool` or `Option<bool>`"
)]
pub trait Condition {
    /// Whether it holds.
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

/// Why a payload can't be written.
#[doc(hidden)]
pub fn not_json<E: ::serde::ser::Error>(field: &str) -> E {
    E::custom(format_args!("`{field}` holds NaN or infinity, which JSON can't say"))
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
