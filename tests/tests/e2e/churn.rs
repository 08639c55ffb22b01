//! Topics and readers that come and go: what a server holds for them goes with them.

use std::time::Duration;

use serde_json::json;
use tidings_tests::{Frame, RawSocket, Request, Server, eventually, tidings};

/// Topics that are made and left.
const TOPICS: usize = 50_000;

/// Topics of a session, by default.
const TOPICS_PER_SESSION: usize = 128;

/// A metric's value.
fn metric(server: &Server, name: &str) -> u64 {
    let page = Request::get("/metrics").send(server.address()).body;
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{name} is not in\n{page}")).parse().unwrap()
}

/// So many sessions subscribe to topics that nobody else has, publish to all of them, and get what they published.
fn crowd(server: &Server, sessions: usize, round: usize) -> Vec<RawSocket> {
    let session = |number: usize| {
        let topics: Vec<String> =
            (0..TOPICS_PER_SESSION).map(|topic| format!("churn:{round}:{number}:{topic}")).collect();
        let mut socket = RawSocket::hello(server.address());
        let event = json!({ "domain": "churn", "event": "made", "payload": { "number": number } });
        let frames = [
            json!({ "op": "subscribe", "ref": 1, "topics": topics }),
            json!({ "op": "publish", "ref": 2, "event": event, "topics": topics }),
        ];
        frames.iter().for_each(|frame| socket.send(&Frame::text(frame.to_string())));
        assert_eq!(socket.next_frame()["op"], "subscribed");
        let ops = [socket.next_frame(), socket.next_frame()];
        assert!(ops.iter().any(|frame| frame["op"] == "event"), "{ops:?}");
        socket
    };
    (0..sessions).map(session).collect()
}

/// Waits until the server holds nothing.
fn is_empty(server: &Server) {
    eventually("nothing is left", || {
        metric(server, "tidings_sessions") == 1
            && ["tidings_topics", "tidings_log_publications"].iter().all(|name| metric(server, name) == 0)
    });
}

/// Starts a server with a log that is soon empty.
fn server() -> Server {
    let mut command = tidings();
    command.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--heartbeat", "10m"]);
    command.args(["--log-max-age", "100ms", "--key-max-age", "100ms"]);
    Server::run(command)
}

#[test]
fn of_50_000_topics_that_were_made_and_left_no_memory_is_kept() {
    let mut server = server();
    let sessions = TOPICS.div_ceil(TOPICS_PER_SESSION);
    // One stays, so that nothing goes because nobody is left.
    let _witness = RawSocket::hello(server.address());
    // What code and threads take for themselves is there after a few.
    drop(crowd(&server, 8, 0));
    is_empty(&server);
    let before = server.process().memory_kib();
    let all = crowd(&server, sessions, 1);
    assert_eq!(metric(&server, "tidings_topics"), (sessions * TOPICS_PER_SESSION) as u64);
    let full = server.process().memory_kib();
    assert!(full * 10 > before * 11, "nothing would be given back: {before} KiB, then {full}");
    drop(all);
    is_empty(&server);
    // The allocator takes ten seconds to be sure that nobody wants it.
    eventually("memory is back within a tenth of what it was", || {
        std::thread::park_timeout(Duration::from_millis(200));
        server.process().memory_kib() * 10 <= before * 11
    });
}
