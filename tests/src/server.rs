//! A server process.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::Command,
};

use serde_json::{Value, json};

use crate::{Process, Request, Response, key_file, tidings};

/// A running `tidings serve`. Dropping it ends the server. If the test has failed, this also prints its log.
#[derive(Debug)]
pub struct Server {
    process: Process,
    address: SocketAddr,
}

impl Server {
    /// Starts `tidings serve --dev` on a free port.
    #[track_caller]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts the same with more flags.
    #[track_caller]
    pub fn with(flags: &[&str]) -> Self {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), flags)
    }

    /// Starts the same on this address. A server that is to start again needs an [`own_address`](crate::own_address).
    #[track_caller]
    pub fn at(address: SocketAddr, flags: &[&str]) -> Self {
        let mut command = tidings();
        command.args(["serve", "--dev", "--listen", &address.to_string()]).args(flags);
        Self::run(command)
    }

    /// Starts `tidings serve` on a free port, for clients with a [`token`](crate::token), with more flags.
    #[track_caller]
    pub fn keyed(flags: &[&str]) -> Self {
        let mut command = tidings();
        command.args(["serve", "--jwt-key-file", &key_file("secret"), "--listen", "127.0.0.1:0"]).args(flags);
        Self::run(command)
    }

    /// Runs a command that starts a server, and waits until it serves.
    #[track_caller]
    pub fn run(command: Command) -> Self {
        Self::of(Process::start(command))
    }

    /// Waits until a process serves.
    #[track_caller]
    pub fn of(mut process: Process) -> Self {
        let line = process.first_line();
        let address = line.strip_prefix("listening on http://").and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("not what a server says: {line:?}"));
        Self { process, address }
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns its process, for signals, its log and its end.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Waits for its end. Returns its exit code, or `None` if a signal ended it.
    #[track_caller]
    pub fn exit_code(&mut self) -> Option<i32> {
        self.process.wait().0.code()
    }

    /// Publishes over HTTP, and returns any answer.
    #[track_caller]
    pub fn post(&self, body: &Value) -> Response {
        Request::post("/v1/publish").body(body.to_string()).send(self.address)
    }

    /// Publishes an event over HTTP, which must be accepted. Returns the answer.
    #[track_caller]
    pub fn publish(&self, event: &Value) -> Value {
        self.accepted(&json!({ "event": event }))
    }

    /// Publishes an event over HTTP to a topic, which must be accepted. Returns the answer.
    #[track_caller]
    pub fn publish_to(&self, topic: &str, event: &Value) -> Value {
        self.accepted(&json!({ "event": event, "topics": [topic] }))
    }

    #[track_caller]
    fn accepted(&self, body: &Value) -> Value {
        let answer = self.post(body);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }
}
