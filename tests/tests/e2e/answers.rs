//! Clients that misbehave while the application takes its time, and applications that misbehave while they answer.

use std::{
    io::{BufReader, Write},
    net::TcpStream,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tidings_server::{
    AccessError, Authorize, Credentials, Hub, HubSettings, Identity,
    hub::{Revoke, Rights, SessionSettings},
};
use tidings_shared::TopicName;
use tidings_tests::{Client, Frame, Opcode, RawSocket, Request, Response, eventually};
use tokio::sync::watch;

use crate::embedded::Embedded;

/// Answers about the topic `later` only when the test says so, and counts the questions that wait. A token is the name
/// of a subject; `again` is revoked with each question about it.
#[derive(Debug, Clone)]
struct Later {
    hub: Arc<OnceLock<Hub>>,
    is_time: watch::Sender<bool>,
    open: Arc<AtomicUsize>,
}

struct IsOpen(Arc<AtomicUsize>);

impl Drop for IsOpen {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Later {
    async fn wait(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
        let _open = IsOpen(Arc::clone(&self.open));
        let _ = self.is_time.subscribe().wait_for(|is_time| *is_time).await;
    }
}

impl Authorize for Later {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Identity, AccessError> {
        let name = credentials.token.as_deref().unwrap_or("anna");
        if name == "again" {
            self.hub
                .get()
                .unwrap()
                .revoke(&Revoke::Subject(name.to_owned()))
                .now_or_never()
                .unwrap()
                .unwrap();
        }
        let identity = Identity::new(name, "acme".parse().unwrap()).rights(Rights::all()).looked_up();
        Ok(identity.issued_at(credentials.now_unix_ms + 1000))
    }

    async fn may_subscribe(&self, _: &Identity, topics: &[TopicName]) -> Result<Vec<bool>, AccessError> {
        assert!(!topics.is_empty(), "a question is about topics");
        if topics.iter().any(|topic| topic.as_str() == "later") {
            self.wait().await;
        }
        Ok(vec![true; topics.len()])
    }

    async fn may_publish(&self, identity: &Identity, topics: &[TopicName]) -> Result<Vec<bool>, AccessError> {
        self.may_subscribe(identity, topics).await
    }

    async fn may_revoke(&self, identity: &Identity) -> Result<bool, AccessError> {
        if identity.subject == "admin" {
            self.wait().await;
        }
        Ok(true)
    }
}

fn start(session: SessionSettings) -> (Embedded, Later) {
    let later = Later { hub: Arc::default(), is_time: watch::Sender::new(false), open: Arc::default() };
    let embedded =
        Embedded::start_hub(HubSettings::new("acme".parse().unwrap()), later.clone(), |settings| {
            settings.shards = Some(1.try_into().unwrap());
            settings.session = session;
        });
    later.hub.set(embedded.hub.clone()).unwrap();
    (embedded, later)
}

fn slow() -> SessionSettings {
    SessionSettings::default().answer_timeout(Duration::from_secs(600))
}

fn waiting(later: &Later, expected: usize) {
    eventually("the application is asked, or asked no more", || {
        later.open.load(Ordering::Relaxed) == expected
    });
}

fn subscribe(topic: &str) -> Frame {
    Frame::text(json!({ "op": "subscribe", "ref": 1, "topics": [topic] }).to_string())
}

fn ping(number: usize) -> Frame {
    Frame::text(json!({ "op": "ping", "ref": number }).to_string())
}

#[test]
fn frames_behind_a_question_keep_their_order_over_many_reads() {
    let (embedded, later) = start(slow().frames_per_second(2_000));
    let mut socket = RawSocket::hello(embedded.address);
    // Several reads, and a frame that begins in one and ends in the next.
    let frames: Vec<u8> = (0..2_000).flat_map(|number| ping(number).bytes()).collect();
    socket.write(&[subscribe("later").bytes(), frames].concat());
    waiting(&later, 1);
    later.is_time.send_replace(true);
    assert_eq!(socket.next_frame()["op"], "subscribed");
    for number in 0..2_000 {
        assert_eq!(socket.next_frame()["ref"], number);
    }
    drop(socket);
    embedded.stop();
}

#[test]
fn the_end_of_a_session_behind_a_question_drops_the_question() {
    let (embedded, later) = start(slow());
    let flood: Vec<u8> = (0..300).flat_map(|number| ping(number).bytes()).collect();
    let ends: [(&str, Vec<u8>, u16); 4] = [
        ("a Close", Frame::new(Opcode::CLOSE, 1000_u16.to_be_bytes()).bytes(), 1000),
        ("a binary message", Frame::new(Opcode::BINARY, b"x").bytes(), 1003),
        ("a frame without a mask", vec![0x81, 0], 1002),
        ("too many frames", flood, 4429),
    ];
    for (what, bytes, code) in ends {
        let mut socket = RawSocket::hello(embedded.address);
        socket.write(&[subscribe("later").bytes(), ping(1).bytes(), bytes].concat());
        assert_eq!(socket.close_code(), Some(code), "{what}");
        waiting(&later, 0);
    }
    eventually("nothing is left", || embedded.gateway.sessions() == 0);
    embedded.stop();
}

#[test]
fn a_client_that_is_gone_while_a_question_is_open_is_forgotten_after_the_answer() {
    let (embedded, later) = start(slow());
    let mut gone = embedded.client(&["a"]);
    gone.send(&json!({ "op": "subscribe", "ref": 2, "topics": ["later"] }));
    waiting(&later, 1);
    drop(gone);
    later.is_time.send_replace(true);
    eventually("nothing is left", || {
        embedded.gateway.sessions() == 0 && embedded.hub.counters().followers == 0
    });
    embedded.stop();
}

#[test]
fn a_request_whose_client_is_gone_is_asked_about_no_more() {
    let (embedded, later) = start(slow());
    for request in ["GET /v1/events?topic=later HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), {
        let event = json!({ "domain": "a", "event": "b", "payload": {} });
        let body = json!({ "event": event, "topics": ["later"] }).to_string();
        let length = body.len();
        format!("POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
    }] {
        let mut stream = TcpStream::connect(embedded.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        waiting(&later, 1);
        drop(stream);
        waiting(&later, 0);
    }
    eventually("nothing is left", || embedded.gateway.sessions() == 0);
    assert_eq!(embedded.hub.counters().log_entries, 0);
    embedded.stop();
}

#[test]
fn a_request_behind_a_question_on_the_same_connection_gets_its_answer_after_it() {
    let (embedded, later) = start(slow());
    let event = json!({ "domain": "a", "event": "b", "payload": {} });
    let body = json!({ "event": event, "topics": ["later"] }).to_string();
    let length = body.len();
    let mut stream = TcpStream::connect(embedded.address).unwrap();
    let requests = format!(
        "POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}GET /health HTTP/1.1\r\n\
         Host: localhost\r\n\r\n"
    );
    stream.write_all(requests.as_bytes()).unwrap();
    waiting(&later, 1);
    later.is_time.send_replace(true);
    let mut reader = BufReader::new(stream);
    assert_eq!(Response::read(&mut reader).json()["topics"], json!(["later"]));
    assert_eq!(Response::read(&mut reader).body, "ok\n");
    drop(reader);
    embedded.stop();
}

#[test]
fn a_stream_of_more_topics_than_it_may_have_is_no_question() {
    let (embedded, later) = start(slow().max_topics(3));
    let request = Request::get("/v1/events?topic=later&topic=b&topic=c&topic=d");
    request.send(embedded.address).assert_problem(400, "too_many_topics");
    assert_eq!(later.open.load(Ordering::Relaxed), 0);
    embedded.stop();
}

#[test]
fn an_admin_that_is_revoked_while_the_application_answers_revokes_nothing() {
    let (embedded, later) = start(slow());
    let address = embedded.address;
    let revokes = std::thread::spawn(move || {
        let request = Request::post("/v1/admin/revoke").header("Authorization", "Bearer admin");
        request.body(r#"{"sub":"anna"}"#).send(address)
    });
    waiting(&later, 1);
    embedded.hub.revoke(&Revoke::Subject("admin".to_owned())).now_or_never().unwrap().unwrap();
    later.is_time.send_replace(true);
    revokes.join().unwrap().assert_problem(401, "unauthorized");
    embedded.stop();
}

#[test]
fn an_application_that_revokes_whoever_it_is_asked_about_gets_no_endless_questions() {
    let timeout = Duration::from_secs(1);
    let (embedded, _) = start(SessionSettings::default().answer_timeout(timeout));
    let mut neighbour = embedded.client(&["a"]);
    let begun = Instant::now();
    let mut client = Client::connect_to(embedded.address);
    client.send(&json!({ "op": "hello", "token": "again" }));
    client.expect_end("overloaded", 4503);
    assert!(begun.elapsed() >= timeout);
    let request = Request::get("/v1/events?topic=a").header("Authorization", "Bearer again");
    request.send(embedded.address).assert_problem(503, "overloaded");
    assert_eq!(neighbour.ask(&json!({ "op": "ping", "ref": 7 }))["op"], "pong");
    drop(neighbour);
    embedded.stop();
}

#[test]
fn an_application_may_take_for_ever_if_the_setting_says_so() {
    let (embedded, later) = start(SessionSettings::default().answer_timeout(Duration::MAX));
    let mut client = embedded.client(&["a"]);
    client.send(&json!({ "op": "subscribe", "ref": 2, "topics": ["later"] }));
    waiting(&later, 1);
    later.is_time.send_replace(true);
    client.expect("subscribed");
    assert_eq!(Request::get("/v1/events?topic=a%20b").send(embedded.address).status, 400);
    drop(client);
    embedded.stop();
}

#[test]
fn an_application_whose_runtime_is_gone_ends_the_sessions_that_ask_it_and_no_others() {
    let (embedded, later) = start(slow());
    let mut neighbour = embedded.client(&["a"]);
    let mut waits = embedded.client(&["a"]);
    let mut asks = embedded.client(&["a"]);
    waits.send(&json!({ "op": "subscribe", "ref": 2, "topics": ["later"] }));
    waiting(&later, 1);
    embedded.runtime.shutdown_timeout(Duration::from_secs(10));
    waits.expect_end("internal", 1011);
    asks.send(&json!({ "op": "subscribe", "ref": 2, "topics": ["b"] }));
    asks.expect_end("internal", 1011);
    embedded.hub.sync_raw(&["a".parse().unwrap()], None);
    neighbour.expect("sync");
}
