//! Several processes on one journal, where its kind allows that.

use std::thread;

use tidings_hub::journal::{Appended, Journal, JournalDraft};
use tidings_shared::Position;

use super::{EPOCH, Place, acme, append, draft, fill, follow, history, now, numbers, outcome, topics};

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
