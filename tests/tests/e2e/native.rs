//! `tidings-client`: the client for Rust programs, against a real server.

use std::{
    future::Future,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures_util::StreamExt;
use tidings_client::{Client, Output, Publish, Settings, Status, Typed};
use tidings_shared::{RawEvent, domains::staff};
use tidings_tests::{Cut, DEADLINE, Direction, Ending, Proxy, Server, sample};
use tokio::{runtime::Runtime, time::timeout};
use uuid::Uuid;

fn run<T>(test: impl Future<Output = T>) -> T {
    Runtime::new().unwrap().block_on(async { timeout(DEADLINE, test).await.expect("before the deadline") })
}

fn client(url: &str) -> Client {
    Client::new(Settings::new(url.parse().unwrap()))
}

/// Waits for the first output that `find` accepts.
async fn next<T>(
    client: &mut Client,
    mut find: impl FnMut(Output<tidings_client::Payload>) -> Option<T>,
) -> T {
    loop {
        let output = client.next().await.expect("the client is not closed");
        if let Some(found) = find(output) {
            return found;
        }
    }
}

#[test]
fn every_event_arrives_once_although_connections_are_cut_and_waits_are_dropped() {
    const EVENTS: usize = 200;
    let server = Server::start();
    let connections = AtomicUsize::new(0);
    let proxy = Proxy::start(server.address(), move || {
        let after_bytes = 3_000 * (1 + connections.fetch_add(1, Ordering::Relaxed));
        let (client, server) = (Ending::Reset, Ending::Fin);
        (after_bytes < 15_000).then_some(Cut { direction: Direction::Down, after_bytes, client, server })
    });
    let mut client = client(&format!("http://{}", proxy.address()));
    client.subscribe(&["clock"]).unwrap();
    let heard = run(async {
        next(&mut client, |output| matches!(output, Output::Ready { .. }).then_some(())).await;
        for number in 0..EVENTS {
            server.publish_to("clock", &sample::ticked(number));
        }
        let mut heard = Vec::new();
        while heard.len() < EVENTS {
            // A wait that is dropped loses nothing.
            let Ok(output) = timeout(Duration::from_millis(1), client.next()).await else { continue };
            match output.expect("the client is not closed") {
                Output::Event { publication, .. } => heard.push(publication.event.payload.get().to_owned()),
                Output::Sync { .. } => panic!("the log holds everything"),
                _ => {}
            }
        }
        client.close().await;
        heard
    });
    let expected: Vec<String> =
        (0..EVENTS).map(|number| sample::ticked(number)["payload"].to_string()).collect();
    assert_eq!(heard, expected);
    assert_eq!(proxy.cuts().len(), 4);
}

#[test]
fn a_publish_is_answered_and_reaches_a_stream_of_typed_events() {
    let server = Server::start();
    let person = sample::uuid();
    run(async {
        let mut publisher = client(&server.url());
        let topic = format!("staff:person:{person}");
        let mut person_stream = client(&server.url()).into_stream::<staff::Event>(&[&topic]).unwrap();
        let publish = || Publish {
            event: RawEvent::parse(&sample::person_updated(&person).to_string()).unwrap(),
            topics: None,
            key: Uuid::now_v7(),
            origin: None,
        };
        // The stream does not say when it is in force, so publish until it brings something.
        let (delivery, key) = loop {
            publisher.publish(publish()).unwrap();
            let key = next(&mut publisher, |output| match output {
                Output::Published { key, .. } => Some(key),
                Output::PublishFailed { error, .. } => panic!("{error}"),
                _ => None,
            })
            .await;
            if let Ok(delivery) = timeout(Duration::from_millis(50), person_stream.next()).await {
                break (delivery, key);
            }
        };
        let Some(Ok(Typed::Event { event: staff::Event::PersonUpdated(payload), publication })) = delivery
        else {
            panic!("{delivery:?}")
        };
        assert_eq!((payload.uuid.to_string(), publication.key), (person, key));
        assert_eq!(publisher.status(), Status::Open);
    });
}

#[test]
fn a_stream_ends_after_the_error_of_its_last_topic() {
    let server = Server::start();
    run(async {
        let topics = ["staff:pepole", "staff:taems"];
        let mut stream = client(&server.url()).into_stream::<staff::Event>(&topics).unwrap();
        for _ in topics {
            let error = stream.next().await.unwrap().unwrap_err();
            assert_eq!(error.code, "invalid_topic");
        }
        assert!(stream.next().await.is_none());
    });
}
