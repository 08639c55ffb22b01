//! One tenant's part of the file is damaged. The other tenants go on.

use std::time::Duration;

use rusqlite::Connection;
use tidings_hub::{
    HubSettings, LogLimits, PublishOptions, TenantId,
    journal::{Journal, JournalDraft, JournalLimits},
};
use tidings_server::{JournalAddress, open_hub};
use tidings_shared::RawEvent;
use tidings_tests::journal_contract::{acme, append, draft, fill, history};

use crate::place::Folder;

/// Makes a journal of the tenants `acme` and `bell`. Then changes an entry of `bell`, as a bad disk does.
fn damage(folder: &Folder, change: &str) -> TenantId {
    let bell: TenantId = "bell".parse().unwrap();
    let mut journal = folder.journal();
    fill(&mut journal, 1..=3);
    let of_bell = (1..=3).map(|n| JournalDraft { tenant: bell.clone(), may_come_again: true, ..draft(n) });
    append(&mut journal, &of_bell.collect::<Vec<_>>());
    drop(journal);
    let file = Connection::open(folder.path()).unwrap();
    let of_bell = "WHERE offset = 2 AND tenant = (SELECT id FROM tenant WHERE name = 'bell')";
    assert_eq!(file.execute(&format!("UPDATE entry SET {change} {of_bell}"), []), Ok(1));
    bell
}

#[tokio::test]
async fn a_tenant_that_is_damaged_waits_and_the_others_are_served() {
    let folder = Folder::new();
    let bell = damage(&folder, "payload = '{'");
    let address: JournalAddress = format!("sqlite:{}", folder.path().display()).parse().unwrap();
    let (hub, journal) = open_hub(HubSettings::new(acme()), address).await.unwrap();
    let waits = hub.tenant(&bell).position();
    let event = RawEvent::parse(r#"{"domain":"clock","event":"ticked","payload":4}"#).unwrap();
    let published = hub.publish_raw(event, Some(&["clock".parse().unwrap()]), PublishOptions::default());
    assert_eq!(published.await.unwrap().position.offset, 4);
    assert_eq!(hub.position().await.offset, 4);
    assert_eq!(waits.now_or_never(), None);
    journal.stop().await;
}

#[test]
fn entries_of_a_damaged_tenant_are_not_trimmed_and_those_of_the_others_are() {
    let folder = Folder::new();
    let bell = damage(&folder, "topics = 'no topic\t'");
    let mut journal = folder.journal();
    let error = journal.recent(&bell, &LogLimits::default(), 0, 1).unwrap_err();
    assert!(error.is_damage && error.message.contains("put a good copy there"), "{error}");
    let limits = JournalLimits::new(LogLimits::default().max_age(Duration::ZERO));
    while journal.trim(&limits, 1_700_000_000_000 * 2).unwrap() {}
    assert!(history(&mut journal).entries.is_empty());
    drop(journal);
    let left: i64 = Connection::open(folder.path())
        .unwrap()
        .query_row("SELECT count(*) FROM entry", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 3);
}
