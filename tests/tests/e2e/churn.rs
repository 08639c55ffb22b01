//! Topics and readers that come and go: what a server holds for them goes with them.

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

/// A server whose memory can be told from the outside: the system's allocator keeps what threads have freed, a part for
/// each, and gives it back when it likes; here there is one part, which is given back soon.
fn server() -> Server {
    let mut command = tidings();
    command.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--heartbeat", "10m"]);
    command.args(["--log-max-age", "100ms", "--key-max-age", "100ms"]);
    command.env("MALLOC_ARENA_MAX", "1");
    command.envs(["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"].map(|name| (name, "65536")));
    Server::run(command)
}

#[test]
fn of_50_000_topics_that_were_made_and_left_no_memory_is_kept() {
    let mut server = server();
    let sessions = TOPICS.div_ceil(TOPICS_PER_SESSION);
    // One stays, so that nothing goes because nobody is left.
    let _witness = RawSocket::hello(server.address());
    let memory = [1, 2].map(|round| {
        let all = crowd(&server, sessions, round);
        assert_eq!(metric(&server, "tidings_topics"), (sessions * TOPICS_PER_SESSION) as u64);
        let full = server.process().memory_kib();
        drop(all);
        is_empty(&server);
        (full, server.process().memory_kib())
    });
    println!("KiB with all of them and when they have gone, the first and the second time: {memory:?}");
    let [(_, before), (_, after)] = memory;
    assert!(after * 10 <= before * 11, "{memory:?}");
}
