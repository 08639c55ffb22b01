//! The library in an application: typed events in and out beside the network, and nothing left when all have gone.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_util::Stream;
use serde_json::json;
use tidings_server::{
    Delivery, Hub, PublishOptions,
    hub::{Counters, Subscription},
};
use tidings_shared::{
    Event, Topic,
    domains::{crm, staff},
};
use tidings_tests::{Client, Frame, Opcode, RawSocket, Request, at_once, eventually, sample};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::embedded::Embedded;

fn followers(hub: &Hub) -> (usize, usize, usize) {
    let Counters { followers, followed_topics, waiting, .. } = hub.counters();
    (followers, followed_topics, waiting)
}

fn next(subscription: &mut Subscription) -> Option<Delivery> {
    let mut cx = Context::from_waker(Waker::noop());
    match Pin::new(subscription).poll_next(&mut cx) {
        Poll::Ready(delivery) => delivery,
        Poll::Pending => None,
    }
}

#[test]
fn nothing_is_left_of_sessions_that_are_gone_however_they_went() {
    let embedded = Embedded::start(|_| {});
    let own = |n: usize| format!("staff:person:{}", Uuid::from_u128(n as u128));
    for round in 0..30 {
        let mut polite = embedded.client(&["staff:people", &own(round)]);
        polite.ask(&json!({ "op": "unsubscribe", "ref": 2, "topics": ["staff:people"] }));
        polite.close();
        drop(embedded.client(&["staff:people", &own(round)]));
        let mut rude = embedded.client(&["staff:teams"]);
        rude.send_message(Message::text("garbage"));
        rude.expect_end("invalid_frame", 4400);
        let mut loud = RawSocket::hello(embedded.address);
        loud.send(&Frame::text(r#"{"op":"subscribe","ref":1,"topics":["staff:people"]}"#));
        loud.send(&Frame { is_masked: false, ..Frame::text("x") });
        assert_eq!(loud.close_code(), Some(1002));
        let mut half = RawSocket::hello(embedded.address);
        half.send(&Frame::new(Opcode::TEXT, "half of a me").unfinished());
        drop(Client::connect_to(embedded.address));
        let mut refused = Client::hello_to(embedded.address);
        refused.ask(&json!({ "op": "subscribe", "ref": 1, "topics": ["staff:peple", "a b"] }));
        refused.close();
    }
    let mut stays = embedded.client(&["staff:people"]);
    eventually("one session is left", || {
        followers(&embedded.hub) == (1, 1, 0) && embedded.gateway.sessions() == 1
    });
    at_once(embedded.hub.publish(&staff::Event::PersonUpdated(staff::Person { uuid: Uuid::nil() }))).unwrap();
    stays.expect("event");
    stays.close();
    eventually("none is left", || followers(&embedded.hub) == (0, 0, 0) && embedded.gateway.sessions() == 0);
    embedded.stop();
}

#[test]
fn a_topic_that_nobody_follows_any_more_leaves_no_trace() {
    let embedded = Embedded::start(|settings| settings.session.frames_per_second = 10_000);
    for round in 0..40 {
        let topics: Vec<String> = (0..128).map(|n| format!("many:{round}:{n}")).collect();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let mut client = embedded.client(&topics);
        assert_eq!(embedded.hub.counters().known_topics, 128, "none of the rounds before");
        client.ask(&json!({ "op": "unsubscribe", "ref": 1, "topics": topics[..64] }));
        assert_eq!(embedded.hub.counters().known_topics, 64);
        client.close();
        eventually("all is forgotten", || embedded.hub.counters() == Counters::default());
    }
    embedded.stop();
}

#[test]
fn typed_events_go_out_to_sockets_and_posted_ones_come_in_typed() {
    let embedded = Embedded::start(|_| {});
    let person = Uuid::now_v7();
    let mut socket = embedded.client(&["staff:people"]);
    let mut inside = at_once(embedded.hub.subscribe(&staff::Topic::Person(person)));
    let event = staff::Event::PersonUpdated(staff::Person { uuid: person });
    let options = PublishOptions::default().origin("app".to_owned());
    let published = at_once(embedded.hub.publish_with(&event, options)).unwrap();
    let frame = socket.expect("event");
    assert_eq!(
        (&frame["position"], &frame["origin"]),
        (&json!(published.position.to_string()), &json!("app"))
    );
    assert_eq!(frame["event"], sample::person_updated(&person.to_string()));

    let body = json!({ "event": sample::person_updated(&person.to_string()) }).to_string();
    let answer = Request::post("/v1/publish").body(body).send(embedded.address).json();
    for expected in [published.position.to_string(), answer["position"].as_str().unwrap().to_owned()] {
        let Some(Delivery::Event { publication, matched }) = next(&mut inside) else {
            panic!("an event was to come")
        };
        assert_eq!(publication.position.to_string(), expected);
        assert_eq!(publication.event.decode::<staff::Event>().unwrap(), event);
        let topics: Vec<String> = matched.topics(&publication).map(ToString::to_string).collect();
        assert_eq!(topics, [staff::Topic::Person(person).name().to_string()]);
    }
    assert!(next(&mut inside).is_none());
    drop(inside);
    socket.close();
    eventually("none is left", || followers(&embedded.hub) == (0, 0, 0));
    embedded.stop();
}

#[test]
fn an_update_of_an_interaction_reaches_those_of_before_and_those_of_now() {
    let embedded = Embedded::start(|_| {});
    let contacts: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
    let topic = |contact: Uuid| crm::Topic::Interactions(contact).name().to_string();
    let mut clients: Vec<Client> =
        contacts.iter().map(|&contact| embedded.client(&[&topic(contact)])).collect();
    let interaction = |subject, party| crm::Interaction {
        uuid: Uuid::nil(),
        subject: Some(subject),
        parties: Some(vec![crm::Party { contact: party }, crm::Party { contact: None }]),
    };
    let before = interaction(contacts[0], Some(contacts[1]));
    let after = interaction(contacts[1], Some(contacts[2]));
    let event = crm::Event::InteractionUpdated(crm::Notice::of_change(&before, &after));
    assert_eq!(event.fan_out().len(), 3);
    embedded.hub.announce(&event);
    for (client, contact) in clients.iter_mut().zip(&contacts) {
        let frame = client.expect("event");
        assert_eq!(frame["topics"], json!([topic(*contact)]), "and of nobody else's");
        assert_eq!(frame["event"]["payload"], json!({ "interaction_uuid": Uuid::nil() }));
    }
    embedded.stop();
}

#[test]
fn an_announcement_that_cannot_be_made_is_counted_and_harms_nobody() {
    let embedded = Embedded::start(|_| {});
    let mut client = embedded.client(&["staff:people"]);
    let too_many = crm::Notice::to(Uuid::nil(), (0..1_025).map(Uuid::from_u128));
    embedded.hub.announce(&crm::Event::InteractionCreated(too_many));
    assert_eq!(embedded.hub.failed_announcements(), 1);
    embedded.hub.announce(&staff::Event::PersonUpdated(staff::Person { uuid: Uuid::nil() }));
    assert_eq!(
        (client.expect("event")["op"].as_str(), embedded.hub.failed_announcements()),
        (Some("event"), 1)
    );
    embedded.stop();
}

#[test]
fn the_events_of_a_transaction_come_after_its_commit_and_also_when_the_request_is_aborted() {
    let embedded = Embedded::start(|_| {});
    let mut client = embedded.client(&["staff:people"]);
    let person = |n| staff::Event::PersonUpdated(staff::Person { uuid: Uuid::from_u128(n) });
    let hub = embedded.hub.clone();
    let (begun, committing) = std::sync::mpsc::channel();
    let request = embedded.runtime.spawn(async move {
        let mut changes = hub.changes();
        (1..=3).for_each(|n| changes.add(&person(n)));
        begun.send(()).unwrap();
        std::future::pending::<()>().await;
        changes.rolled_back();
    });
    committing.recv().unwrap();
    let mut changes = embedded.hub.changes();
    changes.add(&person(0));
    changes.committed();
    request.abort();
    for n in 0..=3 {
        let frame = client.expect("event");
        assert_eq!(frame["event"]["payload"]["uuid"], json!(Uuid::from_u128(n)), "{frame}");
    }
    embedded.stop();
}

#[test]
fn a_drain_ends_the_sessions_and_the_hub_goes_on_inside() {
    let embedded = Embedded::start(|_| {});
    let mut client = embedded.client(&["staff:people"]);
    let hub = embedded.hub.clone();
    let mut inside = at_once(hub.subscribe(&staff::Topic::People));
    embedded.stop();
    client.expect("goaway");
    client.expect_close(1012);
    hub.announce(&staff::Event::PersonUpdated(staff::Person { uuid: Uuid::nil() }));
    assert!(matches!(next(&mut inside), Some(Delivery::Event { .. })));
}
