//! What operators and their load balancers ask.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};
use tidings_tests::{Client, Frame, RawSocket, Request, Server, eventually, sample};

#[test]
fn a_batch_publishes_each_item_on_its_own_and_in_order() {
    let server = Server::start();
    let mut client = Client::subscribed(&server, &["a"]);
    let event = |number: u64| json!({ "domain": "a", "event": "b", "payload": number });
    let key = sample::uuid();
    let batch = json!([
        { "event": event(1), "topics": ["a"], "key": key },
        { "event": event(2) },
        { "event": { "domain": "staff", "event": "person_updated", "payload": {} } },
        7,
        { "event": event(3), "topics": ["a"] },
        { "event": event(1), "topics": ["a"], "key": key },
    ]);
    let response = Request::post("/v1/publish/batch").body(batch.to_string()).send(server.address());
    let answers = response.json();
    assert_eq!(response.status, 200, "{answers}");
    let (first, last) = (client.expect("event"), client.expect("event"));
    assert_eq!((&first["event"], &last["event"]), (&event(1), &event(3)));
    let positions: Vec<&Value> = (0..6).map(|item| &answers[item]["position"]).collect();
    let (first, last, none) = (&first["position"], &last["position"], &Value::Null);
    assert_eq!(positions, [first, none, none, none, last, first], "{answers}");
    let codes: Vec<&str> = (1..4).filter_map(|item| answers[item]["code"].as_str()).collect();
    assert_eq!(codes, ["invalid_event", "invalid_event", "invalid_frame"], "{answers}");
    assert_eq!(answers[2]["status"], 422, "{answers}");
}

#[test]
fn a_batch_has_at_most_64_items_and_is_a_list() {
    let server = Server::start();
    let item = json!({ "event": { "domain": "a", "event": "b", "payload": {} }, "topics": ["a"] });
    let batch = |items| {
        let body = json!(vec![&item; items]).to_string();
        Request::post("/v1/publish/batch").body(body).send(server.address())
    };
    assert_eq!(batch(0).json(), json!([]));
    assert_eq!(batch(64).json().as_array().map(Vec::len), Some(64));
    batch(65).assert_problem(413, "too_large");
    let one = Request::post("/v1/publish/batch").body(item.to_string()).send(server.address());
    one.assert_problem(400, "invalid_frame");
}

#[test]
fn while_it_drains_a_server_is_alive_and_not_ready_and_refuses_the_rest() {
    let mut server = Server::with(&["--drain-timeout", "3s", "--write-timeout", "60s"]);
    let address = server.address();
    let get = |path: &str| Request::get(path).send(address);
    for path in ["/health", "/ready"] {
        assert_eq!(get(path).status, 200);
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"), "{answer}");
    }
    // One that reads nothing keeps the drain going.
    let mut stalled = RawSocket::hello(server.address());
    stalled.send(&Frame::text(r#"{"op":"subscribe","ref":1,"topics":["clock"]}"#));
    assert_eq!(stalled.next_frame()["op"], "subscribed");
    let event = json!({ "domain": "clock", "event": "ticked", "payload": { "text": "x".repeat(200_000) } });
    for _ in 0..60 {
        assert_eq!(server.post(&json!({ "event": event, "topics": ["clock"] })).status, 200);
    }
    server.process().signal("TERM");
    eventually("it is not ready", || get("/ready").status == 503);
    get("/ready").assert_problem(503, "going_away");
    assert_eq!(get("/health").status, 200);
    for path in ["/v1/publish", "/v1/ws", "/v1/events?topic=a", "/nowhere"] {
        let refused = get(path);
        refused.assert_problem(503, "going_away");
        assert_eq!(refused.header("connection"), Some("close"));
    }
    drop(stalled);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_client_behind_a_trusted_proxy_has_so_many_connections_and_others_have_theirs() {
    let server = Server::with(&["--trusted-proxy", "127.0.0.1", "--max-connections-per-address", "2"]);
    let hello = |forwarded: &str| RawSocket::forwarded(server.address(), forwarded);
    let _first = hello("192.0.2.1").unwrap();
    let second = hello("192.0.2.1").unwrap();
    // What the client says itself comes first, and counts for nothing.
    let refused = hello("192.0.2.9, 192.0.2.1").unwrap_err();
    refused.assert_problem(503, "overloaded");
    assert_eq!(refused.header("retry-after"), Some("5"));
    let stream = Request::get("/v1/events?topic=a").header("X-Forwarded-For", "192.0.2.1");
    stream.send(server.address()).assert_problem(503, "overloaded");
    let _other = hello("192.0.2.2").unwrap();
    drop(second);
    eventually("its permit is free again", || hello("192.0.2.1").is_ok());
}

#[test]
fn a_proxy_may_write_its_client_with_a_port_and_what_is_no_address_is_that_of_one_client() {
    // The same machine, as a socket of both families would name it.
    let server = Server::with(&["--trusted-proxy", "::ffff:127.0.0.1", "--max-connections-per-address", "1"]);
    let hello = |forwarded: &str| RawSocket::forwarded(server.address(), forwarded);
    let refused = |forwarded: &str| match hello(forwarded) {
        Err(answer) => answer.assert_problem(503, "overloaded"),
        Ok(_) => panic!("{forwarded:?} was let in"),
    };
    let _v4 = hello("192.0.2.1:1234").unwrap();
    let _v6 = hello("[2001:db8::1]:1234").unwrap();
    for same in [
        "192.0.2.1",
        "192.0.2.1:80",
        "::ffff:192.0.2.1",
        "[::ffff:192.0.2.1]:80",
        "\u{e9}, 192.0.2.1",
        "192.0.2.9\r\nX-Forwarded-For: 192.0.2.1",
        "192.0.2.9\r\nX-Forwarded-For: \u{e9}, 192.0.2.1",
        "2001:db8::1",
        "[2001:db8::1]",
        "[2001:db8::2]:80",
    ] {
        refused(same);
    }
    let _unknown = hello("unknown").unwrap();
    for no_address in [
        "unknown",
        "192.0.2.9,",
        "192.0.2.9, ",
        "\u{e9}",
        "192.0.2.256",
        "192.0.2.9 192.0.2.8",
        "\"192.0.2.9\"",
    ] {
        refused(no_address);
    }
    // Its own questions name nobody.
    let _own = [RawSocket::connect(server.address()), RawSocket::connect(server.address())];
}

#[test]
fn nobody_is_believed_who_says_for_whom_it_forwards_unless_it_is_trusted() {
    let server = Server::with(&["--max-connections-per-address", "1"]);
    let sockets: Vec<_> =
        (0..3).map(|_| RawSocket::forwarded(server.address(), "192.0.2.1").unwrap()).collect();
    assert_eq!(sockets.len(), 3);
}

#[test]
fn a_tenant_has_so_many_sessions_and_topics() {
    let server = Server::with(&["--max-sessions-per-tenant", "2", "--max-topics-per-tenant", "3"]);
    let mut one = Client::subscribed(&server, &["a", "b", "c"]);
    let mut other = Client::hello(&server);
    let answer = other.ask(&json!({ "op": "subscribe", "ref": 1, "topics": ["a", "d", "b"] }));
    let outcomes: Vec<&Value> = (0..3).map(|topic| &answer["topics"][topic]["outcome"]).collect();
    assert_eq!(outcomes, ["live", "refused", "live"], "what somebody has already costs nothing");
    assert_eq!(answer["topics"][1]["code"], "overloaded");
    one.ask(&json!({ "op": "unsubscribe", "ref": 2, "topics": ["c"] }));
    other.subscribe(&["d"], None, "live");
    let mut third = Client::connect(&server);
    third.send(&json!({ "op": "hello" }));
    third.expect_end("overloaded", 4503);
    Request::get("/v1/events?topic=a").send(server.address()).assert_problem(503, "overloaded");
    one.close();
    eventually("there is room again", || {
        let mut client = Client::connect(&server);
        client.send(&json!({ "op": "hello" }));
        client.next_frame()["op"] == "welcome"
    });
}
