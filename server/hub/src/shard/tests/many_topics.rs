//! A publication that reaches many topics, and a session that subscribes to many in several frames.

use super::*;

#[test]
fn connections_read_an_event_of_many_topics_from_the_log_after_all_earlier_events() {
    let mut world = World::new();
    let (one, of_one) = world.connect(&["t:1"]);
    let (two, of_two) = world.connect(&["t:1", "t:200"]);
    let (other, of_other) = world.connect(&["t:2000"]);
    let (slow, of_slow) = world.connect(&["t:1"]);
    let many: Vec<String> = (1..=1_024).map(|n| format!("t:{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    of_slow.make_room(10);
    world.publish(&["t:1", "t:2000"]);
    world.publish(&many);
    world.publish(&["t:2000", "t:200"]);
    world.hub.sync_raw(&["t:200".parse().unwrap()], None);
    world.publish(&["t:1", "t:2000"]);
    world.fan_out();
    assert_eq!(of_other.numbers(), [1, 3, 4], "whom it does not reach, the shard writes to");
    assert_eq!([one, two, other, slow].map(|key| world.shard.is_live(key)), [false, false, true, false]);
    assert_eq!(of_one.numbers(), [1], "what came before is written");
    assert_eq!((world.pump(one), of_one.numbers()), (Pumped::Idle, vec![2, 4]));
    assert_eq!(world.pump(two), Pumped::Idle);
    let frames = of_two.frames();
    let told: Vec<_> = frames.iter().map(|frame| (frame["op"].as_str().unwrap(), &frame["topics"])).collect();
    let (all, first, last) = (json!(["t:1", "t:200"]), json!(["t:1"]), json!(["t:200"]));
    let expected = [("event", &first), ("event", &all), ("event", &last), ("sync", &last), ("event", &first)];
    assert_eq!(told, expected);
    of_slow.make_room(usize::MAX);
    while world.pump(slow) != Pumped::Idle {}
    assert_eq!(of_slow.numbers(), [1, 2, 4]);
    assert!([one, two, other, slow].iter().all(|&key| world.shard.is_live(key)));
    world.publish(&["t:1", "t:2000"]);
    world.fan_out();
    assert_eq!([&of_one, &of_two, &of_other, &of_slow].map(Pipe::numbers), [[5], [5], [5], [5]]);
}

#[test]
fn a_session_that_is_paused_in_the_middle_of_a_subscribe_rests_and_is_written_nothing() {
    let mut world = World::new();
    let (key, pipe) = world.connect(&["t:1"]);
    let subscribe = |more| json!({ "op": "subscribe", "ref": 2, "topics": ["t:2"], "more": more });
    assert_eq!(world.say(key, &subscribe(true)), Pumped::Idle);
    assert_eq!((world.shard.is_idle(key), world.shard.is_live(key)), (true, false));
    world.publish(&["t:1"]);
    world.publish(&["t:2"]);
    world.fan_out();
    // The session stays paused when the client sends other frames.
    assert_eq!(world.say(key, &json!({ "op": "ping", "ref": 3 })), Pumped::Idle);
    let ops: Vec<Value> = pipe.frames().iter().map(|frame| frame["op"].clone()).collect();
    assert_eq!(ops, ["subscribed", "pong"]);
    world.publish(&["t:1"]);
    assert_eq!(world.say(key, &subscribe(false)), Pumped::Idle);
    assert_eq!((pipe.frames()[0]["op"].as_str(), world.shard.is_live(key)), (Some("subscribed"), true));
}

#[test]
fn a_session_that_was_paused_goes_on_when_its_time_is_over() {
    let mut world = World::new();
    let (key, pipe) = world.connect(&["t:1"]);
    world.say(key, &json!({ "op": "subscribe", "ref": 2, "topics": ["t:2"], "more": true }));
    pipe.frames();
    world.publish(&["t:1"]);
    world.fan_out();
    let until = world.shard.protocol(key).poll_timeout().unwrap();
    let until = Moment { since_start: until, ..at(0) };
    world.shard.handle(key, until, |session| session.handle_timeout(until));
    assert_eq!(world.shard.pump(key, until).unwrap(), Pumped::Idle);
    assert_eq!((pipe.numbers(), world.shard.is_live(key)), (vec![1], true));
    world.publish(&["t:2"]);
    world.fan_out();
    assert_eq!(pipe.numbers(), [2]);
}
