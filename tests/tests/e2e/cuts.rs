//! Connections that are cut: what a subscriber sees over hundreds of them, with the real client core at its end.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use tidings_client_core::{Output, Publication, SubscriptionId};
use tidings_shared::TopicName;
use tidings_tests::{Client, Cut, Direction, Ending, Payload, Proxy, Random, Server, Tab, rounds, sample};

/// Events per second, while connections are cut.
const RATE: u32 = 500;

/// For each cut, after which a test that waits for events fails.
const TIME: Duration = Duration::from_millis(500);

/// What one subscription saw of a publisher's events: their numbers and the topics that were named, in order.
type Seen = Vec<(usize, Vec<String>)>;

fn number(publication: &Publication<Payload>) -> usize {
    let payload: serde_json::Value = serde_json::from_str(publication.event.payload.get()).unwrap();
    payload["number"].as_u64().unwrap() as usize
}

fn names(topics: &[TopicName]) -> Vec<String> {
    topics.iter().map(TopicName::to_string).collect()
}

/// The topics of the event with this number.
fn topics_of(number: usize) -> &'static [&'static str] {
    match number % 5 {
        0 => &["clock:a", "clock:b"],
        1 | 2 => &["clock:a"],
        3 => &["clock:b"],
        _ => &["clock:of_others"],
    }
}

/// What a subscriber to these topics has to see of events 0 to `count`.
fn expected(topics: &[&str], count: usize) -> Seen {
    let matched = |number| topics_of(number).iter().filter(|topic| topics.contains(topic));
    let seen = |number| (number, matched(number).map(|&topic| topic.to_owned()).collect::<Vec<_>>());
    (0..count).map(seen).filter(|(_, topics)| !topics.is_empty()).collect()
}

/// Cuts after a random byte: of what the server sends, or of what the client sends, which is less.
fn any_cut(random: &mut Random) -> Cut {
    let direction = random.one_of(&[Direction::Down, Direction::Down, Direction::Up]);
    Cut {
        direction,
        after_bytes: 1 + random.below(if direction == Direction::Down { 10_000 } else { 2_000 }),
        client: random.one_of(&[Ending::Fin, Ending::Reset]),
        server: random.one_of(&[Ending::Fin, Ending::Reset, Ending::Silence]),
    }
}

/// Publishes at [`RATE`] until `done`; returns how many events those were.
fn publish_until(server: &Server, mut done: impl FnMut() -> bool) -> usize {
    let mut writer = Client::hello(server);
    let start = Instant::now();
    let mut count = 0;
    while !done() {
        let due = start + Duration::from_secs(1) * count as u32 / RATE;
        thread::park_timeout(due.saturating_duration_since(Instant::now()));
        let (event, topics) = (sample::ticked(count), topics_of(count));
        let frame = serde_json::json!({ "op": "publish", "ref": count, "event": event, "topics": topics });
        assert_eq!(writer.ask(&frame)["op"], "published");
        count += 1;
    }
    count
}

#[test]
fn over_200_cuts_at_any_byte_while_500_events_per_second_flow_everything_comes_once_in_order() {
    let cuts = rounds(200);
    let mut random = Random::of_this_run();
    let server = Server::with(&["--frames-per-second", "100000"]);
    let proxy = Proxy::start(server.address(), move || Some(any_cut(&mut random)));
    let mut tab = Tab::new(proxy.address());
    let of_a_and_b = tab.subscribed(&["clock:a", "clock:b"]);
    let of_b_and_own = tab.subscribed(&["clock:b", "clock:own"]);
    let mut seen: BTreeMap<SubscriptionId, Seen> =
        BTreeMap::from([(of_a_and_b, vec![]), (of_b_and_own, vec![])]);
    let (mut own_published, mut own_answered, mut own_seen) = (0, 0, Vec::new());
    let published = OnceLock::new();

    thread::scope(|scope| {
        let (server, proxy, published) = (&server, &proxy, &published);
        // Dropped when the tab fails, so that its writer ends too.
        let tab_runs = Arc::new(());
        let runs = Arc::downgrade(&tab_runs);
        let done = move || proxy.cuts().len() >= cuts || runs.strong_count() == 0;
        scope.spawn(move || published.set(publish_until(server, done)));
        let start = Instant::now();
        loop {
            match tab.next(Instant::now() + Duration::from_millis(20)) {
                Some(Output::Event { deliveries, publication }) => {
                    let number = number(&publication);
                    for delivery in deliveries {
                        let topics = names(&delivery.topics);
                        if topics == ["clock:own"] {
                            own_seen.push(number);
                        } else {
                            seen.entry(delivery.subscription).or_default().push((number, topics));
                        }
                    }
                    // The tab publishes too, so that its own frames are torn as well.
                    if number.is_multiple_of(3) && published.get().is_none() {
                        tab.publish("clock:own", &sample::ticked(own_published));
                        own_published += 1;
                    }
                }
                Some(Output::Published { .. }) => own_answered += 1,
                Some(Output::Status(_) | Output::Resumed { .. }) | None => {}
                Some(other) => panic!("neither a sync nor a failure: {other:?}"),
            }
            let is_done = published.get().is_some_and(|&count| {
                seen[&of_a_and_b].len() >= expected(&["clock:a", "clock:b"], count).len()
                    && seen[&of_b_and_own].len() >= expected(&["clock:b"], count).len()
            });
            if is_done && own_answered == own_published && own_seen.len() >= own_published {
                break;
            }
            assert!(start.elapsed() < TIME * cuts as u32, "events are missing: {seen:?}, {own_seen:?}");
        }
    });

    let count = published.into_inner().unwrap();
    assert_eq!(seen[&of_a_and_b], expected(&["clock:a", "clock:b"], count));
    assert_eq!(seen[&of_b_and_own], expected(&["clock:b"], count));
    assert_eq!(own_seen, (0..own_published).collect::<Vec<_>>());
    let made = proxy.cuts();
    let of = |which: &dyn Fn(&Cut) -> bool| made.iter().filter(|cut| which(cut)).count();
    let (up, resets) = (
        of(&|cut| cut.direction == Direction::Up),
        of(&|cut| cut.client == Ending::Reset || cut.server == Ending::Reset),
    );
    println!(
        "{} cuts ({up} of what the client sent, {resets} with a reset), {} connections lost, {count} events, \
         {own_published} of its own",
        made.len(),
        tab.losses()
    );
    assert!(made.len() >= cuts && tab.losses() >= cuts, "{} cuts, {} seen", made.len(), tab.losses());
    assert!(up >= cuts / 10 && made.len() - up >= cuts / 10, "both directions are cut: {up}");
    assert!(resets >= cuts / 10 && made.len() - resets >= cuts / 10, "in both ways: {resets}");
}
