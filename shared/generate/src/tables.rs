//! The tables of PROTOCOL.md.

use std::fmt::Write as _;

use tidings_shared::{
    Code, FanOut,
    schema::{DomainSchema, FieldSchema, ReachSchema, Type},
};

/// Writes the table of codes.
pub fn codes_table() -> String {
    let mut table = "| code | may retry | HTTP | close code | meaning |\n|---|---|---|---|---|\n".to_owned();
    for code in Code::ALL {
        let retry = if code.may_retry() { "yes" } else { "no" };
        let close = code.close().map(|code| code.to_string()).unwrap_or_default();
        let _ =
            writeln!(table, "| `{code}` | {retry} | {} | {close} | {} |", code.http_status(), code.meaning());
    }
    table
}

/// Writes a section for each domain: its topics, and its events with the topics that they reach.
pub fn domains_table(domains: &[DomainSchema]) -> String {
    domains.iter().map(section).collect::<Vec<_>>().join("\n")
}

fn section(domain: &DomainSchema) -> String {
    let mut text = format!("### {}\n\n", domain.name);
    let undeclared = if domain.closed {
        "Undeclared payload keys are refused."
    } else {
        "Undeclared payload keys are delivered unchecked."
    };
    let fan_out = match domain.fan_out {
        FanOut::Computed => "The topics follow from the event.",
        FanOut::Named => "The publisher names the topics.",
        FanOut::ComputedOrNamed => "The topics follow from the event, unless the publisher names others.",
    };
    let _ = writeln!(text, "{} {fan_out} {undeclared}\n", domain.event_docs);
    text.push_str("| topic | meaning |\n|---|---|\n");
    for topic in domain.topics {
        let _ = writeln!(text, "| `{}` | {} |", topic.pattern, topic.docs);
    }
    text.push_str("\n| event | payload | reaches |\n|---|---|---|\n");
    for event in domain.events {
        let fields: Vec<String> = event.payload.fields.iter().map(field).collect();
        let reach = |reach: &ReachSchema| {
            let condition = reach.condition.map(|field| format!(" if `{field}`")).unwrap_or_default();
            format!("`{}`{condition}", reach.pattern(domain))
        };
        let reaches: Vec<String> = event.payload.reaches.iter().map(reach).collect();
        let reaches = if reaches.is_empty() {
            "the topics that the publisher names".to_owned()
        } else {
            reaches.join(", ")
        };
        let _ = writeln!(text, "| `{}` {} | {} | {reaches} |", event.name, event.docs, fields.join(", "));
    }
    text
}

fn field(field: &FieldSchema) -> String {
    let optional = if field.ty.is_option() { "?" } else { "" };
    format!("`{}`{optional} {}", field.name, type_name(&field.ty))
}

fn type_name(ty: &Type) -> String {
    match ty {
        Type::Uuid => "UUID".to_owned(),
        Type::String => "text".to_owned(),
        Type::Segment { .. } => "segment".to_owned(),
        Type::Bool => "true or false".to_owned(),
        Type::Integer { .. } => "integer".to_owned(),
        Type::Number | Type::Float32 => "number".to_owned(),
        Type::Choice { names, is_open } => {
            let more = if *is_open { " or a later name" } else { "" };
            format!("{}{more}", names.join(" / "))
        }
        Type::Any => "anything".to_owned(),
        Type::Option(inner) => type_name(inner),
        Type::List(inner) => format!("list of {}", type_name(inner)),
    }
}
