//! The language of both sides of Tidings: topics, events, frames, positions, codes and limits.
//!
//! This crate does no I/O and reads no clock. It compiles for the server and for `wasm32`.
//!
//! - [`TopicName`] is the name of a topic. A domain's [`Topic`] is a Rust type for the domain's topics.
//! - [`Event`] is a typed event that knows its topics. [`RawEvent`] is its form on the wire.
//! - [`frame`] has the wire protocol, [`Position`] is a position in a log, and [`Code`] is the reason of a refusal.
//! - [`mod@derive`] declares domains, [`schema`] has them as data, and [`domains`] are the five that ship.
//! - [`Domains`] is the set of domains that a server was compiled with. It checks events.
//!
//! ```
//! use tidings_shared::{Event, domains::staff};
//! # let person = uuid::Uuid::nil();
//! let event = staff::Event::PersonUpdated(staff::Person { uuid: person });
//! let topics: Vec<String> = event.fan_out().iter().map(|topic| topic.to_string()).collect();
//! assert_eq!(topics, ["staff:people", "staff:person:00000000-0000-0000-0000-000000000000"]);
//! ```

// The derives write `::tidings_shared`, in this crate too.
extern crate self as tidings_shared;

pub mod code;
pub mod derive;
mod domain_set;
pub mod domains;
mod event;
pub mod frame;
pub mod json;
pub mod limits;
mod nearest;
mod position;
pub mod schema;
mod topic;

pub use code::Code;
pub use domain_set::{Domains, EventError};
pub use event::{Event, RawEvent, Topic};
pub use nearest::nearest;
pub use position::{Position, PositionError};
pub use schema::FanOut;
pub use topic::{Segment, TopicError, TopicName, uuid_segment};

/// The README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
