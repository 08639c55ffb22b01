//! A shard of a hub that hears nothing from its journal.

use super::*;
use crate::event_stream::Framing;

fn op(frame: &Value) -> &str {
    frame["op"].as_str().unwrap()
}

impl World {
    /// Makes the journal silent for a while, and then hears it again if `is_good`.
    fn look(&mut self, is_good: bool) {
        self.hub.journal_answered(at(1));
        if !is_good {
            self.hub.handle_timeout(at(30));
        }
        let keys = self.shard.keys();
        self.shard.handle_health(&keys, at(0));
    }
}

#[test]
fn a_live_connection_is_told_in_order_with_its_deliveries_and_is_live_again() {
    let mut world = World::new();
    let (key, pipe) = world.connect(&["t:1"]);
    let wakes = Arc::new(Wakes::default());
    world.shard.set_waker(key, &Arc::clone(&wakes).into());
    world.look(true);
    assert_eq!((wakes.count(), world.shard.is_live(key)), (0, true), "nothing has changed");
    world.publish(&["t:1"]);
    world.look(false);
    assert_eq!((wakes.count(), world.shard.is_live(key)), (1, false));
    assert_eq!(world.pump(key), Pumped::Idle);
    let frames = pipe.frames();
    assert_eq!(frames.iter().map(op).collect::<Vec<_>>(), ["degraded", "event"]);
    world.publish(&["t:1"]);
    world.fan_out();
    world.publish(&["t:1"]);
    world.look(true);
    assert_eq!(world.pump(key), Pumped::Idle);
    let frames = pipe.frames();
    assert_eq!(frames.iter().map(op).collect::<Vec<_>>(), ["event", "event", "restored"]);
    assert_eq!(frames[1]["position"], frames[2]["position"]);
    assert!(world.shard.is_live(key));
    world.publish(&["t:1"]);
    world.fan_out();
    assert_eq!(pipe.numbers(), [4]);
}

#[test]
fn a_slow_connection_is_restored_when_it_has_read_what_was_late() {
    let mut world = World::new();
    let (key, pipe) = world.connect(&["t:1"]);
    world.look(false);
    world.pump(key);
    pipe.frames();
    pipe.make_room(0);
    (0..90).for_each(|_| world.publish(&["t:1"]));
    world.fan_out();
    world.look(true);
    assert_eq!(world.pump(key), Pumped::Blocked { has_taken: false });
    let mut got = Vec::new();
    while !world.shard.is_live(key) {
        pipe.make_room(500);
        world.pump(key);
        got.extend(pipe.frames());
    }
    assert_eq!(op(&got.pop().unwrap()), "restored");
    assert_eq!(got.iter().map(number).collect::<Vec<_>>(), (1..=90).collect::<Vec<_>>());
}

#[test]
fn connections_that_have_gone_are_passed_over() {
    let mut world = World::new();
    let (first, pipe) = world.connect(&["t:1"]);
    let (second, _) = world.connect(&["t:1"]);
    world.shard.remove(second);
    world.hub.journal_answered(at(1));
    world.hub.handle_timeout(at(30));
    world.shard.handle_health(&[second, first], at(0));
    world.pump(first);
    assert_eq!(pipe.frames().iter().map(op).collect::<Vec<_>>(), ["degraded"]);
}

#[test]
fn an_event_stream_is_told_by_blocks() {
    for framing in [Framing::Chunked, Framing::UntilClose] {
        let mut world = World::new();
        let (key, pipe) = world.listen(&["t:1"], framing);
        world.publish(&["t:1"]);
        world.look(false);
        world.pump(key);
        let blocks = pipe.blocks(framing);
        assert_eq!(blocks.len(), 2, "{blocks:?}");
        let degraded =
            format!("event: degraded\ndata: {{\"op\":\"degraded\",\"since\":{}}}\n\n", at(1).unix_ms);
        assert_eq!(blocks[0], degraded, "it has no id");
        world.publish(&["t:1"]);
        world.look(true);
        world.pump(key);
        let blocks = pipe.blocks(framing);
        assert_eq!(blocks.len(), 2, "{blocks:?}");
        assert!(blocks[0].contains("\nevent: event\n"), "{blocks:?}");
        let id = blocks[0].lines().next().unwrap();
        assert!(blocks[1].starts_with(&format!("{id}\nevent: restored\ndata: ")), "{blocks:?}");
        assert!(world.shard.is_live(key));
    }
}
