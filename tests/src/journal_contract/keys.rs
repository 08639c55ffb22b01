//! Idempotency: a key is appended once, as long as the journal remembers it.

use std::time::Duration;

use tidings_hub::{
    KeyLimits, LogLimits,
    journal::{Appended, Content, Journal, JournalDraft},
    keys::key_cost,
};
use tidings_shared::Position;

use super::{
    EPOCH, Place, RENEWED, acme, append, draft, event, history, history_of, key, now, numbers, tenant,
    topics, trim,
};

#[track_caller]
fn answer(journal: &mut dyn Journal, draft: JournalDraft) -> Appended {
    let answers = journal.append(&[draft], now(), &mut || EPOCH).expect("the journal appends");
    answers.into_iter().next().expect("an answer for each draft")
}

#[track_caller]
fn assert_known(answer: &Appended, first: Position) {
    let known = Appended::Known { position: first, topics: topics(&["clock"]) };
    assert_eq!(*answer, known);
}

fn is_new(answer: &Appended) -> bool {
    matches!(answer, Appended::New { .. })
}

/// Another draft with the same key.
fn again(number: u128) -> JournalDraft {
    JournalDraft { topics: topics(&["clock:other"]), content: event("{}"), ..draft(number) }
}

pub(super) fn a_key_is_appended_once(place: &dyn Place) {
    let mut journal = place.open();
    let drafts = [draft(1), JournalDraft { may_come_again: true, ..draft(2) }, draft(3)];
    let positions = append(&mut *journal, &drafts);
    for (number, position) in [(1, positions[0]), (2, positions[1])] {
        assert_known(&answer(&mut *journal, again(number)), position);
    }
    drop(journal);
    let mut journal = place.open();
    let answers = journal.append(&[again(3), draft(4), again(1)], now(), &mut || EPOCH);
    let answers = answers.expect("the journal appends");
    assert_known(&answers[0], positions[2]);
    assert!(is_new(&answers[1]), "others are appended");
    assert_known(&answers[2], positions[0]);
    assert_eq!(numbers(&history(&mut *journal).entries), [1, 2, 3, 4]);
}

pub(super) fn a_key_is_appended_once_in_one_call(place: &dyn Place) {
    let mut journal = place.open();
    let drafts = [draft(1), again(1), draft(2), again(1), again(2)];
    let answers = journal.append(&drafts, now(), &mut || EPOCH).expect("the journal appends");
    let offset = |answer: &Appended| match answer {
        Appended::New { position, .. } | Appended::Known { position, .. } => position.offset,
    };
    assert_eq!(answers.iter().map(offset).collect::<Vec<_>>(), [1, 1, 2, 1, 2]);
    assert_eq!(answers.iter().map(is_new).collect::<Vec<_>>(), [true, false, true, false, false]);
    assert_eq!(numbers(&history(&mut *journal).entries), [1, 2]);
}

pub(super) fn a_key_belongs_to_a_tenant(place: &dyn Place) {
    let mut journal = place.open();
    let of_others = JournalDraft { tenant: tenant("umbrella"), ..draft(1) };
    append(&mut *journal, &[draft(1), of_others]);
    for tenant in [acme(), tenant("umbrella")] {
        assert_eq!(numbers(&history_of(&mut *journal, &tenant).entries), [1]);
    }
}

pub(super) fn the_key_of_a_gap_is_a_key(place: &dyn Place) {
    let mut journal = place.open();
    let position = append(&mut *journal, &[JournalDraft { content: Content::Gap, ..draft(1) }])[0];
    assert_known(&answer(&mut *journal, again(1)), position);
}

pub(super) fn a_key_survives_its_entry_within_the_bounds(place: &dyn Place) {
    let mut journal = place.open();
    let drafts: Vec<JournalDraft> =
        (1..=4).map(|n| JournalDraft { may_come_again: true, ..draft(n) }).collect();
    let positions = append(&mut *journal, &drafts);
    let three = KeyLimits::default().max_bytes(3 * key_cost(&topics(&["clock"])));
    let no_entries = LogLimits::default().max_entries(0).keys(three);
    trim(&mut *journal, &no_entries, now());
    assert!(history(&mut *journal).entries.is_empty());
    drop(journal);
    let mut journal = place.open();
    for number in [2, 3, 4] {
        let position = positions[number - 1];
        assert_eq!(position.tag, Position::tag_of(key(number as u128)));
        assert_known(&answer(&mut *journal, again(number as u128)), position);
    }
    assert!(is_new(&answer(&mut *journal, again(1))), "the oldest key is beyond the bytes");
    let hour = 60 * 60 * 1000;
    let aged = LogLimits::default().keys(KeyLimits::default().max_age(Duration::from_secs(2 * 60 * 60)));
    trim(&mut *journal, &aged, now() + hour);
    assert!(!is_new(&answer(&mut *journal, again(2))), "not so old");
    trim(&mut *journal, &aged, now() + 3 * hour);
    assert!(is_new(&answer(&mut *journal, again(2))), "beyond the age");
}

pub(super) fn a_key_survives_a_renewed_epoch(place: &dyn Place) {
    let mut journal = place.open();
    let position = append(&mut *journal, &[JournalDraft { may_come_again: true, ..draft(1) }])[0];
    journal.renew(&acme(), EPOCH, RENEWED).expect("the journal renews");
    assert_known(&answer(&mut *journal, again(1)), position);
}
