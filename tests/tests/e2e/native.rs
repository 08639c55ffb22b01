//! `tidings-client`: the client for Rust programs, against a real server.

mod publishing;
mod readers;
mod rights;
mod subscribing;
mod tls;
mod tokens;
mod watching;

use std::future::Future;

use tidings_client::{Client, Settings};
use tidings_tests::{DEADLINE, Request, Server};
use tokio::{runtime::Runtime, time::timeout};

fn run<T>(test: impl Future<Output = T>) -> T {
    Runtime::new().unwrap().block_on(async { timeout(DEADLINE, test).await.expect("before the deadline") })
}

fn settings(server: &Server) -> Settings {
    Settings::new(server.url().parse().unwrap())
}

fn client(server: &Server) -> Client {
    Client::new(settings(server))
}

/// Returns a number of the server's metrics.
#[track_caller]
fn metric(server: &Server, name: &str) -> f64 {
    let page = Request::get("/metrics").send(server.address()).body;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in\n{page}")).parse().unwrap()
}
