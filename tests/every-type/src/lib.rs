//! A domain with each type that a payload can have: alone, optional, in lists and nested. `tests/vectors/types.json` lists
//! the values that are accepted and refused.

mod cases;
pub mod random;

pub use cases::{Case, cases};

use serde_json::Value;
use tidings_shared::{
    Segment,
    derive::{Choice, Event, Payload, Topic},
};
use uuid::Uuid;

/// The topic of all events.
#[derive(Debug, Clone, PartialEq, Eq, Topic)]
#[topic(domain = "every_type")]
pub enum Topic {
    /// All events.
    #[topic("all")]
    All,
}

/// One type at each place where a field can have it.
#[derive(Debug, Clone, PartialEq, Payload)]
#[payload(reaches(All))]
pub struct Held<T> {
    /// A value.
    pub alone: T,
    /// A value or an absent key.
    pub optional: Option<T>,
    /// A value or `null`.
    #[payload(null)]
    pub nullable: Option<T>,
    /// A list.
    pub list: Vec<T>,
    /// A list of lists.
    pub lists: Vec<Vec<T>>,
    /// A list with gaps.
    pub gaps: Vec<Option<T>>,
    /// A list that may be absent.
    pub optional_list: Option<Vec<T>>,
}

/// One of two names.
#[derive(Debug, Clone, PartialEq, Eq, Choice)]
pub enum Size {
    /// Small.
    Small,
    /// Large.
    Large,
}

/// One of two names, or a name of a later version.
#[derive(Debug, Clone, PartialEq, Eq, Choice)]
pub enum Colour {
    /// Red.
    Red,
    /// Dark blue.
    DarkBlue,
    /// A name of a later version.
    Other(String),
}

/// An event for each type.
#[derive(Debug, Clone, PartialEq, Event)]
pub enum Event {
    /// A UUID.
    Uuid(Held<Uuid>),
    /// A text.
    String(Held<String>),
    /// A segment.
    Segment(Held<Segment>),
    /// A segment of 8 bytes at most.
    ShortSegment(Held<Segment<8>>),
    /// True or false.
    Bool(Held<bool>),
    /// 8 bits.
    U8(Held<u8>),
    /// 16 bits.
    U16(Held<u16>),
    /// 32 bits.
    U32(Held<u32>),
    /// 8 bits with a sign.
    I8(Held<i8>),
    /// 16 bits with a sign.
    I16(Held<i16>),
    /// 32 bits with a sign.
    I32(Held<i32>),
    /// A float of 32 bits.
    F32(Held<f32>),
    /// A float of 64 bits.
    F64(Held<f64>),
    /// Any JSON.
    Any(Held<Value>),
    /// A closed choice.
    Size(Held<Size>),
    /// An open choice.
    Colour(Held<Colour>),
}
