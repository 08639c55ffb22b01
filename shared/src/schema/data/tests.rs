use serde_json::{Value, json};

use super::*;

fn read(data: &Value) -> Result<Domain<String, &'static [&'static str]>, String> {
    Domain::read(&Some(data))
}

/// A domain with one field of this type.
fn with_type(ty: Value) -> Value {
    json!({"name": "helpdesk", "fingerprint": "0123456789abcdef", "events": [[["opened"], [["field", ty]]]]})
}

#[test]
fn a_domain_is_read_and_checks_the_payloads_of_its_events() {
    let data = json!({
        "name": "helpdesk", "fingerprint": "0123456789abcdef",
        "events": [[["opened", "closed"], [["uuid", "uuid"], ["tags", ["list", ["segment", 8]]]]], [["cleared"], []]],
    });
    let domain = read(&data).unwrap();
    assert_eq!((domain.name(), domain.fingerprint()), ("helpdesk", "0123456789abcdef"));
    let ticket = json!({"uuid": "0198c0de-0000-7000-8000-000000000001", "tags": ["a", "b"], "more": 1});
    assert_eq!(domain.check("opened", &Some(&ticket)), Ok(true));
    assert_eq!(domain.check("closed", &Some(&ticket)), Ok(true));
    assert_eq!(domain.check("cleared", &Some(&json!({}))), Ok(true));
    assert_eq!(domain.check("reopened", &Some(&json!(7))), Ok(false), "an event of a later version");
    for (payload, fault) in [
        (json!([]), "payload of opened: expected an object, found []"),
        (json!({}), "payload of opened: `uuid` is missing: expected a UUID with hyphens, 8-4-4-4-12"),
        (
            json!({"uuid": ticket["uuid"], "tags": ["a", "long word"]}),
            "payload of opened: `tags[1]`: expected 1 to 8 characters of A-Z a-z 0-9 _ . ~ -, found \"long word\"",
        ),
    ] {
        assert_eq!(domain.check("opened", &Some(&payload)).unwrap_err(), fault);
    }
}

#[test]
fn malformed_data_is_refused_with_the_domain_the_place_and_the_remedy() {
    let remedy = "Generate its file again, with the version of the npm package.";
    let good = with_type(json!("uuid"));
    let without = |name: &str| {
        let mut data = good.clone();
        data.as_object_mut().unwrap().remove(name);
        data
    };
    let with = |name: &str, value: Value| {
        let mut data = good.clone();
        data[name] = value;
        data
    };
    let ty = "expected a type such as \"uuid\" or [\"segment\",64], found";
    for (data, fault) in [
        (json!(null), "expected a domain, found null".to_owned()),
        (json!("orders"), "expected a domain, found \"orders\"".to_owned()),
        (with("name", json!("a:b")), "expected a domain, found {".to_owned()),
        (with("name", json!("x".repeat(65))), "expected a domain, found {".to_owned()),
        (without("fingerprint"), "the domain `helpdesk`: expected a fingerprint, found nothing".to_owned()),
        (with("fingerprint", json!("")), "the domain `helpdesk`: expected a fingerprint, found ".to_owned()),
        (
            with("fingerprint", json!("x".repeat(65))),
            "the domain `helpdesk`: expected a fingerprint, found ".to_owned(),
        ),
        (without("events"), "the domain `helpdesk`: expected `events`, a list, found nothing".to_owned()),
        (with("events", json!({})), "expected `events`, a list, found {}".to_owned()),
        (
            with("events", json!([[["a"]]])),
            "`events[0]`: expected names and fields, found [[\"a\"]]".to_owned(),
        ),
        (
            with("events", json!([[[], []], [7, []]])),
            "`events[1][0]`: expected a list of names, found 7".to_owned(),
        ),
        (with("events", json!([[["a", 7], []]])), "`events[0][0][1]`: expected a string, found 7".to_owned()),
        (
            with("events", json!([[["a"], ["b"]]])),
            "`events[0][1][0]`: expected a name and a type, found \"b\"".to_owned(),
        ),
        (with_type(json!(["list", ["option", "uid"]])), format!("`events[0][1][0][1][1][1]`: {ty} \"uid\"")),
        (
            with_type(json!(["choice", ["a", 1]])),
            "`events[0][1][0][1][1][1]`: expected a string, found 1".to_owned(),
        ),
    ] {
        let found = read(&data).unwrap_err();
        assert!(found.contains(&fault) && found.ends_with(remedy), "{found}\n{fault}");
    }
    for wrong in [
        json!(7),
        json!([]),
        json!("segment"),
        json!(["uuid"]),
        json!(["segment"]),
        json!(["segment", "8"]),
        json!(["segment", 1.5]),
        json!(["integer", 0]),
        json!(["integer", 0, 9, 9]),
        json!(["choice", "a"]),
        json!(["option"]),
        json!(["list", "uuid", 1]),
        json!(["Uuid", 1]),
        json!([["uuid"]]),
    ] {
        assert!(read(&with_type(wrong.clone())).is_err(), "{wrong}");
    }
}

#[test]
fn types_are_nested_as_deep_as_json_may_be() {
    let nested = |depth: usize| with_type((1..depth).fold(json!("any"), |inner, _| json!(["list", inner])));
    assert!(read(&nested(MAX_JSON_DEPTH)).is_ok());
    assert!(read(&nested(MAX_JSON_DEPTH + 1)).is_err());
}
