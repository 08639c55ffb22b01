//! A hub that hears nothing from its journal tells everybody, over real sockets and from all of its shards.

use std::num::NonZero;

use serde_json::{Value, json};
use tidings_client::{Client as NativeClient, Settings, Status, Statuses};
use tidings_server::{Hub, PublishOptions};
use tidings_shared::{RawEvent, limits::DEGRADED_AFTER};
use tidings_tests::{Client, DEADLINE, EventStream, Process, Request, at_once, eventually, sample, tidings};
use tokio::time::timeout;

use crate::embedded::Embedded;

/// Lets the journal be silent for longer than a hub waits. Returns since when it is.
fn fall_silent(hub: &Hub) -> u64 {
    let since = hub.now();
    hub.journal_answered(since);
    let mut later = since;
    later.since_start += DEGRADED_AFTER;
    hub.handle_timeout(later);
    since.unix_ms
}

fn publish(hub: &Hub, number: usize) -> Value {
    let event = RawEvent::parse(&sample::ticked(number).to_string()).unwrap();
    let published =
        at_once(hub.publish_raw(event, Some(&["clock".parse().unwrap()]), PublishOptions::default()));
    json!(published.unwrap().position.to_string())
}

#[test]
fn sessions_and_streams_of_all_shards_are_told_and_have_everything_when_they_are_restored() {
    let embedded = Embedded::start(|settings| settings.shards = NonZero::new(2));
    let hub = &embedded.hub;
    let mut clients: Vec<Client> = (0..4).map(|_| embedded.client(&["clock"])).collect();
    let mut streams: Vec<EventStream> =
        (0..2).map(|_| EventStream::open(embedded.address, &["clock"], None)).collect();
    streams.iter_mut().for_each(|stream| drop(stream.expect("subscribed")));

    let degraded = json!({ "op": "degraded", "since": fall_silent(hub) });
    // Those who come meanwhile are told, too.
    let mut late = Client::hello_to(embedded.address);
    assert_eq!(late.expect("degraded"), degraded);
    late.subscribe(&["clock"], None, "live");
    let mut late_stream = EventStream::open(embedded.address, &["clock"], None);
    late_stream.expect("subscribed");
    streams.push(late_stream);
    for client in &mut clients {
        assert_eq!(client.expect("degraded"), degraded);
    }
    for stream in &mut streams {
        let block = stream.expect("degraded");
        assert_eq!((block.id, block.data), (None, degraded.clone()));
    }

    clients.push(late);
    let position = publish(hub, 1);
    hub.journal_answered(hub.now());
    let restored = json!({ "op": "restored", "position": position });
    for client in &mut clients {
        assert_eq!(client.expect("event")["position"], position);
        assert_eq!(client.expect("restored"), restored);
    }
    for stream in &mut streams {
        stream.expect("event");
        let block = stream.expect("restored");
        assert_eq!((block.id.as_deref(), block.data), (position.as_str(), restored.clone()));
    }
    // Everything goes on as before.
    let position = publish(hub, 2);
    for client in &mut clients {
        assert_eq!(client.expect("event")["position"], position);
    }
    drop((clients, streams));
    embedded.stop();
}

#[test]
fn a_hub_without_its_journal_is_not_ready_unless_the_operator_says_so() {
    for ignores_journal in [false, true] {
        let embedded = Embedded::start(|settings| settings.ready_ignores_journal = ignores_journal);
        let get = |path: &str| Request::get(path).send(embedded.address);
        let silence = || {
            let page = get("/metrics").body;
            let line = page.lines().find_map(|line| line.strip_prefix("tidings_journal_silence_seconds "));
            line.unwrap_or_else(|| panic!("{page}")).parse::<u64>().unwrap()
        };
        assert_eq!((get("/ready").status, silence()), (200, 0));
        fall_silent(&embedded.hub);
        if ignores_journal {
            assert_eq!(get("/ready").status, 200);
        } else {
            get("/ready").assert_problem(503, "overloaded");
        }
        assert_eq!(get("/health").status, 200);
        eventually("time passes", || silence() > 0);
        embedded.hub.journal_answered(embedded.hub.now());
        assert_eq!(get("/ready").status, 200);
        embedded.stop();
    }
}

#[test]
fn the_rust_client_and_the_command_line_show_it() {
    let embedded = Embedded::start(|_| {});
    let hub = &embedded.hub;
    let url = format!("http://{}", embedded.address);
    let mut command = tidings();
    command.args(["tail", "--url", &url, "clock"]);
    let mut tail = Process::start(command);
    eventually("the tail listens", || hub.counters().followed_topics == 1);
    let next = |statuses: &mut Statuses| {
        let next = async { timeout(DEADLINE, statuses.next()).await };
        embedded.runtime.block_on(next).unwrap()
    };

    let client = embedded.runtime.block_on(async { NativeClient::new(Settings::new(url.parse().unwrap())) });
    let mut clock = client.subscribe_raw(&["clock"]).unwrap();
    embedded.runtime.block_on(clock.ready()).unwrap();
    let mut statuses = client.statuses();
    assert_eq!(next(&mut statuses), Some(Status::Open));
    fall_silent(hub);
    assert_eq!(next(&mut statuses), Some(Status::Degraded));
    eventually("the tail says so", || tail.log().contains("the server hears nothing from its journal"));

    // The client goes on with everything.
    let mut other = client.subscribe_raw(&["other"]).unwrap();
    let event = RawEvent::parse(&sample::ticked(1).to_string()).unwrap();
    embedded.runtime.block_on(async {
        other.ready().await.unwrap();
        let options = tidings_client::PublishOptions::default();
        client.publish_raw(event, &["clock"], options).await.unwrap();
        assert!(clock.next().await.unwrap().is_ok());
    });
    assert_eq!(client.status(), Status::Degraded);

    hub.journal_answered(hub.now());
    assert_eq!(next(&mut statuses), Some(Status::Open));
    eventually("the tail says so", || tail.log().contains("the server hears its journal again"));
    assert!(!tail.log().contains("disconnected"), "{}", tail.log());
    tail.next_line();
    embedded.runtime.block_on(client.close());
    drop((tail, other, clock));
    embedded.stop();
}
