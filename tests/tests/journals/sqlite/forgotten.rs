//! Tenants that the journal forgets.

use std::time::Duration;

use tidings_hub::{
    KeyLimits, LogLimits,
    journal::{Appended, Followed, Journal, JournalDraft, JournalLimits},
};
use tidings_server::journal::SqliteJournal;
use tidings_tests::journal_contract::{EPOCH, append, draft, fill, follow, history};

use crate::place::Folder;

const NOW: u64 = 1_700_000_000_000;

/// Trims to nothing until there is no more, as the driver does every few seconds.
fn trim(journal: &mut SqliteJournal) {
    let log = LogLimits::default().max_age(Duration::ZERO).keys(KeyLimits::default().max_age(Duration::ZERO));
    while journal.trim(&JournalLimits::new(log), NOW + 1_000_000_000_000).unwrap() {}
}

#[test]
fn a_tenant_without_entries_and_keys_is_forgotten_unless_the_hub_uses_it() {
    let folder = Folder::new();
    let mut journal = folder.journal();
    let names: [tidings_hub::TenantId; 3] = ["gone", "idle", "used"].map(|name| name.parse().unwrap());
    let [gone, idle, used] = &names;
    let drafts =
        names.each_ref().map(|name| JournalDraft { tenant: name.clone(), may_come_again: true, ..draft(1) });
    let positions = append(&mut journal, &drafts);
    let held = [(idle.clone(), positions[1])];
    for _ in 0..3 {
        assert!(journal.follow(&held, 10).unwrap().is_empty());
        append(&mut journal, &[JournalDraft { tenant: used.clone(), ..draft(u128::from(next())) }]);
        trim(&mut journal);
    }
    assert_eq!(journal.tenants(None, 10), Ok(vec![idle.clone(), used.clone()]));
    assert!(journal.follow(&held, 10).unwrap().is_empty(), "whoever reads it reads on");
    // It comes again, and its old positions are of another history.
    let again = [JournalDraft { tenant: gone.clone(), ..draft(2) }];
    let answers = journal.append(&again, NOW, &mut || EPOCH + 1).unwrap();
    let [Appended::New { position, .. }] = answers[..] else { panic!("{answers:?}") };
    assert_eq!((position.epoch, position.offset), (EPOCH + 1, 1));
    let followed = journal.follow(&[(gone.clone(), positions[0])], 10).unwrap();
    assert!(matches!(followed[..], [(_, Followed::RolledBack)]), "{followed:?}");
}

#[test]
fn after_a_restart_a_tenant_is_kept_for_as_long_as_a_client_may_take_to_come_back() {
    let folder = Folder::new();
    let position = fill(&mut folder.journal(), 1..=1)[0];
    let mut journal = folder.journal();
    for _ in 0..3 {
        while journal.trim(&JournalLimits::new(LogLimits::default()), NOW + 1_000_000_000_000).unwrap() {}
    }
    assert!(follow(&mut journal, position).is_none(), "a client resumes there");
    assert_eq!(history(&mut journal).tail, position);
}

/// Returns a number for a key that is not known.
fn next() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(100);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
