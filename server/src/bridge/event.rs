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
    struct Upserted {
        record: Box<RawValue>,
    }
    if event.event == "deleted" {
        return Ok(None);
    }
    serde_json::from_str(event.payload.get())
        .map(|Upserted { record }| Some(record))
        .map_err(|error| format!("this is no event `upserted` of the domain `store`: {error}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(name: &str) -> Schema {
        Schema::parse(name).expect("a schema")
    }

    #[test]
    fn a_record_stays_as_it_is_to_the_byte() {
        for text in ["9223372036854775807", "[1.10, -0e5 ]", r#"{"b":1,"a":"\u00e9","b":2}"#, "null"] {
            let record = RawValue::from_string(text.to_owned()).expect("JSON");
            let event = event(&schema("links"), "a\"b", Some(&record)).expect("an event");
            let expected = format!(r#"{{"schema":"links","key":"a\"b","record":{text}}}"#);
            assert_eq!((event.event.as_str(), event.payload.get()), ("upserted", expected.as_str()));
        }
        let event = event(&schema("links"), "7", None).expect("an event");
        assert_eq!(
            (event.event.as_str(), event.payload.get()),
            ("deleted", r#"{"schema":"links","key":"7"}"#)
        );
    }

    #[test]
    fn a_record_that_no_event_may_have_is_refused_with_the_reason() {
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        let long = format!("\"{}\"", "x".repeat(MAX_RECORD_BYTES));
        for (text, reason) in [(&deep, "nested"), (&"1e999".to_owned(), "number"), (&long, "bytes")] {
            let record = RawValue::from_string(text.clone()).expect("JSON");
            let error = event(&schema("links"), "7", Some(&record)).expect_err("a refusal");
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_number_has_one_key_and_shares_it_with_no_other() {
        let topic = |name: &str| name.parse().expect("a topic");
        let of = |source, name, to, number| key(source, &schema(name), &topic(to), number);
        let one = of("a", "b", "store:b", 1);
        assert_eq!(one, of("a", "b", "store:b", 1));
        let others = [
            of("a", "b", "store:b", 2),
            of("a", "b", "store:c", 1),
            of("a", "c", "store:b", 1),
            of("ab", "b", "store:b", 1),
        ];
        assert!(!others.contains(&one));
        assert_ne!(of("ab", "c", "store:b", 1), of("a", "bc", "store:b", 1));
    }

    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    #[test]
    fn the_record_of_an_event_is_found_again() {
        for text in ["null", "[1.10]"] {
            let raw = RawValue::from_string(text.to_owned()).expect("JSON");
            let event = event(&schema("links"), "7", Some(&raw)).expect("an event");
            assert_eq!(
                record(&event).map(|record| record.map(|record| record.get().to_owned())),
                Ok(Some(text.to_owned()))
            );
        }
        let deleted = event(&schema("links"), "7", None).expect("an event");
        assert!(matches!(record(&deleted), Ok(None)));
    }
}
