//! The journal in a file of SQLite.

mod refused;
mod restored;

use tidings_tests::journal_contract::broken;

use crate::place::{Folder, Restore, SqlitePlace};

#[test]
fn a_journal_of_sqlite_keeps_the_contract() {
    assert_eq!(broken(&|| Box::new(SqlitePlace(Folder::new(), Restore::Overwrite))), []);
}
