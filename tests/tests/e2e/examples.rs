//! Each program of `server/examples` does what it shows, and what every gateway does, over real sockets.

use std::{net::SocketAddr, process::Command};

use serde_json::json;
use tidings_tests::{AppFile, Client, EventStream, Process, Request, example, sample};
use tokio::{net::TcpListener, runtime::Runtime};

use crate::hosts::{any_certificate, proxy_to};

/// An example that runs. Module `logins` has the tests of `axum`.
pub(crate) struct Example {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// Runs a proxy for an example with TLS.
    runtime: Option<Runtime>,
}

impl Example {
    pub(crate) fn start(name: &str) -> Self {
        Self::run(example(name))
    }

    fn run(command: Command) -> Self {
        let mut process = Process::start(command);
        let line = process.next_line();
        let Some(url) = line.strip_prefix("listening on ") else { panic!("{line}") };
        let (scheme, address) = url.split_once("://").unwrap();
        let address: SocketAddr = address.parse().unwrap();
        if scheme == "http" {
            return Self { process, address, runtime: None };
        }
        assert_eq!(scheme, "https");
        let runtime = Runtime::new().unwrap();
        let proxy = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let proxied = proxy.local_addr().unwrap();
        runtime.spawn(proxy_to(proxy, address, any_certificate()));
        Self { process, address: proxied, runtime: Some(runtime) }
    }

    fn get(&self, path: &str) -> (u16, String) {
        let answer = Request::get(path).send(self.address);
        (answer.status, answer.body)
    }

    /// Checks what every gateway does, and that a signal ends the process after a drain.
    fn delivers_and_drains(mut self) {
        assert_eq!(self.get("/hello"), (200, "world".to_owned()));
        let mut session = Client::hello_to(self.address);
        session.subscribe(&["staff:people"], None, "live");
        let mut stream = EventStream::open(self.address, &["staff:people"], None);
        stream.expect("subscribed");
        let body = json!({ "event": sample::person_updated(&sample::uuid()) }).to_string();
        let published = Request::post("/v1/publish").body(body).send(self.address).json();
        assert_eq!(session.expect("event")["position"], published["position"]);
        assert_eq!(stream.expect("event").id.as_deref(), published["position"].as_str());
        self.process.signal("TERM");
        session.expect("goaway");
        session.expect_close(1012);
        drop(session);
        stream.expect("goaway");
        assert_eq!(stream.read(), None);
        drop(stream);
        let (status, mut rest) = self.process.wait();
        // `bridge` prints a `sync`, which may come at any time.
        rest.retain(|line| !line.starts_with("load the links"));
        assert_eq!((status.code(), rest), (Some(0), vec![]), "{}", self.process.log());
        drop(self.runtime);
    }
}

#[test]
fn axum_serve_tells_the_gateway_who_asks() {
    let example = Example::start("axum_serve");
    assert_eq!(example.get("/metrics").0, 200);
    example.delivers_and_drains();
}

#[test]
fn bridge_tells_of_each_change_of_its_table_and_goes_on_after_it_was_killed() {
    let file = AppFile::without_outbox("wal");
    let start = || {
        let mut command = example("bridge");
        command.arg("--db").arg(file.path());
        Example::run(command)
    };
    let write = |sql: &str| file.open().execute_batch(sql).unwrap();
    // The first start tells its subscribers to load.
    let line = |example: &mut Example| loop {
        match example.process.next_line() {
            line if line.starts_with("load the links") => {}
            line => return line,
        }
    };

    let mut example = start();
    let mut client = Client::hello_to(example.address);
    client.subscribe(&["store:links"], None, "live");
    write("INSERT INTO links(url, tags) VALUES ('https://example.org', '[\"a\"]')");
    assert_eq!(line(&mut example), r#"link 1 is https://example.org, with the tags ["a"]"#);
    let record = json!({ "id": 1, "url": "https://example.org", "tags": ["a"] });
    let payload = json!({ "schema": "links", "key": "1", "record": record });
    let wanted = json!({ "domain": "store", "event": "upserted", "payload": payload });
    let told = std::iter::repeat_with(|| client.next_frame()).find(|frame| frame["op"] == "event");
    assert_eq!(told.unwrap()["event"], wanted);

    example.process.signal("KILL");
    example.process.wait();
    write("DELETE FROM links");
    let mut example = start();
    assert_eq!(line(&mut example), "link 1 is deleted");
    example.delivers_and_drains();
}

#[test]
fn hyper_answers_by_its_function() {
    let example = Example::start("hyper");
    assert_eq!(example.get("/else"), (404, "nothing is here\n".to_owned()));
    example.delivers_and_drains();
}

#[test]
fn outbox_publishes_what_is_stored_and_nothing_else() {
    let file = AppFile::without_outbox("wal");
    let mut command = example("outbox");
    command.env("DATABASE", file.path());
    let example = Example::run(command);
    let mut client = Client::hello_to(example.address);
    client.subscribe(&["staff:people"], None, "live");
    let (refused, stored) = (sample::uuid(), sample::uuid());
    for (uuid, name, status) in [(&refused, "", 422), (&stored, "Anna", 200)] {
        let request = Request::new("PUT", &format!("/people/{uuid}"));
        let answer = request.header("Tidings-Origin", "tab-7").body(name.to_owned()).send(example.address);
        assert_eq!(answer.status, status, "{answer:?}");
    }
    let frame = client.expect("event");
    assert_eq!(frame["event"], sample::person_updated(&stored));
    drop(client);
    example.delivers_and_drains();
    assert_eq!((file.count("tidings_outbox"), file.count("person")), (0, 1));
}

#[test]
fn tls_serves_sessions_over_boxed_io() {
    Example::start("tls").delivers_and_drains();
}

#[test]
fn warp_listens_to_the_hub_in_its_own_process() {
    let example = Example::start("warp");
    let body = json!({ "event": sample::person_updated(&sample::uuid()) }).to_string();
    assert_eq!(Request::post("/v1/publish").body(body).send(example.address).status, 200);
    tidings_tests::eventually("the application has the event", || {
        example.get("/last").1.starts_with("person_updated ")
    });
    example.delivers_and_drains();
}
