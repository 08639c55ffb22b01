//! Bridges of a hub whose journal does not answer for a while.

use std::task::Waker;

use tidings_hub::{Driver, Turn};
use uuid::Uuid;

use super::*;
use crate::journal::{SqliteJournal, Synchronous};

/// A hub with a journal. The driver has its turns only when a test gives them.
struct Away {
    hub: Hub,
    driver: Driver,
    journal: SqliteJournal,
    folder: std::path::PathBuf,
}

impl Away {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("tidings-bridge-{}", Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let mut journal =
            SqliteJournal::open(&folder.join("journal"), Synchronous::default(), Duration::ZERO).unwrap();
        let (hub, mut driver) =
            Hub::with_journal(HubSettings::new("acme".parse().unwrap()), SystemHost::start());
        driver.open(&mut journal).unwrap();
        Self { hub, driver, journal, folder }
    }

    /// Lets the journal answer for a while.
    async fn answer(&mut self) {
        for _ in 0..100 {
            while self.driver.turn(&mut self.journal, Waker::noop()) == Turn::Busy {}
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Gives up what has waited for ten seconds.
    fn give_up(&self) {
        let mut later = self.hub.now();
        later.since_start += tidings_shared::limits::PUBLISH_TIMEOUT;
        self.hub.handle_timeout(later);
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_journal_does_not_take_is_published_again_in_its_order() {
    let (mut away, source) = (Away::new(), Fake::default());
    let hub = away.hub.clone();
    let subscribing = tokio::spawn({
        let hub = hub.clone();
        async move { hub.subscribe(&topic()).await }
    });
    away.answer().await;
    let mut events = subscribing.await.unwrap();
    let bridge = start(&hub, &source).await.unwrap();
    away.answer().await;
    assert_eq!(next(&mut events).await, "sync");
    // The source never waits, and no more than the hand-off is lost.
    for number in 0..300 {
        source.write(number);
        if number % 50 == 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            away.give_up();
        }
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    away.answer().await;
    for number in 0..300 {
        assert_eq!(next(&mut events).await, format!("upserted {number}"));
    }
    assert_eq!(rest(&mut events).await, [""; 0]);
    drop(bridge);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_what_the_journal_has_not_answered() {
    let (mut away, source) = (Away::new(), Fake::default());
    let hub = away.hub.clone();
    let bridge = start(&hub, &source).await.unwrap();
    away.answer().await;
    source.write(1);
    let stop = tokio::spawn({
        let bridge = bridge.clone();
        async move { bridge.stop().await }
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!stop.is_finished());
    away.answer().await;
    assert!(stop.is_finished());
    assert_eq!(hub.metrics().bridge("fake", "links").published.get(), 1);

    // A journal that never answers holds it for twelve seconds.
    let bridge = start(&hub, &source).await.unwrap();
    source.write(2);
    let start = tokio::time::Instant::now();
    bridge.stop().await;
    assert_eq!(start.elapsed().as_secs(), 12);
}
