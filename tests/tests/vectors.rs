//! The wire vectors, read by the Rust side. Their format is in `vectors/README.md`.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::{collections::BTreeSet, path::Path};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tidings_shared::{
    Code, Domains, Event, EventError, Position, RawEvent, Topic, TopicError, TopicName,
    domains::{catalogue, crm, projects, staff, store},
    frame::{ClientFrame, Refusal, ServerFrame},
};
use uuid::Uuid;

/// The cases of one list of one file.
fn cases<T: DeserializeOwned>(file: &str, list: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut whole: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    let cases: Vec<T> = serde_json::from_value(whole.remove(list).unwrap()).unwrap();
    assert!(!cases.is_empty(), "{file} has no {list}");
    cases
}

/// Runs a check on every case and fails with all that differ, so that one run shows the whole state.
fn all<T>(cases: Vec<T>, check: impl Fn(&T) -> Result<(), String>) {
    let faults: Vec<String> = cases.iter().filter_map(|case| check(case).err()).collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), cases.len(), faults.join("\n"));
}

fn same<T: PartialEq + std::fmt::Debug>(name: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{name}:\n  found    {found:?}\n  expected {expected:?}"))
}

#[derive(Deserialize)]
struct GoodFrame {
    name: String,
    text: String,
    frame: Value,
    payload_text: Option<String>,
}

#[test]
fn every_good_frame_of_a_client_means_what_its_vector_says() {
    all(cases("client-frames.json", "good"), |case: &GoodFrame| {
        let frame = ClientFrame::parse(&case.text).map_err(|refusal| format!("{}: {refusal}", case.name))?;
        same(&case.name, &serde_json::to_value(&frame).unwrap(), &case.frame)?;
        if let (Some(expected), ClientFrame::Publish { publish, .. }) = (&case.payload_text, &frame) {
            same(&case.name, &publish.event.payload.get(), &expected.as_str())?;
        }
        let written = serde_json::to_string(&frame).unwrap();
        let again = ClientFrame::parse(&written).map_err(|refusal| format!("{}: {refusal}", case.name))?;
        same(&case.name, &serde_json::to_string(&again).unwrap(), &written)
    });
}

#[derive(Deserialize)]
struct BadFrame {
    name: String,
    text: String,
    code: Code,
    r#ref: Option<u64>,
}

#[test]
fn every_bad_frame_of_a_client_is_refused_with_the_code_of_its_vector() {
    all(cases("client-frames.json", "bad"), |case: &BadFrame| match ClientFrame::parse(&case.text) {
        Ok(frame) => Err(format!("{}: was taken for {frame:?}", case.name)),
        Err(refusal) => {
            let r#ref = match &refusal {
                Refusal::UnknownOp { r#ref, .. } => *r#ref,
                Refusal::Invalid(_) => None,
            };
            same(&case.name, &(refusal.code(), r#ref), &(case.code, case.r#ref))
        }
    });
}

#[test]
fn every_good_frame_of_the_server_means_what_its_vector_says() {
    all(cases("server-frames.json", "good"), |case: &GoodFrame| {
        let frame = ServerFrame::parse(&case.text).map_err(|error| format!("{}: {error}", case.name))?;
        same(&case.name, &serde_json::to_value(&frame).unwrap(), &case.frame)
    });
}

#[derive(Deserialize)]
struct UnknownFrame {
    name: String,
    text: String,
    op: String,
}

#[test]
fn a_frame_of_a_later_server_surfaces_as_unknown() {
    all(cases("server-frames.json", "unknown"), |case: &UnknownFrame| match ServerFrame::parse(&case.text) {
        Ok(ServerFrame::Unknown { op }) => same(&case.name, &op, &case.op),
        other => Err(format!("{}: {other:?}", case.name)),
    });
}

#[derive(Deserialize)]
struct NoFrame {
    name: String,
    text: String,
}

#[test]
fn what_is_no_frame_of_the_server_is_an_error() {
    all(cases("server-frames.json", "bad"), |case: &NoFrame| match ServerFrame::parse(&case.text) {
        Ok(frame) => Err(format!("{}: was taken for {frame:?}", case.name)),
        Err(_) => Ok(()),
    });
}

#[derive(Deserialize)]
struct GoodTopic {
    text: String,
    topic: String,
}

#[test]
fn every_good_topic_has_the_one_spelling_of_its_vector() {
    let domains = Domains::shipped();
    all(cases("topics.json", "good"), |case: &GoodTopic| {
        let fault = |error: TopicError| format!("{}: {error}", case.text);
        let name = TopicName::parse(&case.text).map_err(fault)?;
        same(&case.text, &name.as_str(), &case.topic.as_str())?;
        domains.check_topic(&name).map_err(fault)?;
        same(&case.text, &typed_name(&name), &case.topic)
    });
}

/// The name that comes out of the typed topic, where there is a type.
fn typed_name(name: &TopicName) -> String {
    fn through<T: Topic>(name: &TopicName) -> String {
        T::from_name(name).unwrap().name().to_string()
    }
    match name.domain() {
        "catalogue" => through::<catalogue::Topic>(name),
        "staff" => through::<staff::Topic>(name),
        "projects" => through::<projects::Topic>(name),
        "crm" => through::<crm::Topic>(name),
        "store" => through::<store::Topic>(name),
        _ => name.to_string(),
    }
}

#[derive(Deserialize)]
struct BadTopic {
    text: String,
    rule: String,
}

#[test]
fn every_bad_topic_breaks_the_rule_of_its_vector() {
    let domains = Domains::shipped();
    all(cases("topics.json", "bad"), |case: &BadTopic| {
        let checked = TopicName::parse(&case.text).and_then(|name| domains.check_topic(&name));
        let rule = match checked {
            Ok(()) => "none",
            Err(TopicError::Empty) => "empty",
            Err(TopicError::TooLong { .. }) => "too_long",
            Err(TopicError::EmptySegment) => "empty_segment",
            Err(TopicError::Character { .. }) => "character",
            Err(TopicError::NotOfDomain { .. }) => "not_of_domain",
            Err(_) => "another",
        };
        same(&case.text, &rule, &case.rule.as_str())
    });
}

#[derive(Deserialize)]
struct GoodPosition {
    text: String,
    epoch: u64,
    offset: String,
    tag: u32,
}

#[test]
fn every_position_reads_and_writes_as_its_vector_says() {
    all(cases("positions.json", "good"), |case: &GoodPosition| {
        let position: Position = case.text.parse().map_err(|error| format!("{}: {error}", case.text))?;
        let expected = Position::new(case.epoch, case.offset.parse().unwrap(), case.tag);
        same(&case.text, &position, &expected)?;
        same(&case.text, &position.to_string(), &case.text)
    });
    all(cases("positions.json", "bad"), |text: &String| match text.parse::<Position>() {
        Ok(position) => Err(format!("{text:?}: was taken for {position:?}")),
        Err(_) => Ok(()),
    });
}

#[derive(Deserialize)]
struct EventCase {
    name: String,
    event: Value,
    topics: Option<Vec<String>>,
    #[serde(default)]
    reaches: BTreeSet<String>,
    code: Option<Code>,
    #[serde(default)]
    malformed: bool,
}

impl EventCase {
    fn raw(&self) -> RawEvent {
        RawEvent::parse(&self.event.to_string()).unwrap()
    }

    /// What publishing it would do.
    fn publish(&self) -> Result<Vec<TopicName>, Code> {
        let parse = |topic: &String| TopicName::parse(topic).map_err(|_| Code::InvalidTopic);
        let topics: Option<Vec<TopicName>> =
            self.topics.as_ref().map(|topics| topics.iter().map(parse).collect()).transpose()?;
        Domains::shipped().fan_out(&self.raw(), topics.as_deref()).map_err(|error| error.code())
    }
}

#[test]
fn every_event_reaches_the_topics_of_its_vector() {
    let domains = Domains::shipped();
    // Those written by hand, and those that follow from the definitions.
    let cases =
        [cases("events.json", "good"), cases("generated.json", "good")].into_iter().flatten().collect();
    all(cases, |case: &EventCase| {
        let topics = case.publish().map_err(|code| format!("{}: {code}", case.name))?;
        let reached: BTreeSet<String> = topics.iter().map(TopicName::to_string).collect();
        same(&case.name, &topics.len(), &reached.len())?;
        same(&case.name, &reached, &case.reaches)?;
        let sent: Value = serde_json::from_str(case.raw().payload.get()).unwrap();
        same(&case.name, &sent, &case.event["payload"])?;
        topics
            .iter()
            .try_for_each(|t| domains.check_topic(t))
            .map_err(|error| format!("{}: {error}", case.name))
    });
}

#[test]
fn every_refused_event_has_the_code_of_its_vector() {
    all(cases("events.json", "refused"), |case: &EventCase| {
        same(&case.name, &case.publish().err(), &Some(case.code.unwrap()))?;
        let is_malformed = matches!(decode(&case.raw()), Err(EventError::Invalid(_)));
        same(&case.name, &is_malformed, &case.malformed)
    });
}

#[test]
fn every_event_that_is_accepted_can_be_read_as_its_type_and_written_again() {
    let cases =
        [cases("events.json", "good"), cases("generated.json", "good")].into_iter().flatten().collect();
    all(cases, |case: &EventCase| {
        let Some(written) = decode(&case.raw()).map_err(|error| format!("{}: {error}", case.name))? else {
            return Ok(());
        };
        // What the type declares is there with its value; what it does not declare stays in the raw event.
        let payload = written.as_object().unwrap();
        for (key, value) in payload {
            let sent = case.event["payload"].get(key).cloned().unwrap_or(Value::Null);
            let lower_case = |value: &Value| match value.as_str() {
                Some(text) if Uuid::try_parse(text).is_ok() => json!(text.to_lowercase()),
                _ => value.clone(),
            };
            same(&format!("{} `{key}`", case.name), value, &lower_case(&sent))?;
        }
        Ok(())
    });
}

/// The payload as it comes out of the typed event; `None` for domains that are not compiled in.
fn decode(raw: &RawEvent) -> Result<Option<Value>, EventError> {
    fn through<E: Event>(raw: &RawEvent) -> Result<Option<Value>, EventError> {
        let event: E = raw.decode()?;
        Ok(Some(event.encode(serde_json::value::Serializer).unwrap()))
    }
    match raw.domain.as_str() {
        "catalogue" => through::<catalogue::Event>(raw),
        "staff" => through::<staff::Event>(raw),
        "projects" => through::<projects::Event>(raw),
        "crm" => through::<crm::Event>(raw),
        "store" => through::<store::Event>(raw),
        _ => Ok(None),
    }
}

#[derive(Deserialize)]
struct InteractionCase {
    name: String,
    before: Option<Involved>,
    after: Involved,
    reaches: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Involved {
    subject: Option<Uuid>,
    parties: Option<Vec<Option<Uuid>>>,
}

impl Involved {
    fn interaction(&self) -> crm::Interaction {
        let party = |contact: &Option<Uuid>| crm::Party { contact: *contact };
        let parties = self.parties.as_ref().map(|parties| parties.iter().map(party).collect());
        crm::Interaction { uuid: Uuid::max(), subject: self.subject, parties }
    }
}

#[test]
fn every_interaction_reaches_the_contacts_of_its_vector_and_names_none_of_them() {
    all(cases("events.json", "interactions"), |case: &InteractionCase| {
        let after = case.after.interaction();
        let notice = match &case.before {
            Some(before) => crm::Notice::of_change(&before.interaction(), &after),
            None => crm::Notice::of(&after),
        };
        let event = crm::Event::InteractionUpdated(notice);
        let topics = event.fan_out();
        let reached: BTreeSet<String> = topics.iter().map(TopicName::to_string).collect();
        same(&case.name, &topics.len(), &reached.len())?;
        same(&case.name, &reached, &case.reaches)?;
        let payload = RawEvent::from_event(&event).unwrap().payload.get().to_owned();
        same(&case.name, &payload, &format!(r#"{{"interaction_uuid":"{}"}}"#, Uuid::max()))
    });
}
