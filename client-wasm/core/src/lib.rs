//! The client's state machine: what a connection, its subscriptions and its publishes do, without doing it.
//!
//! # The law of calling
//!
//! Whoever drives a [`Client`] tells it what happened by a `handle_*` method, with the time and a fresh random number
//! ([`Now`]), and after **every** such call
//!
//! 1. takes [`Client::poll_output`] until it is empty and carries out each [`Output`] in its order, then
//! 2. sees to it that [`Client::handle_timeout`] is called at [`Client::poll_timeout`] (which may be now, and which
//!    replaces an earlier answer), but as an event of its own: what is asked for in one turn goes out in one frame.
//!
//! `handle_*` may be called from within 1.; the outputs then queue up behind the others.
//!
//! ```
//! use tidings_client_core::{Client, Now, Options, Output};
//! use tidings_shared::frame::{ClientFrame, ServerFrame};
//!
//! let now = |ms| Now { ms, random: 7 };
//! let mut client: Client<Box<serde_json::value::RawValue>> = Client::new(Options::default());
//! let people = client.handle_subscribe(&["staff:people"], now(0))?;
//!
//! // The first subscription opens the connection.
//! let Some(Output::Status(_)) = client.poll_output() else { panic!() };
//! let Some(Output::Connect { connection }) = client.poll_output() else { panic!() };
//!
//! // Once it is open, all that is known is said at once.
//! client.handle_open(connection, now(5));
//! let mut sent = Vec::new();
//! while let Some(output) = client.poll_output() {
//!     if let Output::Send { frame, .. } = output { sent.push(frame) }
//! }
//! let [ClientFrame::Hello { .. }, ClientFrame::Subscribe { r#ref, .. }] = &sent[..] else { panic!() };
//!
//! // The answer puts the subscription in force.
//! let answer = format!(
//!     r#"{{"op":"subscribed","ref":{ref},"position":"000000000abc.7.0000001f",
//!         "topics":[{{"topic":"staff:people","outcome":"live"}}]}}"#
//! );
//! client.handle_frame(connection, ServerFrame::parse(&answer), now(9));
//! assert!(matches!(client.poll_output(), Some(Output::Ready { subscription }) if subscription == people));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backoff;
mod client;
mod connection;
pub mod error;
pub mod limits;
mod now;
mod output;
mod pace;
mod publishes;
mod refresh;
mod subscriptions;
#[cfg(test)]
mod tests;
mod watch;

pub use client::{Client, Options};
pub use error::Error;
pub use now::Now;
pub use output::{
    ConnectionId, Delivery, LoadId, Output, Publication, Publish, PublishId, Status, SubscriptionId,
};
pub use watch::{Loaded, Watching};
