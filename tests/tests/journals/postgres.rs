//! The journal in a PostgreSQL database.

mod place;
mod servers;
mod tables;

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use tidings_hub::{
    LogLimits, TenantId,
    journal::{Followed, Journal as _, JournalDraft, JournalLimits, JournalRevocation, Revoked},
};
use tidings_server::{
    journal::{POSTGRES_SCHEMA, PostgresJournal},
    outbox::postgres::SCHEMA,
};
use tidings_tests::{
    Postgres, eventually,
    journal_contract::{EPOCH, Place as _, acme, broken, draft, fill, history, numbers},
    postgres::connect,
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

/// The numbers of a restored journal begin again at smaller ones.
#[test]
fn revocations_of_a_restored_journal_are_read_whatever_was_read_before() {
    let place = PostgresPlace::new();
    let revoke = |names: &[&str]| {
        let of = |name: &&str| JournalRevocation {
            tenant: acme(),
            revoked: Revoked::Subject((*name).to_owned()),
            at: 1,
            until: u64::MAX >> 1,
        };
        let revocations: Vec<_> = names.iter().map(of).collect();
        place.open().revoke(&revocations).unwrap().pop().unwrap()
    };
    let restore = place.copy();
    let mut journal = place.open();
    let read = revoke(&["ann", "bob", "eve"]);
    assert_eq!(journal.revocations(0, 10, 0).unwrap().len(), 3);
    restore();
    let written = revoke(&["zoe"]);
    assert!(written < read);
    journal.follow(&[], 10).unwrap();
    let found = journal.revocations(read, 10, 0).unwrap();
    assert!(matches!(&found[..], [(number, _)] if *number == written), "{found:?}");
    // From there it goes on.
    let next = revoke(&["kim"]);
    journal.follow(&[], 10).unwrap();
    let found = journal.revocations(read, 10, 0).unwrap();
    assert!(matches!(&found[..], [(number, _)] if *number == next), "{found:?}");
    assert_eq!(journal.revocations(read, 10, 0).unwrap(), []);
}

/// It takes five seconds: two calls wait for their deadline.
#[test]
fn a_frozen_database_makes_each_call_an_error_within_its_deadline_and_nothing_twice() {
    let server = Postgres::start();
    let url = server.database();
    connect(&url).batch_execute(&format!("{SCHEMA}{POSTGRES_SCHEMA}")).unwrap();
    let mut journal = PostgresJournal::open(&url).unwrap();
    fill(&mut journal, 1..=1);
    server.freeze();
    let drafts = [draft(2), draft(3)];
    let since = Instant::now();
    for _ in 0..2 {
        // The first waits for an answer, and the second for a connection.
        journal.append(&drafts, 0, &mut || EPOCH).unwrap_err();
    }
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    server.thaw();
    eventually("the journal connects again", || journal.append(&drafts, 0, &mut || EPOCH).is_ok());
    assert_eq!(numbers(&history(&mut journal).entries), [1, 2, 3]);
}

/// Notices come to the thread that sleeps between two looks.
#[test]
fn a_journal_hears_of_what_another_process_appends() {
    let place = PostgresPlace::new();
    let (mut journal, mut other) = (place.open(), place.open());
    let held = history(&mut *journal).tail;
    let mut last = 0;
    // It may not listen yet.
    eventually("a notice comes", || {
        last += 1;
        fill(&mut *other, last..=last);
        journal.has_news()
    });
    let followed = journal.follow_changed(&mut |tenant| (*tenant == acme()).then_some(held), 10_000).unwrap();
    let Some([(tenant, Followed::Entries(entries))]) = followed.as_deref() else { panic!("{followed:?}") };
    assert_eq!((tenant, numbers(entries)), (&acme(), (1..=last).collect::<Vec<_>>()));
    fill(&mut *other, last + 1..=last + 1);
    eventually("a notice comes", || journal.has_news());
    let held = entries.last().unwrap().position;
    let followed = journal.follow_changed(&mut |_| None, 10).unwrap();
    assert!(followed.is_some_and(|followed| followed.is_empty()), "this process has left the tenant");
    // The tenant is a stranger again, and nothing is lost.
    let followed = journal.follow(&[(acme(), held)], 10).unwrap();
    assert!(matches!(&followed[..], [(_, Followed::Entries(entries))] if numbers(entries) == [last + 1]));
}

/// A frozen server accepts connections, and never answers.
#[test]
fn a_host_that_does_not_answer_keeps_no_other_host_from_its_turn() {
    let frozen = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = journal_database();
    let (before, after) = url.split_once('@').unwrap();
    let several = format!("{before}@{},{after}", frozen.local_addr().unwrap());
    let mut journal = PostgresJournal::open(&several).unwrap();
    fill(&mut journal, 1..=1);
    assert_eq!(numbers(&history(&mut journal).entries), [1]);
}

/// The cursor's row is there as before, and the tenants are not. It takes five seconds.
#[test]
fn tenants_without_entries_that_a_restored_journal_does_not_have_are_found() {
    let place = PostgresPlace::new();
    fill(&mut *place.open(), 1..=1);
    let restore = place.copy();
    let mut journal = place.open();
    let held = ["umbrella", "initech"].map(|name| {
        let tenant: TenantId = name.parse().unwrap();
        let tail = journal.recent(&tenant, &LogLimits::default(), 0, EPOCH).unwrap().tail;
        (tenant, tail)
    });
    assert!(journal.follow(&held, 10).unwrap().is_empty());
    restore();
    // This one is added again. It gets the same number, and an entry of another epoch.
    let first = JournalDraft { tenant: held[0].0.clone(), ..draft(2) };
    place.open().append(&[first], 0, &mut || EPOCH + 1).unwrap();
    for held in held {
        let mut answer = Vec::new();
        eventually("the journal finds it", || {
            answer = journal.follow(std::slice::from_ref(&held), 10).unwrap();
            !answer.is_empty()
        });
        assert!(matches!(&answer[..], [(_, Followed::RolledBack)]), "{answer:?}");
    }
}

/// Each of the two keeps its locks until its transaction ends.
#[test]
fn appending_and_trimming_do_not_wait_for_each_other_and_reading_waits_for_neither() {
    let url = journal_database();
    let mut journal = PostgresJournal::open(&url).unwrap();
    let held = fill(&mut journal, 1..=10)[9];
    let few = JournalLimits::new(LogLimits::default().max_entries(2));
    let mut trims = connect(&url);
    trims.batch_execute("BEGIN; SELECT tidings.trim(0, 5, 1000000, 3600000, 1000000, 3600000, 0)").unwrap();
    let appended = fill(&mut journal, 11..=11)[0];
    let followed = journal.follow(&[(acme(), held)], 10).unwrap();
    assert!(matches!(&followed[..], [(_, Followed::Entries(entries))] if numbers(entries) == [11]));
    assert_eq!(journal.trim(&few, 0), Ok(false), "somebody else trims");
    trims.batch_execute("COMMIT").unwrap();
    assert_eq!(numbers(&history(&mut journal).entries), (6..=11).collect::<Vec<_>>());

    let mut appends = connect(&url);
    appends.batch_execute("BEGIN; SELECT tidings.lock_journal()").unwrap();
    journal.trim(&few, 0).unwrap();
    assert_eq!(numbers(&history(&mut journal).entries), [10, 11]);
    assert!(journal.follow(&[(acme(), appended)], 10).unwrap().is_empty());
    appends.batch_execute("COMMIT").unwrap();
    fill(&mut journal, 12..=12);
}
