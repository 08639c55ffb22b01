//! A domain's constant: its name, its builders of topics, and the data by which the core checks its events.

use std::fmt::Write as _;

use serde_json::Value;
use tidings_shared::schema::{DomainSchema, TopicSchema};

use super::{camel_case, docs, identifier, key, topic_events, type_name};
use crate::data;

pub(super) fn write(text: &mut String, domain: &DomainSchema) {
    topics(text, domain);
    interface(text, domain);
    constant(text, domain);
}

/// Writes the events of each topic, by which literals and templates get types.
fn topics(text: &mut String, domain: &DomainSchema) {
    let _ = writeln!(text, "/** The events that each topic of `{}` can bring. */", domain.name);
    let _ = writeln!(text, "export interface {} {{", type_name(domain, "Topics"));
    for topic in domain.topics {
        docs(text, "  ", topic.docs);
        let events = topic_events(domain, topic);
        let _ = if has_fields(topic) {
            writeln!(text, "  [topic: `{}`]: {events};", template(topic, |_| "string".to_owned()))
        } else {
            writeln!(text, "  {}: {events};", key(topic.pattern))
        };
    }
    text.push_str("}\n\n");
}

/// Writes the type of the constant. It has a name, so messages of the compiler are short.
fn interface(text: &mut String, domain: &DomainSchema) {
    let of = |what| type_name(domain, what);
    let closed = if domain.closed { ", \"closed\"" } else { "" };
    let _ = writeln!(text, "/** The type of `{}`. */", constant_name(domain));
    let _ = writeln!(
        text,
        "export interface {} extends Domain<{:?}, {}, {}{closed}> {{",
        of("Domain"),
        domain.name,
        of("Event"),
        of("Topics")
    );
    docs(text, "  ", domain.topic_docs);
    text.push_str("  readonly topics: {\n");
    for topic in domain.topics {
        docs(text, "    ", topic.docs);
        let parameters: Vec<String> =
            topic.fields().map(|field| format!("{}: string", parameter(field))).collect();
        let arrow =
            if has_fields(topic) { format!("({}) => ", parameters.join(", ")) } else { String::new() };
        let _ = writeln!(
            text,
            "    readonly {}: {arrow}Topic<{}>;",
            camel_case(topic.builder),
            topic_events(domain, topic)
        );
    }
    text.push_str("  };\n}\n\n");
}

fn constant(text: &mut String, domain: &DomainSchema) {
    let data = data(domain);
    let (name, ty) = (constant_name(domain), type_name(domain, "Domain"));
    let _ =
        writeln!(text, "/** The domain `{}`, for `createClient({{ domains: [{name}] }})`. */", domain.name);
    let _ = writeln!(text, "export const {name}: {ty} = {{");
    let _ = writeln!(text, "  name: {},\n  fingerprint: {},", data["name"], data["fingerprint"]);
    text.push_str("  topics: {\n");
    for topic in domain.topics {
        let name = camel_case(topic.builder);
        let cast = format!("as Topic<{}>", topic_events(domain, topic));
        let _ = if has_fields(topic) {
            let checked =
                |field: &str| format!("_segment(\"`{field}` of {}\", {})", topic.pattern, parameter(field));
            let parameters: Vec<String> = topic.fields().map(parameter).collect();
            let template = template(topic, checked);
            writeln!(text, "    {name}: ({}) => `{template}` {cast},", parameters.join(", "))
        } else {
            writeln!(text, "    {name}: {:?} {cast},", topic.pattern)
        };
    }
    text.push_str("  },\n  events: [\n");
    for group in data["events"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "    {},", spaced(group));
    }
    text.push_str("  ],\n};\n\n");
}

/// Without this check, a missing value would build a topic that never gets an event. A builder's parameter never begins with
/// `_`, so none hides this function.
pub(super) const SEGMENT: &str = "\
/** Refuses a missing value, which would build a topic without events. */
function _segment(what: string, value: string): string {
  if (!/^(|undefined|null|NaN|\\[object .*\\])$/.test(`${value}`)) return value;
  throw new TypeError(`${what} is ${value === \"\" ? \"empty\" : value}: build the topic when it is known.`);
}
";

fn has_fields(topic: &TopicSchema) -> bool {
    topic.fields().next().is_some()
}

fn constant_name(domain: &DomainSchema) -> String {
    identifier(camel_case(domain.name))
}

fn parameter(field: &str) -> String {
    identifier(camel_case(field))
}

/// Writes a topic's pattern as a template literal: `staff:person:${string}`.
fn template(topic: &TopicSchema, field: impl Fn(&str) -> String) -> String {
    let segment =
        |segment: &str| match segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
            Some(name) => format!("${{{}}}", field(name)),
            None => segment.to_owned(),
        };
    topic.pattern.split(':').map(segment).collect::<Vec<_>>().join(":")
}

/// Writes a list on one line, with spaces.
fn spaced(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
