//! Every type that a payload can have, over the wire, by the table `vectors/types.json`.

use every_type::{Case, cases};
use serde_json::{Value, json};
use tidings_server::{DevAccess, HubSettings};
use tidings_shared::{Domains, limits::MAX_BATCH};
use tidings_tests::{Client, Request};

use crate::embedded::Embedded;

const TOPIC: &str = "every_type:all";

/// A server that knows the domain.
fn server() -> Embedded {
    let domains = Domains::none().with::<every_type::Event>();
    let hub = HubSettings::new("acme".parse().unwrap()).domains(domains);
    let access = DevAccess::new(hub.home.clone());
    Embedded::start_hub(hub, access, |settings| settings.session.frames_per_second = 100_000)
}

fn fault(case: &Case, answer: &Value, code: &Value, message: &Value) -> Option<String> {
    let is_published = answer["position"].is_string();
    let is_explained =
        code == "invalid_event" && message.as_str().is_some_and(|message| case.explains(message));
    let is_good = if case.accepted { is_published } else { !is_published && is_explained };
    (!is_good).then(|| format!("{}: {answer}", case.name))
}

/// Fails unless the accepted ones arrive, in order and to the letter.
#[track_caller]
fn arrive(subscriber: &mut Client, cases: &[Case]) {
    for case in cases.iter().filter(|case| case.accepted) {
        let payload: Value = serde_json::from_str(&case.payload).unwrap();
        let event = subscriber.expect("event")["event"].take();
        let expected = json!({ "domain": "every_type", "event": case.event, "payload": payload });
        assert_eq!(event, expected, "{}", case.name);
    }
}

#[test]
fn each_value_of_each_type_is_posted_and_arrives_or_is_refused() {
    let server = server();
    let mut subscriber = server.client(&[TOPIC]);
    let cases = cases();
    let mut faults = Vec::new();
    for batch in cases.chunks(MAX_BATCH) {
        // As text, because the letters matter.
        let items: Vec<String> = batch.iter().map(|case| format!(r#"{{"event":{}}}"#, case.text())).collect();
        let body = format!("[{}]", items.join(","));
        let answers = Request::post("/v1/publish/batch").body(body).send(server.address).json();
        let answers = answers.as_array().unwrap();
        assert_eq!(answers.len(), batch.len());
        let judged = batch.iter().zip(answers);
        faults.extend(
            judged.filter_map(|(case, answer)| fault(case, answer, &answer["code"], &answer["detail"])),
        );
    }
    assert!(faults.is_empty(), "{}:\n{}", faults.len(), faults.join("\n"));
    arrive(&mut subscriber, &cases);
    server.stop();
}

#[test]
fn each_value_of_each_type_is_published_by_frame_and_arrives_or_is_refused() {
    let server = server();
    let (mut publisher, mut subscriber) = (server.client(&[]), server.client(&[TOPIC]));
    let cases = cases();
    let mut faults = Vec::new();
    for case in &cases {
        let frame = format!(r#"{{"op":"publish","ref":7,"event":{}}}"#, case.text());
        publisher.send_message(frame.into());
        let answer = publisher.next_frame();
        assert_eq!(answer["ref"], 7, "{answer}");
        faults.extend(fault(case, &answer, &answer["code"], &answer["message"]));
    }
    assert!(faults.is_empty(), "{}:\n{}", faults.len(), faults.join("\n"));
    arrive(&mut subscriber, &cases);
    server.stop();
}
