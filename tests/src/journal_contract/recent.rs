//! The newest entries of a tenant.

use tidings_hub::{
    LogLimits, TenantId,
    journal::{Content, JournalDraft},
};
use tidings_shared::Position;

use super::{
    EPOCH, HOUR, Place, RENEWED, acme, append, draft, event, fill, follow, history, history_of, in_time, key,
    now, numbers, outcome, payload, tenant, trim,
};

pub(super) fn the_newest_entries_come_within_each_bound(place: &dyn Place) {
    let mut journal = place.open();
    let mut drafts: Vec<_> = (1..=10).map(draft).collect();
    drafts[4].content = event(&format!("\"{}\"", "x".repeat(10_000)));
    drafts[8].content = Content::Gap;
    let positions = append(&mut *journal, &drafts);
    let unbounded = LogLimits::default().max_entries(usize::MAX).max_bytes(usize::MAX);
    let mut newest = |limits: &LogLimits, now| {
        let history = journal.recent(&acme(), limits, now, RENEWED).expect("the journal answers");
        let before = 10 - history.entries.len();
        let tail = before.checked_sub(1).map_or(Position::new(EPOCH, 0, 0), |index| positions[index]);
        assert_eq!(history.tail, tail, "the position before the first");
        assert_eq!(numbers(&history.entries), (before as u128 + 1..=10).collect::<Vec<_>>());
        history.entries.len()
    };
    for entries in [0, 1, 3, 9, 10, 11] {
        assert_eq!(newest(&unbounded.max_entries(entries), now()), entries.min(10));
    }
    let cost: usize = drafts[5..].iter().map(|draft| draft.content.cost(draft.topics.len())).sum();
    assert_eq!(newest(&unbounded.max_bytes(cost), now()), 5, "as many as the bytes allow");
    assert_eq!(newest(&unbounded.max_bytes(cost - 1), now()), 4);
    assert_eq!(newest(&unbounded.max_bytes(cost + 10_000), now()), 5, "it ends before the large one");
    assert_eq!(newest(&unbounded.max_bytes(0), now()), 0);
    let aged = unbounded.max_age(2 * HOUR);
    place.age(HOUR);
    assert_eq!(newest(&aged, in_time(HOUR)), 10);
    place.age(2 * HOUR);
    assert_eq!(newest(&aged, in_time(3 * HOUR)), 0);
}

/// Twelve megabytes.
pub(super) fn a_history_of_several_pages_comes_whole(place: &dyn Place) {
    let mut journal = place.open();
    let large = |number| {
        let content = event(&format!("\"{number}{}\"", "x".repeat(300_000)));
        JournalDraft { content, ..draft(number) }
    };
    let drafts: Vec<JournalDraft> = (1..=40).map(large).collect();
    let positions: Vec<Position> = drafts.chunks(10).flat_map(|some| append(&mut *journal, some)).collect();
    let history = history(&mut *journal);
    assert_eq!(numbers(&history.entries), (1..=40).collect::<Vec<_>>());
    assert!(
        history
            .entries
            .iter()
            .zip(&drafts)
            .all(|(entry, draft)| payload(&entry.content) == payload(&draft.content))
    );
    // From there it goes on.
    fill(&mut *journal, 41..=41);
    assert_eq!(outcome(follow(&mut *journal, positions[39])), Ok(vec![41]));
    let few = LogLimits::default().max_entries(30).max_bytes(usize::MAX);
    let newest = journal.recent(&acme(), &few, now(), RENEWED).expect("the journal answers");
    assert_eq!(numbers(&newest.entries), (12..=41).collect::<Vec<_>>());
}

/// Unknown, empty, small and large ones. The large ones have more than a journal may give at once.
pub(super) fn several_tenants_come_in_their_order(place: &dyn Place) {
    let mut journal = place.open();
    let large = format!("\"{}\"", "x".repeat(300_000));
    for name in ["large", "larger"] {
        for numbers in [1..=10, 11..=20] {
            let drafts = numbers.map(|number| {
                let (tenant, content) = (tenant(name), event(&large));
                JournalDraft { tenant, content, ..draft(number) }
            });
            append(&mut *journal, &drafts.collect::<Vec<_>>());
        }
    }
    fill(&mut *journal, 1..=3);
    let limits = LogLimits::default().max_bytes(usize::MAX);
    let names = ["umbrella", "acme", "large", "initech", "larger", "hooli"].map(tenant);
    let mut ask = |some: &[TenantId]| {
        journal.recent_of(some, &limits, now(), &mut || EPOCH).expect("the journal answers")
    };
    let (mut left, mut found) = (&names[..], Vec::new());
    while !left.is_empty() {
        let answers = ask(left);
        assert!((1..=left.len()).contains(&answers.len()), "{}", answers.len());
        for (tenant, answer) in left.iter().zip(&answers) {
            let mut answer = answer.clone();
            // Too long for a call with others: its parts come alone.
            while answer.is_none() {
                answer = ask(std::slice::from_ref(tenant)).pop().expect("an answer for one tenant");
            }
            found.push(numbers(&answer.expect("the whole history").entries).len());
        }
        left = &left[answers.len()..];
    }
    assert_eq!(found, [0, 3, 20, 0, 20, 0]);
    // Each is followed from there.
    fill(&mut *journal, 4..=4);
    for tenant in &names {
        let head = history_of(&mut *journal, tenant);
        let head = head.entries.last().map_or(head.tail, |entry| entry.position);
        assert!(journal.follow(&[(tenant.clone(), head)], 10).expect("the journal answers").is_empty());
    }
}

pub(super) fn an_unknown_tenant_gets_the_epoch_that_is_offered(place: &dyn Place) {
    let mut journal = place.open();
    let limits = LogLimits::default();
    let mut empty =
        |name, epoch| journal.recent(&tenant(name), &limits, now(), epoch).expect("the journal answers").tail;
    assert_eq!(empty("acme", EPOCH), Position::new(EPOCH, 0, 0));
    assert_eq!(empty("acme", RENEWED), Position::new(EPOCH, 0, 0), "it is known now");
    assert_eq!(empty("umbrella", RENEWED), Position::new(RENEWED, 0, 0));
    // Of a random number, an epoch is the low bits.
    let random = u64::MAX - 7;
    assert_eq!(empty("initech", random), Position::new(random, 0, 0));
    drop(journal);
    let mut journal = place.open();
    let answers = journal.append(&[draft(1)], now(), &mut || RENEWED);
    assert_eq!(answers.expect("the journal appends").len(), 1);
    assert_eq!(history(&mut *journal).tail.epoch, EPOCH);
}

pub(super) fn an_empty_history_begins_at_its_head(place: &dyn Place) {
    let mut journal = place.open();
    fill(&mut *journal, 1..=3);
    trim(&mut *journal, &LogLimits::default().max_entries(0), now());
    let tail = history(&mut *journal).tail;
    assert_eq!(tail, Position::new(EPOCH, 3, Position::tag_of(key(3))));
    fill(&mut *journal, 4..=4);
    let entries = match super::follow(&mut *journal, tail) {
        Some(tidings_hub::journal::Followed::Entries(entries)) => entries,
        other => panic!("{:?}", outcome(other)),
    };
    assert_eq!(payload(&entries[0].content), Some(r#"{"number":4}"#));
}
