//! Bounds in time and number, each at its edge, and the neighbours meanwhile.

use std::{
    io::{BufReader, ErrorKind, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tidings_shared::limits::CLOSE_TIMEOUT;
use tidings_tests::{
    Client, DEADLINE, Frame, Incoming, Opcode, RawSocket, Request, Response, Server, at_once, eventually,
    sample,
};
use tokio_tungstenite::tungstenite::Message;

use crate::embedded::Embedded;

fn ping(number: usize) -> Frame {
    Frame::text(json!({ "op": "ping", "ref": number }).to_string())
}

#[test]
fn a_burst_of_twice_the_rate_is_answered_and_a_flood_ends_the_session() {
    let server = Server::with(&["--frames-per-second", "20"]);
    let mut neighbour = Client::subscribed(&server, &["staff:people"]);
    let mut good = RawSocket::hello(server.address());
    let burst: Vec<u8> = (0..39).flat_map(|n| ping(n).bytes()).collect();
    good.write(&burst);
    for n in 0..39 {
        assert_eq!(good.next_frame(), json!({ "op": "pong", "ref": n }));
    }
    for flood in [
        (0..500).flat_map(|n| ping(n).bytes()).collect::<Vec<u8>>(),
        Frame::new(Opcode::PING, "").bytes().repeat(500),
        Frame::text(r#"{"op":"unknown","ref":1}"#).bytes().repeat(500),
    ] {
        let mut flooder = RawSocket::hello(server.address());
        flooder.write(&flood);
        let error = loop {
            let frame = flooder.next_frame();
            if frame["code"] == "rate_limited" {
                break frame;
            }
        };
        assert_eq!(error["op"], "error");
        assert_eq!(flooder.close_code(), Some(4429));
    }
    server.publish(&sample::person_updated(&sample::uuid()));
    neighbour.expect("event");
    assert_eq!(neighbour.ask(&json!({ "op": "ping", "ref": 1 }))["op"], "pong");
}

#[test]
fn beyond_the_cap_connections_are_told_to_come_back_and_nobody_is_evicted() {
    let server = Server::with(&["--max-connections", "4", "--header-timeout", "60s"]);
    let mut sessions: Vec<Client> = (0..3).map(|_| Client::subscribed(&server, &["staff:people"])).collect();
    let silent = TcpStream::connect(server.address()).unwrap();
    let publish = || Request::post("/v1/publish").body("").send(server.address());
    for _ in 0..50 {
        let answer = publish();
        answer.assert_problem(503, "overloaded");
        assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0, "{answer:?}");
        // A prober still gets an answer. Otherwise an orchestrator would restart the server.
        assert_eq!(Request::get("/health").send(server.address()).status, 200);
    }
    for (number, session) in sessions.iter_mut().enumerate() {
        assert_eq!(
            session.ask(&json!({ "op": "ping", "ref": number })),
            json!({ "op": "pong", "ref": number })
        );
    }
    drop(silent);
    eventually("there is room again", || publish().status == 400);
    sessions.pop().unwrap().close();
    eventually("a session's permit is free when it is gone", || {
        let sockets: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
        sockets.iter().all(|socket| {
            let mut socket = socket;
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            socket.write_all(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            let mut head = [0; 12];
            socket.read_exact(&mut head).unwrap();
            head.ends_with(b"404")
        })
    });
}

#[test]
fn a_header_that_does_not_come_ends_the_connection() {
    let server = Server::with(&["--header-timeout", "300ms"]);
    let head = b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nX-Drip: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    thread::scope(|scope| {
        let server = &server;
        for sent in [1, 30, head.len()] {
            scope.spawn(move || {
                let start = Instant::now();
                let mut stream = TcpStream::connect(server.address()).unwrap();
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                stream.write_all(&head[..sent]).unwrap();
                read_to_the_end(&mut stream);
                assert!(start.elapsed() >= Duration::from_millis(290), "{sent} bytes: {:?}", start.elapsed());
            });
        }
        scope.spawn(move || {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            // One byte for every 20 ms of silence, without end.
            stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let start = Instant::now();
            for byte in head.iter().chain(std::iter::repeat(&b'x')) {
                assert!(start.elapsed() < DEADLINE, "still open");
                if stream.write_all(&[*byte]).is_err() {
                    break;
                }
                match stream.read(&mut [0; 512]) {
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    Ok(1..) => {}
                    _ => break,
                }
            }
        });
        for _ in 0..10 {
            Client::subscribed(server, &["staff:people"]).close();
        }
    });
}

#[test]
fn a_hello_has_its_time_from_the_first_byte_of_its_request_on_and_half_of_it_from_the_last() {
    const HELLO_TIMEOUT: Duration = Duration::from_secs(4);
    let server = Server::with(&["--hello-timeout", "4s", "--header-timeout", "20s"]);
    let connect = || {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    };
    let (fresh, mut used, mut drips) = (connect(), connect(), connect());
    used.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(Response::read(&mut BufReader::new(&used)).status, 200);
    // A server takes an empty line before a request.
    drips.write_all(b"\r\n").unwrap();
    let start = Instant::now();
    while start.elapsed() < HELLO_TIMEOUT + Duration::from_millis(100) {
        thread::park_timeout(Duration::from_millis(10));
    }
    let ended = |stream: TcpStream| {
        let upgraded = Instant::now();
        let mut socket = RawSocket::connect_with(stream, &[]);
        thread::spawn(move || {
            assert_eq!(socket.next_frame()["code"], "hello_timeout");
            let ended = Instant::now();
            assert_eq!(socket.close_code(), Some(4408));
            (ended, ended - upgraded)
        })
    };
    let [fresh, used, drips] = [fresh, used, drips].map(ended).map(|thread| thread.join().unwrap());
    for (ended, time) in [fresh, used] {
        assert!(time >= HELLO_TIMEOUT, "{time:?}");
        assert!(drips.0 < ended, "it had half of the time, and began last");
    }
    assert!(drips.1 >= HELLO_TIMEOUT / 2, "{:?}", drips.1);
}

/// Reads until the server has closed; what it says before does not matter.
fn read_to_the_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    if let Err(error) = stream.read_to_end(&mut rest) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "still open");
    }
}

#[test]
fn a_body_that_does_not_come_in_time_is_given_up() {
    let embedded = Embedded::start(|settings| settings.body_timeout = Duration::from_millis(200));
    let mut stream = TcpStream::connect(embedded.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
        .write_all(b"POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"event\":")
        .unwrap();
    let mut reader = BufReader::new(stream);
    let answer = Response::read(&mut reader);
    answer.assert_problem(408, "request_timeout");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(reader.read_to_end(&mut Vec::new()).ok(), Some(0), "nothing of the rest is waited for");
    embedded.stop();
}

#[test]
fn a_silent_server_pings_and_a_client_that_answers_in_any_way_stays() {
    let server = Server::with(&["--heartbeat", "300ms"]);
    let head = server.publish(&sample::person_updated(&sample::uuid()));
    let start = Instant::now();
    let mut by_frame = RawSocket::hello(server.address());
    let mut by_pong = Client::hello(&server);
    for _ in 0..4 {
        // A tool that knows nothing of frames answers the WebSocket's own ping, and that is enough.
        let Incoming::Frame(ping) = by_pong.read() else { panic!("a ping") };
        assert_eq!((&ping["op"], &ping["position"]), (&json!("ping"), &head["position"]));
        assert_eq!(by_frame.next_frame(), ping);
        by_frame.send(&Frame::text(r#"{"op":"pong"}"#));
    }
    assert!(start.elapsed() >= Duration::from_millis(1100), "{:?}", start.elapsed());
}

#[test]
fn a_client_that_answers_no_ping_is_given_up_and_one_that_does_is_not() {
    // Long, because the neighbour's thread must answer in this time, even on a busy machine.
    const PING_TIMEOUT: Duration = Duration::from_secs(3);
    let embedded = Embedded::start(|settings| {
        settings.session.heartbeat = Duration::from_millis(100);
        settings.session.ping_timeout = PING_TIMEOUT;
    });
    let mut neighbour = embedded.client(&["staff:people"]);
    let answering = thread::spawn(move || {
        loop {
            if let Incoming::Frame(frame) = neighbour.read()
                && frame["op"] == "event"
            {
                return neighbour;
            }
        }
    });
    let start = Instant::now();
    let mut silent = RawSocket::hello(embedded.address);
    assert_eq!(silent.next_frame()["op"], "ping");
    assert_eq!(silent.close_code(), Some(1001));
    assert!(start.elapsed() >= Duration::from_millis(90) + PING_TIMEOUT, "{:?}", start.elapsed());
    let body = json!({ "event": sample::person_updated(&sample::uuid()) }).to_string();
    assert_eq!(Request::post("/v1/publish").body(body).send(embedded.address).status, 200);
    answering.join().unwrap().close();
    embedded.stop();
}

#[test]
fn a_client_that_only_listens_to_a_busy_topic_must_answer_too() {
    let embedded = Embedded::start(|settings| {
        settings.session.heartbeat = Duration::from_millis(100);
        settings.session.ping_timeout = Duration::from_millis(300);
    });
    let mut socket = RawSocket::hello(embedded.address);
    socket.send(&Frame::text(r#"{"op":"subscribe","ref":1,"topics":["clock"]}"#));
    let hub = embedded.hub.clone();
    let topics: Vec<tidings_shared::TopicName> = vec!["clock".parse().unwrap()];
    let publish = |number: usize| {
        let event = tidings_shared::RawEvent::parse(&sample::ticked(number).to_string()).unwrap();
        at_once(hub.publish_raw(event, Some(&topics), Default::default())).unwrap();
    };
    let start = Instant::now();
    for number in 0.. {
        assert!(start.elapsed() < DEADLINE, "still open");
        publish(number);
        if matches!(socket.read(), Some((Opcode::CLOSE, _)) | None) {
            break;
        }
    }
    embedded.stop();
}

#[test]
fn a_reader_that_never_reads_is_cut_off_and_the_others_get_everything_meanwhile() {
    // Who waits for the stalled one waits for so long.
    const WRITE_TIMEOUT: Duration = Duration::from_secs(4);
    let server = Server::with(&["--write-timeout", "4s"]);
    let mut reader = Client::subscribed(&server, &["clock"]);
    let mut stalled = RawSocket::hello(server.address());
    stalled.send(&Frame::text(r#"{"op":"subscribe","ref":1,"topics":["clock"]}"#));
    assert_eq!(stalled.next_frame()["op"], "subscribed");
    // Far more than the sockets' buffers and the log together hold.
    let text = "x".repeat(200_000);
    let mut slowest = Duration::ZERO;
    for number in 0..150 {
        let event =
            json!({ "domain": "clock", "event": "ticked", "payload": { "number": number, "text": text } });
        let start = Instant::now();
        assert_eq!(server.post(&json!({ "event": event, "topics": ["clock"] })).status, 200);
        assert_eq!(reader.expect("event")["event"]["payload"]["number"], json!(number));
        slowest = slowest.max(start.elapsed());
    }
    assert!(slowest < WRITE_TIMEOUT, "nobody waits for the stalled one: {slowest:?}");
    // It never reads, so the only sign is the end of the connection, seen by writing.
    eventually("the stalled one is cut off", || !stalled.try_write(&ping(1).bytes()));
    assert_eq!(reader.ask(&json!({ "op": "ping", "ref": 1 })), json!({ "op": "pong", "ref": 1 }));
}

#[test]
fn a_stalled_reader_that_reads_again_learns_why_it_was_cut_off() {
    let embedded = Embedded::start(|settings| settings.write_timeout = Duration::from_millis(200));
    let mut stalled = embedded.client(&["clock"]);
    let event = json!({ "domain": "clock", "event": "ticked", "payload": { "text": "x".repeat(200_000) } });
    let body = json!({ "event": event, "topics": ["clock"] }).to_string();
    eventually("the session has ended", || {
        assert_eq!(Request::post("/v1/publish").body(body.as_str()).send(embedded.address).status, 200);
        embedded.hub.counters().followers == 0
    });
    let error = loop {
        let frame = stalled.next_frame();
        if frame["op"] != "event" {
            break frame;
        }
    };
    assert_eq!((&error["op"], &error["code"]), (&json!("error"), &json!("slow_consumer")));
    stalled.expect_close(4410);
    embedded.stop();
}

#[test]
fn a_reader_that_was_slow_gets_the_rest_in_order_or_a_sync_and_never_a_hole() {
    let server = Server::with(&["--log-max-entries", "40"]);
    let mut slow = Client::subscribed(&server, &["clock", "clock:rare"]);
    let text = "x".repeat(200_000);
    for number in 0..150 {
        let event =
            json!({ "domain": "clock", "event": "ticked", "payload": { "number": number, "text": text } });
        assert_eq!(server.post(&json!({ "event": event, "topics": ["clock"] })).status, 200);
    }
    let rare = json!({ "event": sample::ticked(150), "topics": ["clock:rare"] });
    assert_eq!(server.post(&rare).status, 200);
    let (mut expected, mut may_skip, mut syncs) = (0, false, 0);
    while expected <= 150 {
        let frame = slow.next_frame();
        match frame["op"].as_str().unwrap() {
            "sync" => {
                assert_eq!(frame["topics"], json!(["clock"]), "the other topic lost nothing");
                // It goes on from the head of that moment.
                (may_skip, syncs) = (true, syncs + 1);
            }
            // On a machine with much to do.
            "ping" => {}
            _ => {
                let number = number_of(&frame);
                assert!(number == expected || may_skip && number > expected, "{expected}: {number}");
                (expected, may_skip) = (number + 1, false);
            }
        }
    }
    assert!(syncs > 0, "150 events of 200 kB fit into no socket");
    assert_eq!(server.post(&json!({ "event": sample::ticked(151), "topics": ["clock"] })).status, 200);
    assert_eq!(number_of(&slow.expect("event")), 151, "all is live again");
}

fn number_of(frame: &Value) -> u64 {
    frame["event"]["payload"]["number"].as_u64().unwrap()
}

#[test]
fn a_publisher_that_never_reads_its_answers_is_cut_off_and_others_are_not_disturbed() {
    let server = Server::with(&["--write-timeout", "1s", "--frames-per-second", "1000000"]);
    let mut neighbour = Client::subscribed(&server, &["staff:people"]);
    let mut flooder = RawSocket::hello(server.address());
    let topics: Vec<String> = (0..128).map(|n| format!("many:{n}:{}", "x".repeat(200))).collect();
    let subscribe = json!({ "op": "subscribe", "ref": 1, "topics": topics }).to_string();
    let bytes = Frame::text(subscribe).bytes();
    let start = Instant::now();
    while flooder.try_write(&bytes) {
        assert!(start.elapsed() < DEADLINE, "still taken");
    }
    server.publish(&sample::person_updated(&sample::uuid()));
    neighbour.expect("event");
}

#[test]
fn a_stranger_that_never_reads_has_no_more_time_for_its_hello_than_others() {
    let embedded = Embedded::start(|settings| {
        settings.session.hello_timeout = Duration::from_millis(300);
        settings.session.frames_per_second = 1_000_000;
        settings.write_timeout = 20 * DEADLINE;
    });
    let mut stranger = RawSocket::connect(embedded.address);
    let pings = Frame::new(Opcode::PING, [b'x'; 125]).bytes().repeat(1000);
    let start = Instant::now();
    while stranger.try_write(&pings) {
        assert!(start.elapsed() < DEADLINE, "still taken");
    }
    eventually("its permit is free", || embedded.gateway.sessions() == 0);
    embedded.stop();
}

#[test]
fn one_that_goes_on_sending_after_its_end_disturbs_nobody_and_is_cut_off() {
    let server = Server::with(&["--shards", "1"]);
    let mut neighbour = Client::subscribed(&server, &["staff:people"]);
    let mut flooder = RawSocket::hello(server.address());
    flooder.send(&Frame::text("garbage"));
    let frames = Frame::text("x".repeat(1_000)).bytes().repeat(1_000);
    let start = Instant::now();
    let flood = std::thread::spawn(move || while flooder.try_write(&frames) {});
    let mut slowest = Duration::ZERO;
    while !flood.is_finished() {
        let published = Instant::now();
        server.publish(&sample::person_updated(&sample::uuid()));
        neighbour.expect("event");
        slowest = slowest.max(published.elapsed());
        assert!(start.elapsed() < DEADLINE, "still taken");
    }
    assert!(slowest < CLOSE_TIMEOUT, "a neighbour waited for {slowest:?}");
    flood.join().unwrap();
}

#[test]
fn an_http_client_that_never_reads_its_answers_is_cut_off() {
    let server = Server::with(&["--write-timeout", "500ms"]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    let requests = b"GET /v1/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1000);
    let end = loop {
        if let Err(error) = stream.write_all(&requests) {
            break error.kind();
        }
    };
    assert!(
        matches!(end, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        "it holds its permit for ever: {end:?}"
    );
}

#[test]
fn the_size_of_a_message_is_a_setting() {
    let server = Server::with(&["--max-message-bytes", "5000"]);
    let ping = |bytes: usize| {
        let ping = json!({ "op": "ping", "ref": 1 }).to_string();
        Message::text(format!("{ping}{}", " ".repeat(bytes - ping.len())))
    };
    let mut client = Client::hello(&server);
    client.send_message(ping(5000));
    client.expect("pong");
    client.send_message(ping(5001));
    client.expect_end("too_large", 1009);
}
