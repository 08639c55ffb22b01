//! What is lost becomes a sync, and no more than one.

use std::iter::repeat_n;

use super::*;
use crate::bridge::event::MAX_RECORD_BYTES;

/// Returns a subscription that has read the first sync.
async fn started(hub: &Hub, source: &Fake) -> (Bridge<Link>, Subscription) {
    let mut events = hub.subscribe(&topic()).await;
    let bridge = start(hub, source).await.unwrap();
    assert_eq!(next(&mut events).await, "sync");
    (bridge, events)
}

#[tokio::test(start_paused = true)]
async fn a_full_hand_off_is_one_sync_and_then_there_is_room_again() {
    let (hub, source) = (hub(), Fake::default());
    let (_bridge, mut events) = started(&hub, &source).await;
    // The bridge's task has no turn while this one does not wait.
    (0..HAND_OFF_CHANGES + 1_000).for_each(|number| source.write(number));
    let mut all = rest(&mut events).await;
    assert_eq!(all.pop().as_deref(), Some("sync"));
    assert_eq!(all, ["upserted"; HAND_OFF_CHANGES]);
    source.write(1);
    assert_eq!(rest(&mut events).await, ["upserted"]);
    assert_eq!(hub.metrics().bridge("fake", "links").gaps.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hand_off_is_also_full_by_its_bytes_and_a_small_change_does_not_overtake_the_gap() {
    let (hub, source) = (hub(), Fake::default());
    let (_bridge, mut events) = started(&hub, &source).await;
    let large = || {
        let link = Link { url: "x".repeat(MAX_RECORD_BYTES - 1_000) };
        Change::upserted("large", &link).unwrap()
    };
    let fit = HAND_OFF_BYTES / (MAX_RECORD_BYTES - 1_000);
    (0..fit + 1).for_each(|_| source.push(large()));
    source.write(1);
    // The hub's log is smaller than this.
    assert_eq!(rest(&mut events).await.last().map(String::as_str), Some("sync"));
    let metrics = hub.metrics().bridge("fake", "links");
    assert_eq!((metrics.published.get(), metrics.gaps.get()), (fit as u64, 2));
}

#[tokio::test(start_paused = true)]
async fn what_a_source_has_lost_is_a_sync() {
    let (hub, source) = (hub(), Fake::default());
    let (_bridge, mut events) = started(&hub, &source).await;
    source.changes().lost();
    assert_eq!(rest(&mut events).await, ["sync"]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_can_not_be_published_is_a_sync_and_its_neighbours_are_published() {
    let (hub, source) = (hub(), Fake::default());
    let (_bridge, mut events) = started(&hub, &source).await;
    source.write(1);
    source.push(no_link("2"));
    source.write(3);
    assert_eq!(rest(&mut events).await, ["upserted", "upserted", "sync"]);
    let too_large = Link { url: "x".repeat(MAX_RECORD_BYTES) };
    source.push(Change::upserted("4", &too_large).unwrap());
    assert_eq!(rest(&mut events).await, ["sync"]);
    assert_eq!(hub.metrics().bridge("fake", "links").refused.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn code_that_panics_while_it_decodes_a_record_ends_no_bridge() {
    #[derive(Debug)]
    struct Panics;
    impl<'de> Deserialize<'de> for Panics {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("a fault of the application")
        }
    }
    let (hub, source) = (hub(), Fake::default());
    let mut events = hub.subscribe(&topic()).await;
    let tenant = hub.tenant(hub.home());
    let _bridge = Bridge::<Panics>::start(&tenant, source.clone(), "links", &topic()).await.unwrap();
    source.write(1);
    assert_eq!(rest(&mut events).await, ["sync", "sync"]);
    source.push(Change::deleted("1"));
    assert_eq!(rest(&mut events).await, ["deleted"]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_dies_a_hundred_times_is_subscribed_again_with_a_sync_each_time() {
    let (hub, source) = (hub(), Fake::default());
    let (_bridge, mut events) = started(&hub, &source).await;
    let begin = tokio::time::Instant::now();
    for number in 1..=100 {
        source.write(number);
        source.changes().failed(SourceError::Failed("away".to_owned()));
        if number % 10 == 0 {
            // It does not come back at once.
            let away = repeat_n(SourceError::Failed("still away".to_owned()), 7);
            source.state().answers.extend(away);
        }
        assert_eq!(next(&mut events).await, format!("upserted {number}"));
        assert_eq!(next(&mut events).await, "sync");
    }
    // A feed that has told of a change begins with the shortest pause again: 100 of at most 50 ms, and ten times 11.4 s at most.
    assert!(begin.elapsed() < Duration::from_secs(120), "{:?}", begin.elapsed());
    let metrics = hub.metrics().bridge("fake", "links");
    assert_eq!((metrics.gaps.get(), metrics.without_feed.get()), (101, 0));
    assert_eq!(source.counts(), (1 + 100 + 70, 0, 100));
    source.write(0);
    assert_eq!(rest(&mut events).await, ["upserted"]);
}

#[tokio::test(start_paused = true)]
async fn while_there_is_no_feed_the_metric_says_so_and_a_stop_ends_the_tries() {
    let (hub, source) = (hub(), Fake::default());
    let (bridge, mut events) = started(&hub, &source).await;
    source.state().answers.extend(repeat_n(SourceError::Failed("away".to_owned()), 1_000));
    source.changes().failed(SourceError::Failed("away".to_owned()));
    assert_eq!(rest(&mut events).await, [""; 0]);
    let metrics = hub.metrics().bridge("fake", "links");
    assert_eq!(metrics.without_feed.get(), 1);
    // A minute with pauses of 2.5 to 5 s.
    let tries = source.state().subscribed;
    assert!((12..40).contains(&tries), "{tries}");
    bridge.stop().await;
    assert_eq!((metrics.without_feed.get(), source.counts().1), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_is_resumed_begins_without_a_sync() {
    let (hub, source) = (hub(), Fake::default());
    source.state().is_resumed = true;
    let mut events = hub.subscribe(&topic()).await;
    let _bridge = start(&hub, &source).await.unwrap();
    source.write(1);
    source.changes().failed(SourceError::Failed("away".to_owned()));
    assert_eq!(rest(&mut events).await, ["upserted"]);
    source.write(2);
    assert_eq!(rest(&mut events).await, ["upserted"]);
}
