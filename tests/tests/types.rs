//! Each type that a payload can have, by the table `vectors/types.json`: the values that the server accepts and refuses, and
//! the values that Rust reads and writes.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use every_type::{Case, Event, Held, cases};
use serde_json::Value;
use tidings_shared::{Domains, Event as _, EventError, RawEvent};

fn all(check: impl Fn(&Case) -> Result<(), String>) {
    let cases = cases();
    assert!(cases.len() > 2_000, "{}", cases.len());
    let faults: Vec<String> = cases
        .iter()
        .filter_map(|case| check(case).err().map(|fault| format!("{}: {fault}", case.name)))
        .collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), cases.len(), faults.join("\n"));
}

#[test]
fn the_server_accepts_and_refuses_each_value_of_each_type_at_each_place() {
    let domains = Domains::none().with::<Event>();
    all(|case| {
        let event = RawEvent::parse(&case.text()).map_err(|error| error.to_string())?;
        match (domains.fan_out(&event, None), case.accepted) {
            (Ok(_), true) => Ok(()),
            (Err(EventError::Invalid(message)), false) if case.explains(&message) => Ok(()),
            (other, _) => Err(format!("{other:?}")),
        }
    });
}

#[test]
fn an_accepted_value_is_read_as_its_type_and_written_with_the_same_meaning() {
    all(|case| {
        let event = RawEvent::parse(&case.text()).map_err(|error| error.to_string())?;
        let read = match (event.decode::<Event>(), case.accepted) {
            (Ok(read), true) => read,
            (Err(_), false) => return Ok(()),
            (other, _) => return Err(format!("{other:?}")),
        };
        let written = RawEvent::from_event(&read).map_err(|error| error.to_string())?;
        let again: Event = written.decode().map_err(|error| format!("{written:?}: {error}"))?;
        if again != read {
            return Err(format!("{read:?} became {again:?}"));
        }
        // Rust may omit a value or write it as `null`, and it drops undeclared keys. Everything else must be the same.
        let (sent, written): (Value, Value) = (parse(&case.payload), parse(written.payload.get()));
        let declared = ["alone", "list", "lists", "gaps", "optional_list"];
        let differs = declared.iter().find(|key| !same(&sent[**key], &written[**key]));
        differs.map_or(Ok(()), |key| Err(format!("`{key}` became {}", written[*key])))
    });
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Returns whether two values are equal in JavaScript. UUIDs may differ in case, and floats beyond 32 bits.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            one == other || one as f32 == other as f32
        }
        (Value::String(one), Value::String(other)) => one.eq_ignore_ascii_case(other),
        (one, other) => one == other,
    }
}

#[test]
fn each_type_of_the_domain_has_a_line_in_the_table() {
    let cases = cases();
    for name in Event::NAMES {
        assert!(cases.iter().any(|case| case.event == *name && case.accepted), "{name}");
    }
}

#[test]
fn a_float_that_json_cannot_hold_is_refused_with_the_name_of_its_field() {
    fn held<T>(alone: T) -> Held<T> {
        let (list, lists, gaps) = (vec![], vec![], vec![]);
        Held { alone, optional: None, nullable: None, list, lists, gaps, optional_list: None }
    }
    let good = || held(0.5_f64);
    let cases = [
        ("alone", Event::F64(held(f64::NAN))),
        ("alone", Event::F32(held(f32::INFINITY))),
        ("optional", Event::F64(Held { optional: Some(f64::NEG_INFINITY), ..good() })),
        ("nullable", Event::F64(Held { nullable: Some(f64::NAN), ..good() })),
        ("list", Event::F64(Held { list: vec![0.5, f64::NAN], ..good() })),
        ("lists", Event::F64(Held { lists: vec![vec![], vec![f64::NAN]], ..good() })),
        ("gaps", Event::F64(Held { gaps: vec![None, Some(f64::NAN)], ..good() })),
        ("optional_list", Event::F64(Held { optional_list: Some(vec![f64::NAN]), ..good() })),
    ];
    for (field, event) in cases {
        let error = RawEvent::from_event(&event).unwrap_err().to_string();
        assert_eq!(error, format!("`{field}` contains NaN or infinity, which JSON cannot hold"));
    }
    assert!(RawEvent::from_event(&Event::F64(good())).is_ok());
    assert!(RawEvent::from_event(&Event::F32(held(f32::MAX))).unwrap().decode::<Event>().is_ok());
}
