use super::*;
use crate::outbox::row::RowId;

const PERSON: &str = r#"{"domain":"staff","event":"person_updated","payload":{"uuid":"0198c0de-0000-7000-8000-000000000001"}}"#;

fn text(text: &str) -> Field {
    Field::Text(text.to_owned())
}

fn row() -> OutboxRow {
    OutboxRow {
        id: RowId { id: 1, nonce: vec![1; 16] },
        tenant: text("acme"),
        event: text(PERSON),
        key: Field::Null,
        origin: Field::Null,
        topics: Field::Null,
        age: Duration::ZERO,
        is_gap: false,
    }
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

fn topics(names: &[&str]) -> Gap {
    Gap::Topics(acme(), names.iter().map(|name| name.parse().unwrap()).collect())
}

/// Judges a row as a server does: the hub's check is that of its domains.
fn refusal_of(row: &OutboxRow) -> Option<Refusal> {
    let domains = Domains::shipped();
    match judge(row, None) {
        Ok(draft) => {
            let error = domains.fan_out(&draft.event, draft.named.as_deref()).err()?;
            Some(refused(draft, &error.into(), &domains))
        }
        Err(refusal) => Some(refusal),
    }
}

#[test]
fn a_good_row_becomes_an_event_with_its_own_key_or_with_one_of_the_row() {
    let draft = judge(&row(), None).unwrap();
    assert_eq!((draft.tenant.as_str(), draft.options.key), ("acme", Some(row().id.key())));
    let key = "0198c0de-0000-7000-8000-00000000000a";
    let full = OutboxRow {
        key: text(key),
        origin: text("tab-7"),
        topics: text(r#"["shop:orders"]"#),
        event: text(r#"{"domain":"shop","event":"ordered","payload":{"a":1}}"#),
        ..row()
    };
    let draft = judge(&full, None).unwrap();
    assert_eq!(draft.options.key.unwrap().to_string(), key);
    assert_eq!(draft.options.origin.as_deref(), Some("tab-7"));
    assert_eq!(draft.named.unwrap()[0].as_str(), "shop:orders");
    assert_eq!(refusal_of(&full), None);
}

#[test]
fn a_row_without_a_tenant_is_for_the_home_tenant_if_there_is_one() {
    let row = OutboxRow { tenant: Field::Null, ..row() };
    assert_eq!(judge(&row, Some(&acme())).unwrap().tenant, acme());
    let refusal = judge(&row, None).unwrap_err();
    assert_eq!((refusal.code, refusal.gap), (Code::InvalidFrame, Gap::Nobody));
    assert!(refusal.reason.contains("name the tenant"), "{}", refusal.reason);
}

#[test]
fn each_fault_has_its_code_and_a_reason_that_names_it_and_the_subscribers_that_load_again() {
    let nobody = || Gap::Nobody;
    let all = || Gap::Tenant(acme());
    let event = |event: &str| OutboxRow { event: text(event), ..row() };
    let many: Vec<String> = (0..1_025).map(|n| format!("shop:{n}")).collect();
    let shop = r#"{"domain":"shop","event":"ordered","payload":{}}"#;
    let to = |topics: &str| OutboxRow { event: text(shop), topics: text(topics), ..row() };
    let (blob, broken, long) = (Field::NotText("a blob"), Field::NotUtf8, Field::TooLong(9_999_999));
    let person = ["staff:people", "staff:person:0198c0de-0000-7000-8000-000000000001"];
    let cases = [
        (event("not JSON"), Code::InvalidFrame, "`event`", all()),
        (event("{\"domain\":\"shop\0\"}"), Code::InvalidFrame, "`event`", all()),
        (event(r#"{"domain":"staff","event":"x"}"#), Code::InvalidFrame, "`payload`", all()),
        (event(r#"{"domain":"staff","event":"nope","payload":{}}"#), Code::UnknownEvent, "nope", all()),
        (
            event(r#"{"domain":"staff","event":"person_updated","payload":{}}"#),
            Code::InvalidEvent,
            "uuid",
            all(),
        ),
        (event(shop), Code::InvalidEvent, "`topics`", all()),
        (OutboxRow { event: Field::Null, ..row() }, Code::InvalidFrame, "`event` is NULL", all()),
        (OutboxRow { event: blob.clone(), ..row() }, Code::InvalidFrame, "a blob", all()),
        (OutboxRow { event: broken.clone(), ..row() }, Code::InvalidFrame, "not UTF-8", all()),
        (OutboxRow { event: long.clone(), ..row() }, Code::TooLarge, "9999999 bytes", all()),
        (
            OutboxRow { event: long.clone(), topics: text(r#"["a:b"]"#), ..row() },
            Code::TooLarge,
            "9999999",
            topics(&["a:b"]),
        ),
        (
            OutboxRow { topics: text(r#"["staff:people"]"#), ..row() },
            Code::InvalidEvent,
            "leave `topics` out",
            topics(&person),
        ),
        (
            to(&serde_json::to_string(&many).unwrap()),
            Code::TooManyTopics,
            "1024",
            topics(&many.iter().map(String::as_str).collect::<Vec<_>>()),
        ),
        (to(r#"["shop orders"]"#), Code::InvalidTopic, "shop orders", all()),
        (to(r#"["staff:people"]"#), Code::InvalidTopic, "staff:people", topics(&["staff:people"])),
        (to("[]"), Code::InvalidEvent, "`topics` is empty", all()),
        (to("shop:orders"), Code::InvalidFrame, "`topics` is not a JSON list", all()),
        (OutboxRow { topics: long.clone(), ..row() }, Code::TooLarge, "`topics`", all()),
        (OutboxRow { key: text("7"), ..row() }, Code::InvalidFrame, "`key` is not a UUID", all()),
        (OutboxRow { key: blob.clone(), ..row() }, Code::InvalidFrame, "`key` is a blob", all()),
        (OutboxRow { origin: long, ..row() }, Code::InvalidFrame, "`origin` has", all()),
        (OutboxRow { tenant: text("a b"), ..row() }, Code::InvalidFrame, "`tenant`", nobody()),
        (OutboxRow { tenant: text(&"a".repeat(65)), ..row() }, Code::InvalidFrame, "`tenant`", nobody()),
        (OutboxRow { tenant: blob, ..row() }, Code::InvalidFrame, "`tenant` is a blob", nobody()),
    ];
    for (row, code, part, gap) in cases {
        let refusal = refusal_of(&row).unwrap_or_else(|| panic!("{row:?} is refused"));
        assert_eq!((refusal.code, &refusal.gap), (code, &gap), "{row:?}: {}", refusal.reason);
        assert!(refusal.reason.contains(part), "{}", refusal.reason);
    }
}

#[test]
fn the_subscribers_of_an_event_with_a_key_of_another_publication_load_again() {
    let draft = judge(&row(), None).unwrap();
    let refusal = refused(draft, &PublishError::Key, &Domains::shipped());
    assert_eq!(refusal.code, Code::Forbidden);
    assert_eq!(refusal.gap, topics(&["staff:people", "staff:person:0198c0de-0000-7000-8000-000000000001"]));
}

#[test]
fn of_a_row_that_has_waited_for_too_long_only_the_tenant_matters() {
    let second = Duration::from_secs(1);
    let home: TenantId = "home".parse().unwrap();
    let of = |row: &OutboxRow, waited: u32, max_age: u32| {
        too_old(row, Some(&home), waited * second, max_age * second).map(|tenant| tenant.as_str().to_owned())
    };
    let acme = Some("acme".to_owned());
    assert_eq!([of(&row(), 600, 600), of(&row(), 601, 600)], [None, acme.clone()]);
    // A log may keep nothing, and the rows are published all the same.
    assert_eq!([of(&row(), 10, 0), of(&row(), 11, 0)], [None, acme.clone()]);
    assert_eq!(of(&OutboxRow { event: text("not JSON"), key: text("7"), ..row() }, 601, 600), acme);
    let nobodys = OutboxRow { tenant: Field::Null, ..row() };
    assert_eq!(of(&nobodys, 601, 600), Some("home".to_owned()));
    assert_eq!(too_old(&nobodys, None, 601 * second, 600 * second), None, "a dead letter");
    assert_eq!(of(&OutboxRow { tenant: text("a b"), ..row() }, 601, 600), None, "a dead letter");
}

#[test]
fn a_newer_server_may_know_an_event_without_a_known_name_and_a_domain_that_computes_its_topics() {
    let domains = Domains::shipped();
    let is_unknown = |event: &str, topics: Option<&str>| {
        let topics = topics.map_or(Field::Null, text);
        let draft = judge(&OutboxRow { event: text(event), topics, ..row() }, None).unwrap();
        let error = domains.fan_out(&draft.event, draft.named.as_deref()).unwrap_err().into();
        super::is_unknown(&draft, &error, &domains)
    };
    assert!(is_unknown(r#"{"domain":"staff","event":"person_hired","payload":{}}"#, None));
    assert!(is_unknown(r#"{"domain":"shop","event":"ordered","payload":{}}"#, None));
    for (event, topics) in [
        (r#"{"domain":"staff","event":"person_updated","payload":{}}"#, None),
        (r#"{"domain":"shop","event":"not a name","payload":{}}"#, None),
        (r#"{"domain":"a shop","event":"ordered","payload":{}}"#, None),
        (r#"{"domain":"shop","event":"ordered","payload":{}}"#, Some("[]")),
        (r#"{"domain":"shop","event":"ordered","payload":{}}"#, Some(r#"["staff:people"]"#)),
        (r#"{"domain":"crm","event":"interaction_updated","payload":{}}"#, None),
    ] {
        assert!(!is_unknown(event, topics), "{event} {topics:?}");
    }
}
