//! TypeScript declarations of domains: payloads, unions of events with the discriminant `event`, the interface `Topics`
//! that maps topics to their events, and functions that build topics.

use std::fmt::Write as _;

use tidings_shared::schema::{DomainSchema, PayloadSchema, TopicSchema, Type};

/// How a generated file refers to the interface `Topics` and the helper types of the npm package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// The file is part of the package and declares them.
    Package,
    /// The file is a user's. It augments the package's declarations.
    User,
}

/// Writes a TypeScript module that declares these domains.
pub fn typescript(domains: &[DomainSchema], home: Home) -> String {
    let mut text = "// Generated from the Rust definitions of the domains. Do not edit.\n\n".to_owned();
    for domain in domains {
        payloads(&mut text, domain);
        events(&mut text, domain);
        events_by_topic(&mut text, domain);
    }
    match home {
        Home::Package => {
            let closed =
                domains.iter().filter(|domain| domain.closed).map(|domain| format!("{:?}", domain.name));
            text.push_str("/** The domains that refuse undeclared payload keys. */\n");
            union(&mut text, "ClosedDomain", closed);
            text.push_str(
                "/** The events that each topic can bring. Augment it with the topics of your own domains. */\n",
            );
            text.push_str("export interface Topics {\n");
            topics(&mut text, domains, "  ");
            text.push_str("}\n\n");
        }
        Home::User => {
            // If nothing else imports the package, the compiler finds it only by this line.
            text.push_str("import type {} from \"tidings\";\n\n");
            text.push_str("declare module \"tidings\" {\n  interface Topics {\n");
            topics(&mut text, domains, "    ");
            text.push_str("  }\n}\n\n");
        }
    }
    builders(&mut text, domains);
    text
}

fn payloads(text: &mut String, domain: &DomainSchema) {
    for payload in payloads_of(domain) {
        docs(text, "", payload.docs);
        let _ = writeln!(text, "export interface {} {{", payload_type(domain, payload));
        for field in payload.fields {
            docs(text, "  ", field.docs);
            // Both sides read `null` and an absent key alike.
            let optional = if field.ty.is_option() { "?" } else { "" };
            let _ = writeln!(text, "  {}{optional}: {};", key(field.name), type_of(&field.ty));
        }
        text.push_str("}\n\n");
    }
}

/// Writes a key, in quotes if it is not an identifier.
fn key(name: &str) -> String {
    if is_identifier(name) { name.to_owned() } else { format!("{name:?}") }
}

fn is_identifier(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn type_of(ty: &Type) -> String {
    match ty {
        Type::Uuid | Type::String | Type::Segment { .. } => "string".to_owned(),
        Type::Bool => "boolean".to_owned(),
        Type::Integer { .. } | Type::Number | Type::Float32 => "number".to_owned(),
        Type::Any => "unknown".to_owned(),
        Type::Choice { names, is_open } => {
            let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
            // With `string & {}` an editor still completes the known names.
            let later = if *is_open { " | (string & {})" } else { "" };
            format!("{}{later}", names.join(" | "))
        }
        Type::Option(inner) => format!("{} | null", type_of(inner)),
        Type::List(inner) => match inner {
            Type::Choice { .. } | Type::Option(_) => format!("({})[]", type_of(inner)),
            _ => format!("{}[]", type_of(inner)),
        },
    }
}

/// Names a payload's type. The suffix tells it from an event of the same name.
fn payload_type(domain: &DomainSchema, payload: &PayloadSchema) -> String {
    type_name(domain, &format!("{}Payload", distinct_name(domain, payload)))
}

/// Names the type of all events that have this payload: `StaffOnPerson`.
fn event_type(domain: &DomainSchema, payload: &PayloadSchema) -> String {
    type_name(domain, &format!("On{}", distinct_name(domain, payload)))
}

/// Writes one type for all events that have the same payload. A union with few members keeps the compiler fast.
fn events(text: &mut String, domain: &DomainSchema) {
    for payload in payloads_of(domain) {
        let events = || domain.events.iter().filter(|event| is_same(event.payload, payload));
        let lines: String =
            events().map(|event| format!(" * - `{}`: {}\n", event.name, event.docs)).collect();
        let names: Vec<String> = events().map(|event| format!("{:?}", event.name)).collect();
        let _ = write!(text, "/**\n{} */\n", lines.replace("*/", "*\u{200b}/"));
        let _ = writeln!(text, "export interface {} {{", event_type(domain, payload));
        let _ = writeln!(text, "  domain: {:?};", domain.name);
        let _ = writeln!(text, "  event: {};", names.join(" | "));
        let _ = writeln!(text, "  payload: {};", payload_type(domain, payload));
        text.push_str("}\n\n");
    }
    docs(text, "", domain.event_docs);
    let types = payloads_of(domain).into_iter().map(|payload| event_type(domain, payload));
    union(text, &type_name(domain, "Event"), types);
}

/// Returns the payloads of a domain's events, each once.
fn payloads_of(domain: &DomainSchema) -> Vec<&'static PayloadSchema> {
    let mut payloads: Vec<&'static PayloadSchema> = Vec::new();
    for payload in domain.events.iter().map(|event| event.payload) {
        if !payloads.iter().any(|earlier| is_same(earlier, payload)) {
            payloads.push(payload);
        }
    }
    payloads
}

/// Returns whether two payloads are the same. Names do not decide it: a generic struct makes several payloads of one name,
/// and two modules may have structs of the same name.
fn is_same(one: &PayloadSchema, other: &PayloadSchema) -> bool {
    one.name == other.name && format!("{one:?}") == format!("{other:?}")
}

/// Returns the payload's name. If another payload has the same name, the name of its first event comes before it.
fn distinct_name(domain: &DomainSchema, payload: &PayloadSchema) -> String {
    let is_shared = payloads_of(domain).iter().filter(|other| other.name == payload.name).count() > 1;
    let first = domain.events.iter().find(|event| is_same(event.payload, payload));
    match first {
        Some(event) if is_shared => pascal_case(event.name) + payload.name,
        _ => payload.name.to_owned(),
    }
}

fn union(text: &mut String, name: &str, members: impl Iterator<Item = String>) {
    let members: Vec<String> = members.collect();
    let _ = match &members[..] {
        [] => writeln!(text, "export type {name} = never;\n"),
        [one] => writeln!(text, "export type {name} = {one};\n"),
        many => writeln!(text, "export type {name} =\n  | {};\n", many.join("\n  | ")),
    };
}

/// Names the type of all events that may appear on a topic: `StaffPersonEvent`. A topic that is the whole domain has the
/// domain's union.
fn topic_events(domain: &DomainSchema, topic: &TopicSchema) -> String {
    let own = if topic.pattern == domain.name { "" } else { topic.name };
    type_name(domain, &format!("{own}Event"))
}

fn events_by_topic(text: &mut String, domain: &DomainSchema) {
    for topic in domain.topics {
        let name = topic_events(domain, topic);
        if name != type_name(domain, "Event") {
            docs(text, "", &format!("The events that `{}` can bring.", topic.pattern));
            let on_topic = payloads_of(domain).into_iter().filter(|payload| payload.may_reach(topic));
            union(text, &name, on_topic.map(|payload| event_type(domain, payload)));
        }
    }
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

fn topics(text: &mut String, domains: &[DomainSchema], indent: &str) {
    for domain in domains {
        for topic in domain.topics {
            docs(text, indent, topic.docs);
            let events = topic_events(domain, topic);
            if topic.fields().next().is_some() {
                let template = template(topic, |_| "string".to_owned());
                let _ = writeln!(text, "{indent}[topic: `{template}`]: {events};");
            } else {
                let _ = writeln!(text, "{indent}{}: {events};", key(topic.pattern));
            }
        }
    }
}

fn builders(text: &mut String, domains: &[DomainSchema]) {
    if domains.iter().any(|domain| domain.topics.iter().any(|topic| topic.fields().next().is_some())) {
        text.push_str(SEGMENT);
    }
    text.push_str("/** Builds topics: `topic.staff.person(id)`. */\nexport const topic = {\n");
    for domain in domains {
        docs(text, "  ", domain.topic_docs);
        if let [TopicSchema { pattern, .. }] = domain.topics
            && *pattern == domain.name
        {
            let _ = writeln!(text, "  {}: {pattern:?},", key(domain.name));
            continue;
        }
        let _ = writeln!(text, "  {}: {{", key(domain.name));
        for topic in domain.topics {
            docs(text, "    ", topic.docs);
            builder(text, topic);
        }
        text.push_str("  },\n");
    }
    text.push_str("} as const;\n");
}

/// Without this check, a missing value would build a topic that never gets an event.
const SEGMENT: &str = "\
/** Refuses a missing value, which would build a topic without events. */
function segment(what: string, value: string): string {
  if (!/^(|undefined|null|NaN|\\[object .*\\])$/.test(`${value}`)) return value;
  throw new TypeError(`${what} is ${value === \"\" ? \"empty\" : value}: build the topic when it is known.`);
}

";

fn builder(text: &mut String, topic: &TopicSchema) {
    let name = camel_case(topic.builder);
    let parameters: Vec<String> =
        topic.fields().map(|field| format!("{}: string", camel_case(field))).collect();
    let _ = if parameters.is_empty() {
        writeln!(text, "    {name}: {:?},", topic.pattern)
    } else {
        let checked =
            |field: &str| format!("segment(\"`{field}` of {}\", {})", topic.pattern, camel_case(field));
        let template = template(topic, checked);
        writeln!(text, "    {name}: ({}) => `{template}` as const,", parameters.join(", "))
    };
}

fn camel_case(name: &str) -> String {
    let pascal = pascal_case(name);
    let mut characters = pascal.chars();
    characters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(characters).collect()
}

/// Joins `staff` and `Person` to `StaffPerson`.
fn type_name(domain: &DomainSchema, name: &str) -> String {
    pascal_case(domain.name) + name
}

/// Writes `person_updated` as `PersonUpdated`.
fn pascal_case(name: &str) -> String {
    let mut pascal = String::new();
    for word in name.split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut characters = word.chars();
        pascal.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        pascal.extend(characters);
    }
    pascal
}

fn docs(text: &mut String, indent: &str, docs: &str) {
    if !docs.is_empty() {
        // A doc comment with `*/` in it must not end the comment in TypeScript.
        let _ = writeln!(text, "{indent}/** {} */", docs.replace("*/", "*\u{200b}/"));
    }
}
