//! While the database does not answer, everybody is told, and nobody is sent away.

use std::time::{Duration, Instant};

use serde_json::json;
use tidings_tests::{Client, Postgres, Request, eventually, sample};

use super::{TOPIC, new_journal, node, two_nodes};

/// The longest time until a publish is answered, also while the database does not answer.
const ANSWERED: Duration = Duration::from_secs(12);

/// The database hangs for so long after a node has begun to start.
const START_WAITS: Duration = Duration::from_secs(4);

/// It takes about 15 seconds: sessions are told after 10.
#[test]
fn while_the_database_hangs_publishes_are_refused_in_time_and_sessions_stay() {
    let postgres = Postgres::start();
    let url = new_journal(&postgres);
    let nodes = two_nodes(&url);
    let mut clients = nodes.each_ref().map(|node| Client::subscribed(node, &[TOPIC]));
    nodes[0].publish_to(TOPIC, &sample::ticked(0));
    for client in &mut clients {
        client.expect("event");
    }
    postgres.freeze();
    std::thread::scope(|scope| {
        for node in &nodes {
            scope.spawn(|| {
                let begin = Instant::now();
                let answer = node.post(&json!({ "event": sample::ticked(1), "topics": [TOPIC] }));
                assert!(begin.elapsed() < ANSWERED, "{:?}", begin.elapsed());
                answer.assert_problem(503, "overloaded");
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
            });
        }
    });
    for (server, client) in nodes.iter().zip(&mut clients) {
        assert_eq!(Request::get("/health").send(server.address()).status, 200);
        client.expect("degraded");
        assert_eq!(Request::get("/ready").send(server.address()).status, 503);
    }
    // A node that starts meanwhile waits for longer than those that run.
    let late = std::thread::scope(|scope| {
        let late = scope.spawn(|| node(&url));
        std::thread::sleep(START_WAITS);
        postgres.thaw();
        late.join().unwrap()
    });
    for node in nodes.iter().chain([&late]) {
        eventually("the node is ready", || Request::get("/ready").send(node.address()).status == 200);
    }
    nodes[1].publish_to(TOPIC, &sample::ticked(2));
    for client in &mut clients {
        let mut ops = Vec::new();
        loop {
            let frame = client.next_frame();
            ops.push(frame["op"].to_string());
            if frame["event"] == sample::ticked(2) {
                break;
            }
            // The refused publishes may be in the journal.
            assert!(frame["op"] == "restored" || frame["event"] == sample::ticked(1), "{frame}");
        }
        assert!(ops.contains(&"\"restored\"".to_owned()), "{ops:?}");
    }
}
