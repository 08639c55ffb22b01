//! End to end: the real `tidings` binary, or the library behind a real listener, spoken to over real sockets.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod away;
mod behind;
mod churn;
mod command;
mod cuts;
mod descriptors;
mod drain;
mod embedded;
mod events;
mod floods;
mod gone;
mod handshakes;
mod hello;
mod hostile;
mod http;
mod library;
mod limits;
mod logs;
mod metrics;
mod operate;
mod order;
mod origins;
mod panics;
mod process;
mod publish;
mod refresh;
mod resume;
mod revocation;
mod settings;
mod shards;
mod stalled;
mod subscribe;
mod tenants;
mod tokens;
mod views;
