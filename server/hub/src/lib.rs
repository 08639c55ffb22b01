//! The core of a Tidings server. It does no I/O and reads no clock: a [`Host`] gives the time and the random numbers,
//! and a shell moves the bytes. `tidings-server` is that shell, and most programs need only its names.
//!
//! The parts, from the inside out:
//!
//! - A [`Publication`] is an event with its topics, its key and its position.
//! - A [`Log`] keeps the publications of one tenant in a bounded ring buffer, and the keys of older ones.
//! - A [`Reader`] follows a log in order. Its position is the whole state of a subscriber.
//! - A [tenant's log](tenant_log) has readers, and wakes them.
//! - A [`Hub`] holds the tenants. Programs publish and subscribe here, and in a [`Tenant`].
//! - A [`Session`] speaks the protocol with one client. An [`EventStream`](event_stream::EventStream) does the same
//!   with server-sent events.
//! - A [`Shard`] delivers to the sessions and event streams of one thread.
//!
//! [`access`] has the questions about who may do what, [`revocation`] takes rights back, and [`websocket`] reads and
//! writes RFC 6455.

pub mod access;
pub mod event_stream;
pub mod health;
pub mod host;
pub mod hub;
pub mod journal;
pub mod keys;
pub mod log;
pub mod metrics;
pub mod moment;
pub mod pattern;
pub mod problem;
pub mod publication;
pub mod publish;
pub mod reader;
pub mod refusals;
pub mod revocation;
pub mod session;
mod setters;
pub mod shard;
mod shrink;
pub mod tenant_id;
pub mod tenant_log;
#[cfg(test)]
mod test_support;
pub mod unknown_domains;
pub mod watch;
pub mod websocket;

pub use access::{AccessError, Answer, Identity, Question, Rights};
pub use health::Health;
pub use host::Host;
pub use hub::{
    CatchingUp, Changes, ChangesObserver, Driver, Hub, HubSettings, Positioning, PublishError,
    PublishOptions, Publishing, RawPublish, Revoking, Subscribing, Subscription, Syncing, Tenant, Turn,
    WeakHub,
};
pub use keys::KeyLimits;
pub use log::{Log, LogLimits};
pub use moment::Moment;
pub use pattern::{TopicPattern, TopicPatternError};
pub use publication::{Draft, EncodedFrame, Matched, Publication, Published};
pub use reader::{Delivery, Reader, Start};
pub use revocation::{Revoke, RevokeError};
pub use session::{Output, QuestionId, Session, SessionSettings};
pub use shard::{ConnectionKey, Pumped, Shard, ShardCounters, Sink};
pub use tenant_id::{TenantId, TenantIdError};
pub use tenant_log::{Counters, Quotas};
pub use watch::Watch;
pub use websocket::{Awaited, Decoder, Fault, Incoming};
