//! Several nodes on one PostgreSQL database: they have the same history, the same keys and the same revocations.

mod away;
mod crowd;
mod faults;
mod pooled;
mod restored;
mod rolling;
mod same;

use std::net::SocketAddr;

use tidings_tests::{Postgres, Server, finish, own_address, tidings};

/// The topic of all events here. Each has a number.
const TOPIC: &str = "clock:all";

/// Returns the URL of a new database with a journal.
#[track_caller]
fn new_journal(postgres: &Postgres) -> String {
    let url = postgres.database();
    init(&url);
    url
}

/// Makes a journal in a database.
#[track_caller]
fn init(url: &str) {
    let made = finish(tidings().args(["journal", "init", "--journal", url]));
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
}

/// Starts a node.
#[track_caller]
fn node(url: &str) -> Server {
    Server::with(&["--journal", url])
}

/// Starts two nodes.
#[track_caller]
fn two_nodes(url: &str) -> [Server; 2] {
    [node(url), node(url)]
}

/// Returns the number in a variable of the environment, or the usual one.
fn asked(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Nodes on addresses of their own: each may end, and start again.
#[derive(Debug)]
struct Nodes {
    url: String,
    addresses: [SocketAddr; 2],
    servers: [Server; 2],
}

impl Nodes {
    #[track_caller]
    fn start(url: String) -> Self {
        let addresses = [own_address(), own_address()];
        let servers = addresses.map(|address| Self::serve(&url, address));
        Self { url, addresses, servers }
    }

    /// Starts a node for publishers without a pause.
    #[track_caller]
    fn serve(url: &str, address: SocketAddr) -> Server {
        Server::at(address, &["--journal", url, "--frames-per-second", "100000", "--drain-spread", "1s"])
    }

    #[track_caller]
    fn signal(&mut self, node: usize, name: &str) {
        self.servers[node].process().signal(name);
    }

    /// Starts a node again after its end.
    #[track_caller]
    fn start_again(&mut self, node: usize) {
        self.servers[node].exit_code();
        self.servers[node] = Self::serve(&self.url, self.addresses[node]);
    }
}
