//! Typed decoding: is an event what the Rust type of its domain declares?
//!
//! The value itself is not replaced by what was decoded, so that payload keys which no type declares survive.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::IgnoredAny};
use tidings_shared::{
    Event, RawEvent, Topic,
    derive::PayloadField,
    domains::{catalogue, crm, projects, staff, store},
    schema::Type,
};

use super::{de, value::JsPayload};

/// What a domain's check says of an event's name and payload.
type Check = fn(&str, &JsPayload) -> Result<bool, de::Error>;

/// The domains that this client was compiled with.
const DOMAINS: [(&str, Check); 5] = [
    entry::<catalogue::Event>(),
    entry::<staff::Event>(),
    entry::<projects::Event>(),
    entry::<crm::Event>(),
    entry::<store::Event<AnyRecord>>(),
];

const fn entry<E: Event>() -> (&'static str, Check) {
    (<E::Topic as Topic>::DOMAIN, |name, payload| {
        Ok(E::decode(name, de::Value(payload.value().clone()))?.is_some())
    })
}

/// Checks an event: `true` when it is one of a known domain's, `false` when this client does not know it.
///
/// # Errors
/// A sentence about what is wrong with the payload of an event that this client knows.
pub(crate) fn check(event: &RawEvent<JsPayload>) -> Result<bool, String> {
    let Some((_, check)) = DOMAINS.iter().find(|(domain, _)| *domain == event.domain) else {
        return Ok(false);
    };
    match check(&event.event, &event.payload) {
        Ok(is_known) => Ok(is_known),
        Err(de::Error(reason)) => Err(["payload of ", &event.event, ": ", &reason].concat()),
    }
}

/// A store's record, which the application types.
#[derive(Debug)]
struct AnyRecord;

impl<'de> Deserialize<'de> for AnyRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl Serialize for AnyRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl PayloadField for AnyRecord {
    const TYPE: Type = Type::Any;
}
