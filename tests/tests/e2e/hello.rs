//! The handshake, and the first frames of a session.

use serde_json::{Value, json};
use tidings_shared::{Position, frame::ServerFrame};
use tidings_tests::{Client, DEADLINE, Frame, RawSocket, Request, Response, Server, sample};
use tokio_tungstenite::tungstenite::Message;

#[test]
fn a_hello_is_welcomed_with_everything_that_a_client_must_know() {
    let server =
        Server::with(&["--heartbeat", "7s", "--max-topics-per-session", "9", "--frames-per-second", "11"]);
    let mut client = Client::connect(&server);
    let welcome = client.ask(&json!({ "op": "hello", "token": "not needed", "client": "test/1" }));
    assert_eq!((&welcome["op"], &welcome["tenant"]), (&json!("welcome"), &json!("dev")));
    assert!(welcome["session"].as_str().unwrap().parse::<uuid::Uuid>().is_ok(), "{welcome}");
    assert!(welcome["position"].as_str().unwrap().parse::<Position>().is_ok(), "{welcome}");
    assert_eq!(welcome["heartbeat_ms"], 7000);
    let limits = json!({ "max_message_bytes": 65536, "max_topics_per_session": 9, "max_topics_per_frame": 128,
        "frames_per_second": 11 });
    assert_eq!(welcome["limits"], limits);
    assert!(ServerFrame::parse(&welcome.to_string()).is_ok());
    let other = Client::connect(&server).ask(&json!({ "op": "hello" }));
    assert_ne!(other["session"], welcome["session"]);
}

#[test]
fn hello_subscribe_and_publish_may_be_sent_at_once_even_ahead_of_the_upgrade() {
    let server = Server::start();
    let uuid = sample::uuid();
    let frames = [
        json!({ "op": "hello" }),
        json!({ "op": "subscribe", "ref": 1, "topics": ["staff:people"] }),
        json!({ "op": "publish", "ref": 2, "event": sample::person_updated(&uuid) }),
        json!({ "op": "ping", "ref": 3 }),
    ];
    let ahead: Vec<u8> = frames.iter().flat_map(|frame| Frame::text(frame.to_string()).bytes()).collect();
    let stream = std::net::TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut socket = RawSocket::connect_with(stream, &ahead);
    let mut answers: Vec<Value> = (0..5).map(|_| socket.next_frame()).collect();
    let place = answers.iter().position(|frame| frame["op"] == "event").unwrap();
    let event = answers.remove(place);
    let ops: Vec<&str> = answers.iter().map(|frame| frame["op"].as_str().unwrap()).collect();
    assert_eq!(ops, ["welcome", "subscribed", "published", "pong"]);
    assert!(place >= 2, "an event before the subscription was in force");
    assert_eq!(event["event"]["payload"]["uuid"], json!(uuid));
    assert_eq!((&event["position"], &event["key"]), (&answers[2]["position"], &answers[2]["key"]));
}

#[test]
fn a_publish_that_comes_before_the_subscribe_is_not_delivered() {
    let server = Server::start();
    let mut client = Client::hello(&server);
    let (before, after) = (sample::uuid(), sample::uuid());
    client.send(&json!({ "op": "publish", "ref": 1, "event": sample::person_updated(&before) }));
    client.send(&json!({ "op": "subscribe", "ref": 2, "topics": ["staff:people"] }));
    let published = client.expect("published");
    assert_eq!(client.expect("subscribed")["position"], published["position"]);
    server.publish(&sample::person_updated(&after));
    assert_eq!(client.expect("event")["event"]["payload"]["uuid"], json!(after));
}

#[test]
fn a_session_without_a_hello_ends_at_its_deadline_and_one_with_a_hello_does_not() {
    // Long, because the good hello must come in this time, even on a busy machine.
    let server = Server::with(&["--hello-timeout", "3s"]);
    let mut greeted = Client::hello(&server);
    let mut silent = Client::connect(&server);
    // Signs of life that are no hello.
    silent.send_message(Message::Ping(vec![1].into()));
    silent.expect_end("hello_timeout", 4408);
    assert_eq!(greeted.ask(&json!({ "op": "ping", "ref": 1 })), json!({ "op": "pong", "ref": 1 }));
}

#[test]
fn whatever_comes_before_the_hello_is_refused() {
    let server = Server::start();
    let mut neighbour = Client::subscribed(&server, &["staff:people"]);
    for frame in [
        json!({ "op": "subscribe", "ref": 7, "topics": ["staff:people"] }),
        json!({ "op": "unsubscribe", "ref": 7, "topics": ["staff:people"] }),
        json!({ "op": "publish", "ref": 7, "event": sample::person_updated(&sample::uuid()) }),
        json!({ "op": "ping", "ref": 7 }),
        json!({ "op": "token", "ref": 7, "token": "x" }),
        json!({ "op": "pong" }),
        json!({ "op": "unheard_of", "ref": 7 }),
    ] {
        let mut client = Client::connect(&server);
        client.send(&frame);
        client.expect_end("hello_required", 4400);
    }
    let uuid = sample::uuid();
    server.publish(&sample::person_updated(&uuid));
    assert_eq!(
        neighbour.expect("event")["event"]["payload"]["uuid"],
        json!(uuid),
        "nothing else was published"
    );
}

#[test]
fn a_second_hello_is_refused_and_the_session_goes_on() {
    let server = Server::start();
    let mut client = Client::subscribed(&server, &["staff:people"]);
    assert_eq!(client.ask(&json!({ "op": "hello" }))["op"], "error");
    server.publish(&sample::person_updated(&sample::uuid()));
    client.expect("event");
}

#[test]
fn a_fresh_token_is_accepted_in_place() {
    let server = Server::start();
    let mut client = Client::subscribed(&server, &["staff:people"]);
    let answer = client.ask(&json!({ "op": "token", "ref": 4, "token": "any will do for development" }));
    assert_eq!(answer, json!({ "op": "token_accepted", "ref": 4 }));
    server.publish(&sample::person_updated(&sample::uuid()));
    client.expect("event");
}

#[test]
fn a_stranger_may_send_10_kib_and_not_a_byte_more() {
    let server = Server::start();
    let hello = |bytes: usize| {
        let empty = json!({ "op": "hello", "token": "" }).to_string().len();
        Message::text(json!({ "op": "hello", "token": "x".repeat(bytes - empty) }).to_string())
    };
    let mut client = Client::connect(&server);
    client.send_message(hello(10 * 1024));
    client.expect("welcome");
    let mut client = Client::connect(&server);
    client.send_message(hello(10 * 1024 + 1));
    client.expect_end("too_large", 1009);
}

#[test]
fn the_subprotocol_is_confirmed_when_it_is_offered_and_refused_when_only_others_are() {
    let server = Server::start();
    let offered = |offers: &[&str]| {
        let upgrade = RawSocket::handshake().header("Connection", "Upgrade");
        let request =
            offers.iter().fold(upgrade, |request, offer| request.header("Sec-WebSocket-Protocol", offer));
        request.send(server.address())
    };
    for offers in [&["tidings.v1.json"][..], &["other, tidings.v1.json"], &["other", "tidings.v1.json,more"]]
    {
        let answer = offered(offers);
        assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, Some("tidings.v1.json")));
    }
    let answer = offered(&[]);
    assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, None));
    for offers in [&["tidings.v2.json"][..], &["chat"], &["Tidings.V1.Json"], &[""], &["a", "b"]] {
        assert_eq!(offered(offers).status, 400, "{offers:?}");
    }
}

#[test]
fn no_extension_is_agreed_upon() {
    let server = Server::start();
    let request = RawSocket::handshake()
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
    let answer = request.send(server.address());
    assert_eq!((answer.status, answer.header("sec-websocket-extensions")), (101, None));
}

#[test]
fn a_handshake_that_is_none_has_its_status_and_names_the_remedy() {
    let server = Server::start();
    let send = |headers: &[(&str, &str)]| -> Response {
        let request = Request::get("/v1/ws").header("Connection", "Upgrade");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.send(server.address())
    };
    let (upgrade, version) = (("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"));
    for key in [
        "",
        "short",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZSE=",
        "====",
        "!!!!!!!!!!!!!!!!!!!!!!==",
    ] {
        send(&[upgrade, version, ("Sec-WebSocket-Key", key)]).assert_problem(400, "invalid_frame");
    }
    send(&[upgrade, version]).assert_problem(400, "invalid_frame");
    let key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    for other in ["8", "12", "14", "0", "13.0", "x"] {
        let answer = send(&[upgrade, ("Sec-WebSocket-Version", other), key]);
        assert_eq!((answer.status, answer.header("sec-websocket-version")), (426, Some("13")), "{other}");
    }
    assert_eq!(send(&[("Upgrade", "h2c"), version, key]).status, 426);
    assert_eq!(Request::get("/v1/ws").send(server.address()).status, 426);
    let posted = Request::post("/v1/ws").header("Upgrade", "websocket").body("").send(server.address());
    assert_eq!(posted.status, 405);
    assert_eq!(send(&[upgrade, version, key]).status, 101);
}
