use serde_json::json;

use super::*;

fn row(value: Value) -> Row {
    value.as_object().unwrap().clone()
}

fn entry(table: &str, kind: Kind, values: Value) -> Entry {
    let values = row(values);
    let key = Row::from_iter([("id".to_owned(), values["id"].clone())]);
    Entry { transaction: 1, table: table.to_owned(), key, kind, row: values }
}

fn event(name: &str, payload: Value) -> Event {
    Event { transaction: 1, domain: "staff".to_owned(), name: name.to_owned(), payload }
}

/// Returns the tables and the changes that are missing.
fn missing(entries: &[Entry], events: &[Event], tables: &[Table]) -> Vec<(String, Change)> {
    judge(entries, events, tables).into_iter().map(|missing| (missing.key, missing.change)).collect()
}

fn item(id: u8, parent: Option<&str>) -> Value {
    json!({"id": id, "parent": parent})
}

#[test]
fn an_event_of_one_record_does_not_hide_another_record() {
    let entries = [
        entry("item", Kind::After, item(1, None)),
        entry("item", Kind::After, item(2, None)),
        entry("other", Kind::After, item(1, None)),
    ];
    let events = [event("made", json!({"id": 1}))];
    assert_eq!(missing(&entries, &events, &[]), [("2".to_owned(), Change::Created)]);
    let named = [Table::new("other").named(By::domain("staff").event("other_made").field("id", "id"))];
    let both = [("2".to_owned(), Change::Created), ("1".to_owned(), Change::Created)];
    assert_eq!(missing(&entries, &events, &named), both);
    let later = Event { transaction: 2, ..event("made", json!({"id": 2})) };
    assert_eq!(missing(&entries, &[events[0].clone(), later], &[]).len(), 1, "another transaction");
}

#[test]
fn what_a_transaction_takes_back_needs_no_event() {
    let entries = [
        entry("item", Kind::After, item(1, None)),
        entry("item", Kind::Before, item(1, None)),
        entry("item", Kind::Before, item(2, None)),
        entry("item", Kind::After, item(2, Some("x"))),
        entry("item", Kind::Before, item(2, Some("x"))),
        entry("item", Kind::After, item(2, None)),
    ];
    assert_eq!(missing(&entries, &[], &[]), []);
    let changed = &entries[..4];
    assert_eq!(missing(changed, &[], &[]), [("2".to_owned(), Change::Updated)]);
    assert_eq!(missing(changed, &[], &[Table::new("item").without("Parent")]), []);
    assert_eq!(missing(&entries[1..2], &[], &[]), [("1".to_owned(), Change::Deleted)]);
}

#[test]
fn a_moved_row_is_named_where_it_was_and_where_it_is() {
    let entries =
        [entry("item", Kind::Before, item(1, Some("a"))), entry("item", Kind::After, item(1, Some("b")))];
    let tables =
        [Table::new("item").named(By::domain("staff").field("uuid", "id").either(&["now", "was"], "parent"))];
    let (was, now) = (json!({"uuid": 1, "was": "a"}), json!({"uuid": 1, "now": "b"}));
    assert_eq!(missing(&entries, &[event("moved", was.clone())], &tables).len(), 1);
    assert_eq!(missing(&entries, &[event("moved", now.clone())], &tables).len(), 1);
    assert_eq!(missing(&entries, &[event("moved", was), event("moved", now)], &tables), []);
    assert_eq!(missing(&entries, &[event("moved", json!({"uuid": 1, "was": "a", "now": "b"}))], &tables), []);
}

#[test]
fn values_are_compared_as_a_payload_has_them() {
    let uuid = "0198c0de-0000-7000-8000-00000000000a";
    let blob = json!({"blob": uuid.replace('-', "")});
    for (column, found, is_same) in [
        (blob.clone(), json!(uuid), true),
        (blob.clone(), json!(uuid.to_uppercase()), true),
        (blob, json!(["x", uuid]), true),
        (json!({"blob": "00ff"}), json!("00ff"), true),
        (json!(7), json!("7"), true),
        (json!(1), json!(true), true),
        (json!("7"), json!(7), true),
        (json!(7), json!(70), false),
        (json!("a"), json!(null), false),
    ] {
        assert_eq!(is_value(&found, &column), is_same, "{column} {found}");
    }
}

#[test]
fn a_row_without_any_of_the_values_is_named_by_nothing() {
    let entries = [entry("item", Kind::After, item(1, None))];
    let tables = [Table::new("item").named(By::domain("staff").field("parent", "parent"))];
    let found = judge(&entries, &[event("made", json!({"uuid": 1}))], &tables);
    assert_eq!(
        found[0].to_string(),
        "item 1: created, and no event of its transaction names it: it needs one of `staff` with parent = NULL. There are \
         staff made {\"uuid\":1}"
    );
    let found = judge(&entries, &[], &[]);
    assert_eq!(
        found[0].to_string(),
        "item 1: created, and its transaction has no event: it needs one of any domain with id = 1"
    );
}

#[test]
fn a_row_that_loses_its_parent_is_named_by_the_parent() {
    let entries =
        [entry("item", Kind::Before, item(1, Some("a"))), entry("item", Kind::After, item(1, None))];
    let by_parent = || By::domain("staff").event("parent_deleted").field("uuid", "parent");
    let tables = [Table::new("item").named(By::domain("staff").field("uuid", "id")).named(by_parent())];
    assert_eq!(missing(&entries, &[event("parent_deleted", json!({"uuid": "a"}))], &tables), []);
    assert_eq!(missing(&entries, &[event("parent_deleted", json!({"uuid": "b"}))], &tables).len(), 1);
}
