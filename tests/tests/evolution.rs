//! Domains change while servers and clients of different versions run. Each side carries what only the other side knows.
#![allow(clippy::unwrap_used, missing_docs, reason = "a helper of a test fails the test")]

use std::task::{Context, Poll, Waker};

use futures_util::StreamExt;
use tidings_server::{Delivery, Hub, HubSettings, PublishOptions, SystemHost, hub::Subscription};
use tidings_shared::{
    Code, Domains, EventError, RawEvent, Topic as _,
    domains::{catalogue, staff},
    frame::Fingerprints,
};
use tidings_tests::at_once;

/// The catalogue of last year: it has fewer kinds of records and no `parent`.
mod last_year {
    use tidings_shared::derive::{Choice, Event, Payload, Topic};
    use uuid::Uuid;

    /// Topics.
    #[derive(Debug, Clone, PartialEq, Eq, Topic)]
    #[topic(domain = "catalogue")]
    pub(crate) enum Topic {
        /// All.
        #[topic("")]
        Catalogue,
    }

    /// Kinds of records.
    #[derive(Debug, Clone, PartialEq, Eq, Choice)]
    pub(crate) enum Kind {
        /// An item.
        Item,
        /// A name of a later version.
        Other(String),
    }

    /// A change.
    #[derive(Debug, Clone, PartialEq, Eq, Payload)]
    #[payload(reaches(Catalogue))]
    pub(crate) struct Change {
        /// The kind.
        pub(crate) kind: Kind,
        /// The record.
        #[payload(null)]
        pub(crate) uuid: Option<Uuid>,
    }

    /// Events.
    #[derive(Debug, Clone, PartialEq, Eq, Event)]
    pub(crate) enum Event {
        /// A record changed.
        DataChanged(Change),
    }
}

/// The catalogue of next year: it has one more event.
mod next_year {
    use tidings_shared::{
        derive::{Event, Payload},
        domains::catalogue::{Change, Topic},
    };

    /// A sale.
    #[derive(Debug, Clone, PartialEq, Eq, Payload)]
    #[payload(reaches(Catalogue))]
    pub(crate) struct Sale {
        /// The discount in percent.
        pub(crate) percent: u8,
    }

    /// Events.
    #[derive(Debug, Clone, PartialEq, Eq, Event)]
    pub(crate) enum Event {
        /// A record changed.
        DataChanged(Change),
        /// A sale began.
        SaleBegan(Sale),
    }
}

fn server(domains: Domains) -> (Hub, Subscription) {
    let hub = Hub::new(HubSettings::new("acme".parse().unwrap()).domains(domains), SystemHost::start());
    let subscription = at_once(hub.subscribe(&catalogue::Topic::Catalogue));
    (hub, subscription)
}

fn publish(hub: &Hub, event: &str) -> Result<(), Code> {
    let event = RawEvent::parse(event).unwrap();
    let published = at_once(hub.publish_raw(event, None, PublishOptions::default()));
    published.map(drop).map_err(|error| error.code())
}

fn next(subscription: &mut Subscription) -> RawEvent {
    match subscription.poll_next_unpin(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Delivery::Event { publication, .. })) => publication.event.clone(),
        other => panic!("an event, not {other:?}"),
    }
}

const WITH_A_NEW_KEY: &str =
    r#"{"domain":"catalogue","event":"data_changed","payload":{"kind":"item","uuid":null,"parent":null}}"#;
const WITH_A_NEW_KIND: &str =
    r#"{"domain":"catalogue","event":"data_changed","payload":{"kind":"smart_rule"}}"#;
const NEW: &str = r#"{"domain":"catalogue","event":"sale_began","payload":{"percent":20}}"#;

#[test]
fn an_older_server_carries_new_keys_and_new_names_as_they_are() {
    let (hub, mut subscription) = server(Domains::none().with::<last_year::Event>());
    publish(&hub, WITH_A_NEW_KEY).unwrap();
    let event = next(&mut subscription);
    assert!(event.payload.get().contains("parent"));
    assert!(event.decode::<catalogue::Event>().is_ok());
    publish(&hub, WITH_A_NEW_KIND).unwrap();
    let newer: catalogue::Event = next(&mut subscription).decode().unwrap();
    let catalogue::Event::DataChanged(change) = newer;
    assert_eq!(change.kind, catalogue::Kind::SmartRule);
    // The server refuses an unknown event, because it cannot compute its topics. The publisher gets the refusal.
    assert_eq!(publish(&hub, NEW), Err(Code::UnknownEvent));
}

#[test]
fn an_older_client_reads_what_it_knows_of_a_newer_servers_events() {
    let (hub, mut subscription) = server(Domains::none().with::<next_year::Event>());
    publish(&hub, WITH_A_NEW_KEY).unwrap();
    assert!(next(&mut subscription).decode::<last_year::Event>().is_ok());
    publish(&hub, WITH_A_NEW_KIND).unwrap();
    let last_year::Event::DataChanged(change) = next(&mut subscription).decode().unwrap();
    assert_eq!(change.kind, last_year::Kind::Other("smart_rule".to_owned()));
    publish(&hub, NEW).unwrap();
    let event = next(&mut subscription);
    let unknown = event.decode::<catalogue::Event>().unwrap_err();
    assert!(matches!(unknown, EventError::Unknown { .. }));
    assert_eq!(event.payload.get(), r#"{"percent":20}"#, "the event arrives undecoded");
}

#[test]
fn a_domain_of_another_age_differs_and_a_domain_of_one_side_does_not() {
    let ages = [
        Domains::none().with::<last_year::Event>(),
        Domains::none().with::<catalogue::Event>(),
        Domains::none().with::<next_year::Event>(),
    ];
    let fingerprints = |domains: &Domains| -> Fingerprints {
        domains.fingerprints().map(|(name, fingerprint)| (name, fingerprint.to_string())).collect()
    };
    for (index, server) in ages.iter().enumerate() {
        for (other, client) in ages.iter().enumerate() {
            let client = fingerprints(client);
            let differences = server.differences(&client);
            assert_eq!(differences.contains(&"catalogue"), index != other, "{index} {other}");
        }
    }
    let others = fingerprints(&Domains::none().with::<staff::Event>().with::<every_type::Event>());
    assert_eq!(ages[0].differences(&others), [""; 0]);
    assert_eq!(catalogue::Topic::Catalogue.name(), last_year::Topic::Catalogue.name());
}
