mod changes;
mod tenant;

use std::{
    pin::Pin,
    sync::atomic::Ordering,
    task::{Context, Poll, Waker},
};

use futures_util::Stream;
use tidings_shared::{
    Code, Event, Topic,
    derive::serde,
    domains::{crm, staff},
    limits::{MAX_ORIGIN_BYTES, MAX_TOPICS_PER_PUBLICATION},
};
use uuid::Uuid;

use super::{tenant::encode, *};
use crate::{
    log::LogLimits,
    publication::Published,
    reader::Delivery,
    tenant_log::Counters,
    test_support::{TestHost, at, at_once},
};

fn hub(max_entries: usize) -> Hub {
    let log = LogLimits::default().max_entries(max_entries);
    Hub::new(HubSettings::new("acme".parse().unwrap()).log(log), TestHost::default())
}

fn person(n: u128) -> staff::Event {
    staff::Event::PersonUpdated(staff::Person { uuid: Uuid::from_u128(n) })
}

/// Publishes an event in the home tenant at this second.
fn publish_at(hub: &Hub, options: PublishOptions, second: u64) -> Published {
    let event = person(1);
    at_once(hub.hand_over(hub.home(), encode(&event).unwrap(), event.fan_out(), options, at(second)).unwrap())
        .unwrap()
}

/// Returns the deliveries that a subscription has ready, without a runtime.
fn ready(subscription: &mut Subscription) -> Vec<Delivery> {
    let mut cx = Context::from_waker(Waker::noop());
    let next = || match Pin::new(&mut *subscription).poll_next(&mut cx) {
        Poll::Ready(delivery) => delivery,
        Poll::Pending => None,
    };
    std::iter::from_fn(next).collect()
}

#[test]
fn an_announcement_reaches_the_subscribers_of_its_topics_as_the_typed_event() {
    let hub = hub(10);
    let mut people = at_once(hub.subscribe(&staff::Topic::People));
    let mut other = at_once(hub.subscribe(&staff::Topic::Person(Uuid::from_u128(2))));
    hub.announce(&person(1));
    let [Delivery::Event { publication, .. }] = &ready(&mut people)[..] else { panic!("one event") };
    assert_eq!(publication.event.decode::<staff::Event>(), Ok(person(1)));
    assert!(ready(&mut other).is_empty());
}

#[test]
fn two_tenants_never_meet() {
    let hub = hub(10);
    let mut elsewhere =
        at_once(hub.tenant(&"other".parse().unwrap()).subscribe_raw(&["staff:people".parse().unwrap()]));
    hub.announce(&person(1));
    assert!(ready(&mut elsewhere).is_empty());
}

#[test]
fn a_subscriber_that_does_not_read_gets_a_sync_when_the_log_has_moved_on() {
    let hub = hub(3);
    let mut people = at_once(hub.subscribe(&staff::Topic::People));
    for n in 0..4 {
        hub.announce(&person(n));
    }
    assert!(matches!(&ready(&mut people)[..], [Delivery::Sync { topics, .. }] if topics.len() == 1));
}

/// Returns an event that reaches these contacts.
fn interaction(contacts: std::ops::Range<u128>) -> crm::Event {
    crm::Event::InteractionUpdated(crm::Notice::to(Uuid::from_u128(9), contacts.map(Uuid::from_u128)))
}

fn contact(n: u128) -> TopicName {
    crm::Topic::Interactions(Uuid::from_u128(n)).name()
}

#[test]
fn a_publication_reaches_as_many_topics_as_it_may_and_beyond_that_its_publisher_is_told() {
    let hub = hub(10);
    let most = MAX_TOPICS_PER_PUBLICATION as u128;
    let mut each: Vec<Subscription> =
        [0, 127, 128, most - 1, most].map(|n| at_once(hub.subscribe_raw(&[contact(n)]))).into();
    let mut several = at_once(hub.subscribe_raw(&[contact(5), contact(500), contact(5_000)]));
    let published = at_once(hub.publish(&interaction(0..most))).unwrap();
    assert_eq!(published.topics.len(), MAX_TOPICS_PER_PUBLICATION);
    assert_eq!(each.iter_mut().map(|one| ready(one).len()).collect::<Vec<_>>(), [1, 1, 1, 1, 0]);
    let [Delivery::Event { publication, matched }] = &ready(&mut several)[..] else { panic!("one event") };
    assert_eq!(matched.topics(publication).collect::<Vec<_>>(), [&contact(5), &contact(500)]);
    let error = at_once(hub.publish(&interaction(0..most + 1))).unwrap_err();
    assert_eq!(error.code(), Code::TooManyTopics);
    assert!(error.to_string().contains("1024 topics"), "{error}");
    assert!(each.iter_mut().chain([&mut several]).all(|one| ready(one).is_empty()));
}

/// Returns the topics of the syncs that a subscription has ready. Fails if there is something else.
fn synced(subscription: &mut Subscription) -> Vec<TopicName> {
    let topics = |delivery| match delivery {
        Delivery::Sync { topics, .. } => topics,
        Delivery::Event { publication, .. } => panic!("{publication:?}"),
    };
    ready(subscription).into_iter().flat_map(topics).collect()
}

#[test]
fn an_announcement_beyond_the_bound_is_a_sync_for_its_topics_and_for_no_others() {
    let hub = hub(10);
    let most = MAX_TOPICS_PER_PUBLICATION as u128;
    let mut both = at_once(hub.subscribe_raw(&[contact(1), contact(3 * most), contact(9 * most)]));
    let mut other = at_once(hub.subscribe_raw(&[contact(9 * most)]));
    let mut elsewhere = at_once(hub.tenant(&"other".parse().unwrap()).subscribe_raw(&[contact(1)]));
    let mut away = hub.tenant_log(hub.home()).follow();
    let since = away.passed().to_string();
    hub.announce(&interaction(0..3 * most + 1));
    assert_eq!(hub.failed_announcements(), 1);
    assert_eq!(synced(&mut both), [contact(1), contact(3 * most)]);
    assert!(ready(&mut other).is_empty() && ready(&mut elsewhere).is_empty());
    assert_eq!(hub.counters().log_entries, 4, "it takes no more than its topics do");
    // A subscriber that was away has missed nothing else.
    let mut back = hub.tenant_log(hub.home()).follow();
    back.subscribe(&[contact(2 * most), contact(9 * most)], Some(&since));
    let deliveries = back.poll_read(10, Waker::noop());
    assert!(matches!(&deliveries[..], [Delivery::Sync { topics, .. }] if *topics == [contact(2 * most)]));
    away.advance(hub.tenant_log(hub.home()).head());
}

/// An event with a payload that cannot be written.
#[derive(Debug)]
struct Unwritable(staff::Event);

impl Event for Unwritable {
    type Topic = staff::Topic;
    const NAMES: &'static [&'static str] = staff::Event::NAMES;
    const SCHEMA: &'static [tidings_shared::schema::EventSchema] = staff::Event::SCHEMA;

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn topics(&self) -> Vec<staff::Topic> {
        self.0.topics()
    }

    fn decode<'de, D: serde::Deserializer<'de>>(_: &str, _: D) -> Result<Option<Self>, D::Error> {
        Ok(None)
    }

    fn encode<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no payload today"))
    }
}

/// Returns an origin that is one byte too long.
fn too_long() -> String {
    "x".repeat(MAX_ORIGIN_BYTES + 1)
}

#[test]
fn subscribers_load_again_after_any_failed_announcement() {
    let hub = hub(10);
    let mut people = at_once(hub.subscribe(&staff::Topic::People));
    let mut teams = at_once(hub.subscribe(&staff::Topic::Teams));
    let all = [staff::Topic::People.name()];
    hub.announce_with(&person(1), PublishOptions::default().origin(too_long()));
    assert_eq!(synced(&mut people), all, "an origin that is too long");
    hub.announce(&Unwritable(person(1)));
    assert_eq!(synced(&mut people), all, "a payload that can't be written");
    let options = || PublishOptions::default().key(Uuid::from_u128(7));
    hub.announce_with(&person(1), options());
    assert_eq!(ready(&mut people).len(), 1);
    hub.announce_with(&person(2), options());
    assert_eq!(synced(&mut people), all, "a key of another publication");
    hub.announce_with(&person(1), options());
    assert!(ready(&mut people).is_empty(), "the same again is no failure");
    assert_eq!((hub.failed_announcements(), ready(&mut teams).len()), (3, 0));
}

#[test]
fn an_application_can_have_subscribers_load_again() {
    let hub = hub(10);
    let mut people = at_once(hub.subscribe(&staff::Topic::People));
    let mut teams = at_once(hub.subscribe(&staff::Topic::Teams));
    hub.sync(&[staff::Topic::People, staff::Topic::People, staff::Topic::Departments]);
    assert_eq!(synced(&mut people), [staff::Topic::People.name()]);
    assert!(ready(&mut teams).is_empty());
    hub.sync::<staff::Topic>(&[]);
    assert_eq!(hub.counters().log_entries, 1);
}

#[test]
fn keys_of_publications_to_many_topics_are_bounded_and_their_topics_compared_as_sets() {
    let hub = hub(1);
    let most = MAX_TOPICS_PER_PUBLICATION as u128;
    let options = |key| PublishOptions::default().key(Uuid::from_u128(key));
    let mut first = None;
    for key in 1..=300 {
        let published = at_once(hub.publish_with(&interaction(key..key + most), options(key))).unwrap();
        first.get_or_insert(published);
        let counters = hub.counters();
        assert!(counters.evicted_key_bytes <= tidings_shared::limits::KEYS_MAX_BYTES, "{counters:?}");
    }
    let backwards: Vec<Uuid> = (299..299 + most).rev().map(Uuid::from_u128).collect();
    let again = crm::Event::InteractionUpdated(crm::Notice::to(Uuid::from_u128(9), backwards));
    assert_eq!(at_once(hub.publish_with(&again, options(299))).unwrap().position.offset, 299);
    assert_eq!(
        at_once(hub.publish_with(&interaction(300..300 + most), options(299))),
        Err(PublishError::Key)
    );
    let forgotten = at_once(hub.publish_with(&interaction(1..1 + most), options(1))).unwrap();
    assert_ne!(Some(forgotten), first, "the oldest keys were forgotten");
}

#[test]
fn an_interaction_reaches_its_contacts_and_one_without_contacts_reaches_nobody() {
    let hub = hub(10);
    let contact = Uuid::from_u128(1);
    let mut interactions = at_once(hub.subscribe(&crm::Topic::Interactions(contact)));
    let notice = crm::Notice::to(Uuid::from_u128(9), [contact, contact]);
    let published = at_once(hub.publish(&crm::Event::InteractionCreated(notice))).unwrap();
    assert_eq!((published.topics.len(), ready(&mut interactions).len()), (1, 1));
    let nobody =
        at_once(hub.publish(&crm::Event::InteractionCreated(crm::Notice::to(Uuid::from_u128(9), []))))
            .unwrap();
    assert!(nobody.topics.is_empty());
}

#[test]
fn only_a_domain_that_lets_its_publisher_name_topics_does() {
    let hub = hub(10);
    let refused = at_once(hub.publish_to(&person(1), &[staff::Topic::People], PublishOptions::default()));
    assert_eq!(refused.unwrap_err().code(), Code::InvalidEvent);
    let event = crm::Event::InteractionDeleted(crm::Notice::to(Uuid::from_u128(9), []));
    let contacts = [crm::Topic::Interactions(Uuid::from_u128(1))];
    assert_eq!(
        at_once(hub.publish_to(&event, &contacts, PublishOptions::default())).unwrap().topics.len(),
        1
    );
}

#[test]
fn the_same_key_again_answers_the_first_publication() {
    let hub = hub(10);
    let options = || PublishOptions::default().key(Uuid::from_u128(5));
    let first = at_once(hub.publish_with(&person(1), options())).unwrap();
    let another = staff::Event::PersonDeleted(staff::Person { uuid: Uuid::from_u128(1) });
    assert_eq!(at_once(hub.publish_with(&another, options())).unwrap(), first, "bodies are not compared");
    assert_eq!(hub.counters().log_entries, 1);
}

#[test]
fn a_key_of_a_publication_to_other_topics_publishes_nothing_and_says_so() {
    let hub = hub(1);
    let contact = |n| crm::Topic::Interactions(Uuid::from_u128(n));
    let publish = |contacts: &[crm::Topic]| {
        let event = crm::Event::InteractionDeleted(crm::Notice::to(Uuid::from_u128(9), []));
        let options = PublishOptions::default().key(Uuid::from_u128(5));
        at_once(hub.publish_to(&event, contacts, options))
    };
    let first = publish(&[contact(1), contact(2)]);
    for _ in ["in the log", "evicted"] {
        assert_eq!(publish(&[contact(2), contact(1)]), first, "in whichever order");
        for other in [&[contact(1)][..], &[contact(1), contact(3)], &[contact(1), contact(2), contact(3)]] {
            let refused = publish(other).unwrap_err();
            assert_eq!((refused.code(), &refused), (Code::Forbidden, &PublishError::Key));
        }
        at_once(hub.publish(&person(1))).unwrap();
    }
    assert_eq!(hub.counters().log_entries, 1);
}

#[test]
fn a_tenant_whose_log_has_aged_out_is_kept_while_a_key_is_remembered() {
    let log = LogLimits::default().max_age(std::time::Duration::from_secs(10));
    let hub = Hub::new(HubSettings::new("acme".parse().unwrap()).log(log), TestHost::default());
    let publish = |second: u64| {
        let options = PublishOptions::default().key(Uuid::from_u128(1));
        publish_at(&hub, options, second)
    };
    let first = publish(0);
    hub.handle_timeout(at(20));
    hub.handle_timeout(at(600));
    let Counters { log_entries, evicted_keys, evicted_key_bytes, .. } = hub.counters();
    assert_eq!((log_entries, evicted_keys, evicted_key_bytes > 0), (0, 1, true));
    assert_eq!(publish(600), first);
    hub.handle_timeout(at(601));
    assert_eq!(hub.counters(), Counters::default(), "keys go also where nothing is published");
    hub.handle_timeout(at(611));
    assert_eq!(hub.tenant_count(), 0);
    assert_ne!(publish(611), first);
}

#[test]
fn a_tenant_that_held_nothing_for_a_while_is_forgotten_and_one_that_is_followed_is_not() {
    let hub = hub(10);
    let people = at_once(hub.subscribe(&staff::Topic::People));
    let other: TenantId = "other".parse().unwrap();
    let visit = || drop(at_once(hub.tenant(&other).subscribe_raw(&["a".parse().unwrap()])));
    let tenants_at = |second: u64| {
        hub.handle_timeout(at(second));
        hub.tenant_count()
    };
    visit();
    assert_eq!((tenants_at(1), tenants_at(600)), (2, 2), "whoever comes back now can resume");
    visit();
    assert_eq!((tenants_at(601), tenants_at(1200)), (2, 2), "and somebody did");
    assert_eq!(tenants_at(1201), 1, "only the one that is followed");
    publish_at(&hub, PublishOptions::default(), 1201);
    drop(people);
    assert_eq!((tenants_at(1801), tenants_at(1802)), (1, 1), "its log held an entry until now");
    assert_eq!((tenants_at(2401), tenants_at(2402)), (1, 0));
}

#[test]
fn a_publication_that_the_log_evicts_at_once_keeps_its_tenant_too() {
    let log = LogLimits::default().max_bytes(1);
    let hub = Hub::new(HubSettings::new("acme".parse().unwrap()).log(log), TestHost::default());
    let publish = |second: u64| publish_at(&hub, PublishOptions::default(), second).position;
    let first = publish(0);
    hub.handle_timeout(at(1));
    let second = publish(600);
    hub.handle_timeout(at(601));
    let third = publish(602);
    assert_eq!((second.epoch, third.epoch), (first.epoch, first.epoch), "its log was used a moment ago");
}

/// Publishes `count` events in a tenant, each with its number as the key.
fn publish_keyed(hub: &Hub, tenant: &TenantId, count: u128) {
    for n in 0..count {
        let options = PublishOptions::default().key(Uuid::from_u128(n));
        at_once(
            hub.hand_over(tenant, encode(&person(n)).unwrap(), person(n).fan_out(), options, at(0)).unwrap(),
        )
        .unwrap();
    }
}

#[test]
fn logs_of_a_similar_size_each_evict_a_little() {
    let settings = HubSettings::new("acme".parse().unwrap());
    let hub = Hub::new(settings.logs_max_bytes(1_000_000), TestHost::default());
    let tenants: Vec<TenantId> = (0..70).map(|n| format!("tenant-{n}").parse().unwrap()).collect();
    let mut least = usize::MAX;
    for tenant in &tenants {
        publish_keyed(&hub, tenant, 20);
        let bytes = tenants
            .iter()
            .map(|tenant| hub.tenant(tenant).counters())
            .map(|c| c.log_bytes + c.evicted_key_bytes);
        let bytes: Vec<usize> = bytes.filter(|bytes| *bytes > 0).collect();
        assert!(bytes.iter().sum::<usize>() <= 1_000_000);
        least = *bytes.iter().min().unwrap();
    }
    assert!(least > 1_000_000 / 70 - 4_000, "{least} bytes of an even share");
}

#[test]
fn remembered_keys_count_as_what_the_logs_hold() {
    let log = LogLimits::default().max_entries(1);
    let settings = HubSettings::new("acme".parse().unwrap());
    let hub = Hub::new(settings.log(log).logs_max_bytes(200_000), TestHost::default());
    for tenant in ["one", "two", "three"] {
        publish_keyed(&hub, &tenant.parse().unwrap(), 1_000);
        let counters = ["one", "two", "three"].map(|tenant| hub.tenant(&tenant.parse().unwrap()).counters());
        let held = counters.map(|counters| counters.log_bytes + counters.evicted_key_bytes);
        assert!(held.iter().sum::<usize>() <= 200_000, "{held:?}");
        assert_eq!(hub.holdings(at(0)).log_bytes, held.iter().sum::<usize>());
    }
    let keys = hub.tenant(&"one".parse().unwrap()).counters().evicted_keys;
    assert!((50..1_000).contains(&keys), "{keys} keys are left of an even share");
}

#[test]
fn all_logs_together_are_bounded_and_the_largest_is_evicted_first() {
    let settings = HubSettings::new("acme".parse().unwrap());
    let hub = Hub::new(settings.logs_max_bytes(100_000), TestHost::default());
    let [small, large] = ["small", "large"].map(|tenant| tenant.parse::<TenantId>().unwrap());
    let publish = |tenant: &TenantId| {
        let (event, topics) = (encode(&person(1)).unwrap(), person(1).fan_out());
        let published = hub.hand_over(tenant, event, topics, PublishOptions::default(), at(0));
        at_once(published.unwrap()).unwrap()
    };
    (0..5).for_each(|_| drop(publish(&small)));
    for _ in 0..1_000 {
        publish(&large);
        let bytes = hub.tenant(&small).counters().log_bytes + hub.tenant(&large).counters().log_bytes;
        assert!(bytes <= 100_000, "{bytes} bytes");
    }
    assert_eq!(hub.tenant(&small).counters().log_entries, 5, "the small one keeps what it has");
    assert!(hub.tenant(&large).counters().log_entries > 30, "the large one keeps what there is room for");
    hub.handle_timeout(at(3_600));
    assert_eq!(hub.shared().log_bytes.load(Ordering::Relaxed), 0);
}

#[test]
fn a_client_that_invents_domains_and_fingerprints_fills_no_memory() {
    let hub = hub(10);
    for number in 0..1_000 {
        let invented =
            [("staff".to_owned(), format!("{number:016x}")), (format!("domain-{number}"), String::new())];
        assert_eq!(hub.compare_domains(&invented.into_iter().collect(), None), ["staff"]);
    }
    let told: Vec<_> = hub.shared().other_domains.lock().unwrap().iter().cloned().collect();
    assert_eq!(told, ["staff"]);
}

#[test]
fn an_extension_is_made_once_and_ends_with_the_hub() {
    #[derive(Debug, Default)]
    struct Extension(std::sync::Mutex<Option<std::sync::mpsc::Sender<()>>>);
    let (sender, receiver) = std::sync::mpsc::channel();
    let hub = hub(10);
    *hub.extension::<Extension>().0.lock().unwrap() = Some(sender);
    let tenant = hub.tenant(&"other".parse().unwrap());
    let weak = hub.downgrade();
    drop(hub);
    assert!(tenant.hub().extension::<Extension>().0.lock().unwrap().is_some(), "a tenant keeps the hub");
    assert!(weak.upgrade().is_some() && !weak.is_gone());
    drop(tenant);
    assert!(weak.upgrade().is_none() && weak.is_gone());
    assert!(receiver.recv().is_err());
}
