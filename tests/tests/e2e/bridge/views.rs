//! Many views start the same bridge, and somebody stops it.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};

use futures_util::future::join_all;
use tidings_tests::eventually;

use super::*;

#[test]
fn a_hundred_views_start_the_same_bridge_at_once_and_each_gets_each_change() {
    let (embedded, store) = (Embedded::start(|_| {}), Store::default());
    let mut views: Vec<Mirror> = (0..100).map(|_| Mirror::new(&embedded, &store)).collect();
    let starts = embedded.runtime.block_on(join_all((0..100).map(|_| start(&embedded, &store))));
    assert_eq!(store.state().feeds, 1);
    store.write("a", 1);
    store.write("b", 2);
    store.delete("a");
    for view in &mut views {
        assert_eq!(view.read(), None, "what changed before the bridge");
        assert_eq!([view.read(), view.read(), view.read()].map(Option::unwrap), ["a", "b", "a"]);
        assert_eq!(view.links, store.state().links);
    }
    // Views that leave take nothing with them.
    drop(starts);
    views.drain(1..).for_each(|view| view.client.close());
    store.write("c", 3);
    assert_eq!(views[0].read().as_deref(), Some("c"));
    views.remove(0).client.close();
    eventually("nobody subscribes", || embedded.hub.holdings(embedded.hub.now()).subscriptions == 0);
    store.write("d", 4);
    let mut late = Mirror::new(&embedded, &store);
    store.write("e", 5);
    late.read_until("e");
    assert_eq!((late.syncs, store.state().feeds), (0, 1));
    embedded.stop();
}

/// Ends the writer when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn after_a_stop_in_a_burst_nothing_comes_and_after_the_next_start_one_sync_and_then_all() {
    let (embedded, store) = (Embedded::start(|_| {}), Store::default());
    let mut view = Mirror::new(&embedded, &store);
    let (is_over, written) = (AtomicBool::new(false), AtomicUsize::new(0));
    let write = || {
        while !is_over.load(Relaxed) {
            let number = written.fetch_add(1, Relaxed);
            store.write(&format!("k{}", number % 10), number);
            thread::park_timeout(Duration::from_micros(50));
        }
    };
    let wait_for_writes = |more: usize| {
        let until = written.load(Relaxed) + more;
        eventually("the burst goes on", || written.load(Relaxed) >= until);
    };
    thread::scope(|scope| {
        scope.spawn(write);
        // Also ends the writer if this fails.
        let over = Over(&is_over);
        for round in 0..5 {
            let bridge = embedded.runtime.block_on(start(&embedded, &store));
            wait_for_writes(100);
            embedded.runtime.block_on(bridge.stop());
            let stopped = embedded.hub.position().now_or_never().unwrap();
            wait_for_writes(100);
            assert_eq!(embedded.hub.position().now_or_never(), Some(stopped), "round {round}");
            // The view stays subscribed.
            let marker =
                store::Deleted { schema: store::Schema::parse("links").unwrap(), key: "marker".to_owned() };
            embedded.hub.announce(&store::Event::<serde_json::Value>::Deleted(marker));
            assert_eq!(view.read(), None, "round {round}: the bridge begins");
            while view.read().as_deref() != Some("marker") {}
        }
        drop(over);
    });
    assert_eq!(store.state().feeds, 5);
    let bridge = embedded.runtime.block_on(start(&embedded, &store));
    store.write("end", 0);
    assert_eq!((view.read(), view.read().as_deref()), (None, Some("end")));
    assert_eq!(view.links, store.state().links);
    embedded.runtime.block_on(bridge.stop());
    embedded.stop();
}
