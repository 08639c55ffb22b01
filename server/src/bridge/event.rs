//! From a change to its event.

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use tidings_shared::{RawEvent, TopicName, domains::store::Schema, limits::MAX_BODY_BYTES};
use uuid::{Builder, Uuid};

/// Bytes of a record as JSON. A larger one is not published: the subscribers of the topic get a `sync`. A `POST` may have as
/// many by default.
pub const MAX_RECORD_BYTES: usize = MAX_BODY_BYTES;

/// Returns the event of a change. Without a record, the key was deleted.
///
/// # Errors
/// A sentence that says why the record can't be published.
pub(super) fn event(schema: &Schema, key: &str, record: Option<&RawValue>) -> Result<RawEvent, String> {
    let bytes = record.map_or(0, |record| record.get().len()) + key.len();
    if bytes > MAX_RECORD_BYTES {
        return Err(format!("the record has {bytes} bytes: at most {MAX_RECORD_BYTES} can be published"));
    }
    // The record's text stays as it is: a JSON value would change its numbers.
    let (schema, key) = (schema.as_str(), serde_json::Value::from(key));
    let (name, record) = match record {
        Some(record) => ("upserted", format!(r#","record":{record}"#)),
        None => ("deleted", String::new()),
    };
    RawEvent::parse(&format!(
        r#"{{"domain":"store","event":"{name}","payload":{{"schema":"{schema}","key":{key}{record}}}}}"#
    ))
    .map_err(|error| format!("the record can't be published: {error}"))
}

/// Returns the record of such an event, if it has one.
///
/// # Errors
/// A sentence that says that it is no such event.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) fn record(event: &RawEvent) -> Result<Option<Box<RawValue>>, String> {
    #[derive(serde::Deserialize)]
    struct Payload {
        record: Option<Box<RawValue>>,
    }
    let payload: Payload = serde_json::from_str(event.payload.get())
        .map_err(|error| format!("this is no event of the domain `store`: {error}"))?;
    match (event.event.as_str(), payload.record) {
        ("upserted", None) => Err("the event has no record".to_owned()),
        (_, record) => Ok(record),
    }
}

/// Returns the idempotency key of a change with this number in its source. Every node makes the same key.
pub(super) fn key(source: &str, schema: &Schema, topic: &TopicName, number: u64) -> Uuid {
    let mut hash = Sha256::new();
    for part in [source, schema.as_str(), topic.as_str()] {
        // The length keeps two neighbours apart.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(number.to_be_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}
