mod bounds;
mod damaged;
mod loading;
mod paper;
mod sessions;

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use futures_util::{FutureExt, StreamExt};
use serde_json::json;
use tidings_shared::{RawEvent, domains::staff, limits::JOURNAL_QUEUE_BYTES};
use uuid::Uuid;

use self::paper::{Pages, Paper};
use super::*;
use crate::{
    Delivery, Host, Hub, HubSettings, PublishError, PublishOptions, RawPublish, Revoke, RevokeError,
    Subscription, health::Health, test_support::topic,
};

/// A host whose clock the test sets. It counts milliseconds.
#[derive(Debug, Clone, Default)]
struct Clock(Arc<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    ms: AtomicU64,
    /// The milliseconds by which the date is ahead.
    ahead: AtomicU64,
    last: AtomicU64,
}

impl Clock {
    fn pass(&self, ms: u64) {
        self.0.ms.fetch_add(ms, Ordering::Relaxed);
    }

    fn number(&self) -> u64 {
        self.0.last.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Host for Clock {
    fn now(&self) -> Moment {
        let ms = self.0.ms.load(Ordering::Relaxed);
        let unix_ms = 1_700_000_000_000 + ms + self.0.ahead.load(Ordering::Relaxed);
        Moment { since_start: Duration::from_millis(ms), unix_ms }
    }

    fn new_key(&self) -> Uuid {
        Uuid::from_u128(self.number().into())
    }

    fn new_epoch(&self) -> u64 {
        self.number()
    }
}

/// A node: a hub and its driver.
struct Node {
    hub: Hub,
    driver: Driver,
    clock: Clock,
}

impl Node {
    fn start(paper: &mut Paper) -> Self {
        let clock = Clock::default();
        // Different nodes draw different keys and epochs.
        static NODES: AtomicU64 = AtomicU64::new(0);
        clock.0.last.store(NODES.fetch_add(1_000_000, Ordering::Relaxed), Ordering::Relaxed);
        let (hub, mut driver) = Hub::with_journal(HubSettings::new("acme".parse().unwrap()), clock.clone());
        driver.open(paper).unwrap();
        Self { hub, driver, clock }
    }

    /// Does turns until there is nothing to do.
    fn turn(&mut self, paper: &mut Paper) -> Turn {
        loop {
            let turn = self.driver.turn(paper, Waker::noop());
            if turn != Turn::Busy {
                return turn;
            }
        }
    }

    fn publish(&self, number: u32, name: &str, key: Option<u128>) -> crate::Publishing {
        let event = json!({ "domain": "x", "event": "y", "payload": { "number": number } }).to_string();
        let options = PublishOptions { key: key.map(Uuid::from_u128), origin: None };
        self.hub.publish_raw(RawEvent::parse(&event).unwrap(), Some(&[topic(name)]), options)
    }

    fn subscribe(&mut self, paper: &mut Paper, name: &str) -> Subscription {
        let subscribing = self.hub.subscribe_raw(&[topic(name)]);
        self.turn(paper);
        subscribing.now_or_never().expect("the history is loaded")
    }
}

/// Returns what a subscription has to read.
fn read(subscription: &mut Subscription) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(Some(delivery)) = subscription.next().now_or_never() {
        all.push(match delivery {
            Delivery::Event { publication, .. } => publication.event.payload.get().to_owned(),
            Delivery::Sync { .. } => "sync".to_owned(),
        });
    }
    all
}

#[test]
fn a_publish_is_answered_when_the_journal_has_it_and_not_before() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    let mut reader = node.subscribe(&mut paper, "a");
    let mut publishing = node.publish(1, "a", None);
    assert_eq!(publishing.poll_answer(Waker::noop()), std::task::Poll::Pending);
    assert_eq!(read(&mut reader), [""; 0]);
    node.turn(&mut paper);
    let published = publishing.now_or_never().unwrap().unwrap();
    assert_eq!(published.position.offset, 1);
    assert_eq!(read(&mut reader), [r#"{"number":1}"#]);
}

#[test]
fn a_node_that_starts_again_has_the_history_and_answers_a_known_key() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    let first = node.publish(1, "a", Some(7));
    node.turn(&mut paper);
    let first = first.now_or_never().unwrap().unwrap();
    drop(node);

    let mut node = Node::start(&mut paper);
    let position = node.hub.position();
    let mut again = node.publish(1, "a", Some(7));
    let other = node.publish(1, "b", Some(7));
    node.turn(&mut paper);
    assert_eq!(position.now_or_never(), Some(first.position));
    assert_eq!(again.poll_answer(Waker::noop()), std::task::Poll::Ready(Ok(first)));
    assert_eq!(other.now_or_never(), Some(Err(PublishError::Key)));
}

#[test]
fn an_append_whose_answer_is_lost_is_not_appended_twice() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    let mut reader = node.subscribe(&mut paper, "a");
    let publishing = node.publish(1, "a", None);
    paper.loses_answers = true;
    assert!(matches!(node.turn(&mut paper), Turn::Pause(_)));
    paper.loses_answers = false;
    node.turn(&mut paper);
    assert_eq!(publishing.now_or_never().unwrap().unwrap().position.offset, 1);
    assert_eq!(read(&mut reader), [r#"{"number":1}"#]);
}

#[test]
fn while_the_journal_is_away_publishes_wait_and_are_refused_then_and_announcements_become_a_gap() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    let mut reader = node.subscribe(&mut paper, "staff:people");
    paper.is_away = true;
    let late = node.publish(1, "b", None);
    node.hub.announce(&staff::Event::PersonUpdated(staff::Person { uuid: Uuid::nil() }));
    assert!(matches!(node.turn(&mut paper), Turn::Pause(_)));
    node.clock.pass(11_000);
    assert!(matches!(node.turn(&mut paper), Turn::Pause(_)));
    assert_eq!(late.now_or_never(), Some(Err(PublishError::Overloaded)));
    node.hub.handle_timeout(node.hub.now());
    assert!(matches!(node.hub.health(), Health::Degraded { .. }));
    paper.is_away = false;
    node.turn(&mut paper);
    assert_eq!(node.hub.health(), Health::Good);
    assert_eq!(read(&mut reader), ["sync"]);
}

#[test]
fn a_publish_does_not_wait_for_a_call_of_the_journal_that_hangs() {
    let node = Node::start(&mut Paper::default());
    let publishing = node.publish(1, "t:1", None);
    // The driver has taken it for a call that does not come back.
    let taken = node.driver.outgoing().take_entries(1, 1, node.clock.now().since_start, |_| false, Uuid::nil);
    assert_eq!(taken.0.len(), 1);
    node.clock.pass(10_000);
    node.hub.handle_timeout(node.clock.now());
    assert_eq!(publishing.now_or_never(), Some(Err(PublishError::Overloaded)));
}

#[test]
fn of_events_that_are_published_together_none_goes_past_one_that_finds_no_room() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    let event = |bytes: usize| {
        let json = json!({ "domain": "x", "event": "y", "payload": "z".repeat(bytes) }).to_string();
        let (event, named) = (RawEvent::parse(&json).unwrap(), Some(vec![topic("a")]));
        RawPublish { tenant: "acme".parse().unwrap(), event, named, options: PublishOptions::default() }
    };
    let (large, small) = (event(JOURNAL_QUEUE_BYTES / 2), event(1));
    let no_topics = RawPublish { named: None, ..small.clone() };
    let together = node.hub.publish_all(vec![small.clone(), no_topics, large.clone(), large, small.clone()]);
    let alone = node.hub.publish_all(vec![small]);
    node.turn(&mut paper);
    let answers = together.into_iter().chain(alone).map(|answer| answer.now_or_never().unwrap());
    let codes: Vec<_> = answers.map(|answer| answer.map_err(|error| error.code().as_str()).err()).collect();
    let overloaded = Some("overloaded");
    assert_eq!(codes, [None, Some("invalid_event"), None, overloaded, overloaded, None]);
}

#[test]
fn two_nodes_on_one_journal_give_the_same_entries_at_the_same_positions() {
    let mut paper = Paper::default();
    let (mut one, mut other) = (Node::start(&mut paper), Node::start(&mut paper));
    let (mut of_one, mut of_other) = (one.subscribe(&mut paper, "a"), other.subscribe(&mut paper, "a"));
    let handed_over = [one.publish(1, "a", None), other.publish(2, "a", None), one.publish(3, "a", None)];
    one.turn(&mut paper);
    other.turn(&mut paper);
    one.clock.pass(1_000);
    one.turn(&mut paper);
    let offsets = handed_over.map(|one| one.now_or_never().unwrap().unwrap().position.offset);
    assert_eq!(offsets, [1, 3, 2]);
    let all = [r#"{"number":1}"#, r#"{"number":3}"#, r#"{"number":2}"#];
    assert_eq!(
        (read(&mut of_one), read(&mut of_other)),
        (all.map(str::to_owned).to_vec(), all.map(str::to_owned).to_vec())
    );
}

#[test]
fn what_another_node_appends_is_read_as_soon_as_the_journal_hears_of_it() {
    let mut paper = Paper::default();
    let (mut one, mut other) = (Node::start(&mut paper), Node::start(&mut paper));
    let mut reader = other.subscribe(&mut paper, "a");
    drop(one.publish(1, "a", None));
    one.turn(&mut paper);
    other.turn(&mut paper);
    assert_eq!(read(&mut reader), [""; 0], "it is not time to look");
    paper.has_news = true;
    other.turn(&mut paper);
    assert_eq!(read(&mut reader), [r#"{"number":1}"#]);
    // An old copy is found on this way, too.
    let mut old = Paper::default();
    drop(one.publish(2, "a", None));
    one.turn(&mut old);
    old.has_news = true;
    other.turn(&mut old);
    assert_eq!(read(&mut reader), [""; 0], "it waits for the new log");
    other.turn(&mut old);
    assert_eq!(read(&mut reader), ["sync"]);
}

#[test]
fn a_journal_that_was_rolled_back_gets_a_new_epoch_and_all_readers_load_again() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    let mut reader = node.subscribe(&mut paper, "a");
    drop(node.publish(1, "a", None));
    node.turn(&mut paper);
    let mut old = paper.clone();
    let before = node.publish(2, "a", None);
    node.turn(&mut paper);
    let before = before.now_or_never().unwrap().unwrap();
    assert_eq!(read(&mut reader).len(), 2);
    node.clock.pass(1_000);
    node.turn(&mut old);
    let after = node.publish(3, "a", None);
    node.turn(&mut old);
    let after = after.now_or_never().unwrap().unwrap();
    assert_ne!(after.position.epoch, before.position.epoch);
    assert_eq!(after.position.offset, 2, "offsets go on");
    assert_eq!(read(&mut reader), [""; 0], "it waits for the new log");
    node.turn(&mut old);
    assert_eq!(read(&mut reader), ["sync"]);
}

#[test]
fn a_revocation_survives_a_restart_and_reaches_another_node_and_is_obeyed_once_here() {
    let mut paper = Paper::default();
    let (mut node, mut other) = (Node::start(&mut paper), Node::start(&mut paper));
    let revoking = node.hub.revoke(&Revoke::Subject("anna".to_owned()));
    let newest = node.hub.revocations().newest();
    node.turn(&mut paper);
    assert_eq!(revoking.now_or_never(), Some(Ok(())));
    node.clock.pass(1_000);
    node.turn(&mut paper);
    assert_eq!(node.hub.revocations().newest(), newest, "a session that came since is not ended");
    other.clock.pass(1_000);
    other.turn(&mut paper);
    let fresh = Node::start(&mut paper);
    assert_eq!((other.hub.revocations().newest(), fresh.hub.revocations().newest()), (1, 1));
}

#[test]
fn revocations_of_an_old_copy_are_read_again_and_those_that_are_known_change_nothing() {
    let revoke = |node: &Node, subject: &str| drop(node.hub.revoke(&Revoke::Subject(subject.to_owned())));
    let mut paper = Paper::default();
    let (mut node, mut other) = (Node::start(&mut paper), Node::start(&mut paper));
    let _reader = node.subscribe(&mut paper, "a");
    revoke(&node, "anna");
    node.turn(&mut paper);
    let copy = paper.clone();
    revoke(&node, "bert");
    let _lost = node.publish(1, "a", None);
    node.clock.pass(1_000);
    node.turn(&mut paper);
    assert_eq!((node.hub.revocations().newest(), node.driver.newest_revocation), (2, 2));
    // The next revocation gets the number of the one that is lost.
    paper = copy;
    revoke(&other, "cleo");
    other.turn(&mut paper);
    node.clock.pass(1_000);
    node.turn(&mut paper);
    assert_eq!(node.hub.revocations().newest(), 3);
}

#[test]
fn without_a_driver_nobody_waits_for_ever() {
    let mut paper = Paper::default();
    let node = Node::start(&mut paper);
    let (position, subscribing) = (node.hub.position(), node.hub.subscribe_raw(&[topic("a")]));
    let before = node.publish(1, "a", None);
    drop(node.driver);
    let after = node.hub.publish_raw(
        RawEvent::parse(r#"{"domain":"x","event":"y","payload":2}"#).unwrap(),
        Some(&[topic("a")]),
        PublishOptions::default(),
    );
    for refused in [before, after] {
        assert_eq!(refused.now_or_never(), Some(Err(PublishError::Overloaded)));
    }
    assert!(position.now_or_never().is_some());
    assert_eq!(
        node.hub.revoke(&Revoke::Subject("anna".to_owned())).now_or_never(),
        Some(Err(RevokeError::Journal))
    );
    let mut subscription = subscribing.now_or_never().unwrap();
    assert_eq!(read(&mut subscription), ["sync"]);
    assert_eq!(read(&mut subscription), [""; 0]);
    assert!(node.hub.position().now_or_never().is_some());
}

#[test]
fn a_log_does_not_go_on_from_an_entry_that_the_journal_has_lost_and_replaced() {
    let mut paper = Paper::default();
    let (mut one, mut other) = (Node::start(&mut paper), Node::start(&mut paper));
    let _kept = one.publish(1, "a", None);
    one.turn(&mut paper);
    let mut of_one = one.subscribe(&mut paper, "a");
    let copy = paper.clone();
    let _lost = one.publish(2, "a", None);
    one.turn(&mut paper);
    assert_eq!(read(&mut of_one), [r#"{"number":2}"#]);
    // The other node has not followed since, so it may append where the lost entry was.
    paper = copy;
    let _instead = other.publish(3, "a", None);
    other.turn(&mut paper);
    let next = one.publish(4, "a", None);
    one.turn(&mut paper);
    one.turn(&mut paper);
    assert_eq!(next.now_or_never().unwrap().unwrap().position.offset, 3);
    // The subscription asks for the new history first.
    let mut heard = read(&mut of_one);
    one.turn(&mut paper);
    heard.extend(read(&mut of_one));
    assert_eq!(heard, ["sync"], "it has not had the entry at offset 2");
}

#[test]
fn a_read_follows_every_tenant_however_much_is_new_in_one_of_them() {
    let mut paper = Paper::default();
    let (mut one, mut other) = (Node::start(&mut paper), Node::start(&mut paper));
    let tenants = ["acme", "zeta"].map(|name| name.parse::<TenantId>().unwrap());
    let positions = tenants.each_ref().map(|tenant| one.hub.tenant(tenant).position());
    one.turn(&mut paper);
    assert!(positions.into_iter().all(|position| position.now_or_never().is_some()));
    let event = |number| {
        RawEvent::parse(&json!({ "domain": "x", "event": "y", "payload": number }).to_string()).unwrap()
    };
    for tenant in &tenants {
        for number in 0..=FOLLOW_ENTRIES {
            let options = PublishOptions::default();
            drop(other.hub.tenant(tenant).publish_raw(event(number), Some(&[topic("a")]), options));
        }
    }
    other.turn(&mut paper);
    one.clock.pass(1_000);
    one.turn(&mut paper);
    let heads =
        tenants.each_ref().map(|tenant| one.hub.tenant(tenant).position().now_or_never().unwrap().offset);
    assert_eq!(heads, [FOLLOW_ENTRIES as u64 + 1; 2]);
}

#[test]
fn every_tenant_that_waits_is_loaded_when_the_journal_is_back() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    paper.is_away = true;
    let positions = ["acme", "bell", "zeta"].map(|name| node.hub.tenant(&name.parse().unwrap()).position());
    assert!(matches!(node.turn(&mut paper), Turn::Pause(_)));
    paper.is_away = false;
    node.turn(&mut paper);
    assert!(positions.into_iter().all(|position| position.now_or_never().is_some()));
}

#[test]
fn a_journal_that_takes_nothing_is_still_read() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    let mut reader = node.subscribe(&mut paper, "a");
    paper.takes_nothing = true;
    let publishing = node.publish(1, "a", None);
    for seconds in 1..20 {
        node.clock.pass(1_000);
        paper.append_by_another(&"acme".parse().unwrap());
        let turn = node.turn(&mut paper);
        assert!(seconds >= 10 || matches!(turn, Turn::Pause(_)), "the publish waits");
        node.hub.handle_timeout(node.hub.now());
        assert_eq!(node.hub.health(), Health::Good);
        let syncs = read(&mut reader).len();
        assert!(seconds == 1 || syncs > 0, "{seconds}: another node's entry waits");
    }
    assert_eq!(publishing.now_or_never(), Some(Err(PublishError::Overloaded)));
    // A tenant that somebody needs now is loaded, too.
    let other = node.hub.tenant(&"bell".parse().unwrap()).position();
    let _publishing = node.publish(2, "a", None);
    node.turn(&mut paper);
    node.turn(&mut paper);
    assert!(other.now_or_never().is_some());
}
