//! Events that reach many topics, from an interaction with 200 contacts to one with more than a publication may reach.

use serde_json::{Value, json};
use tidings_server::PublishOptions;
use tidings_shared::{
    Topic,
    domains::crm,
    limits::{MAX_MESSAGE_BYTES, MAX_TOPICS_PER_PUBLICATION},
};
use tidings_tests::{Client, EventStream, Request, Server, at_once};
use uuid::Uuid;

use crate::embedded::Embedded;

fn topics(contacts: std::ops::Range<usize>) -> Vec<String> {
    contacts.map(|n| crm::Topic::Interactions(Uuid::from_u128(n as u128)).name().to_string()).collect()
}

fn interaction(contacts: std::ops::Range<usize>) -> crm::Event {
    let contacts = contacts.map(|n| Uuid::from_u128(n as u128));
    crm::Event::InteractionUpdated(crm::Notice::to(Uuid::from_u128(9), contacts))
}

fn body(contacts: std::ops::Range<usize>) -> Value {
    let payload = json!({ "interaction_uuid": Uuid::from_u128(9) });
    let event = json!({ "domain": "crm", "event": "interaction_created", "payload": payload });
    json!({ "event": event, "topics": topics(contacts) })
}

fn tab(server: &Server, contact: usize) -> Client {
    Client::subscribed(server, &[topics(contact..contact + 1)[0].as_str()])
}

#[test]
fn an_interaction_with_two_hundred_contacts_reaches_two_hundred_tabs_once_each() {
    let server = Server::start();
    let mut tabs: Vec<Client> = (0..200).map(|contact| tab(&server, contact)).collect();
    let mut other = tab(&server, 200);
    let mut stream = EventStream::open(server.address(), &[&topics(150..151)[0], &topics(7..8)[0]], None);
    stream.expect("subscribed");
    let answer = server.post(&body(0..200));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["topics"], json!(topics(0..200)));
    let position = &answer.json()["position"];
    // What comes next to everybody shows that nothing came twice or to the wrong ones.
    let next = server.post(&body(0..201)).json()["position"].clone();
    for (contact, tab) in tabs.iter_mut().enumerate() {
        let (first, second) = (tab.expect("event"), tab.expect("event"));
        assert_eq!((&first["position"], &second["position"]), (position, &next));
        assert_eq!(first["topics"], json!(topics(contact..contact + 1)), "its own, and nobody else's");
    }
    assert_eq!(other.expect("event")["position"], next);
    let event = stream.expect("event").data;
    let both = [&topics(7..8)[..], &topics(150..151)[..]].concat();
    assert_eq!((&event["position"], &event["topics"]), (position, &json!(both)));
}

#[test]
fn an_event_reaches_as_many_topics_as_it_may_and_is_resumed_and_beyond_that_refused() {
    let server = Server::start();
    let most = MAX_TOPICS_PER_PUBLICATION;
    let mut tabs: Vec<Client> = [0, 127, 128, 700, most - 1].map(|contact| tab(&server, contact)).into();
    let own = topics(400..528);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let mut table = Client::hello(&server);
    let since = table.subscribe(&own, None, "live")["position"].as_str().unwrap().to_owned();
    let answer = server.post(&body(0..most));
    assert_eq!((answer.status, answer.json()["topics"].as_array().unwrap().len()), (200, most));
    for tab in &mut tabs {
        assert_eq!(tab.expect("event")["position"], answer.json()["position"]);
    }
    assert_eq!(table.expect("event")["topics"], json!(own));
    // Over the socket as well, as far as a message goes.
    let mut frame = body(100..900);
    frame["op"] = json!("publish");
    frame["ref"] = json!(1);
    let published = tabs[3].ask(&frame);
    assert_eq!(published["topics"].as_array().unwrap().len(), 800, "{published}");
    assert_eq!(table.expect("event")["position"], published["position"]);
    let mut back = Client::hello(&server);
    back.subscribe(&own, Some(&since), "resumed");
    for position in [&answer.json()["position"], &published["position"]] {
        let event = back.expect("event");
        assert_eq!((&event["position"], &event["topics"]), (position, &json!(own)));
    }
    let refused = server.post(&body(0..most + 1));
    refused.assert_problem(400, "too_many_topics");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("at most 1024 topics"), "{detail}");
}

#[test]
fn a_message_that_names_more_topics_than_fit_says_what_to_do() {
    let server = Server::start();
    let mut frame = body(0..MAX_TOPICS_PER_PUBLICATION);
    frame["op"] = json!("publish");
    frame["ref"] = json!(1);
    assert!(frame.to_string().len() > MAX_MESSAGE_BYTES, "or it would fit");
    let mut client = Client::hello(&server);
    client.send(&frame);
    let error = client.expect("error");
    let message = error["message"].as_str().unwrap();
    for part in ["65536 bytes", "--max-message-bytes", "POST /v1/publish", "--max-body-bytes", "publish_to"] {
        assert!(message.contains(part), "{message}");
    }
    client.expect_close(1009);
    assert_eq!(server.post(&body(0..MAX_TOPICS_PER_PUBLICATION)).status, 200, "as it says");
}

#[test]
fn an_announcement_beyond_the_bound_reaches_who_is_there_and_who_comes_back_as_a_sync() {
    let embedded = Embedded::start(|_| {});
    let count = 3 * MAX_TOPICS_PER_PUBLICATION;
    let own = topics(5..6).concat();
    let (first, last) = (topics(0..1).concat(), topics(count - 1..count).concat());
    let mut tab = embedded.client(&[&own]);
    let mut both = embedded.client(&[&first, &last, "staff:people"]);
    let mut other = embedded.client(&["staff:people"]);
    let mut stream = EventStream::open(embedded.address, &[&last], None);
    let since = stream.expect("subscribed").data["position"].as_str().unwrap().to_owned();
    embedded.hub.announce_with(&interaction(0..count), PublishOptions::default());
    assert_eq!(embedded.hub.failed_announcements(), 1);
    let sync = tab.expect("sync");
    assert_eq!(sync["topics"], json!([own]));
    assert_eq!(both.expect("sync")["topics"], json!([first]));
    assert_eq!(both.expect("sync")["topics"], json!([last]));
    assert_eq!(stream.expect("sync").data["topics"], json!([last]));
    let page = Request::get("/metrics").send(embedded.address).body;
    assert!(page.contains("tidings_syncs_total{cause=\"application\"} 4"), "{page}");
    // A client that was away has missed this event, and nothing of other topics.
    let mut back = embedded.client(&[]);
    back.subscribe(&[&own], Some(&since), "resumed");
    assert_eq!(back.expect("sync")["topics"], json!([own]));
    let mut back = embedded.client(&[]);
    back.subscribe(&["staff:people"], Some(&since), "resumed");
    let mut late = embedded.client(&[]);
    late.subscribe(&[&own], sync["position"].as_str(), "resumed");
    // The next event is the first that these get.
    let event = interaction(5..6);
    let position = at_once(embedded.hub.publish(&event)).unwrap().position.to_string();
    assert_eq!(tab.expect("event")["position"], position);
    assert_eq!(late.expect("event")["position"], position);
    let person = tidings_shared::domains::staff::Person { uuid: Uuid::nil() };
    embedded.hub.announce(&tidings_shared::domains::staff::Event::PersonUpdated(person));
    for client in [&mut other, &mut back, &mut both] {
        assert_eq!(client.expect("event")["topics"], json!(["staff:people"]));
    }
    drop((tab, both, other, back, late, stream));
    embedded.stop();
}
