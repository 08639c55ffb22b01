//! What operators see of what happens.

use std::{collections::BTreeSet, fs};

use serde_json::json;
use tidings_shared::domains::crm;
use tidings_tests::{Client, EventStream, Request, Server, eventually, sample};
use uuid::Uuid;

use crate::embedded::Embedded;

fn page(server: &Server) -> String {
    let response = Request::get("/metrics").send(server.address());
    assert_eq!(response.status, 200);
    response.body
}

fn value(page: &str, name: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in\n{page}")).parse().unwrap()
}

#[test]
fn metrics_count_what_happens_and_carry_nothing_that_a_client_wrote() {
    let server = Server::start();
    let mut one = Client::subscribed(&server, &["secret-name"]);
    let mut other = Client::subscribed(&server, &["secret-name", "a"]);
    let event = json!({ "domain": "secret-domain", "event": "secret-event", "payload": "secret-payload" });
    assert_eq!(server.post(&json!({ "event": event, "topics": ["secret-name"] })).status, 200);
    one.expect("event");
    other.expect("event");
    other.ask(&json!({ "op": "subscribe", "ref": 7, "topics": ["staff:peple"] }));
    Request::post("/v1/publish").body("secret").send(server.address()).assert_problem(400, "invalid_frame");
    let batch = json!([{ "event": event }, "secret", { "event": event }]).to_string();
    assert_eq!(Request::post("/v1/publish/batch").body(batch).send(server.address()).status, 200);
    let refused = Request::get("/v1/events?topic=a").header("Origin", "https://secret.example.com");
    refused.send(server.address()).assert_problem(403, "forbidden");
    eventually("both deliveries are counted", || value(&page(&server), "tidings_deliveries_total") == 2.0);
    let text = page(&server);
    for (name, expected) in [
        ("tidings_publications_total", 1.0),
        ("tidings_sessions", 2.0),
        ("tidings_tenants", 1.0),
        ("tidings_subscriptions", 3.0),
        ("tidings_topics", 2.0),
        ("tidings_log_publications", 1.0),
        ("tidings_slow_sessions", 0.0),
        ("tidings_session_panics_total", 0.0),
        ("tidings_refusals_total{code=\"invalid_topic\"}", 1.0),
        ("tidings_refusals_total{code=\"invalid_frame\"}", 2.0),
        ("tidings_refusals_total{code=\"invalid_event\"}", 2.0),
        ("tidings_refusals_total{code=\"forbidden\"}", 1.0),
    ] {
        assert_eq!(value(&text, name), expected, "{name}");
    }
    assert!(value(&text, "tidings_log_bytes") > 0.0);
    assert!(text.contains("tidings_build_info{version=\""), "{text}");
    let taken = value(&text, "tidings_publish_to_socket_seconds_count");
    assert!(taken >= 1.0 && value(&text, "tidings_publish_to_socket_seconds_sum") > 0.0, "{text}");
    assert!(!text.contains("secret"), "{text}");
    eventually("what lies in the log grows old", || {
        value(&page(&server), "tidings_log_oldest_age_seconds") >= 1.0
    });
    one.close();
    drop(other);
    eventually("nothing is left of them", || {
        let text = page(&server);
        ["tidings_sessions", "tidings_subscriptions", "tidings_topics"]
            .iter()
            .all(|name| value(&text, name) == 0.0)
    });
}

#[test]
fn syncs_are_counted_by_their_cause_and_a_slow_session_is_one_while_it_is() {
    let server = Server::with(&["--log-max-entries", "40"]);
    Client::hello(&server).subscribe(&["clock"], Some("of another log"), "sync");
    EventStream::open(server.address(), &["clock"], Some("of another log")).expect("sync");
    assert_eq!(value(&page(&server), "tidings_syncs_total{cause=\"resume\"}"), 2.0);
    let mut slow = Client::subscribed(&server, &["clock"]);
    let event = json!({ "domain": "clock", "event": "ticked", "payload": "x".repeat(200_000) });
    for _ in 0..100 {
        assert_eq!(server.post(&json!({ "event": event, "topics": ["clock"] })).status, 200);
    }
    eventually("it is slow", || value(&page(&server), "tidings_slow_sessions") == 1.0);
    while slow.next_frame()["op"] != "sync" {}
    server.publish_to("clock", &sample::ticked(1));
    slow.expect("event");
    eventually("it has caught up", || value(&page(&server), "tidings_slow_sessions") == 0.0);
    let text = page(&server);
    assert_eq!(value(&text, "tidings_syncs_total{cause=\"lag\"}"), 1.0, "{text}");
}

#[test]
fn every_metric_is_in_the_list_for_operators_and_nothing_else_is() {
    let embedded = Embedded::start(|_| {});
    let too_many = crm::Notice::to(Uuid::nil(), (0..1_025).map(Uuid::from_u128));
    embedded.hub.announce(&crm::Event::InteractionCreated(too_many));
    // What has labels is there from its first time on.
    let _ = embedded.hub.metrics().outbox("sqlite:app.db");
    let _ = embedded.hub.metrics().bridge("app", "links");
    Request::post("/v1/publish").body("").send(embedded.address).assert_problem(400, "invalid_frame");
    Client::hello_to(embedded.address).subscribe(&["a"], Some("of another log"), "sync");
    let page = Request::get("/metrics").send(embedded.address).body;
    assert_eq!(value(&page, "tidings_failed_announcements_total"), 1.0);
    let there: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        })
        .collect();
    let list = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/README.md")).unwrap();
    let listed: BTreeSet<String> = list
        .lines()
        .filter_map(|line| line.strip_prefix("| `tidings_")?.split_once('`'))
        .map(|(name, _)| format!("tidings_{name}"))
        .collect();
    assert_eq!(there, listed);
    embedded.stop();
}
