//! A tenant's handle, and the futures of its verbs.

use super::*;

fn other(hub: &Hub) -> Tenant {
    hub.tenant(&"other".parse().unwrap())
}

#[test]
fn the_verbs_of_a_handle_act_in_its_tenant_and_nowhere_else() {
    let hub = hub(10);
    let tenant = other(&hub);
    let people = [staff::Topic::People];
    let mut home = at_once(hub.subscribe(&people[0]));
    let mut here = at_once(tenant.subscribe(&people[0]));
    let event = person(1);
    let notice = crm::Event::InteractionDeleted(crm::Notice::to(Uuid::from_u128(9), []));
    let contacts = [crm::Topic::Interactions(Uuid::from_u128(1))];
    let mut of_contact = at_once(tenant.subscribe_raw(&[contact(1)]));
    let options = PublishOptions::default;
    at_once(tenant.publish(&event)).unwrap();
    at_once(tenant.publish_with(&event, options())).unwrap();
    at_once(tenant.publish_raw(encode(&event).unwrap(), None, options())).unwrap();
    tenant.announce(&event);
    tenant.announce_with(&event, options());
    tenant.sync(&people);
    tenant.sync_raw(&[people[0].name()], None);
    at_once(tenant.publish_to(&notice, &contacts, options())).unwrap();
    tenant.announce_to(&notice, &contacts, options());
    let deliveries = ready(&mut here);
    let syncs = deliveries.iter().filter(|delivery| matches!(delivery, Delivery::Sync { .. })).count();
    assert_eq!((deliveries.len() - syncs, syncs), (5, 2));
    assert_eq!(ready(&mut of_contact).len(), 2);
    assert!(ready(&mut home).is_empty());
    assert_eq!((hub.counters().log_entries, tenant.counters().log_entries), (0, 9));
    assert_eq!(at_once(tenant.position()).offset, 9);
    assert_eq!((hub.home().as_str(), tenant.id().as_str()), ("acme", "other"));
}

#[test]
fn a_handle_makes_no_tenant_and_keeps_none() {
    let hub = hub(10);
    let tenant = other(&hub);
    assert_eq!((tenant.counters(), hub.tenant_count()), (Counters::default(), 0));
    let first = at_once(tenant.position());
    assert_eq!(hub.tenant_count(), 1);
    hub.handle_timeout(at(1));
    hub.handle_timeout(at(601));
    assert_eq!(hub.tenant_count(), 0, "the handle is still there");
    assert_ne!(at_once(tenant.position()).epoch, first.epoch);
    assert_eq!(hub.tenant_count(), 1);
}

#[test]
fn a_publication_is_handed_over_when_it_is_published_and_not_when_its_future_is_polled() {
    let hub = hub(10);
    let mut people = at_once(hub.subscribe(&staff::Topic::People));
    let [first, second, third] = [1, 2, 3].map(|n| hub.publish(&person(n)));
    assert_eq!(ready(&mut people).len(), 3);
    drop(second);
    assert_eq!((at_once(third).unwrap().position.offset, at_once(first).unwrap().position.offset), (3, 1));
    assert!(ready(&mut people).is_empty(), "polled or dropped, it is published once");
}

#[test]
fn a_subscription_and_a_position_are_those_of_the_call() {
    let hub = hub(10);
    let (people, position) = (hub.subscribe(&staff::Topic::People), hub.position());
    at_once(hub.publish(&person(1))).unwrap();
    assert_eq!(ready(&mut people.now_or_never().unwrap()).len(), 1);
    let position = position.now_or_never().unwrap();
    assert_eq!(position.offset, 0);
    let mut page = hub.tenant_log(hub.home()).follow();
    page.subscribe(&[staff::Topic::People.name()], Some(&position.to_string()));
    let deliveries = page.poll_read(10, Waker::noop());
    assert!(
        matches!(&deliveries[..], [Delivery::Event { publication, .. }] if publication.position.offset == 1)
    );
}

#[test]
fn code_that_is_not_async_takes_the_output_once() {
    let hub = hub(10);
    let mut published = hub.publish(&person(1));
    assert!(Pin::new(&mut published).poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert_eq!(published.now_or_never(), None);
    assert_eq!(hub.publish(&person(1)).now_or_never().unwrap().unwrap().position.offset, 2);
}

#[test]
fn an_announcement_to_named_topics_that_is_refused_is_a_sync_for_all_that_it_may_have_reached() {
    let hub = hub(10);
    let mut people = at_once(hub.subscribe(&staff::Topic::People));
    let mut teams = at_once(hub.subscribe(&staff::Topic::Teams));
    let mut departments = at_once(hub.subscribe(&staff::Topic::Departments));
    hub.announce_to(&person(1), &[staff::Topic::Teams], PublishOptions::default());
    assert_eq!(synced(&mut people), [staff::Topic::People.name()]);
    assert_eq!(synced(&mut teams), [staff::Topic::Teams.name()]);
    assert!(ready(&mut departments).is_empty());
    assert_eq!(hub.failed_announcements(), 1);
}

#[test]
fn a_checked_event_is_what_a_publish_would_hand_over_and_is_not_published() {
    let hub = hub(10);
    let tenant = other(&hub);
    let key = Uuid::from_u128(7);
    let options = || PublishOptions::default().key(key).origin("tab-7".to_owned());
    let draft = tenant.check_raw(encode(&person(1)).unwrap(), None, options()).unwrap();
    assert_eq!((tenant.counters(), hub.tenant_count()), (Counters::default(), 0));
    let published = at_once(tenant.publish_raw(encode(&person(1)).unwrap(), None, options())).unwrap();
    assert_eq!((draft.key, &draft.topics), (published.key, &published.topics));
    assert_eq!(
        (draft.tenant.as_str(), draft.origin.as_deref(), draft.may_come_again),
        ("other", Some("tab-7"), true)
    );
    let long = PublishOptions::default().origin("x".repeat(65));
    let named = Some(&[staff::Topic::People.name()][..]);
    for (named, options) in [(None, long), (named, options())] {
        let [checked, published] = [
            tenant.check_raw(encode(&person(1)).unwrap(), named, options.clone()).map(drop).unwrap_err(),
            at_once(tenant.publish_raw(encode(&person(1)).unwrap(), named, options)).map(drop).unwrap_err(),
        ];
        assert_eq!(checked, published);
    }
}
