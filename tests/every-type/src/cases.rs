//! The cases of `tests/vectors/types.json`: each value at each place.

use serde_json::Value;

const TABLE: &str = include_str!("../../vectors/types.json");

/// A payload, and what becomes of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is about.
    pub name: String,
    /// The event's name.
    pub event: String,
    /// The payload, to the letter.
    pub payload: String,
    /// Whether it is accepted.
    pub accepted: bool,
    /// The field at fault, with its indices, where it is refused and not the payload as a whole.
    pub path: Option<String>,
    /// Whether a JSON Schema can say so.
    pub sayable: bool,
}

impl Case {
    /// The event as it travels.
    pub fn text(&self) -> String {
        format!(r#"{{"domain":"every_type","event":"{}","payload":{}}}"#, self.event, self.payload)
    }

    /// Whether a refusal names the payload, the field, what was expected and what was found.
    pub fn explains(&self, message: &str) -> bool {
        let path = self.path.as_deref().unwrap_or_default();
        if !self.sayable {
            // No JSON that Rust can hold: its parser names what is wrong, and not where in a list.
            let field = path.split('[').next().unwrap_or_default();
            let is_said = message.contains("half of a surrogate pair") || message.contains(", found ");
            return is_said && message.starts_with(&format!("payload of {}: `{field}", self.event));
        }
        let place = if path.is_empty() { String::new() } else { format!("`{path}`") };
        let found = message.contains(" is missing: expected ") || message.contains(", found ");
        message.starts_with(&format!("payload of {}: {place}", self.event))
            && message.contains("expected ")
            && found
    }
}

/// All of them.
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
                    case.sayable = kind != "unsayable";
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
            sayable: true,
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
        sayable: true,
    }
}

fn list<'a>(table: &'a Value, name: &str) -> &'a [Value] {
    table[name].as_array().expect("a list of cases")
}

fn string(value: &Value) -> &str {
    value.as_str().expect("a text")
}
