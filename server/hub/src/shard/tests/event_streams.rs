//! Event streams beside sessions, in one shard.

use std::time::Duration;

use super::*;
use crate::{
    event_stream::{EventStream, Framing, StreamAccess},
    revocation::Admission,
    session::NamedTopics,
    test_support::Access,
};

impl World {
    /// Returns an event stream that has written its first block.
    pub(super) fn listen(&mut self, topics: &[&str], framing: Framing) -> (ConnectionKey, Pipe) {
        let revocations = self.hub.revocations();
        let asked_at = revocations.newest();
        let identity = Everybody.authenticate(None, 0).unwrap();
        let Admission::Admitted(admitted) = revocations.admit(identity, None, asked_at, at(0)) else {
            panic!()
        };
        let topics: Vec<String> = topics.iter().map(ToString::to_string).collect();
        let topics = NamedTopics::parse(&self.hub, &topics);
        let allowed = vec![true; topics.names().len()];
        let access = StreamAccess { admitted, asked_at, allowed };
        let stream = EventStream::open(&self.hub, SessionSettings::default(), access, topics, None, at(0));
        let pipe = Pipe::new();
        let key = self.shard.insert(Box::new(stream.unwrap().framed(framing)), pipe.clone());
        assert_eq!(self.pump(key), Pumped::Idle);
        let first = pipe.blocks(framing);
        assert!(first.len() == 1 && first[0].contains("\nevent: subscribed\n"), "{first:?}");
        (key, pipe)
    }
}

impl Pipe {
    /// Takes the blocks that have come in whole. The last chunk is an empty block.
    pub(super) fn blocks(&self, framing: Framing) -> Vec<String> {
        let mut state = self.0.borrow_mut();
        let mut blocks = Vec::new();
        let mut rest = &state.taken[..];
        let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|part| part == what);
        while let Some(at) = find(rest, if framing == Framing::Chunked { b"\r\n" } else { b"\n\n" }) {
            let (start, length, end) = match framing {
                Framing::Chunked => {
                    let size = std::str::from_utf8(&rest[..at]).unwrap();
                    (at + 2, usize::from_str_radix(size, 16).unwrap(), 2)
                }
                Framing::UntilClose => (0, at + 2, 0),
            };
            let Some(block) = rest.get(start..start + length + end) else { break };
            assert_eq!(&block[length..], &b"\r\n"[..end]);
            blocks.push(String::from_utf8(block[..length].to_vec()).unwrap());
            rest = &rest[start + length + end..];
        }
        state.taken = rest.to_vec();
        blocks
    }

    /// Takes the numbers of the events that have come in whole.
    fn heard(&self, framing: Framing) -> Vec<u64> {
        let number = |block: String| {
            let data = block.split_once("\nevent: event\ndata: ").unwrap_or_else(|| panic!("{block}")).1;
            let frame: Value = serde_json::from_str(data).unwrap();
            assert!(block.starts_with(&format!("id: {}\n", frame["position"].as_str().unwrap())), "{block}");
            number(&frame)
        };
        self.blocks(framing).into_iter().map(number).collect()
    }
}

const FRAMINGS: [Framing; 2] = [Framing::Chunked, Framing::UntilClose];

#[test]
fn sessions_and_streams_get_the_same_events_each_in_one_write() {
    let mut world = World::new();
    let sessions: Vec<_> = (0..3).map(|_| world.connect(&["t:1"]).1).collect();
    let streams: Vec<_> = FRAMINGS.repeat(3).into_iter().collect();
    let streams: Vec<_> =
        streams.into_iter().map(|framing| (world.listen(&["t:1"], framing).1, framing)).collect();
    let (_, other) = world.listen(&["t:2"], Framing::Chunked);
    let before = streams[0].0.writes();
    for events in [1, 32] {
        let first = world.published + 1;
        (0..events).for_each(|_| world.publish(&["t:1"]));
        world.fan_out();
        let expected: Vec<u64> = (first..first + events).collect();
        for session in &sessions {
            assert_eq!(session.numbers(), expected);
        }
        for (stream, framing) in &streams {
            assert_eq!(stream.heard(*framing), expected);
        }
    }
    assert_eq!(streams[0].0.writes(), before + 2);
    assert_eq!(other.heard(Framing::Chunked), [0; 0]);
}

#[test]
fn a_stream_that_is_slow_keeps_the_rest_of_one_block_and_reads_on_from_the_log() {
    for framing in FRAMINGS {
        let mut world = World::new();
        let (slow, pipe) = world.listen(&["t:1"], framing);
        let (_, quick) = world.listen(&["t:1"], framing);
        let (_, session) = world.connect(&["t:1"]);
        let wakes = Arc::new(Wakes::default());
        world.shard.set_waker(slow, &Arc::clone(&wakes).into());
        world.publish(&["t:1"]);
        world.fan_out();
        let block = quick.0.borrow().taken.len();
        (0..5).for_each(|_| world.publish(&["t:1"]));
        // The socket takes one block, and a part of the next.
        pipe.make_room(block + 10);
        world.fan_out();
        assert!(!world.shard.is_live(slow) && wakes.count() == 1);
        assert_eq!(pipe.heard(framing), [1, 2]);
        assert_eq!(world.shard.counters().unwritten_bytes, block - 10);
        (0..5).for_each(|_| world.publish(&["t:1"]));
        world.fan_out();
        assert_eq!(world.pump(slow), Pumped::Blocked { has_taken: false });
        pipe.make_room(usize::MAX);
        assert_eq!((world.pump(slow), world.pump(slow)), (Pumped::More, Pumped::Idle));
        assert_eq!(pipe.heard(framing), (3..=11).collect::<Vec<_>>());
        world.publish(&["t:1"]);
        world.fan_out();
        assert_eq!(pipe.heard(framing), [12]);
        assert_eq!(quick.heard(framing), (1..=12).collect::<Vec<_>>());
        assert_eq!(session.numbers(), (1..=12).collect::<Vec<_>>());
    }
}

#[test]
fn a_stream_that_drains_byte_by_byte_gets_whole_blocks_in_order() {
    for framing in FRAMINGS {
        let mut world = World::new();
        let (key, pipe) = world.listen(&["t:1"], framing);
        let mut heard = Vec::new();
        pipe.make_room(0);
        for round in 0..4_000 {
            if round % 100 == 0 && world.published < 10 {
                world.publish(&["t:1"]);
                world.fan_out();
            }
            pipe.make_room(1);
            world.pump(key);
            heard.extend(pipe.heard(framing));
        }
        assert_eq!(heard, (1..=10).collect::<Vec<_>>());
    }
}

#[test]
fn a_stream_gets_one_sync_for_what_the_log_has_lost() {
    let mut world = World::new();
    let (key, pipe) = world.listen(&["t:1"], Framing::Chunked);
    pipe.make_room(1);
    world.publish(&["t:1"]);
    world.fan_out();
    assert!(!world.shard.is_live(key));
    (0..150).for_each(|_| world.publish(&["t:1"]));
    world.fan_out();
    pipe.make_room(usize::MAX);
    while world.pump(key) != Pumped::Idle {}
    let blocks = pipe.blocks(Framing::Chunked);
    assert!(blocks[0].contains("\"payload\":1}"), "the block that was begun comes first: {blocks:?}");
    let [_, sync] = &blocks[..] else { panic!("{blocks:?}") };
    assert!(sync.contains("\nevent: sync\n"), "{sync}");
    world.publish(&["t:1"]);
    world.fan_out();
    assert_eq!(pipe.heard(Framing::Chunked), [152]);
}

#[test]
fn a_heartbeat_of_a_stream_counts_from_the_last_event_that_the_shard_delivered() {
    let mut world = World::new();
    let (key, pipe) = world.listen(&["t:1"], Framing::Chunked);
    world.publish(&["t:1"]);
    while world.shard.poll_fan_out(at(20), Waker::noop()).is_ready() {}
    world.shard.handle(key, at(25), |stream| stream.handle_timeout(at(25)));
    assert_eq!(world.shard.pump(key, at(25)).unwrap(), Pumped::Idle);
    assert_eq!(pipe.heard(Framing::Chunked), [1]);
    assert_eq!(world.shard.protocol(key).poll_timeout(), Some(at(45).since_start));
    world.shard.handle(key, at(45), |stream| stream.handle_timeout(at(45)));
    assert_eq!(world.shard.pump(key, at(45)).unwrap(), Pumped::Idle);
    assert!(pipe.blocks(Framing::Chunked)[0].contains("\nevent: ping\n"));
}

#[test]
fn a_stream_ends_with_its_last_chunk_and_holds_no_tenant() {
    for framing in FRAMINGS {
        let mut world = World::new();
        let (key, pipe) = world.listen(&["t:1"], framing);
        world.publish(&["t:1"]);
        world.fan_out();
        world.shard.handle(key, at(0), |stream| stream.handle_drain(Duration::from_secs(1)));
        world.publish(&["t:1"]);
        world.fan_out();
        assert_eq!(world.pump(key), Pumped::Closed);
        let blocks = pipe.blocks(framing);
        assert!(blocks[0].contains("\"payload\":1}") && blocks[1].contains("event: goaway"), "{blocks:?}");
        let last: &[&str] = if framing == Framing::Chunked { &[""] } else { &[] };
        assert_eq!(&blocks[2..], last);
        assert_eq!(world.shard.counters(), ShardCounters { connections: 1, ..ShardCounters::default() });
        world.shard.remove(key);
        let counters = world.hub.counters();
        assert_eq!((counters.followers, counters.followed_topics), (0, 0));
    }
}

#[test]
fn a_stream_that_is_revoked_says_so_and_one_whose_socket_takes_nothing_is_cut() {
    let mut world = World::new();
    let (stalled, pipe) = world.listen(&["t:1"], Framing::Chunked);
    pipe.make_room(1);
    world.publish(&["t:1"]);
    world.fan_out();
    world.shard.handle_stalled(stalled, at(0));
    assert!(world.shard.pump(stalled, at(0)).is_err(), "no last chunk says that this was the end");
    world.shard.remove(stalled);
    let (revoked, pipe) = world.listen(&["t:1"], Framing::Chunked);
    let (session, _) = world.connect(&["t:1"]);
    world.hub.revoke(&crate::Revoke::Session(Uuid::from_u128(0))).now_or_never().unwrap().unwrap();
    world.shard.handle_revocation(at(0));
    assert!(world.shard.is_live(revoked), "another was revoked");
    world.hub.revoke(&crate::Revoke::Subject("developer".to_owned())).now_or_never().unwrap().unwrap();
    world.shard.handle_revocation(at(0));
    assert!([revoked, session].iter().all(|key| !world.shard.is_live(*key)));
    assert_eq!(world.pump(revoked), Pumped::Closed);
    let blocks = pipe.blocks(Framing::Chunked);
    assert!(blocks[0].contains("\"code\":\"forbidden\"") && blocks[1].is_empty(), "{blocks:?}");
}

/// Small numbers at random, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// One of several clients of a shard, and the last event that it has, or that its last sync stands for.
struct Client {
    key: ConnectionKey,
    pipe: Pipe,
    framing: Option<Framing>,
    last: u64,
}

impl Client {
    fn check(&mut self) {
        let data = |block: String| serde_json::from_str(block.split_once("\ndata: ").unwrap().1).unwrap();
        let frames: Vec<Value> = match self.framing {
            Some(framing) => self.pipe.blocks(framing).into_iter().map(data).collect(),
            None => self.pipe.frames(),
        };
        for frame in frames {
            let mut position = frame["position"].as_str().unwrap().split('.');
            let offset = position.nth(1).unwrap().parse().unwrap();
            assert!(
                frame["op"] == "sync" && offset > self.last || number(&frame) == self.last + 1,
                "{frame}"
            );
            self.last = offset;
        }
    }
}

#[test]
fn whatever_their_sockets_take_sessions_and_streams_miss_nothing_without_a_sync() {
    for seed in 0..30 {
        let (mut world, mut random) = (World::new(), Random(seed));
        world.shard = Shard::new().with_writes_per_turn(3);
        let kinds = [None, None, Some(Framing::Chunked), Some(Framing::Chunked), Some(Framing::UntilClose)];
        let mut clients = kinds.map(|framing| {
            let (key, pipe) = match framing {
                Some(framing) => world.listen(&["t:1"], framing),
                None => world.connect(&["t:1"]),
            };
            Client { key, pipe, framing, last: 0 }
        });
        for _ in 0..200 {
            let Client { key, pipe, .. } = &clients[random.below(clients.len())];
            match random.below(20) {
                0 => (0..120).for_each(|_| world.publish(&["t:1"])),
                1..5 => (0..=random.below(3)).for_each(|_| world.publish(&["t:1"])),
                5..9 => pipe.make_room(random.below(2_000)),
                9..14 => drop(world.pump(*key)),
                _ => {
                    (0..=random.below(8)).all(|_| world.turn());
                }
            }
            clients.iter_mut().for_each(Client::check);
        }
        for client in &mut clients {
            client.pipe.make_room(usize::MAX);
            while world.pump(client.key) != Pumped::Idle {}
        }
        world.fan_out();
        for client in &mut clients {
            // A shard that was left behind by the log leaves it to each to find out what is lost.
            while world.pump(client.key) != Pumped::Idle {}
            client.check();
            assert_eq!(client.last, world.published, "seed {seed}, {:?}", client.framing);
        }
    }
}
