//! A bridge that is slower than its store.

use std::sync::Mutex;

use serde::Deserializer;
use tidings_server::bridge::HAND_OFF_CHANGES;

use tidings_tests::eventually;

use super::*;

/// Whoever decodes a record waits for this lock.
static GATE: Mutex<()> = Mutex::new(());

/// A record that takes long to decode.
#[derive(Debug)]
struct Slow;

impl<'de> Deserialize<'de> for Slow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        drop(GATE.lock().unwrap());
        Link::deserialize(deserializer).map(|_| Self)
    }
}

#[test]
fn while_the_bridge_is_blocked_the_store_is_written_and_what_the_hand_off_lost_is_one_sync() {
    let (embedded, store) = (Embedded::start(|_| {}), Store::default());
    let mut view = Mirror::new(&embedded, &store);
    let (hub, topic) = (&embedded.hub, store::Topic::schema("links").unwrap());
    let tenant = hub.tenant(hub.home());
    let bridge =
        embedded.runtime.block_on(Bridge::<Slow>::start(&tenant, store.clone(), "links", &topic)).unwrap();
    assert_eq!((view.read(), gaps(&embedded)), (None, 1));

    let gate = GATE.lock().unwrap();
    // If one of these writes waited for the bridge, the test would never end.
    for number in 0..3 * HAND_OFF_CHANGES {
        store.write(&format!("k{}", number % 100), number);
    }
    store.delete("k7");
    drop(gate);
    eventually("the bridge has published all", || gaps(&embedded) == 2);
    store.write("end", 0);
    view.read_until("end");
    assert_eq!((&view.links, gaps(&embedded)), (&store.state().links, 2));
    embedded.runtime.block_on(bridge.stop());
    embedded.stop();
}
