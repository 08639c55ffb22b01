//! An application's own code that panics.

use serde_json::json;
use tidings_server::{AccessError, Authorize, Credentials, DevAccess, HubSettings, Identity};
use tidings_shared::TopicName;
use tidings_tests::{Client, Request, eventually};

use crate::embedded::Embedded;

/// Panics where it is asked for one topic.
#[derive(Debug)]
struct Panics(DevAccess);

impl Authorize for Panics {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Identity, AccessError> {
        Ok(self.0.authenticate(credentials).await?.looked_up())
    }

    async fn may_subscribe(&self, _: &Identity, topics: &[TopicName]) -> Result<Vec<bool>, AccessError> {
        assert_ne!(topics[0].as_str(), "panic", "on purpose");
        Ok(vec![true; topics.len()])
    }
}

#[test]
fn a_hundred_panics_end_a_hundred_sessions_and_nothing_else() {
    let hub = HubSettings::new("acme".parse().unwrap());
    let access = Panics(DevAccess::new(hub.home.clone()));
    let embedded = Embedded::start_hub(hub, access, |_| {});
    let mut neighbours: Vec<Client> = (0..4).map(|_| embedded.client(&["a"])).collect();
    for _ in 0..100 {
        let mut client = embedded.client(&["a"]);
        client.send(&json!({ "op": "subscribe", "ref": 2, "topics": ["panic"] }));
        client.expect_end("internal", 1011);
    }
    let event = json!({ "domain": "a", "event": "b", "payload": {} });
    let body = json!({ "event": event, "topics": ["a"] }).to_string();
    assert_eq!(Request::post("/v1/publish").body(body).send(embedded.address).status, 200);
    for neighbour in &mut neighbours {
        neighbour.expect("event");
    }
    eventually("nothing is left of the others", || {
        embedded.gateway.sessions() == 4 && embedded.hub.counters().followers == 4
    });
    let page = Request::get("/metrics").send(embedded.address).body;
    assert!(page.contains("tidings_session_panics_total 100\n"), "{page}");
    drop(neighbours);
    embedded.stop();
}
