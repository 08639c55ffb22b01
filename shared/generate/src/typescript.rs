//! TypeScript of domains: payloads, unions of events with the discriminant `event`, the events of each topic, and one
//! constant for each domain.

mod constant;

use std::fmt::Write as _;

use tidings_shared::schema::{DomainSchema, PayloadSchema, TopicSchema, Type};

/// Where a generated file finds the types of the npm package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// The file is part of the package.
    Package,
    /// The file is a user's.
    User,
}

/// Writes a TypeScript module of these domains. It imports types only, and it has one constant for each domain, so a bundler
/// leaves out the domains that a page does not use.
///
/// ```
/// use tidings_generate::{DomainSchema, Home, typescript};
/// use tidings_shared::domains::staff;
/// let text = typescript(&[DomainSchema::of::<staff::Event>()], Home::User);
/// assert!(text.contains("export const staff: StaffDomain = {"));
/// ```
pub fn typescript(domains: &[DomainSchema], home: Home) -> String {
    let package = match home {
        Home::Package => "./topics.js",
        Home::User => "tidings",
    };
    let mut text = format!(
        "// Generated from the Rust definitions of the domains. Do not edit.\n\n\
         import type {{ Domain, Topic }} from {package:?};\n\n"
    );
    for domain in domains {
        payloads(&mut text, domain);
        events(&mut text, domain);
        events_by_topic(&mut text, domain);
        constant::write(&mut text, domain);
    }
    if domains.iter().flat_map(|domain| domain.topics).any(|topic| topic.fields().next().is_some()) {
        text.push_str(constant::SEGMENT);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
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

fn camel_case(name: &str) -> String {
    let pascal = pascal_case(name);
    let mut characters = pascal.chars();
    characters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(characters).collect()
}

/// Joins `staff` and `Person` to `StaffPerson`.
fn type_name(domain: &DomainSchema, name: &str) -> String {
    identifier(pascal_case(domain.name)) + name
}

/// Makes a name one that TypeScript accepts for a constant, a parameter or a type.
fn identifier(name: String) -> String {
    if RESERVED.split(' ').any(|word| word == name) {
        name + "_"
    } else if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name
    }
}

/// The words that no constant of a module may have as its name.
const RESERVED: &str = "\
    arguments await break case catch class const continue debugger default delete do else enum eval export \
    extends false finally for function if implements import in instanceof interface let new null package \
    private protected public return static super switch this throw true try typeof var void while with yield";

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

#[cfg(test)]
mod tests;
