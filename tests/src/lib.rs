//! Helpers of the end-to-end tests: a real server process, and clients on real sockets. A test can control single bytes.
//!
//! Everything blocks, with a [`DEADLINE`]. A test that waits for longer fails, and says what it was waiting for.
#![allow(clippy::missing_panics_doc, reason = "a helper of a test fails the test")]

mod address;
mod application;
mod binary;
mod client;
mod guarded;
mod http;
pub mod journal_contract;
mod pgbouncer;
pub mod postgres;
mod process;
mod proxy;
mod random;
mod raw;
pub mod sample;
mod server;
mod small_disk;
mod source;
mod tab;
mod token;
mod view;
mod web_server;

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

pub use self::postgres::Postgres;
pub use address::own_address;
pub use application::AppFile;
pub use binary::{Finished, example, finish, tidings, tidings_with_files};
pub use client::{Client, Incoming};
pub use http::{Block, EventStream, Request, Response};
pub use pgbouncer::PgBouncer;
pub use process::Process;
pub use proxy::{Cut, Direction, Ending, Proxy};
pub use random::Random;
pub use raw::{Frame, Opcode, RawSocket};
pub use server::Server;
pub use small_disk::SmallDisk;
pub use source::{EventSource, Next};
pub use tab::{Jitter, Payload, Tab};
pub use token::{key_file, token};
pub use view::View;
pub use web_server::WebServer;

/// The time after which a test stops waiting and fails. It is long because only a test that fails waits for so long. But it
/// is shorter than the heartbeat: with the next ping, an event that was delayed by a fault would arrive.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until a condition holds, by checking it every millisecond.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "this did not happen within {DEADLINE:?}: {what}");
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Returns the output of a future that is ready at once. The futures of a hub are, because its log is in memory.
#[track_caller]
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future is not ready"),
    }
}

/// Returns the number of rounds for a test: `usual`, times the number in `TIDINGS_ROUNDS` if it is set.
pub fn rounds(usual: usize) -> usize {
    let times = std::env::var("TIDINGS_ROUNDS").ok().and_then(|times| times.parse().ok());
    usual * times.unwrap_or(1)
}

/// The examples of the project's README compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
