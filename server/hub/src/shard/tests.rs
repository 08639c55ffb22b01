use std::{cell::RefCell, rc::Rc, task::Wake};

use serde_json::{Value, json};
use tidings_shared::{RawEvent, limits::WRITE_BYTES};
use uuid::Uuid;

use super::*;
use crate::{
    Hub, HubSettings, LogLimits, PublishOptions, SessionSettings,
    test_support::{Everybody, TestHost, answer_all, at, at_once},
};

mod event_streams;
mod health;
mod many_topics;
mod memory;

/// A socket that takes a given number of bytes.
#[derive(Debug, Clone)]
struct Pipe(Rc<RefCell<State>>);

#[derive(Debug)]
struct State {
    room: usize,
    taken: Vec<u8>,
    writes: usize,
    is_broken: bool,
}

impl Sink for Pipe {
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        if state.is_broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if state.room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = bytes.len().min(state.room);
        state.room -= taken;
        state.taken.extend_from_slice(&bytes[..taken]);
        state.writes += 1;
        Ok(taken)
    }
}

impl Pipe {
    fn new() -> Self {
        Self(Rc::new(RefCell::new(State {
            room: usize::MAX,
            taken: Vec::new(),
            writes: 0,
            is_broken: false,
        })))
    }

    fn make_room(&self, room: usize) {
        self.0.borrow_mut().room = room;
    }

    fn writes(&self) -> usize {
        self.0.borrow().writes
    }

    /// Takes the frames that have come in whole.
    fn frames(&self) -> Vec<Value> {
        let mut state = self.0.borrow_mut();
        let mut frames = Vec::new();
        let mut start = 0;
        while let Some(head) = state.taken.get(start..start + 2) {
            let (skip, length) = match head[1] {
                126 => match state.taken.get(start + 2..start + 4) {
                    Some(long) => (4, usize::from(u16::from_be_bytes([long[0], long[1]]))),
                    None => break,
                },
                short => (2, usize::from(short)),
            };
            let Some(payload) = state.taken.get(start + skip..start + skip + length) else { break };
            if head[0] == 0x81 {
                frames.push(serde_json::from_slice(payload).unwrap());
            }
            start += skip + length;
        }
        state.taken.drain(..start);
        frames
    }

    fn numbers(&self) -> Vec<u64> {
        self.frames().iter().map(number).collect()
    }
}

fn number(frame: &Value) -> u64 {
    assert_eq!(frame["op"], "event", "{frame}");
    frame["event"]["payload"].as_u64().unwrap()
}

struct World {
    hub: Hub,
    shard: Shard<Pipe>,
    published: u64,
}

impl World {
    fn new() -> Self {
        let log = LogLimits { max_entries: 100, ..LogLimits::default() };
        let hub =
            Hub::new(HubSettings { log, ..HubSettings::new("acme".parse().unwrap()) }, TestHost::default());
        Self { hub, shard: Shard::new(), published: 0 }
    }

    fn say(&mut self, key: ConnectionKey, frame: &Value) -> Pumped {
        self.shard.handle_session(key, at(0), |session| {
            session.handle_text(&frame.to_string(), at(0));
            answer_all(session, &Everybody, at(0));
        });
        self.pump(key)
    }

    fn pump(&mut self, key: ConnectionKey) -> Pumped {
        self.shard.pump(key, at(0)).unwrap()
    }

    /// Returns a connection that has written the answers to its hello and its subscribe.
    fn connect(&mut self, topics: &[&str]) -> (ConnectionKey, Pipe) {
        let id = Uuid::from_u128(self.shard.keys().len() as u128);
        let session = Session::new(id, self.hub.clone(), SessionSettings::default(), at(0));
        let pipe = Pipe::new();
        let key = self.shard.insert(Box::new(session), pipe.clone());
        self.say(key, &json!({ "op": "hello" }));
        let pumped = self.say(key, &json!({ "op": "subscribe", "ref": 1, "topics": topics }));
        assert_eq!((pumped, pipe.frames().len()), (Pumped::Idle, 2));
        (key, pipe)
    }

    fn publish(&mut self, topics: &[&str]) {
        self.published += 1;
        let event = json!({ "domain": "t", "event": "e", "payload": self.published });
        let event = RawEvent::parse(&event.to_string()).unwrap();
        let topics: Vec<_> = topics.iter().map(|topic| topic.parse().unwrap()).collect();
        let options = PublishOptions::default();
        at_once(self.hub.publish_raw(event, Some(&topics), options)).unwrap();
    }

    /// Does one turn. Returns whether there may be more.
    fn turn(&mut self) -> bool {
        self.shard.poll_fan_out(at(0), Waker::noop()).is_ready()
    }

    fn fan_out(&mut self) {
        while self.turn() {}
    }
}

#[test]
fn what_queues_up_goes_to_each_socket_in_one_write_and_in_order() {
    let mut world = World::new();
    let pipes: Vec<_> = (0..200).map(|_| world.connect(&["t:1"]).1).collect();
    let (_, other) = world.connect(&["t:2"]);
    let before = pipes[0].writes();
    (0..32).for_each(|_| world.publish(&["t:1"]));
    world.fan_out();
    for pipe in pipes {
        assert_eq!(pipe.writes(), before + 1);
        assert_eq!(pipe.numbers(), (1..=32).collect::<Vec<_>>());
    }
    assert_eq!(other.numbers(), [0; 0]);
}

#[test]
fn topics_that_are_left_in_the_same_read_as_the_end_are_left() {
    let mut world = World::new();
    let (_, other) = world.connect(&["t:1"]);
    let (key, _) = world.connect(&["t:2", "t:3"]);
    let unsubscribe = json!({ "op": "unsubscribe", "ref": 2, "topics": ["t:2"] }).to_string();
    world.shard.handle_session(key, at(0), |session| {
        session.handle_text(&unsubscribe, at(0));
        session.handle_close(None);
    });
    assert_eq!(world.pump(key), Pumped::Closed);
    assert_eq!(world.shard.counters().topics, 1);
    world.shard.remove(key);
    // The connection that gets its key gets no events of its topics.
    let (again, pipe) = world.connect(&["t:4"]);
    assert_eq!(again, key);
    world.publish(&["t:2"]);
    world.publish(&["t:1"]);
    world.fan_out();
    assert_eq!((pipe.numbers(), other.numbers()), (vec![], vec![2]));
}

#[test]
fn a_session_that_has_ended_holds_no_tenant_though_its_socket_is_full() {
    let mut world = World::new();
    let (key, pipe) = world.connect(&["t:1"]);
    pipe.make_room(1);
    world.shard.handle_session(key, at(0), |session| session.handle_close(Some(1000)));
    assert_eq!(world.pump(key), Pumped::Blocked { has_taken: true });
    let expected = ShardCounters { connections: 1, unwritten_bytes: 3, ..ShardCounters::default() };
    assert_eq!(world.shard.counters(), expected);
}

#[test]
fn a_socket_that_takes_just_the_rest_has_taken_something() {
    let mut world = World::new();
    let (key, pipe) = world.connect(&["t:1"]);
    (0..2).for_each(|_| world.publish(&["t:1"]));
    pipe.make_room(10);
    world.fan_out();
    assert!(!world.shard.is_live(key));
    pipe.make_room(world.shard.counters().unwritten_bytes);
    assert_eq!(world.pump(key), Pumped::More);
    assert_eq!(world.pump(key), Pumped::Blocked { has_taken: false });
    pipe.make_room(usize::MAX);
    assert_eq!((world.pump(key), world.pump(key)), (Pumped::More, Pumped::Idle));
    assert_eq!(pipe.numbers(), [1, 2]);
}

/// Counts how often it was woken.
#[derive(Debug, Default)]
struct Wakes(std::sync::atomic::AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[test]
fn a_full_socket_falls_behind_with_the_rest_of_one_frame_and_reads_on_from_the_log() {
    let mut world = World::new();
    let (slow, pipe) = world.connect(&["t:1"]);
    let (_, quick) = world.connect(&["t:1"]);
    let wakes = Arc::new(Wakes::default());
    world.shard.set_waker(slow, &Arc::clone(&wakes).into());
    world.publish(&["t:1"]);
    pipe.make_room(usize::MAX);
    world.fan_out();
    assert_eq!((pipe.numbers(), wakes.count()), (vec![1], 0));
    // The socket takes one frame, and a part of the second of five.
    (0..5).for_each(|_| world.publish(&["t:1"]));
    let frame = quick.0.borrow().taken.len();
    pipe.make_room(frame + 10);
    world.fan_out();
    assert!(!world.shard.is_live(slow));
    assert_eq!((pipe.numbers(), wakes.count()), (vec![2], 1));
    assert_eq!(world.shard.counters().unwritten_bytes, frame - 10);
    // While the socket takes nothing, the connection costs no more memory, and costs others nothing.
    assert_eq!(world.pump(slow), Pumped::Blocked { has_taken: false });
    (0..5).for_each(|_| world.publish(&["t:1"]));
    world.fan_out();
    assert_eq!(world.shard.counters().unwritten_bytes, frame - 10);
    assert_eq!(quick.numbers(), (1..=11).collect::<Vec<_>>());
    assert_eq!(wakes.count(), 1);
    pipe.make_room(usize::MAX);
    assert_eq!((world.pump(slow), world.pump(slow)), (Pumped::More, Pumped::Idle));
    assert_eq!(pipe.numbers(), (3..=11).collect::<Vec<_>>());
    world.publish(&["t:1"]);
    world.fan_out();
    assert_eq!((pipe.numbers(), quick.numbers()), (vec![12], vec![12]));
    assert_eq!(world.shard.counters().unwritten_bytes, 0);
}

#[test]
fn what_a_socket_that_drains_byte_by_byte_takes_are_whole_frames() {
    let mut world = World::new();
    let (key, pipe) = world.connect(&["t:1"]);
    world.publish(&["t:1"]);
    world.fan_out();
    let mut numbers = pipe.numbers();
    pipe.make_room(0);
    (0..2).for_each(|_| world.publish(&["t:1"]));
    world.fan_out();
    for round in 0..2_000 {
        if round % 100 == 0 && world.published < 10 {
            world.publish(&["t:1"]);
            world.fan_out();
        }
        pipe.make_room(1);
        world.pump(key);
        numbers.extend(pipe.numbers());
    }
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
}

#[test]
fn one_read_of_a_long_log_is_written_in_bounded_parts() {
    let mut world = World::new();
    let (key, pipe) = world.connect(&["t:1"]);
    pipe.make_room(0);
    (0..100).for_each(|_| world.publish(&["t:1"]));
    world.fan_out();
    pipe.make_room(usize::MAX);
    let before = pipe.writes();
    assert_eq!(world.pump(key), Pumped::More);
    assert!(!world.shard.is_live(key));
    let written = pipe.0.borrow().taken.len();
    assert!((WRITE_BYTES..WRITE_BYTES + 1_000).contains(&written), "{written}");
    while world.pump(key) == Pumped::More {}
    assert_eq!(pipe.numbers(), (1..=100).collect::<Vec<_>>());
    assert_eq!(pipe.writes(), before + 2);
}

#[test]
fn live_connections_get_one_sync_when_the_log_has_evicted_entries_before_the_shard() {
    let mut world = World::new();
    let (key, pipe) = world.connect(&["t:1"]);
    let (bystander, other) = world.connect(&["t:2"]);
    world.publish(&["t:2"]);
    world.fan_out();
    assert_eq!(other.numbers(), [1]);
    let wakes = Arc::new(Wakes::default());
    for key in [key, bystander] {
        world.shard.set_waker(key, &Arc::clone(&wakes).into());
    }
    (0..150).for_each(|_| world.publish(&["t:1"]));
    world.fan_out();
    assert_eq!(wakes.count(), 2);
    assert_eq!((world.pump(key), world.pump(bystander)), (Pumped::Idle, Pumped::Idle));
    let frames = pipe.frames();
    assert_eq!(frames.len(), 1, "{frames:?}");
    assert_eq!((&frames[0]["op"], &frames[0]["topics"]), (&json!("sync"), &json!(["t:1"])));
    assert_eq!(other.frames(), [] as [Value; 0]);
    world.publish(&["t:1", "t:2"]);
    world.fan_out();
    assert_eq!((pipe.numbers(), other.numbers()), (vec![152], vec![152]));
}

#[test]
fn a_gap_of_the_whole_tenant_reaches_each_live_connection_once() {
    let mut world = World::new();
    let (one, of_one) = world.connect(&["t:1", "t:2"]);
    let (other, of_other) = world.connect(&["t:3"]);
    world.publish(&["t:1"]);
    world.hub.sync_all();
    world.publish(&["t:3"]);
    world.fan_out();
    world.fan_out();
    assert_eq!((world.pump(one), world.pump(other)), (Pumped::Idle, Pumped::Idle));
    let told = |pipe: &Pipe| {
        pipe.frames().iter().map(|f| format!("{} {}", f["op"], f["topics"])).collect::<Vec<_>>()
    };
    assert_eq!(told(&of_one), [r#""event" ["t:1"]"#, r#""sync" ["t:1","t:2"]"#]);
    assert_eq!(told(&of_other), [r#""sync" ["t:3"]"#, r#""event" ["t:3"]"#]);
}

#[test]
fn an_event_of_several_topics_comes_once_and_names_the_topics_of_each_connection() {
    let mut world = World::new();
    let all = ["t:1", "t:2", "t:3", "t:4"];
    // Fifteen sets are more than `MAX_SETS`.
    let of = |set: usize| (0..4).filter(|bit| set >> bit & 1 == 1).map(|bit| all[bit]).collect::<Vec<_>>();
    let pipes: Vec<_> = (1..32).map(|set| (set % 16, world.connect(&of(set % 16)).1)).collect();
    world.publish(&all);
    world.publish(&all[1..3]);
    world.fan_out();
    for (set, pipe) in pipes {
        let named: Vec<Value> = pipe.frames().iter().map(|frame| frame["topics"].clone()).collect();
        let expected = [set, set & 0b0110].into_iter().filter(|&set| set > 0);
        assert_eq!(named, expected.map(|set| json!(of(set))).collect::<Vec<_>>(), "{set:b}");
    }
}

#[test]
fn a_connection_gets_a_publication_only_if_it_subscribed_before() {
    let mut world = World::new();
    let (_, before) = world.connect(&["t:1"]);
    world.publish(&["t:1"]);
    let (_, between) = world.connect(&["t:1"]);
    world.publish(&["t:1"]);
    // The shard has not seen any of these publications.
    let (_, after) = world.connect(&["t:1"]);
    world.fan_out();
    assert_eq!((before.numbers(), between.numbers(), after.numbers()), (vec![1, 2], vec![2], vec![]));
    let (_, after) = world.connect(&["t:1"]);
    world.publish(&["t:1"]);
    world.fan_out();
    assert_eq!((after.numbers(), before.numbers()), (vec![3], vec![3]));
}

#[test]
fn a_large_fan_out_takes_several_turns_between_which_each_connection_keeps_its_order() {
    let mut world = World::new();
    let count = 3 * FAN_OUT_WRITES;
    let connections: Vec<_> = (0..count).map(|_| world.connect(&["t:1"])).collect();
    world.fan_out();
    let served = || connections.iter().filter(|(_, pipe)| !pipe.0.borrow().taken.is_empty()).count();
    world.publish(&["t:1"]);
    world.publish(&["t:1"]);
    assert!(world.turn());
    assert_eq!(served(), FAN_OUT_WRITES);
    // The last connection sends a ping. It gets its frames of the batch first, then its answer, and each only once.
    let (last, pipe) = &connections[count - 1];
    assert_eq!(world.say(*last, &json!({ "op": "ping", "ref": 7 })), Pumped::Idle);
    let frames = pipe.frames();
    assert_eq!((number(&frames[0]), number(&frames[1])), (1, 2));
    assert_eq!((&frames[2]["op"], frames.len()), (&json!("pong"), 3));
    // Two connections have left, and a new one has the key of one.
    let (leaver, _) = connections[count - 2];
    world.shard.remove(connections[count - 3].0);
    world.shard.remove(leaver);
    let (again, newcomer) = world.connect(&["t:1"]);
    assert_eq!(again, leaver);
    world.publish(&["t:1"]);
    world.fan_out();
    assert_eq!((pipe.numbers(), newcomer.numbers()), (vec![3], vec![3]));
    for (_, pipe) in &connections[..count - 3] {
        assert_eq!(pipe.numbers(), [1, 2, 3]);
    }
}

#[test]
fn a_broken_socket_ends_its_own_connection_only() {
    let mut world = World::new();
    let pairs: Vec<_> = (0..3).map(|_| world.connect(&["t:1"])).collect();
    let wakes = Arc::new(Wakes::default());
    let (broken, pipe) = &pairs[1];
    world.shard.set_waker(*broken, &Arc::clone(&wakes).into());
    pipe.0.borrow_mut().is_broken = true;
    world.publish(&["t:1"]);
    world.fan_out();
    assert_eq!(wakes.count(), 1);
    pipe.0.borrow_mut().is_broken = false;
    assert!(world.shard.pump(*broken, at(0)).is_err(), "what is lost stays lost");
    world.shard.remove(*broken);
    world.publish(&["t:1"]);
    world.fan_out();
    for (_, pipe) in [&pairs[0], &pairs[2]] {
        assert_eq!(pipe.numbers(), [1, 2]);
    }
}

#[test]
fn what_a_shard_delivers_tells_a_position_as_a_ping_would() {
    let mut world = World::new();
    let (key, pipe) = world.connect(&["t:1"]);
    let ping = json!({ "op": "ping", "ref": 1 }).to_string();
    world.shard.handle_session(key, at(20), |session| session.handle_text(&ping, at(20)));
    assert_eq!(world.shard.pump(key, at(20)).unwrap(), Pumped::Idle);
    assert_eq!(world.shard.protocol(key).poll_timeout(), Some(at(25).since_start));
    world.publish(&["t:1"]);
    while world.shard.poll_fan_out(at(22), Waker::noop()).is_ready() {}
    // The shard tells the session before it calls it.
    world.shard.handle(key, at(25), |session| session.handle_timeout(at(25)));
    assert_eq!(world.shard.pump(key, at(25)).unwrap(), Pumped::Idle);
    assert_eq!(world.shard.protocol(key).poll_timeout(), Some(at(45).since_start));
    assert_eq!(pipe.frames().iter().map(|frame| &frame["op"]).collect::<Vec<_>>(), ["pong", "event"]);
}

#[test]
fn a_revocation_ends_the_named_connections_and_leaves_the_others_live() {
    let mut world = World::new();
    let [(first, pipe), (second, _)] = [world.connect(&["t:1"]), world.connect(&["t:1"])];
    world.hub.revoke(&crate::Revoke::Session(Uuid::from_u128(0))).now_or_never().unwrap().unwrap();
    world.shard.handle_revocation(at(0));
    assert_eq!([first, second].map(|key| world.shard.is_live(key)), [false, true]);
    assert_eq!((world.pump(first), pipe.frames()[0]["code"].as_str()), (Pumped::Closed, Some("forbidden")));
}
