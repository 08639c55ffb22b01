//! What is the same on all nodes: positions, bytes, keys and revocations.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidings_tests::{
    Client, Frame, Opcode, Postgres, RawSocket, Request, Response, Server, eventually, sample, token,
};
use uuid::Uuid;

use super::{TOPIC, new_journal, node, two_nodes};

/// Publishes an event with a number. Returns its position.
#[track_caller]
fn tick(server: &Server, number: usize) -> String {
    let answer = server.publish_to(TOPIC, &sample::ticked(number));
    answer["position"].as_str().unwrap().to_owned()
}

/// Reads the next text message that is no ping of the server.
#[track_caller]
fn text(socket: &mut RawSocket) -> String {
    loop {
        let (opcode, bytes) = socket.read().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        if opcode == Opcode::TEXT && !text.contains(r#""op":"ping""#) {
            return text;
        }
    }
}

/// Subscribes, and reads the answer.
#[track_caller]
fn subscribed(server: &Server, since: Option<&str>) -> RawSocket {
    let mut socket = RawSocket::hello(server.address());
    let mut frame = json!({ "op": "subscribe", "ref": 1, "topics": [TOPIC] });
    if let Some(since) = since {
        frame["since"] = since.into();
    }
    socket.send(&Frame::text(frame.to_string()));
    let answer = text(&mut socket);
    let outcome = if since.is_some() { "resumed" } else { "live" };
    assert!(answer.contains("subscribed") && answer.contains(outcome), "{answer}");
    socket
}

#[test]
fn an_event_has_the_same_position_and_the_same_bytes_on_every_node() {
    let url = new_journal(Postgres::shared());
    let nodes = two_nodes(&url);
    let before = tick(&nodes[0], 0);
    let mut sockets = nodes.each_ref().map(|node| subscribed(node, None));
    // A table that understands JSON would change each of these members.
    let payload = r#"{"z": 1.0e2, "a" :1,"a":2, "nothing":"\u0000","é":"\u00e9/\/" }"#;
    for (number, publisher) in nodes.iter().enumerate() {
        let event = format!(r#"{{"domain":"clock","event":"ticked","payload":{payload}}}"#);
        let body = format!(r#"{{"event":{event},"topics":["{TOPIC}"],"origin":"tab-{number}"}}"#);
        let answer = Request::post("/v1/publish").body(body).send(publisher.address());
        assert_eq!(answer.status, 200, "{answer:?}");
        let texts = sockets.each_mut().map(text);
        assert_eq!(texts[0], texts[1]);
        let position = answer.json()["position"].to_string();
        assert!(texts[0].contains(payload) && texts[0].contains(&position), "{}", texts[0]);
        // A node that starts now reads the event from the journal.
        let late = node(&url);
        let mut late = subscribed(&late, Some(&before));
        let resumed: Vec<String> = (0..=number).map(|_| text(&mut late)).collect();
        assert_eq!(resumed[number], texts[0]);
    }
}

#[test]
fn a_client_resumes_on_another_node_with_what_it_has_missed() {
    let nodes = two_nodes(&new_journal(Postgres::shared()));
    let mut client = Client::subscribed(&nodes[0], &[TOPIC]);
    tick(&nodes[1], 0);
    let position = client.expect("event")["position"].clone();
    drop(client);
    for number in 1..=6 {
        tick(&nodes[number % 2], number);
    }
    let mut client = Client::hello(&nodes[1]);
    client.subscribe(&[TOPIC], position.as_str(), "resumed");
    for number in 1..=6 {
        assert_eq!(client.expect("event")["event"], sample::ticked(number));
    }
    tick(&nodes[0], 7);
    assert_eq!(client.expect("event")["event"], sample::ticked(7));
    // A client that moves at once may be ahead of the other node.
    for number in 8..40 {
        let position = tick(&nodes[number % 2], number);
        Client::hello(&nodes[(number + 1) % 2]).subscribe(&[TOPIC], Some(&position), "resumed");
    }
}

#[test]
fn a_key_is_published_once_whichever_node_gets_it() {
    let nodes = two_nodes(&new_journal(Postgres::shared()));
    let mut client = Client::subscribed(&nodes[0], &[TOPIC]);
    let publish =
        |topic: &str| json!({ "event": sample::ticked(1), "topics": [topic], "key": Uuid::from_u128(7) });
    // On all at the same time, and then again.
    let answers: Vec<Response> = std::thread::scope(|scope| {
        let posts: Vec<_> = nodes.iter().map(|node| scope.spawn(|| node.post(&publish(TOPIC)))).collect();
        posts.into_iter().map(|post| post.join().unwrap()).collect()
    });
    let again = nodes.each_ref().map(|node| node.post(&publish(TOPIC)));
    let positions: Vec<Value> =
        answers.iter().chain(&again).map(|answer| answer.json()["position"].clone()).collect();
    assert!(
        positions[0].is_string() && positions.iter().all(|position| *position == positions[0]),
        "{positions:?}"
    );
    for node in &nodes {
        node.post(&publish("clock:other")).assert_problem(403, "forbidden");
    }
    client.expect("event");
    tick(&nodes[1], 2);
    assert_eq!(client.expect("event")["event"], sample::ticked(2), "nothing twice");
}

fn revoke(server: &Server, admin: &str, subject: &str) {
    let request = Request::post("/v1/admin/revoke").header("Authorization", &format!("Bearer {admin}"));
    let answer = request.body(json!({ "sub": subject }).to_string()).send(server.address());
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn user(subject: &str) -> String {
    token(&["--tenant", "acme", "--subject", subject, "--subscribe", "*"])
}

#[test]
fn a_revocation_on_one_node_holds_on_all_within_a_second_and_on_those_that_start_later() {
    let url = new_journal(Postgres::shared());
    let start = || Server::keyed(&["--journal", &url]);
    let (one, mut other) = (start(), start());
    let admin = token(&["--tenant", "acme", "--subject", "admin", "--publish", "*", "--admin"]);
    // One of several, because a machine may be busy with other tests.
    let mut numbers = 0..;
    eventually("a session on another node ends within a second", || {
        let subject = format!("anna-{}", numbers.next().unwrap());
        let mut client = Client::with_token(&other, &user(&subject));
        let begun = Instant::now();
        revoke(&one, &admin, &subject);
        client.expect_end("forbidden", 4403);
        begun.elapsed() < Duration::from_secs(1)
    });
    let (bert, carl) = (user("bert"), user("carl"));
    other.process().signal("KILL");
    other.exit_code();
    revoke(&one, &admin, "bert");
    let other = start();
    let answer = Client::connect(&other).ask(&json!({ "op": "hello", "token": bert }));
    assert_eq!(answer["code"], "unauthorized", "{answer}");
    Client::with_token(&other, &carl);
}
