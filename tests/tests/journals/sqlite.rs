//! The journal in a file of SQLite.

mod damaged;
mod forgotten;
mod refused;
mod restored;

use std::{fs, os::unix::fs::PermissionsExt};

use tidings_tests::journal_contract::{broken, fill};

use crate::place::{Folder, Restore, SqlitePlace};

#[test]
fn a_journal_of_sqlite_keeps_the_contract() {
    assert_eq!(broken(&|| Box::new(SqlitePlace(Folder::new(), Restore::Overwrite))), []);
}

#[test]
fn only_the_owner_can_read_a_journal() {
    let folder = Folder::new();
    let mut journal = folder.journal();
    fill(&mut journal, 1..=1);
    let rights = |suffix| fs::metadata(folder.file(suffix)).unwrap().permissions().mode() & 0o777;
    assert_eq!(["", "-wal", "-shm", "-lock"].map(rights), [0o600; 4]);
}
