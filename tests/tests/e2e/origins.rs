//! Which pages may reach a server through somebody's browser, whichever way they ask.

use serde_json::json;
use tidings_server::OriginRule;
use tidings_tests::{RawSocket, Request, Response, Server, sample, token};

use crate::embedded::Embedded;

const PAGE: &str = "https://app.example.com";

fn server() -> Server {
    Server::keyed(&["--allow-origin", PAGE, "--allow-origin", "http://localhost:5173"])
}

fn with_origins(request: Request, origins: &[&str]) -> Request {
    origins.iter().fold(request, |request, origin| request.header("Origin", origin))
}

/// Every way in, with what it answers to those who are let in: the upgrade, events (which would not end with a topic), a
/// publish, a batch, and what a browser asks before these.
fn ways(token: &str) -> Vec<(&'static str, Request, u16)> {
    let bearer = |request: Request| request.header("Authorization", &format!("Bearer {token}"));
    let publish = json!({ "event": sample::person_updated(&sample::uuid()) });
    let preflight = |path: &str, method: &str| {
        Request::new("OPTIONS", path).header("Access-Control-Request-Method", method)
    };
    vec![
        ("upgrade", RawSocket::handshake().header("Connection", "Upgrade"), 101),
        ("events", bearer(Request::get("/v1/events")), 400),
        ("publish", bearer(Request::post("/v1/publish")).body(publish.to_string()), 200),
        ("batch", bearer(Request::post("/v1/publish/batch")).body(json!([publish]).to_string()), 200),
        ("revoke", bearer(Request::post("/v1/admin/revoke")).body(r#"{"sub":"nobody"}"#), 200),
        ("preflight of events", preflight("/v1/events?topic=a", "GET"), 204),
        ("preflight of publish", preflight("/v1/publish", "POST"), 204),
        ("preflight of batch", preflight("/v1/publish/batch", "POST"), 204),
    ]
}

#[test]
fn pages_are_let_in_by_their_exact_origin_whichever_way_they_ask() {
    let server = server();
    let token = token(&["--tenant", "acme", "--publish", "*", "--subscribe", "*", "--admin"]);
    for origins in [&[][..], &[PAGE], &["http://localhost:5173"]] {
        for (way, request, status) in ways(&token) {
            let answer = with_origins(request, origins).send(server.address());
            assert_eq!(answer.status, status, "{way} {origins:?}");
            if way != "upgrade" {
                let readable = (answer.header("access-control-allow-origin"), answer.header("vary"));
                assert_eq!(readable, (origins.first().copied(), Some("Origin")), "{way}");
            }
        }
    }
    for origins in [
        &["https://app.example.com.evil.com"][..],
        &["https://evil-app.example.com"],
        &["https://xapp.example.com"],
        &["https://example.com"],
        &["https://app.example.co"],
        &["https://app.example.com:443"],
        &["https://app.example.com:8443"],
        &["http://app.example.com"],
        &["wss://app.example.com"],
        &["https://app.example.com/"],
        &["https://app.example.com/path"],
        &["https://APP.example.com"],
        &["HTTPS://app.example.com"],
        &["https://app.example.com."],
        &["https://user@app.example.com"],
        &["https://app.example.com@evil.com"],
        &["https://evil.com#https://app.example.com"],
        &["http://localhost"],
        &["http://localhost:5174"],
        &["http://127.0.0.1:5173"],
        &["null"],
        &[""],
        &["*"],
        &["https://app.example.com, https://app.example.com"],
        &["https://app.example.com https://app.example.com"],
        &["https://app.example.com", "https://app.example.com"],
        &["https://app.example.com", "https://evil.example.com"],
        &["https://evil.example.com", "https://app.example.com"],
    ] {
        for (way, request, _) in ways(&token) {
            let answer = with_origins(request, origins).send(server.address());
            answer.assert_problem(403, "forbidden");
            assert_eq!(answer.header("access-control-allow-origin"), None, "{way} {origins:?}");
            assert_eq!(answer.header("vary"), Some("Origin"), "{way} {origins:?}");
        }
    }
}

#[test]
fn a_page_that_is_let_in_learns_what_it_may_send_and_may_read_refusals_too() {
    let server = server();
    let ask = |path: &str, method: &str| -> Response {
        Request::new("OPTIONS", path)
            .header("Origin", PAGE)
            .header("Access-Control-Request-Method", method)
            .header("Access-Control-Request-Headers", "authorization,content-type")
            .send(server.address())
    };
    for (path, method, headers) in [
        ("/v1/publish", "POST", "authorization, content-type"),
        ("/v1/publish/batch", "POST", "authorization, content-type"),
        ("/v1/events", "GET", "authorization, last-event-id, content-type"),
    ] {
        let answer = ask(path, method);
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{answer:?}");
        for (name, value) in [
            ("access-control-allow-origin", Some(PAGE)),
            ("access-control-allow-methods", Some(method)),
            ("access-control-allow-headers", Some(headers)),
            ("access-control-max-age", Some("600")),
            ("access-control-allow-credentials", Some("true")),
            ("vary", Some("Origin")),
        ] {
            assert_eq!(answer.header(name), value, "{path} {name}");
        }
    }
    let page = |path| Request::post(path).header("Origin", PAGE).body("{}").send(server.address());
    for path in ["/v1/publish", "/v1/publish/batch"] {
        let refused = page(path);
        refused.assert_problem(401, "unauthorized");
        assert_eq!(refused.header("access-control-allow-origin"), Some(PAGE));
    }
    for path in ["/v1/admin/revoke", "/v1/ws", "/health", "/metrics"] {
        let answer = ask(path, "POST");
        assert_eq!((answer.status, answer.header("access-control-allow-methods")), (405, None), "{path}");
    }
}

/// Libraries that trace requests add headers to every one of them, and one that is not allowed refuses the request.
#[test]
fn a_page_may_send_whatever_headers_its_libraries_add() {
    let server = server();
    for path in ["/v1/publish", "/v1/publish/batch", "/v1/events"] {
        let ask = |header: &str| -> Response {
            let request = Request::new("OPTIONS", path).header("Origin", PAGE);
            request.header("Access-Control-Request-Headers", header).send(server.address())
        };
        let allowed = |answer: &Response| -> Vec<String> {
            let allowed = answer.header("access-control-allow-headers").unwrap();
            allowed.split(", ").map(ToOwned::to_owned).collect()
        };
        for header in [
            "cache-control",
            "pragma",
            "x-requested-with",
            "traceparent,tracestate,baggage",
            "sentry-trace",
            "tidings-origin",
            "accept,content-type",
            "x-datadog-trace-id, x-b3-traceid ,  x-request-id",
        ] {
            let answer = ask(header);
            assert_eq!(answer.status, 204, "{path} {header}");
            for name in header.split(',') {
                assert!(allowed(&answer).contains(&name.trim().to_owned()), "{path} {header}: {answer:?}");
            }
            assert!(allowed(&answer).contains(&"authorization".to_owned()), "{path} {header}: {answer:?}");
        }
        let odd = allowed(&ask("a b,*/*,\u{e9},,authorization,Authorization,x-good"));
        assert_eq!((odd.len(), odd[2].as_str()), (3, "x-good"), "names only, each once: {odd:?}");
        let many: Vec<String> = (0..1000).map(|number| format!("x-{number}")).collect();
        assert_eq!(allowed(&ask(&many.join(","))).len(), 64);
        let strange = Request::new("OPTIONS", path).header("Origin", "https://example.com");
        let refused = strange.header("Access-Control-Request-Headers", "traceparent").send(server.address());
        refused.assert_problem(403, "forbidden");
        assert_eq!(refused.header("access-control-allow-headers"), None);
    }
}

#[test]
fn a_page_that_is_let_in_may_read_whatever_it_is_refused_with_and_others_may_not() {
    let server = server();
    let embedded = Embedded::start(|settings| settings.origins = OriginRule::Exact(vec![PAGE.to_owned()]));
    let get = |address, path: &str, origin: &str| Request::get(path).header("Origin", origin).send(address);
    for (path, status, code) in [
        ("/v1/nothing", 404, "not_found"),
        ("/nothing", 404, "not_found"),
        ("/v1/publish", 405, "method_not_allowed"),
        ("/v1/admin/revoke", 405, "method_not_allowed"),
        ("/v1/ws", 426, "invalid_frame"),
        ("/v1/events?topic=a", 401, "unauthorized"),
    ] {
        let answer = get(server.address(), path, PAGE);
        answer.assert_problem(status, code);
        let readable = (answer.header("access-control-allow-origin"), answer.header("vary"));
        assert_eq!(readable, (Some(PAGE), Some("Origin")), "{path}");
        let strange = get(server.address(), path, "https://example.com");
        assert_eq!(strange.header("access-control-allow-origin"), None, "{path}");
    }
    assert!(embedded.runtime.block_on(embedded.gateway.drain()));
    for path in ["/v1/events?topic=a", "/v1/publish", "/nothing"] {
        let answer = get(embedded.address, path, PAGE);
        answer.assert_problem(503, "going_away");
        assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE), "{path}");
        let strange = get(embedded.address, path, "https://example.com");
        assert_eq!(strange.header("access-control-allow-origin"), None, "{path}");
    }
    embedded.stop();
}
