//! The journal in a PostgreSQL database.

mod place;
mod servers;

use tidings_hub::journal::Followed;
use tidings_tests::{
    eventually,
    journal_contract::{Place as _, acme, broken, fill, history, numbers},
};

use self::place::{PostgresPlace, journal_database};

/// It takes some seconds.
#[test]
fn a_journal_of_postgres_keeps_the_contract() {
    let url = journal_database();
    assert_eq!(broken(&|| Box::new(PostgresPlace::emptied(&url))), []);
}

/// A restart of the database, or another database under the name, ends all connections. It takes some seconds.
#[test]
fn a_database_that_is_put_back_by_its_name_is_another_history() {
    let place = PostgresPlace::new();
    fill(&mut *place.open(), 1..=3);
    let restore = place.copy_of_database();
    let mut journal = place.open();
    let held = fill(&mut *journal, 4..=6)[2];
    restore();
    let mut answer = None;
    eventually("the journal connects again", || {
        answer = journal.follow(&[(acme(), held)], 10).ok();
        answer.is_some()
    });
    assert!(matches!(answer.as_deref(), Some([(_, Followed::RolledBack)])), "{answer:?}");
    assert_eq!(numbers(&history(&mut *journal).entries), [1, 2, 3]);
}
