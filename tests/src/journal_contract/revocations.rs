//! Rights that were taken back.

use tidings_hub::{
    LogLimits,
    journal::{Journal, JournalRevocation, REVOCATION_GRACE, Revoked},
};
use tidings_shared::limits::{MAX_SUBJECT_BYTES, MAX_TOPICS_PER_PUBLICATION};
use uuid::Uuid;

use super::{HOUR, Place, acme, in_time, now, tenant, topics, trim};

/// A day, in milliseconds.
const DAY: u64 = 24 * 60 * 60 * 1000;

fn of(subject: &str, until: u64) -> JournalRevocation {
    JournalRevocation { tenant: acme(), revoked: Revoked::Subject(subject.to_owned()), at: now(), until }
}

#[track_caller]
fn revoke(journal: &mut dyn Journal, revocations: &[JournalRevocation]) -> Vec<u64> {
    let numbers = journal.revoke(revocations).expect("the journal revokes");
    assert_eq!(numbers.len(), revocations.len(), "a number for each");
    assert!(numbers.is_sorted_by(|a, b| a < b), "numbers ascend: {numbers:?}");
    numbers
}

#[track_caller]
fn all_at(journal: &mut dyn Journal, now: u64) -> Vec<(u64, JournalRevocation)> {
    journal.revocations(0, usize::MAX, now).expect("the journal answers")
}

pub(super) fn all_kinds_come_back_in_order(place: &dyn Place) {
    let mut journal = place.open();
    let until = now() + 1_000_000;
    let many: Vec<String> = (0..MAX_TOPICS_PER_PUBLICATION).map(|n| format!("clock:{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let kinds = [
        Revoked::Subject("ann \"é\" 'x'\u{0}".to_owned()),
        Revoked::Subject("s".repeat(MAX_SUBJECT_BYTES)),
        Revoked::Session(Uuid::from_u128(7)),
        Revoked::Token(std::array::from_fn(|n| n as u8)),
        Revoked::Topics { subject: "bob".to_owned(), topics: topics(&["clock:b", "clock:a"]) },
        Revoked::Topics { subject: String::new(), topics: topics(&many) },
        Revoked::Topics { subject: "nothing".to_owned(), topics: vec![] },
    ];
    let revocations: Vec<JournalRevocation> = kinds
        .into_iter()
        .zip(["acme", "umbrella"].into_iter().cycle())
        .map(|(revoked, name)| JournalRevocation {
            tenant: tenant(name),
            revoked,
            at: 1_700_000_000_123,
            until,
        })
        .collect();
    let mut numbers = revoke(&mut *journal, &revocations[..3]);
    numbers.extend(revoke(&mut *journal, &revocations[3..]));
    drop(journal);
    let mut journal = place.open();
    let expected: Vec<_> = numbers.iter().copied().zip(revocations).collect();
    assert_eq!(all_at(&mut *journal, now()), expected);
    let some = journal.revocations(numbers[1], 2, now()).expect("the journal answers");
    assert_eq!(some, expected[2..4]);
    assert_eq!(journal.revocations(numbers[6], 2, now()), Ok(vec![]));
}

pub(super) fn expired_revocations_do_not_come_back(place: &dyn Place) {
    let mut journal = place.open();
    let later = now() + 1_000_000;
    revoke(&mut *journal, &[of("ann", later), of("bob", later + 1_000), of("eve", later)]);
    let subjects = |journal: &mut dyn Journal, now| {
        let subject = |(_, revocation): (u64, JournalRevocation)| match revocation.revoked {
            Revoked::Subject(subject) => subject,
            other => panic!("{other:?} was never revoked"),
        };
        all_at(journal, now).into_iter().map(subject).collect::<Vec<_>>()
    };
    assert_eq!(subjects(&mut *journal, later - 1), ["ann", "bob", "eve"]);
    assert_eq!(subjects(&mut *journal, later + 1), ["bob"]);
    assert_eq!(subjects(&mut *journal, later + 1_001), [""; 0]);
}

pub(super) fn an_expired_revocation_stays_for_a_day(place: &dyn Place) {
    let mut journal = place.open();
    let until = in_time(HOUR);
    revoke(&mut *journal, &[of("ann", until), of("bob", until + 10 * DAY)]);
    // The clock is ahead, and is set back later.
    place.age(REVOCATION_GRACE);
    trim(&mut *journal, &LogLimits::default(), in_time(REVOCATION_GRACE));
    assert_eq!(all_at(&mut *journal, 0).len(), 2);
    place.age(2 * HOUR);
    trim(&mut *journal, &LogLimits::default(), in_time(REVOCATION_GRACE + 2 * HOUR));
    assert_eq!(all_at(&mut *journal, 0).len(), 1);
}

pub(super) fn numbers_ascend_after_all_are_trimmed(place: &dyn Place) {
    let mut journal = place.open();
    let until = now() + 1_000;
    let first = revoke(&mut *journal, &[of("ann", until), of("bob", until)]);
    place.age(REVOCATION_GRACE + HOUR);
    trim(&mut *journal, &LogLimits::default(), until + DAY + 1);
    assert!(all_at(&mut *journal, 0).is_empty());
    drop(journal);
    let next = revoke(&mut *place.open(), &[of("eve", until)]);
    assert!(next > first[1..].to_vec(), "{first:?} {next:?}");
}
