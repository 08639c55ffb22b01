//! The check of payloads by data, as a browser has it, accepts and refuses the same as the Rust types.

use every_type::random;
use proptest::prelude::*;
use serde_json::Value;
use tidings_shared::{
    Event, RawEvent,
    domains::{catalogue, crm, projects, staff, store},
    schema::{Domain, DomainSchema, EventSchema},
};

use crate::cases;

/// A domain that was read back from the data that the generator wrote.
type Read = Domain<String, &'static [&'static str]>;

fn read_back(schema: &DomainSchema) -> Read {
    let written = tidings_generate::data(schema).to_string();
    let data: Value = serde_json::from_str(&written).expect("the generator writes JSON");
    let domain = Domain::read(&Some(&data)).expect("the data is good");
    assert_eq!((domain.name(), domain.fingerprint()), (schema.name, &*schema.fingerprint().to_string()));
    domain
}

/// Compares both checks on a payload.
fn compare<E: Event>(domain: &Read, event: &EventSchema, payload: &str) -> Result<bool, TestCaseError> {
    let name = DomainSchema::of::<E>().name;
    let text = format!(r#"{{"domain":"{name}","event":"{}","payload":{payload}}}"#, event.name);
    let raw = RawEvent::parse(&text).expect("the text is an event");
    let typed = raw.decode::<E>().map_err(|error| error.to_string());
    // A text with half of a surrogate pair is no JSON for Rust.
    let Ok(value) = serde_json::from_str::<Value>(payload) else {
        prop_assert!(typed.is_err(), "{text}");
        return Ok(false);
    };
    let checked = domain.check(event.name, &Some(&value));
    match (&typed, checked) {
        (Ok(_), Ok(true)) => Ok(true),
        (Err(told), Err(found)) => {
            prop_assert_eq!(told, &found, "{}", text);
            Ok(false)
        }
        (typed, checked) => Err(TestCaseError::fail(format!("{text}\n{typed:?}\n{checked:?}"))),
    }
}

/// Compares both checks on payloads of each event of a domain. Both good and bad payloads must be among them.
fn compare_all<E: Event>(seed: u64) -> Result<(), TestCaseError> {
    let domain = read_back(&DomainSchema::of::<E>());
    for event in E::SCHEMA {
        let mut accepted = 0;
        for number in 0..PAYLOADS {
            let payload = random::payload(event, seed.wrapping_mul(PAYLOADS).wrapping_add(number));
            accepted += u64::from(compare::<E>(&domain, event, &payload)?);
        }
        let is_good_sample =
            accepted > PAYLOADS / 20 && (accepted < PAYLOADS || event.payload.fields.is_empty());
        prop_assert!(is_good_sample, "{}: {} of {} are accepted", event.name, accepted, PAYLOADS);
    }
    Ok(())
}

/// Payloads of each event and seed.
const PAYLOADS: u64 = 100;

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn data_accepts_and_refuses_the_same_as_every_type(seed: u64) {
        compare_all::<every_type::Event>(seed)?;
    }

    #[test]
    fn data_accepts_and_refuses_the_same_as_the_shipped_domains(seed: u64) {
        compare_all::<catalogue::Event>(seed)?;
        compare_all::<staff::Event>(seed)?;
        compare_all::<projects::Event>(seed)?;
        compare_all::<crm::Event>(seed)?;
        compare_all::<store::Event>(seed)?;
    }
}
