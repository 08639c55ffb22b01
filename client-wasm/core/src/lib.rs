//! The state machine of a Tidings client: its connection, its subscriptions and its publishes. It does no I/O and reads no
//! clock. A *driver* does the I/O for it: the browser's shell, the crate `tidings-client`, or a test. The *user* is the
//! application that subscribes and publishes.
//!
//! # How to drive it
//!
//! The driver reports what happened by a `handle_*` method of [`Client`], with the time and a fresh random number
//! ([`Now`]). After **every** such call the driver
//!
//! 1. takes [`Client::poll_output`] until it is empty, and carries out each [`Output`] in order;
//! 2. makes sure that [`Client::handle_timeout`] is called at the time that [`Client::poll_timeout`] returns. This time
//!    replaces an earlier one, and may be now. But the call must come in a later turn of the driver: then everything that
//!    the user asks for in one turn leaves in one frame.
//!
//! The driver may call `handle_*` during step 1. The new outputs then come after the others.
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
//! // Once it is open, the client sends everything at once.
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

// Small functions are `#[inline]` where that makes the browser's client smaller. Without it, the compiler does not inline them
// into other crates.

mod backoff;
mod client;
mod connection;
pub mod error;
mod frame;
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
pub use frame::Frame;
pub use now::Now;
pub use output::{
    ConnectionId, Delivery, LoadId, Output, Payload, Publication, Publish, PublishId, Status, SubscriptionId,
};
pub use watch::{Loaded, Watching};
