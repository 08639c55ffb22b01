//! A domain as data. The core of a browser checks events by it.

use serde_json::{Value, json};
use tidings_shared::schema::{DomainSchema, FieldSchema, PayloadSchema, Type};

/// Writes a domain's name, its fingerprint, and its events with their fields, without docs. Topics are not in it.
///
/// An element of `events` is `[names, fields]`. The events of these names have these fields. A field is `[name, type]`. A
/// type is one of `"uuid"`, `"string"`, `["segment", max]`, `"bool"`, `["integer", min, max]`, `"number"`, `"float32"`,
/// `["choice", names]`, `"any"`, `["option", type]` and `["list", type]`. An open choice is `"string"`.
///
/// ```
/// use serde_json::json;
/// use tidings_generate::{DomainSchema, data};
/// use tidings_shared::domains::catalogue;
/// let catalogue = data(&DomainSchema::of::<catalogue::Event>());
/// assert_eq!(catalogue["name"], "catalogue");
/// let uuid = json!(["option", "uuid"]);
/// let fields = json!([["kind", "string"], ["uuid", uuid], ["parent", uuid]]);
/// assert_eq!(catalogue["events"], json!([[["data_changed"], fields]]));
/// ```
pub fn data(domain: &DomainSchema) -> Value {
    json!({
        "name": domain.name,
        "fingerprint": domain.fingerprint().to_string(),
        "events": events(domain),
    })
}

/// Groups the events that have the same fields, so that the data is short.
fn events(domain: &DomainSchema) -> Value {
    let mut groups: Vec<(Vec<&str>, Value)> = Vec::new();
    for event in domain.events {
        let fields = fields(event.payload);
        match groups.iter_mut().find(|(_, earlier)| *earlier == fields) {
            Some((names, _)) => names.push(event.name),
            None => groups.push((vec![event.name], fields)),
        }
    }
    groups.into_iter().map(|(names, fields)| json!([names, fields])).collect()
}

fn fields(payload: &PayloadSchema) -> Value {
    payload.fields.iter().map(|FieldSchema { name, ty, .. }| json!([name, type_data(ty)])).collect()
}

fn type_data(ty: &Type) -> Value {
    match ty {
        Type::Uuid => json!("uuid"),
        Type::String | Type::Choice { is_open: true, .. } => json!("string"),
        Type::Segment { max } => json!(["segment", max]),
        Type::Bool => json!("bool"),
        Type::Integer { min, max } => json!(["integer", min, max]),
        Type::Number => json!("number"),
        Type::Float32 => json!("float32"),
        Type::Choice { names, .. } => json!(["choice", names]),
        Type::Any => json!("any"),
        Type::Option(inner) => json!(["option", type_data(inner)]),
        Type::List(inner) => json!(["list", type_data(inner)]),
    }
}
