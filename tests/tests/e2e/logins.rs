//! `server/examples/axum.rs`: an application with logins by cookie, and rights that it looks up for each subscribe.

use std::{fs, net::SocketAddr};

use serde_json::{Value, json};
use tidings_tests::{Client, EventStream, Request, Response, sample};

use crate::examples::Example;

/// A topic that the first user may see.
const PERSON: &str = "staff:person:0198c0de-0000-7000-8000-000000000001";

/// A page of the application in a browser. Its user has logged in.
struct Page {
    address: SocketAddr,
    /// The page's own origin.
    origin: String,
    cookie: String,
}

impl Page {
    fn log_in(example: &Example, user: &str) -> Self {
        let address = example.address;
        let answer = Request::post(&format!("/login/{user}")).body("").send(address);
        let cookie = answer.header("set-cookie").unwrap_or_else(|| panic!("{answer:?}"));
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        assert_eq!((answer.status, attributes), (200, "HttpOnly; SameSite=Lax; Path=/"));
        Self { address, origin: format!("http://{address}"), cookie: pair.to_owned() }
    }

    /// A session, after its hello.
    fn session(&self) -> Client {
        let headers = [("Cookie", self.cookie.as_str()), ("Origin", &self.origin)];
        let mut session = Client::try_connect(self.address, &headers).unwrap();
        assert_eq!(session.ask(&json!({ "op": "hello" }))["op"], "welcome");
        session
    }

    fn listen(&self, topics: &str) -> Request {
        let request = Request::get(&format!("/v1/events?{topics}"));
        request.header("Cookie", &self.cookie).header("Sec-Fetch-Site", "same-origin")
    }

    fn stream(&self, topics: &str) -> EventStream {
        let mut stream = EventStream::send(self.address, self.listen(topics));
        stream.expect("subscribed");
        stream
    }

    fn send(&self, method: &str, path: &str, body: &str) -> Response {
        Request::new(method, path).header("Cookie", &self.cookie).body(body).send(self.address)
    }
}

/// Subscribes, and returns the outcomes.
fn subscribe(session: &mut Client, topics: &[&str]) -> Value {
    session.ask(&json!({ "op": "subscribe", "ref": 7, "topics": topics }))["topics"].take()
}

#[test]
fn the_example_has_80_lines_of_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/examples/axum.rs");
    let text = fs::read_to_string(path).unwrap();
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
    assert!(text.lines().filter(is_code).count() <= 80);
}

#[test]
fn a_page_whose_user_has_logged_in_hears_of_what_the_application_saves() {
    let example = Example::start("axum");
    let page = Page::log_in(&example, "anna");
    let mut session = page.session();
    session.subscribe(&["staff:people"], None, "live");
    let mut stream = page.stream("topic=staff:people");
    let uuid = sample::uuid();
    let save = Request::new("PUT", &format!("/people/{uuid}")).header("Cookie", &page.cookie);
    assert_eq!(save.header("Tidings-Origin", "tab-7").body("Berta").send(page.address).status, 200);
    let event = session.expect("event");
    assert_eq!((&event["event"]["event"], &event["origin"]), (&json!("person_updated"), &json!("tab-7")));
    assert_eq!(event["event"]["payload"]["uuid"], json!(uuid));
    assert_eq!(stream.expect("event").id.as_deref(), event["position"].as_str());
    assert_eq!(page.send("GET", "/people", "").json(), json!(["Berta"]));
}

#[test]
fn without_a_login_nobody_gets_anything() {
    let example = Example::start("axum");
    for cookie in [None, Some("login=0198c0de-0000-7000-8000-000000000001"), Some("login="), Some("log=in")] {
        let origin = format!("http://{}", example.address);
        let mut headers = vec![("Origin", origin.as_str())];
        headers.extend(cookie.map(|cookie| ("Cookie", cookie)));
        let mut session = Client::try_connect(example.address, &headers).unwrap();
        session.send(&json!({ "op": "hello" }));
        session.expect_end("unauthorized", 4401);
        let with = |request: Request| match cookie {
            Some(cookie) => request.header("Cookie", cookie),
            None => request,
        };
        let stream = Request::get("/v1/events?topic=staff:people").header("Sec-Fetch-Site", "same-origin");
        with(stream).send(example.address).assert_problem(401, "unauthorized");
        for (method, path) in [
            ("GET", "/people".to_owned()),
            ("PUT", format!("/people/{}", sample::uuid())),
            ("DELETE", "/topics/staff:people".to_owned()),
            ("POST", "/logout".to_owned()),
        ] {
            let answer = with(Request::new(method, &path)).body("Berta").send(example.address);
            assert_eq!(answer.status, 401, "{method} {path}: {answer:?}");
        }
    }
    let page = Page::log_in(&example, "anna");
    assert_eq!(page.send("GET", "/people", "").json(), json!([]), "nobody was saved");
}

#[test]
fn a_foreign_page_is_refused_or_has_no_cookie() {
    let example = Example::start("axum");
    let page = Page::log_in(&example, "anna");
    let cookie = ("Cookie", page.cookie.as_str());
    let refused = Client::try_connect(page.address, &[cookie, ("Origin", "https://evil.example")]);
    assert_eq!(refused.unwrap_err(), 403);
    // A page of another program on this machine: a browser sends it the cookie, because cookies know no ports. And a
    // program that is no browser.
    for origin in [Some("http://127.0.0.1:1"), None] {
        let headers: Vec<_> = [cookie].into_iter().chain(origin.map(|origin| ("Origin", origin))).collect();
        let mut session = Client::try_connect(page.address, &headers).unwrap();
        session.send(&json!({ "op": "hello" }));
        session.expect_end("unauthorized", 4401);
    }
    for site in ["cross-site", "same-site", "none"] {
        let request = Request::get("/v1/events?topic=staff:people").header("Cookie", &page.cookie);
        let answer = request.header("Sec-Fetch-Site", site).send(page.address);
        answer.assert_problem(401, "unauthorized");
    }
}

#[test]
fn a_topic_is_refused_without_its_row_and_ends_with_it() {
    let example = Example::start("axum");
    let (anna, otto) = (Page::log_in(&example, "anna"), Page::log_in(&example, "otto"));
    let refused = |topic: &str| json!({ "topic": topic, "outcome": "refused", "code": "forbidden" });
    let live = |topic: &str| json!({ "topic": topic, "outcome": "live" });
    let mut stranger = otto.session();
    assert_eq!(subscribe(&mut stranger, &["staff:people"]), json!([refused("staff:people")]));
    otto.listen("topic=staff:people").send(otto.address).assert_problem(403, "forbidden");

    let mut session = anna.session();
    let outcomes = json!([live("staff:people"), refused("staff:departments"), live(PERSON)]);
    assert_eq!(subscribe(&mut session, &["staff:people", "staff:departments", PERSON]), outcomes);
    let mut people = anna.stream("topic=staff:people");
    let mut person = anna.stream(&format!("topic={PERSON}"));
    assert_eq!(anna.send("DELETE", "/topics/staff:people", "").status, 200);
    let taken = json!({ "op": "unsubscribed", "topics": ["staff:people"], "code": "forbidden" });
    assert_eq!(session.expect("unsubscribed"), taken);
    assert_eq!(people.expect("error").data["code"], "forbidden");
    assert_eq!(people.read(), None);
    assert_eq!(subscribe(&mut session, &["staff:people"]), json!([refused("staff:people")]));
    anna.listen("topic=staff:people").send(anna.address).assert_problem(403, "forbidden");
    // The other topic goes on.
    let uuid = PERSON.strip_prefix("staff:person:").unwrap();
    assert_eq!(anna.send("PUT", &format!("/people/{uuid}"), "Berta").status, 200);
    assert_eq!(session.expect("event")["topics"], json!([PERSON]));
    person.expect("event");
}

#[test]
fn a_logout_ends_everything_of_the_user_until_the_next_login() {
    let example = Example::start("axum");
    let (first, second) = (Page::log_in(&example, "anna"), Page::log_in(&example, "anna"));
    let other = Page::log_in(&example, "otto");
    let (mut sessions, mut bystander) = ([first.session(), second.session()], other.session());
    let mut stream = second.stream("topic=staff:people");
    assert_eq!(first.send("POST", "/logout", "").status, 200);
    for session in &mut sessions {
        session.expect_end("forbidden", 4403);
    }
    assert_eq!(stream.expect("error").data["code"], "forbidden");
    assert_eq!(first.send("GET", "/people", "").status, 401);
    assert_eq!(second.send("GET", "/people", "").status, 401);
    let again = Page::log_in(&example, "anna");
    again.session().subscribe(&["staff:people"], None, "live");
    again.stream("topic=staff:people");
    assert_eq!(bystander.ask(&json!({ "op": "ping", "ref": 1 }))["op"], "pong");
}

#[test]
fn a_signal_drains_the_application() {
    let mut example = Example::start("axum");
    let page = Page::log_in(&example, "anna");
    let (mut session, mut stream) = (page.session(), page.stream("topic=staff:people"));
    example.process.signal("TERM");
    assert!(session.expect("goaway")["retry_after_ms"].is_u64());
    session.expect_close(1012);
    stream.expect("goaway");
    assert_eq!(stream.read(), None);
    drop((session, stream));
    let (status, rest) = example.process.wait();
    assert_eq!((status.code(), rest), (Some(0), vec![]), "{}", example.process.log());
}
