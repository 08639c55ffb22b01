//! The guard of a transaction's events, in each way in which a transaction can end.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
};

use tidings_shared::domains::projects;

use super::*;
use crate::hub::uncertain::MAX_WAITING;

/// A hub, and a subscriber of people, tasks and a contact.
fn world() -> (Hub, Subscription) {
    let hub = hub(100);
    let topics = [staff::Topic::People.name(), projects::Topic::Tasks.name(), contact(1)];
    let subscription = at_once(hub.subscribe_raw(&topics));
    (hub, subscription)
}

fn task(n: u128) -> projects::Event {
    projects::Event::TaskUpdated(projects::Task { uuid: Uuid::from_u128(n) })
}

/// Returns the payloads of the events that a subscription has ready. A sync is its topics.
fn heard(subscription: &mut Subscription) -> Vec<String> {
    let heard = ready(subscription).into_iter().map(|delivery| match delivery {
        Delivery::Event { publication, .. } => publication.event.payload.get().to_owned(),
        Delivery::Sync { topics, .. } => format!("{topics:?}"),
    });
    heard.collect()
}

/// Returns the payload of an event.
fn payload<E: Event>(event: &E) -> String {
    encode(event).unwrap().payload.get().to_owned()
}

#[test]
fn after_a_commit_the_events_are_published_in_the_order_in_which_they_were_added() {
    let (hub, mut all) = world();
    let mut changes = hub.changes();
    changes.add(&person(1));
    changes.add(&task(2));
    changes.add(&interaction(1..2));
    changes.add(&person(3));
    changes.add(&task(1));
    assert!(ready(&mut all).is_empty(), "the transaction has not committed");
    changes.committed();
    let expected = [
        payload(&person(1)),
        payload(&task(2)),
        payload(&interaction(1..2)),
        payload(&person(3)),
        payload(&task(1)),
    ];
    assert_eq!(heard(&mut all), expected);
    assert_eq!(hub.failed_announcements(), 0);
    hub.handle_timeout(at(60));
    assert!(ready(&mut all).is_empty(), "everybody knows that it has committed");
}

#[test]
fn after_a_rollback_nothing_is_announced() {
    let (hub, mut all) = world();
    let mut changes = hub.changes();
    changes.add(&person(1));
    changes.rolled_back();
    hub.handle_timeout(at(60));
    assert!(ready(&mut all).is_empty());
    assert_eq!(hub.counters().log_entries, 0);
}

#[test]
fn a_guard_that_is_forgotten_announces() {
    let (hub, mut all) = world();
    let save = |commit: Result<(), &'static str>| {
        let mut changes = hub.changes();
        changes.add(&person(1));
        commit?;
        changes.committed();
        Ok::<(), &'static str>(())
    };
    save(Err("the connection was lost")).unwrap_err();
    assert_eq!(heard(&mut all), [payload(&person(1))], "the commit may have taken effect");
    save(Ok(())).unwrap();
    assert_eq!(heard(&mut all), [payload(&person(1))], "once");
}

#[test]
fn a_guard_announces_in_a_panic() {
    let (hub, mut all) = world();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut changes = hub.changes();
        changes.add(&person(1));
        changes.add(&task(1));
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!(heard(&mut all), [payload(&person(1)), payload(&task(1))]);
}

#[test]
fn a_guard_announces_when_its_request_is_cancelled_inside_the_commit() {
    let (hub, mut all) = world();
    {
        let request = pin!(async {
            let mut changes = hub.changes();
            changes.add(&person(1));
            pending::<()>().await;
            changes.rolled_back();
        });
        assert!(request.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(ready(&mut all).is_empty(), "the commit is under way");
    }
    assert_eq!(heard(&mut all), [payload(&person(1))]);
}

#[test]
fn when_nobody_knows_how_a_transaction_ended_its_topics_load_again_a_moment_later() {
    let (hub, mut all) = world();
    let mut teams = at_once(hub.subscribe(&staff::Topic::Teams));
    let mut changes = hub.changes();
    changes.add(&person(1));
    changes.add(&person(2));
    changes.add(&interaction(1..2));
    drop(changes);
    assert_eq!(heard(&mut all).len(), 3);
    hub.handle_timeout(at(4));
    assert!(ready(&mut all).is_empty(), "the database may still be about to commit");
    hub.handle_timeout(at(5));
    assert_eq!(synced(&mut all), [staff::Topic::People.name(), contact(1)]);
    hub.handle_timeout(at(60));
    assert!(ready(&mut all).is_empty() && ready(&mut teams).is_empty());
}

#[test]
fn beyond_the_bound_the_oldest_transaction_gets_its_sync_early() {
    let (hub, mut all) = world();
    let mut events = 0;
    for n in 1..=MAX_WAITING as u128 + 1 {
        let mut changes = hub.changes();
        if n == 1 {
            changes.add(&person(1))
        } else {
            changes.add(&interaction(n..n + 1))
        }
        drop(changes);
        let deliveries = ready(&mut all);
        if n <= MAX_WAITING as u128 {
            events += deliveries.len();
        } else {
            assert!(
                matches!(&deliveries[..], [Delivery::Sync { topics, .. }] if *topics == [staff::Topic::People.name()])
            );
        }
    }
    assert_eq!(events, 1);
    let mut last = at_once(hub.subscribe_raw(&[contact(MAX_WAITING as u128 + 1)]));
    hub.handle_timeout(at(5));
    assert_eq!((ready(&mut all).len(), ready(&mut last).len()), (0, 1));
}

#[test]
fn an_event_that_cannot_be_published_is_a_sync_in_its_place() {
    let (hub, mut all) = world();
    let mut changes = hub.changes();
    changes.add(&task(1));
    changes.add(&Unwritable(person(1)));
    changes.add(&interaction(0..MAX_TOPICS_PER_PUBLICATION as u128 + 1));
    changes.add_with(&person(2), PublishOptions::default().origin(too_long()));
    // The domain computes the topics of its events, so a publisher may name none.
    changes.add_to(&person(3), &[staff::Topic::Teams], PublishOptions::default());
    changes.add(&person(4));
    let mut teams = at_once(hub.subscribe(&staff::Topic::Teams));
    changes.committed();
    let sync = |topic: TopicName| format!("{:?}", [topic]);
    let people = || sync(staff::Topic::People.name());
    let expected = [payload(&task(1)), people(), sync(contact(1)), people(), people(), payload(&person(4))];
    assert_eq!(heard(&mut all), expected);
    assert_eq!(heard(&mut teams), [sync(staff::Topic::Teams.name())], "the topics that were named, too");
    assert_eq!(hub.failed_announcements(), 4);
}

#[test]
fn events_have_the_options_that_they_were_added_with() {
    let (hub, mut all) = world();
    let mut changes = hub.changes().origin("tab".to_owned());
    changes.add(&person(1));
    changes.add_with(&person(2), PublishOptions::default().key(Uuid::from_u128(77)));
    changes.add_with(&person(3), PublishOptions::default().origin("job".to_owned()));
    let notice = crm::Event::InteractionDeleted(crm::Notice::to(Uuid::from_u128(9), []));
    let named = [crm::Topic::Interactions(Uuid::from_u128(1))];
    changes.add_to(&notice, &named, PublishOptions::default());
    changes.committed();
    let deliveries = ready(&mut all);
    let publications = deliveries.iter().map(|delivery| match delivery {
        Delivery::Event { publication, .. } => publication,
        Delivery::Sync { .. } => panic!("{delivery:?}"),
    });
    let publications: Vec<_> = publications.collect();
    let origins: Vec<_> = publications.iter().map(|publication| publication.origin.as_deref()).collect();
    assert_eq!(origins, [Some("tab"), Some("tab"), Some("job"), Some("tab")]);
    assert_eq!(publications[1].key, Uuid::from_u128(77));
    assert_eq!(publications[3].topics, [contact(1)]);
}

#[test]
fn the_guard_of_a_tenant_announces_there() {
    let (hub, mut home) = world();
    let other = hub.tenant(&"other".parse().unwrap());
    let mut elsewhere = at_once(other.subscribe(&staff::Topic::People));
    let mut changes = other.changes();
    changes.add(&person(1));
    changes.committed();
    assert_eq!((ready(&mut home).len(), ready(&mut elsewhere).len()), (0, 1));
}
