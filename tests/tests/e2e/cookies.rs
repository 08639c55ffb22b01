//! Sessions by cookie: whose pages may use it.

use serde_json::json;
use tidings_server::{AccessError, Authorize, Credentials, HubSettings, Identity, OriginRule, hub::Rights};
use tidings_tests::{Frame, RawSocket, Request};

use crate::embedded::Embedded;

const PAGE: &str = "https://app.example.com";

/// Lets in who has the cookie `login`.
#[derive(Debug)]
struct Logins;

impl Authorize for Logins {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Identity, AccessError> {
        match credentials.cookie("login") {
            Some(login) => Ok(Identity::new(login, "acme".parse().unwrap()).rights(Rights::all())),
            None => Err(AccessError::unauthorized("log in first")),
        }
    }
}

fn start(origins: OriginRule) -> Embedded {
    let hub = HubSettings::new("acme".parse().unwrap());
    Embedded::start_hub(hub, Logins, |settings| settings.origins = origins)
}

type Headers<'a> = &'a [(&'a str, &'a str)];

/// Asks in each way, with a cookie. Returns the statuses. The status of a session is 401 if its hello is refused.
fn statuses(embedded: &Embedded, headers: Headers<'_>) -> [u16; 4] {
    let headers = [headers, &[("Cookie", "a=b; login=anna")]].concat();
    let event = json!({ "domain": "a", "event": "b", "payload": {} });
    let publish = json!({ "event": event, "topics": ["a"] }).to_string();
    // A form of a foreign page can send such a body.
    let post = |path, body: String| Request::post(path).header("Content-Type", "text/plain").body(body);
    let session = match RawSocket::with_headers(embedded.address, &headers) {
        Ok(mut socket) => {
            socket.send(&Frame::text(r#"{"op":"hello"}"#));
            let is_in = socket.next_frame()["op"] == "welcome";
            if is_in { 101 } else { 401 }
        }
        Err(refusal) => refusal.status,
    };
    let send = |request: Request| {
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.send(embedded.address).status
    };
    [
        session,
        // Whoever is let in learns that no topic is named.
        send(Request::get("/v1/events")),
        send(post("/v1/publish", publish)),
        send(post("/v1/admin/revoke", json!({ "sub": "nobody" }).to_string())),
    ]
}

const IN: [u16; 4] = [101, 400, 200, 200];
const NO_COOKIE: [u16; 4] = [401; 4];
const FOREIGN: [u16; 4] = [403; 4];

#[test]
fn a_cookie_counts_for_pages_that_are_let_in_and_for_nobody_else() {
    let embedded = start(OriginRule::Exact(vec![PAGE.to_owned()]));
    let evil = "https://evil.example.com";
    let cases: [(Headers<'_>, _); 12] = [
        (&[("Origin", PAGE)], IN),
        (&[("Origin", PAGE), ("Sec-Fetch-Site", "cross-site")], IN),
        (&[("Sec-Fetch-Site", "same-origin")], IN),
        (&[], NO_COOKIE),
        (&[("Sec-Fetch-Site", "same-site")], NO_COOKIE),
        (&[("Sec-Fetch-Site", "cross-site")], NO_COOKIE),
        (&[("Sec-Fetch-Site", "none")], NO_COOKIE),
        (&[("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")], NO_COOKIE),
        (&[("Origin", evil)], FOREIGN),
        (&[("Origin", evil), ("Sec-Fetch-Site", "same-origin")], FOREIGN),
        (&[("Origin", "null"), ("Sec-Fetch-Site", "same-origin")], FOREIGN),
        (&[("Origin", PAGE), ("Origin", PAGE)], FOREIGN),
    ];
    for (headers, expected) in cases {
        assert_eq!(statuses(&embedded, headers), expected, "{headers:?}");
    }
    embedded.stop();
}

#[test]
fn on_a_developers_machine_a_page_of_another_port_uses_no_cookie() {
    let embedded = start(OriginRule::Loopback);
    let cases: [(Headers<'_>, _); 6] = [
        (&[("Origin", "http://localhost")], IN),
        (&[("Sec-Fetch-Site", "same-origin")], IN),
        (&[("Origin", "http://localhost:5173")], NO_COOKIE),
        (&[("Origin", "http://127.0.0.1")], NO_COOKIE),
        (&[], NO_COOKIE),
        (&[("Origin", "https://evil.example.com")], FOREIGN),
    ];
    for (headers, expected) in cases {
        assert_eq!(statuses(&embedded, headers), expected, "{headers:?}");
    }
    embedded.stop();
}

#[test]
fn a_page_of_another_origin_may_read_the_answer_to_a_request_with_its_cookie() {
    let embedded = start(OriginRule::Exact(vec![PAGE.to_owned()]));
    let credentials = |request: Request, origin: &str| {
        let answer = request.header("Origin", origin).header("Cookie", "login=anna").send(embedded.address);
        answer.header("access-control-allow-credentials").map(str::to_owned)
    };
    let preflight = || Request::new("OPTIONS", "/v1/publish").header("Access-Control-Request-Method", "POST");
    assert_eq!(credentials(Request::get("/v1/events"), PAGE).as_deref(), Some("true"));
    assert_eq!(credentials(preflight(), PAGE).as_deref(), Some("true"));
    assert_eq!(credentials(Request::get("/v1/events"), "https://evil.example.com"), None);
    embedded.stop();
    let embedded = start(OriginRule::Loopback);
    let request = Request::get("/v1/events").header("Origin", "http://localhost:5173");
    assert_eq!(request.send(embedded.address).header("access-control-allow-credentials"), None);
    embedded.stop();
}
