//! The Tidings client for browsers: a shell that gives the crate `tidings-client-core` a WebSocket, a timer and JavaScript's
//! values. The npm package `tidings` is made from it.
//!
//! The shell exists on `wasm32` only. On other targets the crate is empty.

#[cfg(target_arch = "wasm32")]
pub mod js;

/// The README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
