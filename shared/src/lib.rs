//! What both sides of Tidings speak: topics, events, frames, positions, codes and limits.
//!
//! Pure: no I/O, no clock, no runtime; it compiles for the server and for `wasm32`.
//!
//! - [`TopicName`] is an address, made only by parsing; a domain's [`Topic`] gives it meaning.
//! - An [`Event`] is a typed payload that knows its own fan-out; [`RawEvent`] is how it travels.
//! - [`frame`] holds the wire protocol, [`Position`] a place in a log, [`Code`] what can go wrong.
//! - [`domains`] are the five that ship; [`Domains`] is the set that a server was compiled with.
//!
//! ```
//! use tidings_shared::{Event, domains::staff};
//! # let person = uuid::Uuid::nil();
//! let event = staff::Event::PersonUpdated(staff::Person { uuid: person });
//! let topics: Vec<String> = event.fan_out().iter().map(|topic| topic.to_string()).collect();
//! assert_eq!(topics, ["staff:people", "staff:person:00000000-0000-0000-0000-000000000000"]);
//! ```

// The derives name this crate from outside, also here.
extern crate self as tidings_shared;

pub mod code;
pub mod derive;
mod domain_set;
pub mod domains;
mod event;
pub mod frame;
mod json;
pub mod limits;
mod nearest;
#[doc(hidden)]
pub mod planted;
mod position;
pub mod schema;
mod topic;

pub use code::Code;
pub use domain_set::{Domains, EventError};
pub use event::{Event, FanOut, RawEvent};
pub use nearest::nearest;
pub use position::{Position, PositionError};
pub use topic::{Segment, Topic, TopicError, TopicName, uuid_segment};
