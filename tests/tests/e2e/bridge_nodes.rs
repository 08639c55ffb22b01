//! Real processes with a bridge: faults, and what may stand around their database.

mod dumped;
mod faults;
mod page;
mod pooled;
mod standby;

use std::net::SocketAddr;

use tidings_tests::{Postgres, Server, example, finish, own_address, postgres::connect, tidings};

/// The topic of all bridges here.
const TOPIC: &str = "store:links";

const LINKS: &str = "CREATE TABLE links(id bigint PRIMARY KEY, v bigint NOT NULL)";

/// Rows with this id or a larger one are written once. Those below are written again and again.
const ONCE: i64 = 1_000;

/// A process with the bridge of the table `links`. It may end, and start again on its address.
#[derive(Debug)]
struct Node {
    source: String,
    journal: String,
    address: SocketAddr,
    server: Server,
}

impl Node {
    #[track_caller]
    fn start(source: &str, journal: &str) -> Self {
        let address = own_address();
        let server = serve(source, journal, address);
        Self { source: source.to_owned(), journal: journal.to_owned(), address, server }
    }

    #[track_caller]
    fn signal(&mut self, name: &str) {
        self.server.process().signal(name);
    }

    /// Starts it again after its end.
    #[track_caller]
    fn start_again(&mut self) {
        self.server.exit_code();
        self.server = serve(&self.source, &self.journal, self.address);
    }
}

#[track_caller]
fn serve(source: &str, journal: &str, address: SocketAddr) -> Server {
    let mut command = example("bridge_node");
    command.args([source, journal]).env("TIDINGS_LISTEN", address.to_string());
    Server::run(command)
}

/// Returns the URL of a new database with the table, and with the parts of `tidings` that the flag asks for.
#[track_caller]
fn with_links(postgres: &Postgres, flag: &str) -> String {
    let url = postgres.database();
    let made = finish(tidings().args(["journal", "init", flag, &url]));
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
    connect(&url).batch_execute(LINKS).unwrap();
    url
}

/// Writes a row that nobody writes again.
#[track_caller]
fn insert(url: &str, id: i64) {
    connect(url).execute("INSERT INTO links VALUES ($1, 0)", &[&id]).unwrap();
}
