//! Is an event what its domain declares?
//!
//! The value itself is not replaced by what was decoded, so that payload keys which no type declares survive.

use std::cell::Cell;

use super::value::{Found, JsPayload};
use tidings_shared::{
    Event, RawEvent, Topic,
    schema::{
        Fingerprint,
        check::{Row, check_field, expected},
    },
};

/// A domain that a client is compiled with.
#[derive(Debug, Clone, Copy)]
pub struct Domain {
    name: &'static str,
    rows: &'static [Row],
}

impl Domain {
    /// The domain of these events.
    pub const fn new<E: Event>(rows: &'static [Row]) -> Self {
        Self { name: E::Topic::DOMAIN, rows }
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
    crate::domains::store::Event,
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

/// The names of the domains that this client is compiled with.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    DOMAINS.get().domains.iter().map(|domain| domain.name)
}

/// Checks an event: `true` when it is one of a known domain's, `false` when this client does not know it.
///
/// # Errors
/// A sentence about what is wrong with the payload of an event that this client knows.
pub(crate) fn check(event: &RawEvent<JsPayload>) -> Result<bool, String> {
    let Some(domain) = DOMAINS.get().domains.iter().find(|domain| domain.name == event.domain) else {
        return Ok(false);
    };
    let is_event = |row: &Row| matches!(row, Row::Event(name) if *name == event.event);
    let Some(at) = domain.rows.iter().position(is_event) else { return Ok(false) };
    match check_payload(&domain.rows[at + 1..], Found(event.payload.value().clone())) {
        Ok(()) => Ok(true),
        Err(reason) => Err(["payload of ", &event.event, ": ", &reason].concat()),
    }
}

/// Checks a payload by the rows of its fields, which end with the next event's.
fn check_payload(rows: &[Row], payload: Found) -> Result<(), String> {
    if !payload.is_object() {
        return Err(expected(&"an object", &payload));
    }
    for row in rows {
        let Row::Field(name, ty) = row else { break };
        check_field(name, ty, payload.member(name).as_ref())?;
    }
    Ok(())
}
