//! Idempotency: a key is appended once, as long as the journal remembers it.

use tidings_hub::{
    KeyLimits, LogLimits,
    journal::{Appended, Content, Journal, JournalDraft},
    keys::key_cost,
};
use tidings_shared::{Position, limits::MAX_TOPICS_PER_PUBLICATION};

use super::{
    EPOCH, HOUR, Place, RENEWED, acme, append, draft, event, history, history_of, in_time, key, now, numbers,
    tenant, topics, trim,
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
    let aged = LogLimits::default().keys(KeyLimits::default().max_age(2 * HOUR));
    place.age(HOUR);
    trim(&mut *journal, &aged, in_time(HOUR));
    assert!(!is_new(&answer(&mut *journal, again(2))), "not so old");
    place.age(2 * HOUR);
    trim(&mut *journal, &aged, in_time(3 * HOUR));
    assert!(is_new(&answer(&mut *journal, again(2))), "beyond the age");
}

/// In all, the topics have more than 64 KiB.
pub(super) fn many_topics_in_another_order_are_the_same_topics(place: &dyn Place) {
    let mut journal = place.open();
    let names: Vec<String> = (0..MAX_TOPICS_PER_PUBLICATION).map(|n| format!("clock:{n:0>100}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bytes: usize = names.iter().map(|name| name.len()).sum();
    let count = (70_000 / bytes + 1) as u128;
    let drafts: Vec<JournalDraft> =
        (1..=count).map(|n| JournalDraft { topics: topics(&names), ..draft(n) }).collect();
    let positions: Vec<Position> =
        drafts.iter().flat_map(|one| append(&mut *journal, std::slice::from_ref(one))).collect();
    let reversed = |draft: &JournalDraft| JournalDraft {
        topics: draft.topics.iter().rev().cloned().collect(),
        ..draft.clone()
    };
    let again: Vec<JournalDraft> = drafts.iter().map(reversed).collect();
    let answers = journal.append(&again, now(), &mut || EPOCH).expect("the journal appends");
    for (answer, first) in answers.into_iter().zip(positions) {
        let Appended::Known { position, topics: mut known } = answer else {
            panic!("it is known: {answer:?}")
        };
        known.sort();
        let mut expected = topics(&names);
        expected.sort();
        assert_eq!((position, known), (first, expected));
    }
}

pub(super) fn a_key_survives_a_renewed_epoch(place: &dyn Place) {
    let mut journal = place.open();
    let position = append(&mut *journal, &[JournalDraft { may_come_again: true, ..draft(1) }])[0];
    journal.renew(&acme(), EPOCH, RENEWED).expect("the journal renews");
    assert_known(&answer(&mut *journal, again(1)), position);
}
