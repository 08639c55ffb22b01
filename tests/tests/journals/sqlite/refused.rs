//! What can be no journal: each is a sentence with the remedy, and no file changes.

use std::{fs, os::unix::fs::symlink, process::Command, time::Duration};

use rusqlite::Connection;
use tidings_hub::journal::Journal;
use tidings_server::journal::{SqliteJournal, Synchronous};
use tidings_tests::journal_contract::{EPOCH, draft, fill, history, numbers};

use crate::place::Folder;

#[track_caller]
fn assert_refused(folder: &Folder, says: &str) {
    let before = folder.bytes();
    let error = folder.try_open().unwrap_err().to_string();
    assert!(error.contains(says) && error.contains("events.journal"), "{error}");
    assert_eq!(folder.bytes(), before, "{error}");
}

#[test]
fn what_is_no_journal_stays_as_it_is() {
    let folder = Folder::new();
    fs::write(folder.path(), "a text\n".repeat(1000)).unwrap();
    assert_refused(&folder, "is no SQLite database");
    fs::write(folder.path(), "x").unwrap();
    assert_refused(&folder, "is no SQLite database");
    fs::remove_file(folder.path()).unwrap();
    fs::create_dir(folder.path()).unwrap();
    assert_refused(&folder, "is a folder");
    fs::remove_dir(folder.path()).unwrap();
    let database = Connection::open(folder.path()).unwrap();
    database.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE customer (name TEXT)").unwrap();
    drop(database);
    assert_refused(&folder, "of another application");
}

#[test]
fn a_path_that_cannot_be_is_refused() {
    let folder = Folder::new();
    for (path, says) in [
        (folder.path().join("no/such/file"), "make the folder"),
        ("/dev/null".into(), "no regular file"),
        ("".into(), "has no path"),
        (":memory:".into(), "has no path"),
        (folder.file("\0"), "can't be used"),
    ] {
        let error = SqliteJournal::open(&path, Synchronous::Full, Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    assert_eq!(folder.bytes(), []);
}

#[test]
fn something_else_at_the_path_of_the_lock_is_refused() {
    let folder = Folder::new();
    fs::create_dir(folder.file("-lock")).unwrap();
    assert_refused(&folder, "no regular file");
    fs::remove_dir(folder.file("-lock")).unwrap();
    // Without the check, this waits for ever.
    assert!(Command::new("mkfifo").arg(folder.file("-lock")).status().unwrap().success());
    assert_refused(&folder, "no regular file");
}

#[test]
fn a_link_to_a_journal_in_use_is_refused() {
    let folder = Folder::new();
    let link = folder.path().with_file_name("link.journal");
    let open = || SqliteJournal::open(&link, Synchronous::Full, Duration::ZERO);
    let journal = folder.journal();
    symlink(folder.path(), &link).unwrap();
    let error = open().unwrap_err().to_string();
    assert!(error.contains("link.journal: another process has it open"), "{error}");
    drop(journal);
    fill(&mut open().unwrap(), 1..=3);
    // SQLite keeps its log beside the file that the link names.
    let files = fs::read_dir(folder.path().parent().unwrap()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with("link")).collect::<Vec<_>>(), ["link.journal"]);
}

#[test]
fn a_journal_without_one_of_its_tables_is_refused() {
    let folder = Folder::new();
    fill(&mut folder.journal(), 1..=3);
    fs::remove_file(folder.file("-lock")).unwrap();
    Connection::open(folder.path()).unwrap().execute_batch("DROP TABLE entry").unwrap();
    assert_refused(&folder, "is damaged");
}

#[test]
fn a_newer_format_is_refused() {
    let folder = Folder::new();
    fill(&mut folder.journal(), 1..=3);
    Connection::open(folder.path()).unwrap().pragma_update(None, "user_version", 2).unwrap();
    assert_refused(&folder, "run the newer Tidings");
}

#[test]
fn a_damaged_file_is_refused() {
    let folder = Folder::new();
    fill(&mut folder.journal(), 1..=1_000);
    let good = fs::read(folder.path()).unwrap();
    fs::remove_file(folder.file("-lock")).unwrap();
    let mut bytes = good.clone();
    let middle = good.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 100].fill(0xa5);
    fs::write(folder.path(), &bytes).unwrap();
    assert_refused(&folder, "is damaged");
    for page in bytes[4096..].chunks_mut(4096).step_by(3) {
        page[..2048].fill(0xa5);
    }
    fs::write(folder.path(), &bytes).unwrap();
    assert_refused(&folder, "is damaged");
    fs::write(folder.path(), &good[..good.len() / 2]).unwrap();
    assert_refused(&folder, "is damaged");
    fs::write(folder.path(), &good).unwrap();
    assert_eq!(history(&mut folder.journal()).entries.len(), 1_000, "a good copy is the remedy");
}

#[test]
fn a_journal_in_use_is_refused_and_goes_on() {
    let folder = Folder::new();
    let mut journal = folder.journal();
    fill(&mut journal, 1..=3);
    assert_refused(&folder, "another process has it open");
    fill(&mut journal, 4..=4);
    // Also if somebody has removed the lock's file: there is a new one, with the lock of the running process.
    fs::remove_file(folder.file("-lock")).unwrap();
    fill(&mut journal, 5..=5);
    assert_refused(&folder, "another process has it open");
    drop(journal);
    assert_eq!(history(&mut folder.journal()).entries.len(), 5);
}

#[test]
fn a_file_that_another_program_has_locked_is_refused() {
    let folder = Folder::new();
    fill(&mut folder.journal(), 1..=3);
    let other = Connection::open(folder.path()).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    let error = folder.try_open().unwrap_err().to_string();
    assert!(error.contains("another program has locked it"), "{error}");
    drop(other);
    assert_eq!(history(&mut folder.journal()).entries.len(), 3);
}

#[test]
fn an_append_waits_for_the_end_of_another_programs_transaction() {
    let folder = Folder::new();
    let mut journal = folder.journal();
    fill(&mut journal, 1..=1);
    let other = Connection::open(folder.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let append = |journal: &mut SqliteJournal| journal.append(&[draft(2)], 1, &mut || EPOCH);
    let error = append(&mut journal).unwrap_err().to_string();
    assert!(error.contains("another program has locked it"), "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    append(&mut journal).unwrap();
    assert_eq!(numbers(&history(&mut journal).entries), [1, 2]);
}
