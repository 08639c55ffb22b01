//! Who never catches up, because there is always more than was read.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::value::RawValue;
use tidings_server::{
    AccessError, Authorize, Credentials, DevAccess, HubSettings, Identity, PublishOptions, hub::Rights,
};
use tidings_shared::{RawEvent, limits::EXPIRY_GRACE};
use tidings_tests::{Client, EventStream, at_once};

use crate::embedded::Embedded;

/// More than the buffers of both sockets take, and less than the log holds: a client that reads fewer is behind.
const EVENTS: usize = 20_000;

/// Everybody is let in with a token that ends at once.
#[derive(Debug)]
struct AtTheirEnd;

impl Authorize for AtTheirEnd {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Identity, AccessError> {
        let identity = Identity::new("a", "acme".parse().unwrap()).rights(Rights::all());
        Ok(identity.expires_at(credentials.now_unix_ms))
    }
}

/// A session and a stream that have [`EVENTS`] to read.
fn behind(access: impl Authorize) -> (Embedded, Client, EventStream) {
    let mut settings = HubSettings::new("acme".parse().unwrap());
    settings.log.max_bytes = 512 * 1024 * 1024;
    let embedded = Embedded::start_hub(settings, access, |_| {});
    let client = embedded.client(&["t:1"]);
    let mut stream = EventStream::open(embedded.address, &["t:1"], None);
    stream.expect("subscribed");
    (0..EVENTS).for_each(|_| publish(&embedded));
    (embedded, client, stream)
}

fn publish(Embedded { hub, .. }: &Embedded) {
    let payload = RawValue::from_string(format!("\"{}\"", "x".repeat(1_000))).unwrap();
    let event = RawEvent { domain: "t".into(), event: "e".into(), payload };
    let (topics, options) = (["t:1".parse().unwrap()], PublishOptions::default());
    at_once(hub.publish_raw(event, Some(&topics), options)).unwrap();
}

/// Reads until there is something else than an event, and says what.
fn read(mut next: impl FnMut() -> String, mut after_each: impl FnMut()) -> String {
    for _ in 0..EVENTS {
        match next() {
            event if event == "event" => after_each(),
            other => return other,
        }
    }
    panic!("nothing but {EVENTS} events");
}

fn next_of(client: &mut Client) -> String {
    client.next_frame()["op"].as_str().unwrap().to_owned()
}

fn next_block(stream: &mut EventStream) -> String {
    stream.read().unwrap().event
}

#[test]
fn who_is_always_behind_is_sent_away_by_a_drain() {
    let (embedded, mut client, mut stream) = behind(DevAccess::new("acme".parse().unwrap()));
    let gateway = embedded.gateway.clone();
    embedded.runtime.spawn(async move { gateway.drain().await });
    assert_eq!(read(|| next_of(&mut client), || publish(&embedded)), "goaway");
    assert_eq!(read(|| next_block(&mut stream), || publish(&embedded)), "goaway");
}

#[test]
fn who_is_always_behind_ends_with_its_token() {
    let (embedded, mut client, mut stream) = behind(AtTheirEnd);
    let end = Instant::now() + EXPIRY_GRACE;
    let slowly = || {
        if Instant::now() < end {
            thread::park_timeout(Duration::from_millis(1));
        }
    };
    assert_eq!(read(|| next_of(&mut client), slowly), "error");
    assert_eq!(read(|| next_block(&mut stream), || publish(&embedded)), "error");
}
