//! Events to publish.

use serde_json::{Value, json};
use uuid::Uuid;

/// A UUID that nobody else has.
pub fn uuid() -> String {
    Uuid::now_v7().to_string()
}

/// A person of `staff` was updated.
pub fn person_updated(uuid: &str) -> Value {
    json!({ "domain": "staff", "event": "person_updated", "payload": { "uuid": uuid } })
}

/// A task of `projects` was updated.
pub fn task_updated(uuid: &str) -> Value {
    json!({ "domain": "projects", "event": "task_updated", "payload": { "uuid": uuid } })
}

/// An event of a domain that is not compiled in, with a number.
pub fn ticked(number: usize) -> Value {
    json!({ "domain": "clock", "event": "ticked", "payload": { "number": number } })
}
