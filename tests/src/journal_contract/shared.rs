//! Several processes on one journal, where its kind allows that.

use std::thread;

use tidings_hub::journal::{Appended, Followed, Journal, JournalDraft, JournalRevocation, Revoked};
use tidings_shared::Position;

use super::{EPOCH, Place, acme, append, draft, fill, follow, history, now, numbers, outcome, topics};
use crate::eventually;

pub(super) fn two_processes_append_without_a_hole(place: &dyn Place) {
    if !place.is_shared() {
        return;
    }
    let run = |mut journal: Box<dyn Journal>, base: u128| {
        let mut positions = Vec::new();
        for group in 0..20 {
            let drafts: Vec<JournalDraft> = (1..=5).map(|n| draft(base + 5 * group + n)).collect();
            positions.extend(append(&mut *journal, &drafts));
        }
        assert!(positions.is_sorted_by_key(|position| position.offset), "in the order of the caller");
        positions
    };
    let (one, other) = (place.open(), place.open());
    let mut positions = thread::scope(|scope| {
        let running = scope.spawn(move || run(one, 1_000));
        let mut positions = run(other, 2_000);
        positions.extend(running.join().expect("the other process appends"));
        positions
    });
    positions.sort_unstable_by_key(|position| position.offset);
    let history = history(&mut *place.open());
    let stored: Vec<Position> = history.entries.iter().map(|entry| entry.position).collect();
    assert_eq!((stored.len(), stored), (200, positions));
}

pub(super) fn a_key_of_another_process_is_known(place: &dyn Place) {
    if !place.is_shared() {
        return;
    }
    let (mut one, mut other) = (place.open(), place.open());
    let position = append(&mut *one, &[draft(1)])[0];
    let answers = other.append(&[draft(1), draft(2)], now(), &mut || EPOCH).expect("the journal appends");
    assert_eq!(answers[0], Appended::Known { position, topics: topics(&["clock"]) });
    assert_eq!(numbers(&history(&mut *one).entries), [1, 2]);
}

pub(super) fn a_process_follows_another(place: &dyn Place) {
    if !place.is_shared() {
        return;
    }
    let (mut one, mut other) = (place.open(), place.open());
    let held = fill(&mut *one, 1..=1)[0];
    fill(&mut *other, 2..=4);
    assert_eq!(outcome(follow(&mut *one, held)), Ok(vec![2, 3, 4]));
    other.renew(&acme(), EPOCH, EPOCH ^ 1).expect("the journal renews");
    assert_eq!(outcome(follow(&mut *one, held)), Err("rolled back"));
}

pub(super) fn a_key_that_two_processes_append_at_the_same_time_is_appended_once(place: &dyn Place) {
    if !place.is_shared() {
        return;
    }
    /// Appends the same keys as the other process. Returns the positions of all, and how many were new here.
    fn run(mut journal: Box<dyn Journal>) -> (Vec<Position>, usize) {
        let (mut positions, mut new) = (Vec::new(), 0);
        for group in 0..20 {
            let drafts: Vec<JournalDraft> = (1..=5).map(|n| draft(5 * group + n)).collect();
            for answer in journal.append(&drafts, now(), &mut || EPOCH).expect("the journal appends") {
                new += usize::from(matches!(answer, Appended::New { .. }));
                match answer {
                    Appended::New { position, .. } | Appended::Known { position, .. } => {
                        positions.push(position)
                    }
                }
            }
        }
        (positions, new)
    }
    let (one, other) = (place.open(), place.open());
    let (first, second) = thread::scope(|scope| {
        let running = scope.spawn(move || run(one));
        (run(other), running.join().expect("the other process appends"))
    });
    assert_eq!(first.0, second.0, "the same answers");
    assert_eq!(first.1 + second.1, 100, "each key is new to one of them");
    let history = history(&mut *place.open());
    assert_eq!(numbers(&history.entries), (1..=100).collect::<Vec<_>>());
}

pub(super) fn a_process_follows_others_while_they_append(place: &dyn Place) {
    if !place.is_shared() {
        return;
    }
    let append_some = |mut journal: Box<dyn Journal>, base: u128| {
        (0..20).for_each(|group| {
            fill(&mut *journal, base + 5 * group + 1..=base + 5 * group + 5);
        });
    };
    let (one, other, mut follower) = (place.open(), place.open(), place.open());
    let mut held = history(&mut *follower).tail;
    let mut seen = Vec::new();
    thread::scope(|scope| {
        scope.spawn(move || append_some(one, 1_000));
        scope.spawn(move || append_some(other, 2_000));
        eventually("all entries come", || {
            let Some(followed) = follow(&mut *follower, held) else { return false };
            let Followed::Entries(entries) = followed else { panic!("nothing was lost: {followed:?}") };
            for entry in &entries {
                assert_eq!(entry.position.offset, held.offset + 1, "no hole");
                held = entry.position;
            }
            seen.extend(numbers(&entries));
            seen.len() >= 200
        });
    });
    assert_eq!(seen, numbers(&history(&mut *follower).entries), "the same order as in the journal");
}

pub(super) fn revocations_become_visible_in_the_order_of_their_numbers(place: &dyn Place) {
    if !place.is_shared() {
        return;
    }
    let revoke = |mut journal: Box<dyn Journal>, name: &str| {
        for number in 0..50 {
            let revoked = Revoked::Subject(format!("{name}{number}"));
            let until = now() + 1_000_000;
            let revocation = JournalRevocation { tenant: acme(), revoked, at: now(), until };
            journal.revoke(&[revocation]).expect("the journal revokes");
        }
    };
    let (one, other, mut reader) = (place.open(), place.open(), place.open());
    let (mut last, mut count) = (0, 0);
    thread::scope(|scope| {
        scope.spawn(move || revoke(one, "ann"));
        scope.spawn(move || revoke(other, "bob"));
        // A reader that goes on from the last number misses none.
        eventually("all revocations come", || {
            let revocations = reader.revocations(last, 7, now()).expect("the journal answers");
            for (number, _) in revocations {
                assert!(number > last, "{number} after {last}");
                (last, count) = (number, count + 1);
            }
            count >= 100
        });
    });
    assert_eq!(count, 100);
}

pub(super) fn what_was_read_before_an_old_copy_came_back_is_not_taken_for_what_is_there(place: &dyn Place) {
    if !place.is_shared() {
        return;
    }
    fill(&mut *place.open(), 1..=3);
    let restore = place.copy();
    let (mut journal, mut other) = (place.open(), place.open());
    fill(&mut *other, 4..=6);
    // The journal has read these, and has not followed since.
    let held = history(&mut *journal).entries[5].position;
    restore();
    fill(&mut *place.open(), 7..=9);
    let mut answer = None;
    eventually("the journal answers again", || {
        answer = journal.follow(&[(acme(), held)], 100).ok();
        answer.is_some()
    });
    assert!(matches!(answer.as_deref(), Some([(_, Followed::RolledBack)])), "{answer:?}");
}
