//! The contract of a journal: the cases that each implementation must pass. The trait
//! [`Journal`] says in words what they check.
//!
//! A kind of journal says where it lives, with a [`Place`]. Then [`broken`] runs all cases, each at a fresh place:
//!
//! ```no_run
//! # use tidings_tests::journal_contract::{self, Place};
//! # fn check(fresh: &dyn Fn() -> Box<dyn Place>) {
//! assert_eq!(journal_contract::broken(fresh), []);
//! # }
//! ```

mod entries;
mod following;
mod keys;
mod memory;
mod recent;
mod restored;
mod retention;
mod revocations;
mod shared;

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::value::RawValue;
use tidings_hub::{
    LogLimits, TenantId,
    journal::{Appended, Content, Entry, Followed, History, Journal, JournalDraft},
};
use tidings_shared::{Position, RawEvent, TopicName};
use uuid::Uuid;

pub use self::memory::{Fault, MemoryJournal, MemoryPlace};

/// A place where a journal lives. It is empty when a case begins.
pub trait Place {
    /// Opens the journal that is there, as a process does when it starts.
    fn open(&self) -> Box<dyn Journal>;

    /// Returns whether several processes may have the journal open at the same time.
    fn is_shared(&self) -> bool;

    /// Returns whether a clock of the journal's own says how old something is. Without one, it is the clock of each process.
    fn has_clock(&self) -> bool {
        false
    }

    /// Makes everything that is stored this much older, if the journal [has a clock](Self::has_clock) of its own.
    fn age(&self, _time: Duration) {}

    /// Copies everything that is stored, while the journal is closed. The returned function puts the copy back, over
    /// everything that is there then, also under an open journal.
    fn copy(&self) -> Box<dyn Fn()>;
}

/// A case of the contract. It panics if the journal breaks it.
type Case = fn(&dyn Place);

macro_rules! cases {
    ($($module:ident::$case:ident,)*) => {
        &[$((stringify!($case), $module::$case),)*]
    };
}

const CASES: &[(&str, Case)] = cases![
    entries::positions_are_dense_and_in_the_order_of_the_drafts,
    entries::each_tenant_has_offsets_and_an_epoch_of_its_own,
    entries::tenants_come_in_order_a_few_at_a_time,
    entries::an_entry_comes_back_as_it_was_appended,
    entries::text_is_carried_byte_for_byte,
    entries::gaps_are_entries,
    entries::nothing_is_a_call_too,
    entries::everything_survives_a_reopen,
    entries::a_probe_takes_no_offset,
    keys::a_key_is_appended_once,
    keys::a_key_is_appended_once_in_one_call,
    keys::a_key_belongs_to_a_tenant,
    keys::the_key_of_a_gap_is_a_key,
    keys::a_key_survives_its_entry_within_the_bounds,
    keys::a_key_survives_a_renewed_epoch,
    keys::many_topics_in_another_order_are_the_same_topics,
    recent::the_newest_entries_come_within_each_bound,
    recent::an_unknown_tenant_gets_the_epoch_that_is_offered,
    recent::an_empty_history_begins_at_its_head,
    recent::a_history_of_several_pages_comes_whole,
    recent::several_tenants_come_in_their_order,
    following::only_tenants_with_news_are_answered,
    following::what_a_call_does_not_ask_for_comes_with_the_next,
    following::many_tenants_are_followed_at_once,
    following::no_more_than_so_many_entries_come_at_once,
    following::trimmed_entries_are_reported,
    following::a_position_that_the_journal_does_not_have_is_rolled_back,
    following::a_rolled_back_tenant_does_not_hold_up_the_others,
    following::a_renewed_epoch_goes_on_from_the_head,
    following::an_epoch_is_renewed_by_the_first_who_asks,
    retention::entries_beyond_the_number_go,
    retention::entries_beyond_the_bytes_go,
    retention::entries_beyond_the_age_go,
    retention::epoch_head_and_tail_survive,
    retention::a_process_with_a_clock_that_is_ahead_removes_nothing_that_others_need,
    revocations::all_kinds_come_back_in_order,
    revocations::expired_revocations_do_not_come_back,
    revocations::an_expired_revocation_stays_for_a_day,
    revocations::numbers_ascend_after_all_are_trimmed,
    restored::an_old_copy_is_another_history,
    restored::an_old_copy_that_grew_again_is_another_history,
    restored::an_old_copy_under_an_open_journal_is_found,
    restored::an_old_copy_under_a_journal_that_follows_is_found,
    restored::nothing_is_acknowledged_that_the_restored_journal_does_not_have,
    shared::two_processes_append_without_a_hole,
    shared::a_key_of_another_process_is_known,
    shared::a_process_follows_another,
    shared::a_key_that_two_processes_append_at_the_same_time_is_appended_once,
    shared::a_process_follows_others_while_they_append,
    shared::revocations_become_visible_in_the_order_of_their_numbers,
    shared::what_was_read_before_an_old_copy_came_back_is_not_taken_for_what_is_there,
];

/// Runs all cases, each at a fresh place. Returns the names of those that the journal breaks, with the reason.
pub fn broken(fresh: &dyn Fn() -> Box<dyn Place>) -> Vec<(&'static str, String)> {
    let reason = |panic: Box<dyn Any + Send>| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast::<&str>().map(|text| (*text).to_owned()).unwrap_or_default(),
    };
    let run = |(name, case): &(&'static str, Case)| {
        let outcome = catch_unwind(AssertUnwindSafe(|| case(&*fresh())));
        outcome.err().map(|panic| (*name, reason(panic)))
    };
    CASES.iter().filter_map(run).collect()
}

/// The epoch that a journal is offered for a new tenant.
pub const EPOCH: u64 = 0x1234_5678_9abc;

/// The epoch that a history gets when it is renewed.
const RENEWED: u64 = 0x0fed_cba9_8765;

fn tenant(name: &str) -> TenantId {
    name.parse().expect("a tenant's name")
}

/// Returns the tenant of [`draft`].
pub fn acme() -> TenantId {
    tenant("acme")
}

/// Returns the key with this number.
pub fn key(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn topics(names: &[&str]) -> Vec<TopicName> {
    names.iter().map(|name| name.parse().expect("a topic")).collect()
}

fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(since_1970.as_millis()).expect("a time of this century")
}

/// Returns the clock of a process after this time.
fn in_time(time: Duration) -> u64 {
    now() + u64::try_from(time.as_millis()).expect("a time of this century")
}

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Returns an event of `acme`. Its payload, key and topic have this number.
pub fn draft(number: u128) -> JournalDraft {
    JournalDraft {
        tenant: acme(),
        key: key(number),
        may_come_again: false,
        origin: None,
        topics: topics(&["clock"]),
        content: event(&format!(r#"{{"number":{number}}}"#)),
    }
}

fn event(payload: &str) -> Content {
    let payload = RawValue::from_string(payload.to_owned()).expect("JSON");
    Content::Event(RawEvent { domain: "clock".to_owned(), event: "ticked".to_owned(), payload })
}

fn payload(content: &Content) -> Option<&str> {
    match content {
        Content::Event(event) => Some(event.payload.get()),
        Content::Gap => None,
    }
}

/// Appends drafts of keys that the journal does not know. Returns their positions.
#[track_caller]
pub fn append(journal: &mut dyn Journal, drafts: &[JournalDraft]) -> Vec<Position> {
    let answers = journal.append(drafts, now(), &mut || EPOCH).expect("the journal appends");
    assert_eq!(answers.len(), drafts.len(), "an answer for each draft");
    let position = |answer: &Appended| match answer {
        Appended::New { position, .. } => *position,
        Appended::Known { .. } => panic!("the key is new: {answer:?}"),
    };
    answers.iter().map(position).collect()
}

/// Appends the drafts of these numbers.
#[track_caller]
pub fn fill(journal: &mut dyn Journal, numbers: std::ops::RangeInclusive<u128>) -> Vec<Position> {
    append(journal, &numbers.map(draft).collect::<Vec<_>>())
}

/// Returns all that the journal has of a tenant.
#[track_caller]
fn history_of(journal: &mut dyn Journal, tenant: &TenantId) -> History {
    let limits = LogLimits::default().max_bytes(usize::MAX).max_entries(usize::MAX).max_age(Duration::MAX);
    let history = journal.recent(tenant, &limits, now(), EPOCH).expect("the journal answers");
    let mut offset = history.tail.offset;
    for entry in &history.entries {
        offset += 1;
        assert_eq!(entry.position.offset, offset, "no hole: {history:?}");
        assert_eq!(entry.position.epoch, history.tail.epoch, "one epoch: {history:?}");
        assert_eq!(entry.position.tag, Position::tag_of(entry.key), "the tag of the key: {history:?}");
    }
    history
}

/// Returns all that the journal has of `acme`.
#[track_caller]
pub fn history(journal: &mut dyn Journal) -> History {
    history_of(journal, &acme())
}

/// Returns the numbers of the keys.
pub fn numbers(entries: &[Entry]) -> Vec<u128> {
    entries.iter().map(|entry| entry.key.as_u128()).collect()
}

/// Returns what follows one position of `acme`. `None` if there is nothing new.
#[track_caller]
pub fn follow(journal: &mut dyn Journal, held: Position) -> Option<Followed> {
    let mut followed = journal.follow(&[(acme(), held)], usize::MAX).expect("the journal answers");
    assert!(followed.len() <= 1, "one answer for a tenant: {followed:?}");
    let (tenant, followed) = followed.pop()?;
    assert_eq!(tenant, acme());
    Some(followed)
}

/// Returns what an answer of [`follow`] is, in one word, or the numbers of its entries.
pub fn outcome(followed: Option<Followed>) -> Result<Vec<u128>, &'static str> {
    match followed {
        None => Ok(Vec::new()),
        Some(Followed::Entries(entries)) => Ok(numbers(&entries)),
        Some(Followed::Trimmed) => Err("trimmed"),
        Some(Followed::RolledBack) => Err("rolled back"),
    }
}

/// Trims until there is no more.
#[track_caller]
fn trim(journal: &mut dyn Journal, limits: &LogLimits, now: u64) {
    /// More calls than any case needs.
    const CALLS: usize = 10_000;
    let limits = tidings_hub::journal::JournalLimits::new(*limits);
    let is_done = |_| !journal.trim(&limits, now).expect("the journal trims");
    assert!((0..CALLS).any(is_done), "trimming comes to an end");
}
