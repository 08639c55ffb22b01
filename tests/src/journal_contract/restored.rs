//! An old copy of the journal, put back over a newer history.

use tidings_hub::journal::{Appended, Followed, Journal};
use tidings_shared::Position;

use super::{EPOCH, Place, RENEWED, acme, draft, fill, follow, history, key, now, numbers, outcome, tenant};
use crate::eventually;

pub(super) fn an_old_copy_is_another_history(place: &dyn Place) {
    fill(&mut *place.open(), 1..=3);
    let restore = place.copy();
    let mut journal = place.open();
    let newer = fill(&mut *journal, 4..=6);
    drop(journal);
    restore();
    let mut journal = place.open();
    for held in newer {
        assert_eq!(outcome(follow(&mut *journal, held)), Err("rolled back"));
    }
    let before = Position::new(EPOCH, 3, Position::tag_of(key(3)));
    assert_eq!(outcome(follow(&mut *journal, before)), Ok(vec![]));
    assert_eq!(numbers(&history(&mut *journal).entries), [1, 2, 3]);
}

pub(super) fn an_old_copy_that_grew_again_is_another_history(place: &dyn Place) {
    fill(&mut *place.open(), 1..=3);
    let restore = place.copy();
    let newer = fill(&mut *place.open(), 4..=6);
    restore();
    let mut journal = place.open();
    let grown = fill(&mut *journal, 7..=12);
    for held in newer {
        assert_eq!(outcome(follow(&mut *journal, held)), Err("rolled back"), "{held}");
    }
    assert_eq!(outcome(follow(&mut *journal, grown[3])), Ok(vec![11, 12]));
}

/// Follows until the journal answers. While its copy is put back, it may not answer.
fn follow_in_the_end(journal: &mut dyn Journal, held: Position) -> Result<Vec<u128>, &'static str> {
    let mut answer = None;
    eventually("the journal answers again", || {
        answer = journal.follow(&[(acme(), held)], 100).ok();
        answer.is_some()
    });
    outcome(answer.unwrap_or_default().pop().map(|(_, followed): (_, Followed)| followed))
}

pub(super) fn an_old_copy_under_an_open_journal_is_found(place: &dyn Place) {
    let empty = place.copy();
    fill(&mut *place.open(), 1..=3);
    let older = place.copy();
    let mut journal = place.open();
    let held = fill(&mut *journal, 4..=6)[2];
    older();
    assert_eq!(follow_in_the_end(&mut *journal, held), Err("rolled back"));
    // A journal may have renewed the epoch by itself.
    journal.renew(&acme(), EPOCH, RENEWED).expect("the journal renews");
    let held = fill(&mut *journal, 7..=7)[0];
    assert_eq!((held.offset, held.tag), (4, Position::tag_of(key(7))));
    assert_ne!(held.epoch, EPOCH);
    // The same once more, back to a journal without the tenant.
    empty();
    assert_eq!(follow_in_the_end(&mut *journal, held), Err("rolled back"));
    let tail = history(&mut *journal).tail;
    assert_eq!(tail, Position::new(EPOCH, 0, 0), "the tenant is new");
    drop(journal);
    assert_eq!(history(&mut *place.open()).tail, tail);
    let of_others = place.open().recent(&tenant("b"), &tidings_hub::LogLimits::default(), 0, 9);
    assert_eq!(of_others.expect("the journal answers").tail.epoch, 9);
}

pub(super) fn an_old_copy_under_a_journal_that_follows_is_found(place: &dyn Place) {
    fill(&mut *place.open(), 1..=3);
    let restore = place.copy();
    // The other history is shorter, as long, or longer.
    let grown: &[u128] = if place.is_shared() { &[0, 3, 6] } else { &[0] };
    for &grown in grown {
        let mut journal = place.open();
        let held = fill(&mut *journal, 4..=6)[2];
        for _ in 0..2 {
            assert_eq!(outcome(follow(&mut *journal, held)), Ok(vec![]), "it knows this position");
        }
        restore();
        if grown > 0 {
            fill(&mut *place.open(), 11..=10 + grown);
        }
        assert_eq!(follow_in_the_end(&mut *journal, held), Err("rolled back"), "{grown}");
        drop(journal);
        restore();
    }
}

pub(super) fn nothing_is_acknowledged_that_the_restored_journal_does_not_have(place: &dyn Place) {
    fill(&mut *place.open(), 1..=3);
    let restore = place.copy();
    let mut journal = place.open();
    let held = fill(&mut *journal, 4..=6)[2];
    restore();
    // It refuses, or it appends to the restored history.
    let mut acknowledged = Vec::new();
    for number in 7..=12 {
        if let Ok(answers) = journal.append(&[draft(number)], now(), &mut || EPOCH) {
            assert!(matches!(answers[..], [Appended::New { .. }]), "{answers:?}");
            acknowledged.push(number);
        }
    }
    let seen = follow_in_the_end(&mut *journal, held);
    assert_eq!(seen, Err("rolled back"), "it was acknowledged: {acknowledged:?}");
    drop(journal);
    let stored = numbers(&history(&mut *place.open()).entries);
    assert!(acknowledged.iter().all(|number| stored.contains(number)), "{acknowledged:?} {stored:?}");
    assert!(!stored.contains(&4), "the newer history is gone: {stored:?}");
}
