//! The Tidings hub, to embed in an application or to run as the `tidings` binary.
//!
//! - [`Hub`] is where publications come in and go out; it needs no runtime and no network.
//! - [`Gateway`] lets browsers in: its routes are a warp filter that stands beside an application's own.
//! - [`Authorize`] says who may do what: `JwtAccess` (feature `jwt`) by tokens, or an application by its own means;
//!   [`DevAccess`] lets everybody in, on loopback.
//!
//! Inside, from the middle outwards: `log` keeps a tenant's publications, `reader` follows it in order, `tenant` joins
//! the two and wakes those that wait, `session` speaks the protocol, and `socket` moves its bytes.
//!
//! ```no_run
//! use tidings_server::{DevAccess, Gateway, GatewaySettings, Hub, HubSettings};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::new(HubSettings::new("acme".parse()?));
//! let access = DevAccess::new(hub.home().clone());
//! let gateway = Gateway::new(hub.clone(), access, GatewaySettings::development());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:7700").await?;
//! let routes = gateway.routes(); // .or(your own)
//! gateway.serve(listener, routes, async { let _ = tokio::signal::ctrl_c().await; }).await;
//! # Ok(())
//! # }
//! ```

// They panic where nothing can be written.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod accept;
mod access;
mod addresses;
#[cfg(feature = "cli")]
pub mod cli;
mod descriptors;
mod echo;
mod event_body;
mod events;
mod gateway;
mod head;
mod http;
mod hub;
#[cfg(feature = "jwt")]
mod jwt;
mod keys;
mod large_heads;
mod log;
mod metrics;
mod moment;
mod origin;
mod pattern;
mod problem;
mod publication;
mod reader;
mod refusals;
mod revocation;
mod session;
mod shard;
mod shrink;
mod socket;
mod stream;
mod tenant;
#[cfg(test)]
mod test_support;
mod text;
mod unknown_domains;
mod websocket;
mod worker;

pub use access::{AccessError, Authorize, DevAccess, Identity, Rights};
pub use gateway::{Gateway, GatewaySettings};
pub use http::origin_tag;
pub use hub::{Hub, HubSettings, PublishError, PublishOptions, Quotas, Subscription};
#[cfg(feature = "jwt")]
pub use jwt::{JwtAccess, JwtAlgorithm, JwtKeyError, JwtKeys};
pub use keys::KeyLimits;
pub use log::{Log, LogLimits};
pub use moment::{Clock, Moment};
pub use origin::OriginRule;
pub use pattern::{TopicPattern, TopicPatternError};
pub use publication::{Draft, EncodedFrame, Matched, Publication, Published};
pub use reader::{Delivery, Reader, Start};
pub use revocation::{Revoke, RevokeError};
pub use session::{Output, Session, SessionSettings};
pub use shard::{Pumped, Shard, ShardCounters, Sink};
pub use tenant::{Counters, TenantId, TenantIdError};
#[doc(hidden)] // For the fuzzer.
pub use websocket::{Awaited, Decoder, Fault, Incoming};

/// The README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
