use std::collections::BTreeSet;

use tidings_hub::{HubSettings, journal::Content};
use tidings_shared::{Code, TopicName};

use super::*;
use crate::outbox::{row::Field, store::READ_ROWS};

const PERSON: &str = r#"{"domain":"staff","event":"person_updated","payload":{"uuid":"0198c0de-0000-7000-8000-000000000001"}}"#;

const HIRED: &str = r#"{"domain":"staff","event":"person_hired","payload":{}}"#;

fn batches() -> (Hub, Batches) {
    let home: TenantId = "acme".parse().unwrap();
    (Hub::new(HubSettings::new(home.clone()), SystemHost::start()), Batches::new(Some(home)))
}

fn row(id: i64, event: &str) -> OutboxRow {
    let event = Field::Text(event.to_owned());
    let [tenant, key, origin, topics] = [const { Field::Null }; 4];
    OutboxRow {
        id: RowId { id, nonce: vec![7; 16] },
        tenant,
        event,
        key,
        origin,
        topics,
        age: Duration::ZERO,
        is_gap: false,
    }
}

fn to(topics: &[&str], row: OutboxRow) -> OutboxRow {
    OutboxRow { topics: Field::Text(serde_json::to_string(topics).unwrap()), ..row }
}

fn old(seconds: u64, row: OutboxRow) -> OutboxRow {
    OutboxRow { age: Duration::from_secs(seconds), ..row }
}

fn ids<'a>(rows: impl IntoIterator<Item = &'a RowId>) -> Vec<i64> {
    rows.into_iter().map(|row| row.id).collect()
}

/// Returns the entries: the number of the row, and the topics of an event or of a gap.
fn entries(batch: &Batch) -> Vec<(i64, &'static str, Vec<&str>)> {
    let mut entries = Vec::new();
    for (draft, row) in batch.drafts.iter().zip(&batch.rows) {
        let kind = if matches!(draft.content, Content::Gap) { "gap" } else { "event" };
        // Without the topic of the person.
        let topics = draft.topics.iter().map(TopicName::as_str).filter(|topic| !topic.contains("0198"));
        entries.push((row.id, kind, topics.collect()));
    }
    entries
}

fn dead(batch: &Batch) -> Vec<(i64, Code)> {
    batch.dead.iter().map(|dead| (dead.id.id, dead.code)).collect()
}

#[test]
fn each_row_has_one_entry_and_a_faulty_one_blocks_no_other() {
    let (hub, mut batches) = batches();
    let no_tenant = OutboxRow { tenant: Field::Text("no tenant".to_owned()), ..row(4, PERSON) };
    let rows = [row(1, PERSON), to(&["shop:a", "shop:b"], row(2, "no JSON")), no_tenant, row(5, PERSON)];
    let batch = batches.next(&hub, rows.into(), Instant::now());
    let people = || vec!["staff:people"];
    assert_eq!(
        entries(&batch),
        [(1, "event", people()), (2, "gap", vec!["shop:a", "shop:b"]), (5, "event", people())]
    );
    assert_eq!(dead(&batch), [(2, Code::InvalidFrame), (4, Code::InvalidFrame)]);
    assert_eq!(batches.waiting(Instant::now()), []);
}

#[test]
fn an_unknown_event_waits_for_a_newer_server_and_is_a_dead_letter_when_it_is_old() {
    let ((hub, mut batches), start) = (batches(), Instant::now());
    let seconds = Duration::from_secs;
    let batch = batches.next(&hub, vec![old(50, row(1, HIRED)), row(2, PERSON)], start);
    assert_eq!(entries(&batch), [(2, "event", vec!["staff:people"])]);
    assert_eq!(ids(&batches.waiting(start + seconds(9))), [1]);
    assert_eq!(ids(&batches.waiting(start + seconds(10))), [0; 0], "it is read again");
    let batch = batches.next(&hub, vec![old(60, row(1, HIRED))], start + seconds(10));
    assert_eq!((entries(&batch), dead(&batch)), (vec![(1, "gap", vec![])], vec![(1, Code::UnknownEvent)]));
}

#[test]
fn the_dead_letters_of_a_tenant_share_one_gap_a_second() {
    let ((hub, mut batches), start) = (batches(), Instant::now());
    let batch = batches.next(&hub, vec![row(1, "no JSON"), row(2, "no JSON")], start);
    assert_eq!(entries(&batch), [(1, "gap", vec![]), (2, "gap", vec![])]);
    assert_eq!(batch.drafts[0].key, batch.drafts[1].key, "the journal appends a key once");

    let before = start + Duration::from_millis(999);
    let batch = batches.next(&hub, vec![row(3, "no JSON")], before);
    assert!(batch.is_empty());
    assert_eq!(
        (ids(&batches.waiting(before)), batches.due(before)),
        (vec![3], Some(start + Duration::from_secs(1)))
    );

    // Somebody else's gap waits for nobody.
    let other = OutboxRow { tenant: Field::Text("other".to_owned()), ..row(4, "no JSON") };
    let batch = batches.next(&hub, vec![other], before);
    assert_eq!(ids(&batch.rows), [4]);

    let batch = batches.next(&hub, vec![row(5, "no JSON")], start + Duration::from_secs(1));
    assert_eq!(ids(&batch.rows), [3, 5]);
    assert_eq!((batches.due(start), ids(&batches.waiting(start))), (None, vec![]));
}

#[test]
fn a_row_with_the_key_of_another_publication_is_a_dead_letter_of_the_next_batch() {
    let ((hub, mut batches), now) = (batches(), Instant::now());
    let batch = batches.next(&hub, vec![row(1, PERSON), row(2, PERSON)], now);
    batches.has_other_key(&hub, &batch, &batch.rows[1].clone());
    assert_eq!((ids(&batches.waiting(now)), batches.due(now)), (vec![2], Some(now)));
    let batch = batches.next(&hub, Vec::new(), now);
    assert_eq!(entries(&batch), [(2, "gap", vec!["staff:people"])]);
    assert_eq!(dead(&batch), [(2, Code::Forbidden)]);
    assert_eq!(batches.due(now), None);
}

#[test]
fn rows_that_are_older_than_the_events_of_the_log_share_the_gap_of_their_tenant_and_are_no_dead_letters() {
    let (hub, mut batches) = batches();
    let rows =
        vec![old(601, row(1, PERSON)), old(601, row(2, HIRED)), old(600, row(3, PERSON)), row(4, "no JSON")];
    let batch = batches.next(&hub, rows, Instant::now());
    let people = vec!["staff:people"];
    assert_eq!(
        entries(&batch),
        [(3, "event", people), (1, "gap", vec![]), (2, "gap", vec![]), (4, "gap", vec![])]
    );
    assert_eq!(dead(&batch), [(4, Code::InvalidFrame)]);
}

#[test]
fn a_tenant_has_one_gap_a_second_also_if_more_rows_are_unknown_than_may_wait() {
    let ((hub, mut batches), start) = (batches(), Instant::now());
    let (mut gaps, mut dead_letters) = (BTreeSet::new(), 0);
    // 18,100 rows within four seconds, in batches as they are read.
    for (number, first) in (0..18_100).step_by(READ_ROWS).enumerate() {
        let now = start + 4 * Duration::from_secs(1) * u32::try_from(number).unwrap() / 71;
        let rows = (first..first + READ_ROWS as i64).map(|id| row(id, HIRED));
        let batch = batches.next(&hub, rows.collect(), now);
        dead_letters += batch.dead.len();
        gaps.extend(batch.drafts.iter().map(|draft| draft.key));
    }
    // The last 2.2 s.
    assert_eq!(gaps.len(), 3, "{dead_letters} dead letters");
    assert_eq!(batches.unknown.len(), MAX_UNKNOWN);
}

#[test]
fn so_many_rows_wait_for_a_newer_server_and_no_more() {
    let ((hub, mut batches), now) = (batches(), Instant::now());
    let many = |from: i64| (from..).map(|id| row(id, HIRED)).take(MAX_UNKNOWN);
    assert!(batches.next(&hub, many(0).collect(), now).is_empty());
    let batch = batches.next(&hub, vec![row(1 << 40, HIRED), row(2 << 40, PERSON)], now);
    assert_eq!(dead(&batch), [(1 << 40, Code::UnknownEvent)]);
    assert_eq!(batches.waiting(now).len(), MAX_UNKNOWN);
    batches.forget();
    assert_eq!(batches.waiting(now), []);
}

#[test]
fn so_many_rows_wait_for_a_gap_that_no_more_are_read_until_it_is_due() {
    let ((hub, mut batches), start) = (batches(), Instant::now());
    let faulty = |from: i64, count: usize| (from..).map(|id| row(id, "no JSON")).take(count).collect();
    assert_eq!(batches.next(&hub, faulty(0, 1), start).dead.len(), 1);
    assert!(batches.next(&hub, faulty(1, MAX_HELD - 1), start).is_empty());
    assert!(!batches.is_full());
    assert!(batches.next(&hub, faulty(1 << 40, 1), start).is_empty(), "a second has not gone by");
    assert!(batches.is_full());
    let due = batches.due(start).unwrap();
    assert_eq!(batches.next(&hub, Vec::new(), due).dead.len(), MAX_HELD);
    assert!(!batches.is_full());
}
