//! Events to publish.

use serde_json::{Value, json};
use uuid::Uuid;

/// Returns a new UUID.
pub fn uuid() -> String {
    Uuid::now_v7().to_string()
}

/// Returns the event that a person of `staff` was updated.
pub fn person_updated(uuid: &str) -> Value {
    json!({ "domain": "staff", "event": "person_updated", "payload": { "uuid": uuid } })
}

/// Returns the event that a task of `projects` was updated.
pub fn task_updated(uuid: &str) -> Value {
    json!({ "domain": "projects", "event": "task_updated", "payload": { "uuid": uuid } })
}

/// Returns an event with a number, of a domain that is not compiled in.
pub fn ticked(number: usize) -> Value {
    json!({ "domain": "clock", "event": "ticked", "payload": { "number": number } })
}
