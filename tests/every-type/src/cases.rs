//! The cases of `tests/vectors/types.json`: each value at each place of a payload.

use serde_json::Value;

const TABLE: &str = include_str!("../../vectors/types.json");

/// A payload and the expected result.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its description.
    pub name: String,
    /// The event's name.
    pub event: String,
    /// The exact text of the payload.
    pub payload: String,
    /// Whether the check accepts it.
    pub accepted: bool,
    /// The field at fault with its indices. `None` if the payload as a whole is refused.
    pub path: Option<String>,
    /// Whether a JSON Schema can express the result.
    pub expressible: bool,
}

impl Case {
    /// Returns the event on the wire.
    pub fn text(&self) -> String {
        format!(r#"{{"domain":"every_type","event":"{}","payload":{}}}"#, self.event, self.payload)
    }

    /// Returns whether a refusal names the payload, the field, the expected type and the value that was found.
    pub fn explains(&self, message: &str) -> bool {
        let path = self.path.as_deref().unwrap_or_default();
        if !self.expressible {
            // Rust cannot hold this JSON. Its parser names the fault, but not the index in a list.
            let field = path.split('[').next().unwrap_or_default();
            let is_explained = message.contains("half of a surrogate pair") || message.contains(", found ");
            return is_explained && message.starts_with(&format!("payload of {}: `{field}", self.event));
        }
        let place = if path.is_empty() { String::new() } else { format!("`{path}`") };
        let found = message.contains(" is missing: expected ") || message.contains(", found ");
        message.starts_with(&format!("payload of {}: {place}", self.event))
            && message.contains("expected ")
            && found
    }
}

/// Returns all cases.
pub fn cases() -> Vec<Case> {
    let table: Value = serde_json::from_str(TABLE).expect("the table is JSON");
    let mut cases = Vec::new();
    for ty in list(&table, "types") {
        for place in list(&table, "places") {
            for (kind, accepted) in
                [("accepted", true), ("refused", false), ("unsayable", false), ("mistyped", false)]
            {
                let values = ty.get(kind).and_then(Value::as_array);
                for value in values.into_iter().flatten() {
                    let mut case = placed(ty, place, string(value), accepted);
                    case.expressible = kind != "unsayable";
                    cases.push(case);
                }
            }
            let takes_null = place["null"] == true || ty["null"] == true;
            cases.push(placed(ty, place, "null", takes_null));
        }
    }
    for whole in list(&table, "payloads") {
        cases.push(Case {
            name: string(&whole["name"]).to_owned(),
            event: string(&whole["event"]).to_owned(),
            payload: string(&whole["payload"]).to_owned(),
            accepted: whole["accepted"] == true,
            path: whole["path"].as_str().map(str::to_owned),
            expressible: true,
        });
    }
    cases
}

fn placed(ty: &Value, place: &Value, value: &str, accepted: bool) -> Case {
    let event = string(&ty["event"]);
    let payload = string(&place["payload"]).replace("GOOD", string(&ty["good"])).replace("VALUE", value);
    Case {
        name: format!("{event} {}: {value}", string(&place["name"])),
        event: event.to_owned(),
        payload,
        accepted,
        path: Some(string(&place["path"]).to_owned()),
        expressible: true,
    }
}

fn list<'a>(table: &'a Value, name: &str) -> &'a [Value] {
    table[name].as_array().expect("a list of cases")
}

fn string(value: &Value) -> &str {
    value.as_str().expect("a text")
}
