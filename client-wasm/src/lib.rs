//! The Tidings client, in two layers.
//!
//! - [`core`] is the state machine: connections, subscriptions, publishes, backoff. It does no I/O, reads no clock and
//!   draws no random numbers, so that it runs in a plain test, in a browser and in a native program alike.
//! - `js` (only on `wasm32`) is the thin shell that gives the core a browser's WebSocket, timer and values. The npm
//!   package `tidings` is its only intended user.

pub mod core;
#[cfg(target_arch = "wasm32")]
pub mod js;
