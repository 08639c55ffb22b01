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
mod proxy;
mod random;
mod raw;
pub mod sample;
mod server;
mod source;
mod tab;
mod token;
mod view;
mod web_server;

use std::{
    thread,
    time::{Duration, Instant},
};

pub use binary::{Finished, finish, tidings, tidings_with_files};
pub use client::{Client, Incoming};
pub use http::{Block, EventStream, Request, Response};
pub use process::Process;
pub use proxy::{Cut, Direction, Ending, Proxy};
pub use random::Random;
pub use raw::{Frame, Opcode, RawSocket};
pub use server::Server;
pub use source::{EventSource, Next};
pub use tab::{Jitter, Payload, Tab};
pub use token::{key_file, token};
pub use view::View;
pub use web_server::WebServer;

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

/// How many rounds a test makes: `usual`, times the number in `TIDINGS_ROUNDS` where that is given.
pub fn rounds(usual: usize) -> usize {
    let times = std::env::var("TIDINGS_ROUNDS").ok().and_then(|times| times.parse().ok());
    usual * times.unwrap_or(1)
}
