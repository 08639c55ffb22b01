//! The simulated journal keeps the contract, and each of its faults does what its name says.

use std::time::Duration;

use tidings_hub::{
    KeyLimits, LogLimits,
    journal::{
        Appended, Content, Followed, Journal, JournalDraft, JournalLimits, JournalRevocation, Revoked,
    },
};
use tidings_shared::Position;
use uuid::Uuid;

use super::*;
use crate::{
    access::{tenant, topic},
    store::event,
};

const NOW: u64 = 1_700_000_000_000;

fn draft(index: usize, key: u128) -> JournalDraft {
    JournalDraft {
        tenant: tenant(index),
        key: Uuid::from_u128(key),
        may_come_again: true,
        origin: Some(format!("origin-{key}")),
        topics: vec![topic(key as u64 % 3)],
        content: Content::Event(event(index, key as u64)),
    }
}

fn append(journal: &mut Handle, index: usize, keys: &[u128]) -> Vec<Appended> {
    let drafts: Vec<JournalDraft> = keys.iter().map(|key| draft(index, *key)).collect();
    journal.append(&drafts, NOW, &mut || 7).unwrap()
}

fn position(offset: u64, key: u128) -> Position {
    Position::new(7, offset, Position::tag_of(Uuid::from_u128(key)))
}

fn follow(journal: &mut Handle, position: Position) -> Option<Followed> {
    let mut news = journal.follow(&[(tenant(0), position)], 100).unwrap();
    assert!(news.len() <= 1);
    news.pop().map(|(_, followed)| followed)
}

fn offsets(followed: Option<Followed>) -> Vec<u64> {
    match followed {
        Some(Followed::Entries(entries)) => entries.iter().map(|entry| entry.position.offset).collect(),
        None => Vec::new(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn offsets_are_dense_for_each_tenant_and_a_known_key_gets_its_first_answer() {
    let mut journal = Database::new(50, 40).handle(0);
    let answers = append(&mut journal, 0, &[1, 2, 1]);
    let known = Appended::Known { position: position(1, 1), topics: vec![topic(1)] };
    let new = |offset, key| Appended::New { position: position(offset, key), at: NOW + 40 };
    assert_eq!(answers, [new(1, 1), new(2, 2), known]);
    assert_eq!(append(&mut journal, 1, &[1]), [new(1, 1)], "another tenant knows the key not");
    assert_eq!(append(&mut journal, 0, &[3]), [new(3, 3)]);
}

#[test]
fn two_nodes_read_the_same_entries() {
    let database = Database::default();
    let (mut one, mut other) = (database.handle(0), database.handle(1));
    append(&mut one, 0, &[1, 2]);
    append(&mut other, 0, &[3]);
    let read = |journal: &mut Handle| {
        let history = journal.recent(&tenant(0), &LogLimits::default(), 0, 9).unwrap();
        (history.tail, format!("{:?}", history.entries))
    };
    assert_eq!(read(&mut one), read(&mut other));
    assert_eq!(read(&mut one).0, Position::new(7, 0, 0));
    assert_eq!(offsets(follow(&mut one, position(1, 1))), [2, 3]);
    assert!(follow(&mut other, position(3, 3)).is_none());
}

#[test]
fn recent_returns_the_newest_entries_within_the_bounds() {
    let mut journal = Database::default().handle(0);
    append(&mut journal, 0, &[1, 2, 3]);
    let mut recent = |limits: LogLimits, now| {
        let history = journal.recent(&tenant(0), &limits, now, 9).unwrap();
        (history.tail, history.entries.len())
    };
    let limits = LogLimits::default();
    assert_eq!(recent(limits, 0), (Position::new(7, 0, 0), 3));
    assert_eq!(recent(limits.max_entries(2), 0), (position(1, 1), 2));
    assert_eq!(recent(limits.max_bytes(1_000), 0), (position(2, 2), 1));
    assert_eq!(recent(limits.max_age(Duration::ZERO), NOW + 1), (position(3, 3), 0), "all are too old");
}

#[test]
fn a_position_of_another_history_is_rolled_back_and_one_before_the_tail_is_trimmed() {
    let database = Database::default();
    let mut journal = database.handle(0);
    append(&mut journal, 0, &[1, 2, 3]);
    for other in [position(4, 4), position(3, 4), Position { epoch: 8, ..position(3, 3) }] {
        assert!(matches!(follow(&mut journal, other), Some(Followed::RolledBack)), "{other}");
    }
    database.trim_to(&tenant(0), 1);
    assert!(matches!(follow(&mut journal, position(1, 1)), Some(Followed::Trimmed)));
    assert_eq!(offsets(follow(&mut journal, position(2, 2))), [3], "the tail keeps its tag");
    assert!(matches!(follow(&mut journal, position(2, 5)), Some(Followed::RolledBack)));
    assert!(matches!(
        journal.follow(&[(tenant(9), position(1, 1))], 9).unwrap()[..],
        [(_, Followed::RolledBack)]
    ));
}

#[test]
fn only_the_first_node_renews_an_epoch_and_offsets_go_on() {
    let database = Database::default();
    let mut journal = database.handle(0);
    append(&mut journal, 0, &[1, 2]);
    journal.renew(&tenant(0), 7, 8).unwrap();
    journal.renew(&tenant(0), 7, 9).unwrap();
    assert!(matches!(follow(&mut journal, position(2, 2)), Some(Followed::RolledBack)));
    let history = journal.recent(&tenant(0), &LogLimits::default(), 0, 10).unwrap();
    assert_eq!((history.tail, history.entries.len()), (Position { epoch: 8, ..position(2, 2) }, 0));
    assert!(matches!(append(&mut journal, 0, &[1])[..], [Appended::Known { .. }]), "the key was published");
    assert_eq!(
        append(&mut journal, 0, &[3]),
        [Appended::New { position: Position { epoch: 8, ..position(3, 3) }, at: NOW }]
    );
}

#[test]
fn trimming_keeps_the_head_and_the_keys_that_may_come_again() {
    let mut journal = Database::default().handle(0);
    append(&mut journal, 0, &[1, 2, 3]);
    let mut once = draft(0, 4);
    once.may_come_again = false;
    journal.append(&[once.clone(), draft(0, 5)], NOW, &mut || 7).unwrap();
    let limits = JournalLimits::new(LogLimits::default().max_entries(1));
    assert!(!journal.trim(&limits, NOW).unwrap());
    assert!(matches!(append(&mut journal, 0, &[1])[..], [Appended::Known { .. }]));
    let again = journal.append(&[once], NOW, &mut || 7).unwrap();
    assert!(matches!(again[..], [Appended::New { position: Position { offset: 6, .. }, .. }]), "{again:?}");
    let keys = KeyLimits::default().max_age(Duration::from_secs(1));
    let old = JournalLimits::new(LogLimits::default().max_age(Duration::from_secs(1)).keys(keys));
    journal.trim(&old, NOW + 2_000).unwrap();
    assert!(matches!(
        append(&mut journal, 0, &[1])[..],
        [Appended::New { position: Position { offset: 7, .. }, .. }]
    ));
}

#[test]
fn revocations_have_ascending_numbers_and_expire() {
    let mut journal = Database::default().handle(0);
    let revocation = |until| JournalRevocation {
        tenant: tenant(0),
        revoked: Revoked::Subject("ada".to_owned()),
        at: NOW,
        until,
    };
    assert_eq!(journal.revoke(&[revocation(NOW + 10), revocation(NOW + 20)]).unwrap(), [1, 2]);
    let mut numbers = |after, max, now| {
        let read = journal.revocations(after, max, now).unwrap();
        read.into_iter().map(|(number, _)| number).collect::<Vec<_>>()
    };
    assert_eq!((numbers(0, 9, NOW), numbers(1, 9, NOW), numbers(0, 1, NOW)), (vec![1, 2], vec![2], vec![1]));
    assert_eq!(numbers(0, 9, NOW + 10), [2]);
    journal.trim(&JournalLimits::new(LogLimits::default()), NOW + 20).unwrap();
    assert_eq!(journal.revoke(&[revocation(NOW + 90)]).unwrap(), [3]);
}

#[test]
fn a_node_that_is_cut_off_gets_errors_and_the_others_do_not() {
    let database = Database::default();
    let (mut one, mut other) = (database.handle(0), database.handle(1));
    database.fault(0, |faults| faults.is_cut_off = true);
    assert!(one.append(&[draft(0, 1)], NOW, &mut || 7).is_err() && one.probe().is_err());
    assert!(one.follow(&[], 9).is_err() && one.recent(&tenant(0), &LogLimits::default(), 0, 1).is_err());
    append(&mut other, 0, &[2]);
    assert_eq!(database.faults(0).failed, 4);
    database.fault(0, |faults| faults.is_cut_off = false);
    assert_eq!(append(&mut one, 0, &[1]), [Appended::New { position: position(2, 1), at: NOW }]);
}

#[test]
fn an_answer_that_is_lost_leaves_the_entries_in_the_journal() {
    let database = Database::default();
    let mut journal = database.handle(0);
    append(&mut journal, 0, &[1]);
    database.fault(0, |faults| faults.lost_answers = 1);
    assert!(journal.append(&[draft(0, 2)], NOW, &mut || 7).is_err());
    assert_eq!(offsets(follow(&mut journal, position(1, 1))), [2]);
    assert!(matches!(append(&mut journal, 0, &[2])[..], [Appended::Known { .. }]));
}

#[test]
fn a_suffix_that_is_lost_takes_its_keys_with_it_and_other_entries_grow_in_its_place() {
    let database = Database::default();
    let mut journal = database.handle(0);
    append(&mut journal, 0, &[1, 2, 3]);
    database.lose_suffix(|_| 2);
    assert!(matches!(follow(&mut journal, position(3, 3)), Some(Followed::RolledBack)));
    assert_eq!(append(&mut journal, 0, &[3]), [Appended::New { position: position(2, 3), at: NOW }]);
    assert!(matches!(follow(&mut journal, position(2, 2)), Some(Followed::RolledBack)), "the tag differs");
    assert!(
        matches!(append(&mut journal, 0, &[1])[..], [Appended::Known { .. }]),
        "an older key is still known"
    );
}

#[test]
fn an_old_copy_brings_back_old_entries_epochs_and_revocations() {
    let database = Database::default();
    let mut journal = database.handle(0);
    assert!(!database.restore(|_| 0), "there is no copy yet");
    append(&mut journal, 0, &[1]);
    database.copy();
    append(&mut journal, 0, &[2]);
    append(&mut journal, 1, &[3]);
    journal.renew(&tenant(0), 7, 8).unwrap();
    database.take_changes();
    assert!(database.restore(|count| count - 1));
    assert_eq!(database.rows(&tenant(0)).unwrap().head(), position(1, 1));
    assert!(database.rows(&tenant(1)).is_none());
    let changes = database.take_changes();
    let [Change::Removed { tenant: gone }, Change::Replaced { tail, positions, copied_at: Some(1), .. }] =
        &changes[..]
    else {
        panic!("{changes:?}")
    };
    assert_eq!((gone, *tail, &positions[..]), (&tenant(1), Position::new(7, 0, 0), &[position(1, 1)][..]));
}

#[test]
fn the_world_learns_each_change_in_order() {
    let database = Database::default();
    let mut journal = database.handle(0);
    append(&mut journal, 0, &[1, 1]);
    database.renew(&tenant(0), 8);
    let changes = database.take_changes();
    let [
        Change::Replaced { tenant: new, copied_at: None, .. },
        Change::Appended { tenant: its, entry },
        Change::Replaced { tenant: renewed, tail, copied_at: None, .. },
    ] = &changes[..]
    else {
        panic!("{changes:?}")
    };
    assert_eq!([new, its, renewed], [&tenant(0); 3]);
    assert_eq!((entry.position, tail.epoch), (position(1, 1), 8));
    assert!(database.take_changes().is_empty());
}
