//! Clients and servers of different versions: an old tab with a new server, and a new tab with an old server.

use super::*;

/// A client that checks the events of two domains.
fn bench() -> Bench {
    let fingerprints = [("staff", "own staff"), ("helpdesk", "own helpdesk")].into_iter().collect();
    let mut bench = Bench::with(Options { fingerprints, ..Options::default() });
    bench.subscribe(&["staff:people"]);
    bench
}

/// Connects to a server that has these domains in another form. Returns the domains of the hello, and the domains that the
/// client reports.
fn connect(bench: &mut Bench, domains: serde_json::Value) -> (serde_json::Value, Vec<String>) {
    bench.open();
    let hello = bench.frames().swap_remove(0);
    bench.receive(json!({
        "op": "welcome", "session": "s", "tenant": "dev", "position": "head", "heartbeat_ms": 25_000, "domains": domains,
        "limits": {"max_message_bytes": 65_536, "max_topics_per_session": 128, "max_topics_per_frame": 128,
                   "frames_per_second": 100},
    }));
    let other = |output| if let Output::OtherDomain { domain } = output { Some(domain) } else { None };
    let told = bench.outputs().into_iter().filter_map(other).collect();
    bench.close(1006);
    bench.ms += 60_000;
    let now = bench.now();
    bench.client.handle_timeout(now);
    (hello["domains"].clone(), told)
}

#[test]
fn a_domain_that_the_server_has_in_another_form_is_reported_once() {
    let mut bench = bench();
    let own = json!({"staff": "own staff", "helpdesk": "own helpdesk"});
    let (hello, told) = connect(&mut bench, json!(["staff"]));
    assert_eq!((hello, told), (own.clone(), vec!["staff".to_owned()]));
    let (hello, told) = connect(&mut bench, json!(["staff", "helpdesk"]));
    assert_eq!((hello, told), (own, vec!["helpdesk".to_owned()]));
}

#[test]
fn no_domain_is_reported_that_the_client_does_not_have() {
    for domains in [json!(null), json!([]), json!(["orders"])] {
        assert_eq!(connect(&mut bench(), domains).1, [""; 0]);
    }
}

#[test]
fn a_domain_that_is_added_later_is_in_the_next_hello() {
    let mut bench = Bench::new();
    bench.subscribe(&["staff:people"]);
    assert_eq!(connect(&mut bench, json!(["crm"])), (json!(null), vec![]));
    bench.client.handle_domain("crm", || "own".to_owned());
    bench.client.handle_domain("crm", || unreachable!("it is known"));
    let (hello, told) = connect(&mut bench, json!(["crm"]));
    assert_eq!((hello, told), (json!({"crm": "own"}), vec!["crm".to_owned()]));
}

#[test]
fn frames_and_members_of_a_newer_server_are_ignored() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.receive(json!({"op": "presence", "topics": ["staff:people"], "who": ["a"]}));
    assert!(bench.outputs().is_empty());
    bench.receive(json!({
        "op": "event", "position": "p2", "key": Uuid::nil(), "at": 1, "topics": ["staff:people"], "later": [1],
        "event": {"domain": "staff", "event": "person_renamed", "payload": {"whatever": 1}, "later": true},
    }));
    let [Output::Event { publication, .. }] = &bench.outputs()[..] else { panic!("one event") };
    assert_eq!(publication.event.event, "person_renamed");
}

#[test]
fn after_an_answer_that_cannot_be_read_the_client_asks_again() {
    let mut bench = Bench::new();
    let people = bench.session(&["staff:people"], "p1");
    bench.close(1006);
    bench.outputs();
    bench.ms += 60_000;
    let now = bench.now();
    bench.client.handle_timeout(now);
    bench.open();
    bench.welcome();
    let frames = bench.frames();
    let subscribe = frames.iter().find(|frame| frame["op"] == "subscribe").unwrap();
    // Events before the answer are for subscriptions that had the topic before.
    bench.event(&["staff:people"], "p2");
    assert!(matches!(&bench.outputs()[..], [Output::Event { .. }]));
    bench.receive(json!({
        "op": "subscribed", "ref": subscribe["ref"], "position": "p2",
        "topics": [{"topic": "staff:people", "outcome": {"kind": "resumed"}}],
    }));
    let outputs = bench.outputs();
    let is_sync = |output: &Output<Payload>| matches!(output, Output::Sync { delivery, .. } if delivery.subscription == people);
    assert!(outputs.iter().any(is_sync), "{outputs:?}");
    assert!(outputs.iter().any(|output| matches!(output, Output::Disconnect { .. })), "{outputs:?}");
    assert_eq!(bench.client.status(), Status::Reconnecting);
}

/// What a client with these domains reports of the domains that the server does not know.
fn unknown(bench: &mut Bench, topics: &[&str], unknown_domains: serde_json::Value) -> Vec<String> {
    bench.subscribe(topics);
    bench.next_timeout();
    let frames = bench.frames();
    let subscribe = frames.last().unwrap();
    let outcomes: Vec<_> = topics.iter().map(|topic| json!({"topic": topic, "outcome": "live"})).collect();
    bench.receive(json!({
        "op": "subscribed", "ref": subscribe["ref"], "position": "p1", "topics": outcomes,
        "unknown_domains": unknown_domains,
    }));
    let told = |output| match output {
        Output::UnknownDomain { domain, nearest } => Some(format!("{domain} {nearest:?}")),
        _ => None,
    };
    bench.outputs().into_iter().filter_map(told).collect()
}

#[test]
fn an_unknown_domain_is_reported_once_with_the_nearest_known_one() {
    let domains = Some(["staff", "helpdesk"].map(str::to_owned).to_vec());
    let mut bench = Bench::with(Options { domains, ..Options::default() });
    bench.session(&["staff:people"], "p1");
    let said = json!([{"domain": "staf", "nearest": "staff"}, {"domain": "x"}]);
    let told = unknown(&mut bench, &["staf:people", "x:1"], said.clone());
    assert_eq!(told, [r#"staf Some("staff")"#, "x None"]);
    assert_eq!(unknown(&mut bench, &["staf:teams"], said), [""; 0]);
    // The domains that this client is compiled with, or that its user named.
    assert_eq!(unknown(&mut bench, &["helpdesk:1"], json!([{"domain": "helpdesk"}])), [""; 0]);
    // A server that sends no unknown domains.
    assert_eq!(unknown(&mut bench, &["anything:1"], json!(null)), [""; 0]);
}

#[test]
fn reports_of_unknown_domains_are_bounded() {
    let mut bench = Bench::with(Options { domains: Some(Vec::new()), ..Options::default() });
    bench.session(&["staff:people"], "p1");
    let mut told = 0;
    for number in 0..20 {
        let topic = format!("domain-{number}:x");
        told += unknown(&mut bench, &[&topic], json!([{"domain": format!("domain-{number}")}])).len();
    }
    assert_eq!(told, tidings_shared::limits::MAX_UNKNOWN_DOMAINS);
}
