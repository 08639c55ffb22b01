//! What leaves a journal, and what stays.

use tidings_hub::{
    KeyLimits, LogLimits,
    journal::{Appended, JournalDraft, JournalRevocation, REVOCATION_GRACE, Revoked},
};
use tidings_shared::Position;

use super::{
    EPOCH, HOUR, Place, acme, append, draft, event, fill, follow, history, in_time, key, now, numbers,
    outcome, tenant, trim,
};

pub(super) fn entries_beyond_the_number_go(place: &dyn Place) {
    let mut journal = place.open();
    fill(&mut *journal, 1..=3_000);
    let others = (1..=5).map(|n| JournalDraft { tenant: tenant("umbrella"), ..draft(n) });
    append(&mut *journal, &others.collect::<Vec<_>>());
    let limits = LogLimits::default().max_entries(10);
    trim(&mut *journal, &limits, now());
    assert_eq!(numbers(&history(&mut *journal).entries), (2_991..=3_000).collect::<Vec<_>>());
    let others = super::history_of(&mut *journal, &tenant("umbrella"));
    assert_eq!(others.entries.len(), 5, "the bounds are those of each tenant");
    let limits = tidings_hub::journal::JournalLimits::new(limits);
    assert_eq!(journal.trim(&limits, now()), Ok(false), "there is nothing more");
}

pub(super) fn entries_beyond_the_bytes_go(place: &dyn Place) {
    let mut journal = place.open();
    let mut drafts: Vec<JournalDraft> = (1..=10).map(draft).collect();
    drafts[2].content = event(&format!("\"{}\"", "x".repeat(10_000)));
    append(&mut *journal, &drafts);
    let cost = |drafts: &[JournalDraft]| -> usize {
        drafts.iter().map(|draft| draft.content.cost(draft.topics.len())).sum()
    };
    trim(&mut *journal, &LogLimits::default().max_bytes(cost(&drafts[1..])), now());
    assert_eq!(history(&mut *journal).entries.len(), 9);
    trim(&mut *journal, &LogLimits::default().max_bytes(cost(&drafts[2..]) - 1), now());
    assert_eq!(numbers(&history(&mut *journal).entries), (4..=10).collect::<Vec<_>>());
    drop(journal);
    let mut journal = place.open();
    trim(&mut *journal, &LogLimits::default().max_bytes(cost(&drafts[9..])), now());
    assert_eq!(numbers(&history(&mut *journal).entries), [10]);
    trim(&mut *journal, &LogLimits::default().max_bytes(1), now());
    assert!(history(&mut *journal).entries.is_empty());
}

pub(super) fn entries_beyond_the_age_go(place: &dyn Place) {
    let mut journal = place.open();
    fill(&mut *journal, 1..=5);
    let limits = LogLimits::default().max_age(2 * HOUR);
    place.age(HOUR);
    trim(&mut *journal, &limits, in_time(HOUR));
    assert_eq!(history(&mut *journal).entries.len(), 5);
    place.age(2 * HOUR);
    trim(&mut *journal, &limits, in_time(3 * HOUR));
    assert!(history(&mut *journal).entries.is_empty());
}

/// Nobody else has this clock.
pub(super) fn a_process_with_a_clock_that_is_ahead_removes_nothing_that_others_need(place: &dyn Place) {
    if !place.has_clock() {
        return;
    }
    let (mut ahead, mut other) = (place.open(), place.open());
    let drafts = [1, 2].map(|n| JournalDraft { may_come_again: true, ..draft(n) });
    append(&mut *other, &drafts);
    let half = HOUR / 2;
    let revocation = JournalRevocation {
        tenant: acme(),
        revoked: Revoked::Subject("ann".to_owned()),
        at: now(),
        until: in_time(half),
    };
    other.revoke(&[revocation]).expect("the journal revokes");
    let limits = LogLimits::default().max_age(half).keys(KeyLimits::default().max_age(half));
    trim(&mut *ahead, &limits, in_time(HOUR + REVOCATION_GRACE));
    assert_eq!(numbers(&history(&mut *other).entries), [1, 2]);
    assert_eq!(other.revocations(0, 10, now()).expect("the journal answers").len(), 1);
    let newest = ahead.recent(&acme(), &limits, in_time(HOUR), EPOCH).expect("the journal answers");
    assert_eq!(numbers(&newest.entries), [1, 2]);
    // The keys alone, too.
    trim(&mut *ahead, &limits.max_entries(0), in_time(HOUR));
    let answers = other.append(&drafts, now(), &mut || EPOCH).expect("the journal appends");
    assert!(answers.iter().all(|answer| matches!(answer, Appended::Known { .. })), "{answers:?}");
}

pub(super) fn epoch_head_and_tail_survive(place: &dyn Place) {
    let mut journal = place.open();
    let positions = fill(&mut *journal, 1..=5);
    trim(&mut *journal, &LogLimits::default().max_entries(2), now());
    drop(journal);
    let mut journal = place.open();
    assert_eq!(history(&mut *journal).tail, positions[2], "with its tag");
    let week = 7 * 24 * HOUR;
    place.age(week);
    trim(&mut *journal, &LogLimits::default(), in_time(week));
    drop(journal);
    let mut journal = place.open();
    assert_eq!(history(&mut *journal).tail, positions[4]);
    assert_eq!(outcome(follow(&mut *journal, positions[4])), Ok(vec![]));
    let other = Position { tag: positions[4].tag ^ 1, ..positions[4] };
    assert_eq!(outcome(follow(&mut *journal, other)), Err("rolled back"));
    assert_eq!(fill(&mut *journal, 6..=6), [Position::new(EPOCH, 6, Position::tag_of(key(6)))]);
}
