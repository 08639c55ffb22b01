//! The parts of the hot path, each by itself: `cargo xtask bench micro [FILTER]`.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use divan::{Bencher, black_box, counter::ItemsCount};
use futures_util::Stream;
use serde_json::value::RawValue;
use tidings_client_core::{Client, Now, Options, Output};
use tidings_hub::{Answer, Draft, Identity, Log, Matched, Pumped, Rights, Session, Shard, Sink};
use tidings_server::{
    Delivery, Hub, HubSettings, PublishOptions, SystemHost, TenantId,
    hub::{Host, LogLimits, Publication, SessionSettings, Subscription},
};
use tidings_shared::{
    RawEvent, TopicName,
    frame::{ClientFrame, ServerFrame},
};
use uuid::Uuid;

const EVENT: &str = r#"{"domain":"staff","event":"person_updated","payload":{"uuid":"0198c0de-0000-7000-8000-000000000001","text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}"#;

const LIST: &str = "staff:people";

const RECORD: &str = "staff:person:0198c0de-0000-7000-8000-000000000001";

/// Publications that queue up while the server is busy.
const BATCH: usize = 32;

fn main() {
    divan::main();
}

#[divan::bench]
fn topic_parse() -> Option<TopicName> {
    TopicName::parse(black_box(RECORD)).ok()
}

#[divan::bench]
fn client_frame_parse_publish(bencher: Bencher<'_, '_>) {
    let text = format!(r#"{{"op":"publish","ref":1,"event":{EVENT}}}"#);
    bencher.bench_local(|| ClientFrame::parse(black_box(&text)).expect("is a frame"));
}

#[divan::bench]
fn client_frame_parse_subscribe(bencher: Bencher<'_, '_>) {
    let text = format!(r#"{{"op":"subscribe","ref":1,"topics":["{LIST}","{RECORD}"]}}"#);
    bencher.bench_local(|| ClientFrame::parse(black_box(&text)).expect("is a frame"));
}

#[divan::bench]
fn server_frame_parse_event(bencher: Bencher<'_, '_>) {
    let text = event_frame(9);
    bencher.bench_local(|| ServerFrame::<Box<RawValue>>::parse(black_box(&text)).expect("is a frame"));
}

/// In a log that is full, so that each evicts one.
#[divan::bench]
fn log_append(bencher: Bencher<'_, '_>) {
    let clock = SystemHost::start();
    let limits = LogLimits::default().max_entries(10_000);
    let mut log = Log::new(limits, 7);
    (0..limits.max_entries).for_each(|_| drop(log.append(draft(), clock.now())));
    bencher.with_inputs(|| (draft(), clock.now())).bench_local_values(|(draft, now)| log.append(draft, now));
}

/// From the event as it came to its place in the log: checked, and its topics computed.
#[divan::bench]
fn hub_publish(bencher: Bencher<'_, '_>) {
    let hub = hub();
    bencher.with_inputs(event).bench_local_values(|event| publish(&hub, event));
}

#[divan::bench]
fn publication_encode(bencher: Bencher<'_, '_>) {
    let hub = hub();
    let mut subscription = hub.subscribe_raw(&[topic(LIST)]).now_or_never().expect("is ready at once");
    bencher
        .with_inputs(|| {
            publish(&hub, event());
            next(&mut subscription)
        })
        .bench_local_refs(|(publication, matched)| publication.frame(matched));
}

/// One publication at a time, to sockets that take everything at no cost.
#[divan::bench(args = [1000, 10_000], sample_size = 1)]
fn fan_out_one(bencher: Bencher<'_, '_>, connections: usize) {
    fan_out(bencher, connections, 1);
}

/// As many as queue up while the server is busy.
#[divan::bench(args = [1000, 10_000], sample_size = 1)]
fn fan_out_batch(bencher: Bencher<'_, '_>, connections: usize) {
    fan_out(bencher, connections, BATCH);
}

/// A frame that was read, to what the subscriber is told, in a session of so many topics.
#[divan::bench(args = [1, 1_024])]
fn client_core_event(bencher: Bencher<'_, '_>, topics: usize) {
    let now = Now { ms: 1_000_000, random: 0 };
    let mut client: Client<Box<RawValue>> = Client::new(Options::default());
    client.handle_subscribe(&[LIST], now).expect("is a topic");
    for other in 1..topics {
        client.handle_subscribe(&[format!("row:{other}")], now).expect("is a topic");
    }
    let connection = std::iter::from_fn(|| client.poll_output())
        .find_map(|output| if let Output::Connect { connection } = output { Some(connection) } else { None })
        .expect("a client that wants something connects");
    client.handle_open(connection, now);
    let welcome = r#"{"op":"welcome","session":"s","tenant":"dev","position":"000000000abc.7.0000001f","heartbeat_ms":25000,"limits":{"max_message_bytes":65536,"max_topics_per_session":128,"max_topics_per_frame":128,"frames_per_second":100}}"#;
    let subscribed = format!(
        r#"{{"op":"subscribed","ref":1,"position":"000000000abc.7.0000001f","topics":[{{"topic":"{LIST}","outcome":"live"}}]}}"#
    );
    for text in [welcome, &subscribed] {
        client.handle_frame(connection, ServerFrame::parse(text), now);
    }
    while client.poll_output().is_some() {}
    let mut offset = 8;
    bencher
        .with_inputs(|| {
            offset += 1;
            ServerFrame::parse(&event_frame(offset))
        })
        .bench_local_values(|frame| {
            client.handle_frame(connection, frame, now);
            let told = std::iter::from_fn(|| client.poll_output()).count();
            assert!(told > 0, "the subscriber is told");
        });
}

/// A socket that takes everything.
#[derive(Debug)]
struct Nowhere;

impl Sink for Nowhere {
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }
}

fn fan_out(bencher: Bencher<'_, '_>, connections: usize, publications: usize) {
    let hub = hub();
    let now = hub.now();
    let mut shard = Shard::new();
    let identity = Identity::new("bench", hub.home().clone()).rights(Rights::all());
    for number in 0..connections {
        let id = Uuid::from_u128(number as u128);
        let session = Session::new(id, hub.clone(), SessionSettings::default(), now);
        let key = shard.insert(Box::new(session), Nowhere);
        let subscribe = format!(r#"{{"op":"subscribe","ref":1,"topics":["{LIST}"]}}"#);
        for frame in [r#"{"op":"hello"}"#, &subscribe] {
            shard.handle_session(key, now, |session| {
                session.handle_text(frame, now);
                if let Some((question, _)) = session.poll_question() {
                    session.handle_answer(question, Answer::Identity(Ok(identity.clone())), now);
                }
            });
            assert_eq!(shard.pump(key, now).expect("takes everything"), Pumped::Idle);
        }
    }
    bencher
        .counter(ItemsCount::new(connections * publications))
        .with_inputs(|| (0..publications).for_each(|_| publish(&hub, event())))
        .bench_local_values(|()| while shard.poll_fan_out(now, Waker::noop()).is_ready() {});
}

fn hub() -> Hub {
    Hub::new(HubSettings::new(TenantId::parse("acme").expect("is a tenant")), SystemHost::start())
}

fn event() -> RawEvent {
    RawEvent::parse(EVENT).expect("is an event")
}

fn topic(text: &str) -> TopicName {
    TopicName::parse(text).expect("is a topic")
}

fn draft() -> Draft {
    let topics = vec![topic(LIST), topic(RECORD)];
    Draft { key: Uuid::now_v7(), may_come_again: false, origin: None, topics, event: event() }
}

fn publish(hub: &Hub, event: RawEvent) {
    let published = hub.publish_raw(event, None, PublishOptions::default()).now_or_never();
    published.expect("is ready at once").expect("is let in");
}

fn next(subscription: &mut Subscription) -> (Arc<Publication>, Matched) {
    match Pin::new(subscription).poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Delivery::Event { publication, matched })) => (publication, matched),
        other => panic!("an event was published: {other:?}"),
    }
}

fn event_frame(offset: u64) -> String {
    format!(
        r#"{{"op":"event","position":"000000000abc.{offset}.0000001f","key":"0198c0de-0000-7000-8000-00000000abcd","at":1790000000000,"topics":["{LIST}"],"event":{EVENT}}}"#
    )
}
