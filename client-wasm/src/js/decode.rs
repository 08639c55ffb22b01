//! The page's domains, and the check whether an event is what its domain declares.
//!
//! The check does not change the JavaScript value. So payload keys that no type declares survive.
//!
//! The core has no code for each domain: it reads them as data. A server also builds the Rust type from the checked payload.

use std::{borrow::Cow, cell::Cell};

use js_sys::Set;
use tidings_shared::{
    RawEvent,
    frame::Fingerprints,
    schema::{self, check::Json},
};
use wasm_bindgen::JsValue;

use super::{
    host::Host,
    json::{JsJson, Key},
    value::JsPayload,
};
use tidings_client_core::Error;

type Domain = schema::Domain<Key, Set>;

thread_local! {
    /// A page makes one instance of the core for each client, so these are the domains of one client.
    static DOMAINS: Cell<&'static [Domain]> = const { Cell::new(&[]) };
}

/// The domains that a page knows.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The names of the domains without a type.
    pub(crate) names: Vec<String>,
    /// The fingerprints of the domains that the core checks.
    pub(crate) fingerprints: Fingerprints,
}

/// Reads an array of domains: objects of generated modules, and names of domains without a type. TypeScript has checked that
/// there are at most 64. From then on [`check`] checks by them.
///
/// # Errors
/// The code `invalid_domain`, and a sentence that names the domain, the place at fault, and the remedy.
pub(crate) fn read(domains: JsValue) -> Result<Known, Error> {
    let list = JsJson(domains);
    let mut known = Known::default();
    let mut read: Vec<Domain> = Vec::new();
    for index in 0..list.list_length().unwrap_or_default() {
        let data = list.element(index);
        match data.to_text() {
            Some(name) => known.names.push(name),
            None => match Domain::read(&data) {
                Ok(domain) => {
                    known.fingerprints.insert(domain.name(), domain.fingerprint());
                    read.push(domain);
                }
                Err(message) => {
                    return Err(Error { code: Cow::Borrowed("invalid_domain"), message: message.into() });
                }
            },
        }
    }
    // They live as long as the instance. So nobody counts who uses them.
    DOMAINS.set(read.leak());
    Ok(known)
}

/// Checks an event. Returns `true` if the client knows the event, and `false` if it does not.
///
/// # Errors
/// A sentence about the fault in the payload of an event that the client knows.
pub(crate) fn check(event: &RawEvent<JsPayload>) -> Result<bool, String> {
    match DOMAINS.get().iter().find(|domain| domain.name() == event.domain) {
        Some(domain) => domain.check(&event.event, &JsJson(event.payload.value().clone())),
        None => Ok(false),
    }
}

/// Returns whether an object is what an event declares, without saying why not. `place` counts the payloads of all domains.
pub(crate) fn fits(mut place: usize, object: &JsValue, host: &Host) -> bool {
    for domain in DOMAINS.get() {
        match domain.payloads().get(place) {
            Some(declared) => return declared.fits(|key, ty| key.fits(ty, object, host)),
            None => place -= domain.payloads().len(),
        }
    }
    false
}
