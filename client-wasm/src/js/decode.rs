//! Checks whether an event is what its domain declares.
//!
//! The check does not change the JavaScript value. So payload keys that no type declares survive.
//!
//! The core holds the domains as data, without their docs. It has no code for each domain. A server also builds the Rust type
//! from the checked payload.

use std::cell::Cell;

use super::value::{Found, JsPayload};
use tidings_shared::{
    Event, RawEvent, Topic,
    schema::check::{Row, check_field, expected},
};

/// A domain that a client is compiled with.
#[derive(Debug, Clone, Copy)]
pub struct Domain {
    name: &'static str,
    rows: &'static [Row],
}

impl Domain {
    /// The domain of these events, with the rows of their schema.
    pub const fn new<E: Event>(rows: &'static [Row]) -> Self {
        Self { name: E::Topic::DOMAIN, rows }
    }
}

/// The domains that a client is compiled with, and their fingerprint.
#[derive(Debug, Clone, Copy)]
pub struct Domains {
    /// The domains.
    pub domains: &'static [Domain],
}

/// The domains of the npm package.
#[cfg(feature = "stock")]
const DEFAULT: Domains = crate::domains_of!(
    crate::domains::catalogue::Event,
    crate::domains::staff::Event,
    crate::domains::projects::Event,
    crate::domains::crm::Event,
    crate::domains::store::Event,
);
#[cfg(not(feature = "stock"))]
const DEFAULT: Domains = Domains { domains: &[] };

thread_local! {
    static DOMAINS: Cell<Domains> = const { Cell::new(DEFAULT) };
}

/// Sets the domains that this client is compiled with. [`client!`](crate::client) calls it.
pub fn register(domains: Domains) {
    DOMAINS.set(domains);
}

/// Returns the names of the domains that this client is compiled with.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    DOMAINS.get().domains.iter().map(|domain| domain.name)
}

/// Checks an event. Returns `true` if the client knows the event, and `false` if it does not.
///
/// # Errors
/// A sentence about the fault in the payload of an event that the client knows.
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

/// Checks a payload by the rows of its fields. The row of the next event ends them.
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
