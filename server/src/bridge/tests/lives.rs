//! When a bridge begins and ends, and for whom.

use tokio::{runtime, task::yield_now};

use super::*;
use crate::bridge::registry::MAX_BRIDGES;

#[tokio::test(start_paused = true)]
async fn a_hundred_starts_at_once_make_one_feed() {
    let (hub, source) = (hub(), Fake::default());
    let gate = Arc::new(Notify::new());
    source.state().gate = Some(Arc::clone(&gate));
    let starts: Vec<_> = (0..100)
        .map(|_| {
            let (hub, source) = (hub.clone(), source.clone());
            tokio::spawn(async move { start(&hub, &source).await })
        })
        .collect();
    yield_now().await;
    gate.notify_one();
    for start in starts {
        start.await.unwrap().unwrap();
    }
    start(&hub, &source).await.unwrap();
    assert_eq!(source.state().subscribed, 1);
    // Another schema, topic or tenant is another bridge.
    source.state().gate = None;
    let (tenant, other) = (hub.tenant(hub.home()), store::Topic::schema("pages").unwrap());
    Bridge::<Link>::start(&tenant, source.clone(), "pages", &topic()).await.unwrap();
    Bridge::<Link>::start(&tenant, source.clone(), "links", &other).await.unwrap();
    Bridge::<Link>::start(&hub.tenant(&"b".parse().unwrap()), source.clone(), "links", &topic())
        .await
        .unwrap();
    assert_eq!(source.state().subscribed, 4);
}

#[tokio::test(start_paused = true)]
async fn each_caller_sees_that_a_source_cannot_tell_and_the_next_start_asks_again() {
    let (hub, source) = (hub(), Fake::default());
    let gate = Arc::new(Notify::new());
    source.state().gate = Some(Arc::clone(&gate));
    let error = SourceError::NotSupported("a replica".to_owned());
    source.state().answers.push_back(error.clone());
    let starts: Vec<_> = (0..10)
        .map(|_| {
            let (hub, source) = (hub.clone(), source.clone());
            tokio::spawn(async move { start(&hub, &source).await.map(drop) })
        })
        .collect();
    yield_now().await;
    gate.notify_one();
    for start in starts {
        assert_eq!(start.await.unwrap(), Err(error.clone()));
    }
    assert_eq!(source.state().subscribed, 1);
    gate.notify_one();
    start(&hub, &source).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_is_a_source_that_failed() {
    struct Panics;
    impl Source for Panics {
        fn name(&self) -> String {
            "panics".to_owned()
        }
        fn subscribe(&self, _: Request) -> BoxFuture<'_, Result<Feed, SourceError>> {
            panic!("a fault of the source")
        }
    }
    let hub = hub();
    let error = Bridge::<Link>::start(&hub.tenant(hub.home()), Panics, "links", &topic()).await.unwrap_err();
    assert!(matches!(&error, SourceError::Failed(message) if message.contains("panicked")), "{error}");
}

#[tokio::test(start_paused = true)]
async fn after_a_stop_nothing_is_published_and_the_next_start_begins_with_one_sync() {
    let (hub, source) = (hub(), Fake::default());
    let (bridge, mut events) = (start(&hub, &source).await.unwrap(), hub.subscribe(&topic()).await);
    source.write(1);
    let changes = source.changes();
    // What was handed over before the stop still comes.
    bridge.stop().await;
    changes.push(link(2));
    changes.lost();
    changes.failed(SourceError::Failed("late".to_owned()));
    bridge.clone().stop().await;
    assert_eq!(rest(&mut events).await, ["upserted"]);
    assert_eq!(source.counts(), (1, 1, 1));

    let again = start(&hub, &source).await.unwrap();
    source.write(3);
    assert_eq!((next(&mut events).await, next(&mut events).await), ("sync".into(), "upserted 3".into()));
    // The old handle is of the old bridge.
    bridge.stop().await;
    source.write(4);
    assert_eq!(next(&mut events).await, "upserted 4");
    again.stop().await;
    assert_eq!(rest(&mut events).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_start_while_the_bridge_stops_is_a_new_bridge() {
    let (hub, source) = (hub(), Fake::default());
    let bridge = start(&hub, &source).await.unwrap();
    let (_, again, ()) = tokio::join!(bridge.stop(), start(&hub, &source), bridge.stop());
    assert_eq!(source.counts(), (2, 1, 1));
    let mut events = hub.subscribe(&topic()).await;
    source.write(1);
    assert_eq!(next(&mut events).await, "upserted 1");
    drop(again);
}

#[tokio::test(start_paused = true)]
async fn a_bridge_goes_on_without_handles_and_without_subscribers() {
    let (hub, source) = (hub(), Fake::default());
    drop(start(&hub, &source).await.unwrap());
    let mut events = hub.subscribe(&topic()).await;
    source.write(1);
    assert_eq!(next(&mut events).await, "upserted 1");
    drop(events);
    source.write(2);
    let mut events = hub.subscribe(&topic()).await;
    source.write(3);
    assert_eq!(rest(&mut events).await.len(), 2);
    assert_eq!(source.counts(), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn another_type_of_records_is_refused_until_the_bridge_is_stopped() {
    let (hub, source) = (hub(), Fake::default());
    let bridge = start(&hub, &source).await.unwrap();
    let tenant = hub.tenant(hub.home());
    let other = async || Bridge::<String>::start(&tenant, source.clone(), "links", &topic()).await;
    let error = other().await.unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("Link") && message.contains("String") && message.contains("stop it"),
        "{message}"
    );
    bridge.stop().await;
    other().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_hub_ends_the_bridge_and_is_no_stop() {
    let (hub, source) = (hub(), Fake::default());
    let bridge = start(&hub, &source).await.unwrap();
    let weak = hub.downgrade();
    drop(hub);
    assert!(weak.is_gone(), "the bridge does not keep the hub");
    bridge.stop().await;
    assert_eq!(source.counts(), (1, 0, 1));
}

#[test]
fn the_end_of_the_runtime_ends_the_bridge_and_the_next_start_makes_a_new_one() {
    let (hub, source) = (hub(), Fake::default());
    let new_runtime =
        || runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let first = new_runtime();
    let bridge = first.block_on(start(&hub, &source)).unwrap();
    drop(first);
    assert_eq!(source.counts(), (1, 0, 1));
    new_runtime().block_on(async {
        bridge.stop().await;
        let mut events = hub.subscribe(&topic()).await;
        start(&hub, &source).await.unwrap();
        source.write(1);
        assert_eq!((next(&mut events).await, next(&mut events).await), ("sync".into(), "upserted 1".into()));
    });
}

#[tokio::test(start_paused = true)]
async fn a_hub_has_so_many_bridges_and_a_stop_makes_room() {
    let (hub, source) = (hub(), Fake::default());
    let mut bridges = Vec::new();
    let start = async |number: usize| {
        let tenant = hub.tenant(&format!("t{number}").parse().unwrap());
        Bridge::<Link>::start(&tenant, source.clone(), "links", &topic()).await
    };
    for number in 0..MAX_BRIDGES {
        bridges.push(start(number).await.unwrap());
    }
    let error = start(MAX_BRIDGES).await.unwrap_err();
    assert!(error.to_string().contains("stop some"), "{error}");
    bridges[0].stop().await;
    start(MAX_BRIDGES).await.unwrap();
}
