//! Typed decoding: is an event what the Rust type of its domain declares?
//!
//! The value itself is not replaced by what was decoded, so that payload keys which no type declares survive.

use std::cell::Cell;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::IgnoredAny};
use tidings_shared::{
    Event, RawEvent, Topic,
    derive::PayloadField,
    schema::{Fingerprint, Type},
};

use super::{de, value::JsPayload};

/// A domain that a client is compiled with.
#[derive(Debug, Clone, Copy)]
pub struct Domain {
    name: &'static str,
    check: fn(&str, &JsPayload) -> Result<bool, de::Error>,
}

impl Domain {
    /// The domain of these events.
    pub const fn of<E: Event>() -> Self {
        let check = |name: &str, payload: &JsPayload| {
            Ok(E::decode(name, de::Value(payload.value().clone()))?.is_some())
        };
        Self { name: E::Topic::DOMAIN, check }
    }
}

/// The domains that a client is compiled with, and what tells them from another client's or a server's.
#[derive(Debug, Clone, Copy)]
pub struct Domains {
    /// The domains.
    pub domains: &'static [Domain],
    /// Of their schemas.
    pub fingerprint: Fingerprint,
}

/// What the npm package ships.
#[cfg(feature = "stock")]
const AT_FIRST: Domains = crate::domains_of!(
    crate::domains::catalogue::Event,
    crate::domains::staff::Event,
    crate::domains::projects::Event,
    crate::domains::crm::Event,
    crate::domains::store::Event<AnyRecord>,
);
#[cfg(not(feature = "stock"))]
const AT_FIRST: Domains = Domains { domains: &[], fingerprint: tidings_shared::schema::fingerprint(&[]) };

thread_local! {
    static DOMAINS: Cell<Domains> = const { Cell::new(AT_FIRST) };
}

/// Says which domains this client is compiled with; [`client!`](crate::client) does.
pub fn register(domains: Domains) {
    DOMAINS.set(domains);
}

/// The fingerprint of the domains that this client is compiled with.
pub(crate) fn fingerprint() -> Fingerprint {
    DOMAINS.get().fingerprint
}

/// Checks an event: `true` when it is one of a known domain's, `false` when this client does not know it.
///
/// # Errors
/// A sentence about what is wrong with the payload of an event that this client knows.
pub(crate) fn check(event: &RawEvent<JsPayload>) -> Result<bool, String> {
    let Some(domain) = DOMAINS.get().domains.iter().find(|domain| domain.name == event.domain) else {
        return Ok(false);
    };
    match (domain.check)(&event.event, &event.payload) {
        Ok(is_known) => Ok(is_known),
        Err(de::Error(reason)) => Err(["payload of ", &event.event, ": ", &reason].concat()),
    }
}

/// A record that is taken whatever it is: that of a store, which the application types.
#[derive(Debug)]
pub struct AnyRecord;

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
