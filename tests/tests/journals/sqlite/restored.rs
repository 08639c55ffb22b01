//! An old copy of the file, put back under the journal in every way that an operator has.

use std::{fs, path::Path, time::Duration};

use rusqlite::Connection;
use tidings_hub::journal::{Appended, Journal};
use tidings_server::journal::SqliteJournal;
use tidings_shared::Position;
use tidings_tests::{
    eventually,
    journal_contract::{EPOCH, append, draft, fill, follow, history, key, numbers, outcome},
};

use crate::place::{Folder, Restore};

/// Makes a copy as SQLite's own tools do. The journal may be open.
fn vacuum_into(path: &Path, copy: &Path) {
    let _ = fs::remove_file(copy);
    let into = copy.to_str().unwrap();
    Connection::open(path).unwrap().execute("VACUUM INTO ?1", [into]).unwrap();
}

/// Makes a history of 1, 2, 3, another one that goes on with other keys to the same length, and a longer one. Returns the
/// bytes of each file, without a log. The journal in the folder has 1 to 6.
fn copies(folder: &Folder) -> [Vec<u8>; 3] {
    let read = || fs::read(folder.path()).unwrap();
    fill(&mut folder.journal(), 1..=3);
    let older = read();
    fill(&mut folder.journal(), 14..=16);
    let other = read();
    fs::write(folder.path(), &older).unwrap();
    fill(&mut folder.journal(), 4..=6);
    let base = read();
    fill(&mut folder.journal(), 7..=9);
    let newer = read();
    fs::write(folder.path(), base).unwrap();
    [older, other, newer]
}

/// Appends one entry again and again, as the driver does, until it is acknowledged.
fn append_in_the_end(journal: &mut SqliteJournal, number: u128) -> Position {
    let mut position = None;
    let mut refused = 0;
    eventually("the journal appends again", || {
        match journal.append(&[draft(number)], 1_700_000_000_000, &mut || EPOCH ^ 0xff).as_deref() {
            Ok([Appended::New { position: new, .. } | Appended::Known { position: new, .. }]) => {
                position = Some(*new);
            }
            Ok(other) => panic!("one answer: {other:?}"),
            Err(_) => refused += 1,
        }
        position.is_some()
    });
    assert!(refused > 0, "the replaced file was noticed");
    position.unwrap()
}

#[test]
fn no_entry_seems_to_follow_an_entry_that_is_gone() {
    let folder = Folder::new();
    let [older, other, newer] = copies(&folder);
    let base = fs::read(folder.path()).unwrap();
    for restore in [Restore::Rename, Restore::Overwrite] {
        for keeps_log in [true, false] {
            for (name, copy) in [
                ("older", Some(&older)),
                ("of the same length", Some(&other)),
                ("newer", Some(&newer)),
                ("empty", Some(&Vec::new())),
                ("deleted", None),
            ] {
                let case = format!("{name}, {restore:?}, the log stays: {keeps_log}");
                fs::write(folder.path(), &base).unwrap();
                let mut journal = folder.journal();
                let held = fill(&mut journal, 10..=10)[0];
                assert_eq!((held.epoch, held.offset), (EPOCH, 7), "{case}");
                match copy {
                    Some(copy) => restore.put(copy, &folder.path()),
                    None => fs::remove_file(folder.path()).unwrap(),
                }
                if !keeps_log {
                    fs::remove_file(folder.file("-wal")).unwrap();
                }
                let position = append_in_the_end(&mut journal, 20);
                assert_ne!(position.epoch, EPOCH, "{case}: {position}");
                assert_eq!(outcome(follow(&mut journal, held)), Err("rolled back"), "{case}");
                drop(journal);
                let mut journal = folder.journal();
                assert!(
                    numbers(&history(&mut journal).entries).contains(&20),
                    "{case}: what is acknowledged is there"
                );
            }
        }
    }
}

#[test]
fn a_newer_copy_with_the_own_history_is_followed() {
    let folder = Folder::new();
    let [_, _, newer] = copies(&folder);
    let mut journal = folder.journal();
    let held = history(&mut journal).entries[5].position;
    Restore::Rename.put(&newer, &folder.path());
    let position = append_in_the_end(&mut journal, 20);
    assert_eq!(position, Position::new(EPOCH, 10, Position::tag_of(key(20))));
    assert_eq!(outcome(follow(&mut journal, held)), Ok(vec![7, 8, 9, 20]));
}

#[test]
fn a_replaced_file_is_found_while_nothing_happens() {
    let folder = Folder::new();
    let [older, ..] = copies(&folder);
    let mut journal = folder.journal();
    assert_eq!(history(&mut journal).entries.len(), 6);
    assert!(journal.poll_interval() <= Duration::from_secs(1));
    Restore::Overwrite.put(&older, &folder.path());
    journal.probe().unwrap_err();
}

#[test]
fn a_touched_file_loses_nothing() {
    let folder = Folder::new();
    let mut journal = folder.journal();
    let held = fill(&mut journal, 1..=3)[2];
    let rights = fs::metadata(folder.path()).unwrap().permissions();
    fs::set_permissions(folder.path(), rights).unwrap();
    fs::hard_link(folder.path(), folder.file(".link")).unwrap();
    let position = append_in_the_end(&mut journal, 4);
    assert_eq!(position, Position::new(EPOCH, 4, Position::tag_of(key(4))));
    assert_eq!(outcome(follow(&mut journal, held)), Ok(vec![4]));
}

#[test]
fn somebody_who_reads_or_copies_disturbs_nothing() {
    let folder = Folder::new();
    let mut journal = folder.journal();
    fill(&mut journal, 1..=3);
    vacuum_into(&folder.path(), &folder.file(".copy"));
    let count = |path| -> i64 {
        let other = Connection::open(path).unwrap();
        other.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count(folder.path()), count(folder.file(".copy"))), (3, 3));
    fill(&mut journal, 4..=4);
}

#[test]
fn an_entry_that_another_program_writes_is_no_silent_one() {
    let folder = Folder::new();
    let mut journal = folder.journal();
    let held = fill(&mut journal, 1..=3)[2];
    Connection::open(folder.path()).unwrap().execute("DELETE FROM entry WHERE offset = 3", []).unwrap();
    let position = append_in_the_end(&mut journal, 4);
    assert_ne!(position.epoch, EPOCH);
    assert_eq!(outcome(follow(&mut journal, held)), Err("rolled back"));
}

/// Copies the files of an open journal, as they would be after `kill -9`.
fn killed(folder: &Folder) -> [Vec<u8>; 2] {
    ["", "-wal"].map(|suffix| fs::read(folder.file(suffix)).unwrap())
}

/// Puts files into a new folder, and returns the numbers of the entries that a journal finds there.
fn found(file: &[u8], log: &[u8]) -> Vec<u128> {
    let folder = Folder::new();
    fs::write(folder.path(), file).unwrap();
    fs::write(folder.file("-wal"), log).unwrap();
    let mut journal = folder.journal();
    let found = numbers(&history(&mut journal).entries);
    fill(&mut journal, 100_000..=100_000);
    drop(journal);
    assert_eq!(history(&mut folder.journal()).entries.len(), found.len() + 1, "it goes on");
    found
}

#[test]
fn the_log_of_a_killed_process_counts_with_its_own_file_only() {
    let folder = Folder::new();
    let [older, other, newer] = copies(&folder);
    let mut journal = folder.journal();
    fill(&mut journal, 20..=21);
    vacuum_into(&folder.path(), &folder.file(".copy"));
    let vacuumed = fs::read(folder.file(".copy")).unwrap();
    fill(&mut journal, 22..=700);
    let [file, log] = killed(&folder);
    let all = (1..=6).chain(20..=700).collect::<Vec<_>>();
    assert_eq!(found(&file, &log), all, "after kill -9");
    assert_eq!(found(&older, &log), [1, 2, 3]);
    assert_eq!(found(&other, &log), [1, 2, 3, 14, 15, 16]);
    assert_eq!(found(&newer, &log), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(found(&vacuumed, &log), [1, 2, 3, 4, 5, 6, 20, 21]);
    assert_eq!(found(&[], &log), [0; 0]);
    // A log that ends in the middle of a transaction.
    let end = found(&file, &log[..log.len() - 5_000]);
    assert!(all.starts_with(&end), "{end:?}");
}

#[test]
fn a_checkpoint_of_another_program_loses_nothing() {
    let folder = Folder::new();
    let mut journal = folder.journal();
    let held = fill(&mut journal, 1..=300)[299];
    let checkpoint = |kind| {
        let other = Connection::open(folder.path()).unwrap();
        other.query_row(&format!("PRAGMA wal_checkpoint({kind})"), [], |_| Ok(())).unwrap();
    };
    checkpoint("PASSIVE");
    let [file, log] = killed(&folder);
    assert_eq!(found(&file, &log), (1..=300).collect::<Vec<_>>());
    let position = append_in_the_end(&mut journal, 301);
    assert_eq!((position.epoch, position.offset), (EPOCH, 301));
    assert_eq!(outcome(follow(&mut journal, held)), Ok(vec![301]));
    checkpoint("TRUNCATE");
    let position = append_in_the_end(&mut journal, 302);
    assert_eq!((position.epoch, position.offset), (EPOCH, 302));
}

#[test]
fn a_journal_whose_log_is_deleted_goes_on_from_its_file() {
    let folder = Folder::new();
    fill(&mut folder.journal(), 1..=3);
    let mut journal = folder.journal();
    let held = fill(&mut journal, 4..=6)[2];
    fs::remove_file(folder.file("-wal")).unwrap();
    let position = append_in_the_end(&mut journal, 7);
    assert_ne!(position.epoch, EPOCH);
    assert_eq!(outcome(follow(&mut journal, held)), Err("rolled back"));
    assert_eq!(outcome(follow(&mut journal, position)), Ok(vec![]));
}

#[test]
fn several_tenants_get_new_epochs_and_others_stay() {
    let folder = Folder::new();
    let of = |name: &str, number| tidings_hub::journal::JournalDraft {
        tenant: name.parse().unwrap(),
        ..draft(number)
    };
    let first = append(&mut folder.journal(), &[of("a", 1), of("b", 2), of("c", 3)]);
    let copy = fs::read(folder.path()).unwrap();
    let mut journal = folder.journal();
    append(&mut journal, &[of("a", 4), of("b", 5)]);
    // The journal knows the tenant `c`, and its history is the same.
    journal.follow(&[("c".parse().unwrap(), first[2])], 10).unwrap();
    Restore::Rename.put(&copy, &folder.path());
    append_in_the_end(&mut journal, 9);
    let next = append(&mut journal, &[of("a", 6), of("b", 7), of("c", 8)]);
    let renewed: Vec<bool> = next.iter().map(|position| position.epoch != EPOCH).collect();
    assert_eq!(renewed, [true, true, false]);
    assert_eq!(next.iter().map(|position| position.offset).collect::<Vec<_>>(), [2, 2, 2]);
}
