//! The memory of a shard that many connections have left, or that has nothing to deliver.

use super::*;

#[test]
fn tenants_and_topics_leave_no_trace() {
    let mut world = World::new();
    let waits = Arc::new(Wakes::default());
    assert!(world.shard.poll_fan_out(at(0), &Arc::clone(&waits).into()).is_pending());
    let (first, _) = world.connect(&["t:1", "t:2"]);
    let (second, pipe) = world.connect(&["t:2"]);
    // A new connection is there, so the shard reads the log.
    assert_eq!(waits.count(), 1);
    let held = ShardCounters { connections: 2, tenants: 1, topics: 2, unwritten_bytes: 0 };
    assert_eq!(world.shard.counters(), held);
    world.say(first, &json!({ "op": "unsubscribe", "ref": 2, "topics": ["t:1"] }));
    assert_eq!(world.shard.counters().topics, 1);
    world.fan_out();
    // The topic has no subscriber, and the shard follows the log.
    world.publish(&["t:1"]);
    world.publish(&["t:2"]);
    pipe.make_room(10);
    world.fan_out();
    assert!(world.shard.counters().unwritten_bytes > 0);
    world.shard.remove(second);
    world.shard.remove(first);
    assert_eq!(world.shard.counters(), ShardCounters::default());
    world.fan_out();
    let Shard { connections, marks, scratch, .. } = &world.shard;
    assert_eq!(connections.capacity() + marks.capacity() + gathered_bytes(scratch), 0);
    // No connection is left, until a new one comes.
    assert!(world.shard.poll_fan_out(at(0), &Arc::clone(&waits).into()).is_pending());
    world.publish(&["t:1"]);
    assert_eq!(waits.count(), 1);
    let (again, pipe) = world.connect(&["t:1"]);
    world.publish(&["t:1"]);
    world.fan_out();
    assert_eq!(pipe.numbers(), [4]);
    world.shard.remove(again);
    let counters = world.hub.counters();
    assert_eq!((counters.followers, counters.followed_topics, counters.waiting), (0, 0, 0));
    // A tenant that has no connection is removed when its log is empty.
    (0..3).for_each(|round| world.hub.handle_timeout(at(round * 10_000)));
    assert_eq!(world.hub.tenant_count(), 0);
}

#[test]
fn large_publications_are_gathered_few_at_a_time_and_their_memory_is_freed() {
    let mut world = World::new();
    let (_, pipe) = world.connect(&["t:1"]);
    for _ in 0..12 {
        let event = json!({ "domain": "t", "event": "e", "payload": "x".repeat(200_000) }).to_string();
        let (topics, options) = (["t:1".parse().unwrap()], PublishOptions::default());
        let event = RawEvent::parse(&event).unwrap();
        at_once(world.hub.publish_raw(event, Some(&topics), options)).unwrap();
    }
    let before = pipe.writes();
    world.fan_out();
    assert_eq!(pipe.writes() - before, 2);
    assert!(pipe.0.borrow().taken.len() > 12 * 200_000);
    assert!(gathered_bytes(&world.shard.scratch) <= WRITE_BYTES);
}

fn gathered_bytes(scratch: &Scratch) -> usize {
    scratch.gathered.iter().map(Gathered::capacity).sum()
}
