//! A tab that was opened last week meets today's server, and today's tab a server of last week.

use super::*;

fn other_schemas(outputs: Vec<Output<Payload>>) -> Vec<String> {
    let server = |output| if let Output::OtherSchema { server } = output { Some(server) } else { None };
    outputs.into_iter().filter_map(server).collect()
}

fn welcome_with_schema(bench: &mut Bench, schema: Option<&str>) {
    bench.receive(json!({
        "op": "welcome", "session": "s", "tenant": "dev", "position": "head", "heartbeat_ms": 25_000, "schema": schema,
        "limits": {"max_message_bytes": 65_536, "max_topics_per_session": 128, "max_topics_per_frame": 128,
                   "frames_per_second": 100},
    }));
}

#[test]
fn a_server_with_other_domains_is_told_of_once() {
    let mut bench = Bench::with(Options { schema: Some("own".to_owned()), ..Options::default() });
    bench.subscribe(&["staff:people"]);
    bench.open();
    assert_eq!(bench.frames()[0]["schema"], "own");
    welcome_with_schema(&mut bench, Some("other"));
    assert_eq!(other_schemas(bench.outputs()), ["other"]);
    welcome_with_schema(&mut bench, Some("other"));
    assert_eq!(other_schemas(bench.outputs()), [""; 0]);
}

#[test]
fn the_same_domains_and_a_server_that_says_nothing_are_no_news() {
    for schema in [Some("own"), None] {
        let mut bench = Bench::with(Options { schema: Some("own".to_owned()), ..Options::default() });
        bench.subscribe(&["staff:people"]);
        bench.open();
        welcome_with_schema(&mut bench, schema);
        assert_eq!(other_schemas(bench.outputs()), [""; 0]);
    }
}

#[test]
fn frames_and_members_of_a_later_server_are_passed_over() {
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
fn an_answer_that_cannot_be_read_is_asked_for_again_and_nobody_is_left_deaf() {
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
    // What comes before the answer is for those who had the topic before.
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
    assert_eq!(bench.client.status(), Status::Waiting);
}
