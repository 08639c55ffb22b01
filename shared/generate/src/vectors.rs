//! Golden test vectors: for each event an example with the required fields, and one with all fields.

use serde_json::{Map, Value, json};
use tidings_shared::{
    FanOut,
    schema::{DomainSchema, EventSchema, Type},
};

/// Writes `{"about", "good": [{"name", "event", "topics"?, "reaches"}]}`. An example has `topics` if the publisher names them.
pub fn vectors(domains: &[DomainSchema]) -> String {
    let examples = domains.iter().flat_map(|domain| {
        let of = move |event: &EventSchema| [false, true].map(|is_full| example(domain, event, is_full));
        domain.events.iter().flat_map(of)
    });
    let examples: Vec<Value> = examples.collect();
    let note = "Generated from the Rust definitions by `cargo xtask gen`.";
    crate::pretty(&json!({ "about": note, "good": examples }))
}

fn example(domain: &DomainSchema, event: &EventSchema, is_full: bool) -> Value {
    let fields = event.payload.fields.iter().filter(|field| is_full || !field.ty.is_option());
    let payload: Map<String, Value> = fields.map(|field| (field.name.to_owned(), value(&field.ty))).collect();
    let size = if is_full { "full" } else { "smallest" };
    let mut example = json!({
        "name": format!("{} {}, {size}", domain.name, event.name),
        "event": { "domain": domain.name, "event": event.name, "payload": &payload },
    });
    if domain.fan_out == FanOut::Named {
        let topics: Vec<String> = domain.topics.iter().map(|topic| filled(topic.pattern)).collect();
        example["topics"] = json!(topics);
        example["reaches"] = json!(topics);
    } else {
        example["reaches"] = json!(reaches(domain, event, &payload));
    }
    example
}

/// Returns the topics that the payload reaches by its schema, each once.
fn reaches(domain: &DomainSchema, event: &EventSchema, payload: &Map<String, Value>) -> Vec<String> {
    let mut topics = Vec::new();
    for reach in event.payload.reaches {
        let holds = reach.condition.is_none_or(|field| payload.get(field) == Some(&Value::Bool(true)));
        let mut pattern = reach.pattern(domain);
        let mut is_named = true;
        for field in reach.fields {
            match payload.get(*field).and_then(Value::as_str) {
                Some(text) => pattern = pattern.replace(&format!("{{{field}}}"), text),
                None => is_named = false,
            }
        }
        if holds && is_named && !topics.contains(&pattern) {
            topics.push(pattern);
        }
    }
    topics
}

/// Fills each field of a pattern with an example.
fn filled(pattern: &str) -> String {
    let segment = |segment: &str| if segment.starts_with('{') { UUID.to_owned() } else { segment.to_owned() };
    pattern.split(':').map(segment).collect::<Vec<_>>().join(":")
}

const UUID: &str = "0198c0de-0000-7000-8000-00000000002a";

fn value(ty: &Type) -> Value {
    match ty {
        Type::Uuid => json!(UUID),
        Type::String => json!("text with \"quotes\", ünïcode and \u{1f4e8}"),
        Type::Segment { .. } => json!("segment_1.2~3-4"),
        Type::Bool => json!(true),
        Type::Integer { max, .. } => json!(max),
        Type::Number | Type::Float32 => json!(0.5),
        Type::Choice { names, .. } => json!(names.last()),
        Type::Any => json!({ "any": ["thing", null, 1] }),
        Type::Option(inner) => value(inner),
        Type::List(inner) => json!([value(inner)]),
    }
}
