//! A session that never catches up, because there is always more than it has read.

use serde_json::value::RawValue;
use tidings_server::{HubSettings, PublishOptions};
use tidings_shared::RawEvent;
use tidings_tests::Incoming;

use crate::embedded::Embedded;

#[test]
fn a_session_that_is_always_behind_is_sent_away_by_a_drain() {
    let mut settings = HubSettings::new("acme".parse().unwrap());
    settings.log.max_bytes = 128 * 1024 * 1024;
    let embedded = Embedded::start_hub(settings, |_| {});
    let mut client = embedded.client(&["t:1"]);
    let (hub, gateway) = (&embedded.hub, embedded.gateway.clone());
    let payload = RawValue::from_string(format!("\"{}\"", "x".repeat(1_000))).unwrap();
    let event = RawEvent { domain: "t".into(), event: "e".into(), payload };
    let topics = ["t:1".parse().unwrap()];
    let publish = || {
        let options = PublishOptions::default();
        hub.publish_raw(hub.home(), event.clone(), Some(&topics), options, hub.clock().now()).unwrap();
    };
    // More than the buffers of both sockets take, less than the log holds: it stays behind however fast it reads.
    for _ in 0..20_000 {
        publish();
    }
    embedded.runtime.spawn(async move { gateway.drain().await });
    for _ in 0..30_000 {
        match client.read() {
            Incoming::Frame(frame) if frame["op"] == "goaway" => return,
            Incoming::Frame(frame) => assert_eq!(frame["op"], "event"),
            end => panic!("ended without a goaway: {end:?}"),
        }
        publish();
    }
    panic!("30,000 events after the drain began");
}
