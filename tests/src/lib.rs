//! What the end-to-end tests stand on: a real server process, and clients that speak to it over real sockets, down to
//! the single byte where a test needs that.
//!
//! Everything blocks and everything has a [`DEADLINE`]: a test that waits for what never comes fails and says what it
//! was waiting for.
#![allow(clippy::missing_panics_doc, reason = "a helper of a test fails the test")]

mod binary;
mod client;
mod http;
mod process;
mod raw;
pub mod sample;
mod server;

use std::{
    thread,
    time::{Duration, Instant},
};

pub use binary::{Finished, finish, tidings};
pub use client::{Client, Incoming};
pub use http::{Block, EventStream, Request, Response};
pub use process::Process;
pub use raw::{Frame, Opcode, RawSocket};
pub use server::Server;

/// How long a test waits for what must come. Long, because only a test that fails waits so long.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until a condition holds of something that can only be looked at.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "still not so after {DEADLINE:?}: {what}");
        thread::park_timeout(Duration::from_millis(1));
    }
}
