//! Order, and nothing twice and nothing missing, while many things happen at once.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::{Value, json};
use tidings_shared::Position;
use tidings_tests::{Client, Server, sample};

fn position(frame: &Value) -> Position {
    frame["position"].as_str().unwrap().parse().unwrap()
}

/// Publishers of their own, over both ways in, until `count` each; returns what was acknowledged, by offset.
fn publish_from_many(server: &Server, topics: &[&str], count: usize) -> BTreeMap<u64, String> {
    let answers: Vec<(u64, String)> = thread::scope(|scope| {
        let publishers: Vec<_> = (0..4)
            .map(|publisher| {
                scope.spawn(move || {
                    let mut client = Client::hello(server);
                    let publish = |number: usize| {
                        let topic = topics[(publisher + number) % topics.len()];
                        let body = json!({ "event": sample::ticked(number), "topics": [topic] });
                        let answer = if publisher % 2 == 0 {
                            server.post(&body).json()
                        } else {
                            let mut frame = body;
                            frame["op"] = "publish".into();
                            frame["ref"] = number.into();
                            let answer = client.ask(&frame);
                            assert_eq!(
                                (&answer["op"], &answer["ref"]),
                                (&json!("published"), &json!(number))
                            );
                            answer
                        };
                        (position(&answer).offset, answer["key"].as_str().unwrap().to_owned())
                    };
                    (0..count).map(publish).collect::<Vec<_>>()
                })
            })
            .collect();
        publishers.into_iter().flat_map(|publisher| publisher.join().unwrap()).collect()
    });
    let published = answers.len();
    let by_offset: BTreeMap<u64, String> = answers.into_iter().collect();
    assert_eq!(by_offset.len(), published, "every publication has an offset of its own");
    by_offset
}

#[test]
fn everybody_sees_what_concurrent_publishers_send_in_one_order_once() {
    let server = Server::with(&["--frames-per-second", "100000"]);
    let topics = ["clock:a", "clock:b", "clock:c"];
    let mut all = [Client::subscribed(&server, &topics), Client::subscribed(&server, &topics)];
    let mut some = Client::subscribed(&server, &["clock:b"]);
    let acknowledged = publish_from_many(&server, &topics, 150);
    let mut seen_by_some = Vec::new();
    for client in &mut all {
        seen_by_some.clear();
        for (offset, key) in &acknowledged {
            let frame = client.expect("event");
            assert_eq!((position(&frame).offset, frame["key"].as_str()), (*offset, Some(key.as_str())));
            if frame["topics"] == json!(["clock:b"]) {
                seen_by_some.push(frame);
            }
        }
    }
    for frame in seen_by_some {
        assert_eq!(some.expect("event"), frame, "the same bytes in the same order");
    }
}

#[test]
fn a_publish_begun_after_subscribed_was_received_is_always_delivered() {
    let server = Server::start();
    for round in 0..150 {
        let topic = format!("clock:{}", round % 3);
        let mut client = Client::subscribed(&server, &[&topic]);
        let answer = server.post(&json!({ "event": sample::ticked(round), "topics": [topic] })).json();
        assert_eq!(client.expect("event")["position"], answer["position"]);
    }
}

#[test]
fn who_joins_in_the_middle_gets_everything_after_the_position_of_its_subscribed() {
    let server = Server::with(&["--frames-per-second", "100000"]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (server, done) = (&server, &done);
        let joiners: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(move || {
                    let mut joined = 0;
                    while !done.load(Ordering::Relaxed) || joined == 0 {
                        let mut client = Client::hello(server);
                        let mut offset = position(&client.subscribe(&["clock"], None, "live")).offset;
                        for _ in 0..5 {
                            if done.load(Ordering::Relaxed) {
                                break;
                            }
                            let next = position(&client.expect("event")).offset;
                            assert_eq!(next, offset + 1, "no hole, nothing twice");
                            offset = next;
                        }
                        joined += 1;
                    }
                })
            })
            .collect();
        publish_from_many(server, &["clock"], 300);
        done.store(true, Ordering::Relaxed);
        // Clients that still wait for an event get some.
        for number in 0..20 {
            server.post(&json!({ "event": sample::ticked(number), "topics": ["clock"] }));
        }
        joiners.into_iter().for_each(|joiner| joiner.join().unwrap());
    });
}

#[test]
fn who_is_cut_off_again_and_again_sees_every_event_once_in_order() {
    let server = Server::with(&["--frames-per-second", "100000"]);
    let mut first = Client::hello(&server);
    let begin = first.subscribe(&["clock"], None, "live")["position"].as_str().unwrap().to_owned();
    drop(first);
    thread::scope(|scope| {
        let server = &server;
        let publishing = scope.spawn(move || publish_from_many(server, &["clock"], 200));
        let mut since = begin;
        let (mut seen, mut cuts) = (Vec::new(), 0);
        while seen.len() < 800 {
            let mut client = Client::hello(server);
            client.subscribe(&["clock"], Some(&since), "resumed");
            // Cut in the middle of what was sent, some of it unread.
            for _ in 0..(cuts % 9 + 1).min(800 - seen.len()) {
                let frame = client.expect("event");
                since = frame["position"].as_str().unwrap().to_owned();
                seen.push((position(&frame).offset, frame["key"].as_str().unwrap().to_owned()));
            }
            cuts += 1;
        }
        let acknowledged: Vec<(u64, String)> = publishing.join().unwrap().into_iter().collect();
        assert!(cuts > 100, "{cuts}");
        assert_eq!(seen, acknowledged);
    });
}
