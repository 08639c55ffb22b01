//! JSON Schema (draft 2020-12) of all events.

use serde_json::{Map, Value, json};
use tidings_shared::schema::{DomainSchema, EventSchema, FieldSchema, Type};

/// Writes one document with a definition for each event, named `domain.event`.
pub fn json_schema(domains: &[DomainSchema]) -> String {
    let definitions = definitions(domains);
    let refs: Vec<Value> =
        definitions.keys().map(|name| json!({ "$ref": format!("#/$defs/{name}") })).collect();
    let document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Events of Tidings",
        "description": "Generated from the Rust definitions. Events of other domains are carried unchecked.",
        "anyOf": refs,
        "$defs": definitions,
    });
    crate::pretty(&document)
}

pub(crate) fn definitions(domains: &[DomainSchema]) -> Map<String, Value> {
    let of = |domain: &DomainSchema, event: &EventSchema| {
        (definition_name(domain, event), definition(domain, event))
    };
    domains.iter().flat_map(|domain| domain.events.iter().map(move |event| of(domain, event))).collect()
}

pub(crate) fn definition_name(domain: &DomainSchema, event: &EventSchema) -> String {
    format!("{}.{}", domain.name, event.name)
}

fn definition(domain: &DomainSchema, event: &EventSchema) -> Value {
    let fields = event.payload.fields;
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    let required: Vec<&str> =
        fields.iter().filter(|field| !field.ty.is_option()).map(|field| field.name).collect();
    json!({
        "description": event.docs,
        "type": "object",
        "required": ["domain", "event", "payload"],
        "properties": {
            "domain": { "const": domain.name },
            "event": { "const": event.name },
            "payload": {
                "description": event.payload.docs,
                "type": "object",
                "required": required,
                "properties": properties,
                "additionalProperties": !domain.closed,
            },
        },
    })
}

fn property(field: &FieldSchema) -> Value {
    let mut schema = schema_of(&field.ty);
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), json!(field.docs));
    }
    schema
}

/// The smallest number that a 32-bit float rounds to infinity: half a step above its largest value.
const BEYOND_FLOAT32: f64 = 3.402_823_567_797_336_6e38;

fn schema_of(ty: &Type) -> Value {
    match ty {
        // Validators may ignore `format`, so the pattern says it too.
        Type::Uuid => {
            let hex = "[0-9A-Fa-f]";
            let pattern = format!("^{hex}{{8}}-{hex}{{4}}-{hex}{{4}}-{hex}{{4}}-{hex}{{12}}$");
            json!({ "type": "string", "format": "uuid", "pattern": pattern })
        }
        Type::String => json!({ "type": "string" }),
        Type::Segment { max } => {
            json!({ "type": "string", "pattern": "^[A-Za-z0-9_.~-]+$", "maxLength": max })
        }
        Type::Bool => json!({ "type": "boolean" }),
        Type::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Type::Number => json!({ "type": "number" }),
        Type::Float32 => {
            json!({ "type": "number", "exclusiveMinimum": -BEYOND_FLOAT32, "exclusiveMaximum": BEYOND_FLOAT32 })
        }
        Type::Choice { names, is_open: false } => json!({ "enum": names }),
        Type::Choice { names, is_open: true } => json!({ "type": "string", "examples": names }),
        Type::Any => json!({}),
        Type::Option(inner) => json!({ "anyOf": [schema_of(inner), { "type": "null" }] }),
        Type::List(inner) => json!({ "type": "array", "items": schema_of(inner) }),
    }
}
