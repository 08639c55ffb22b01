use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::Wake,
};

use tidings_shared::RawEvent;

use super::*;

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn inbox(topics: &[&str], max: usize) -> Inbox {
    Inbox::new(topics.iter().map(|topic| topic.parse().unwrap()).collect(), max)
}

fn event(number: usize, bytes: usize) -> Item {
    let payload = format!("\"{}\"", "x".repeat(bytes));
    let event = RawEvent {
        domain: "clock".to_owned(),
        event: "ticked".to_owned(),
        payload: serde_json::from_str(&payload).unwrap(),
    };
    let (position, key) = (number.to_string(), String::new());
    let publication = Publication { position, key, at: 0, origin: None, event };
    Item::Event { publication: Arc::new(publication), topics: vec!["clock".parse().unwrap()] }
}

fn refused(topic: &str) -> Error {
    Error::of_program("forbidden", topic.to_owned())
}

/// Takes everything that waits, as text.
fn take_all(inbox: &Inbox) -> Vec<String> {
    let mut context = Context::from_waker(Waker::noop());
    let mut taken = Vec::new();
    loop {
        taken.push(match inbox.poll_item(&mut context) {
            Poll::Ready(Some(Item::Event { publication, .. })) => publication.position.clone(),
            Poll::Ready(Some(Item::Sync { topics, position })) => format!("sync {position} {topics:?}"),
            Poll::Ready(Some(Item::Error(error))) => error.to_string(),
            Poll::Ready(None) => "end".to_owned(),
            Poll::Pending => return taken,
        });
        if taken.last().is_some_and(|last| last == "end") {
            return taken;
        }
    }
}

#[test]
fn one_sync_replaces_everything_that_waits_when_there_is_no_room() {
    let inbox = inbox(&["clock", "clock:a"], 3);
    (1..=3).for_each(|number| drop(inbox.deliver(event(number, 1))));
    assert_eq!(take_all(&inbox), ["1", "2", "3"]);
    (1..=5).for_each(|number| drop(inbox.deliver(event(number, 1))));
    assert_eq!(take_all(&inbox), [r#"sync 4 ["clock", "clock:a"]"#, "5"]);
    // However long it takes, there is one sync, and it names the last lost position.
    (1..=12).for_each(|number| drop(inbox.deliver(event(number, 1))));
    assert_eq!(take_all(&inbox), [r#"sync 10 ["clock", "clock:a"]"#, "11", "12"]);
    (1..=3).for_each(|number| drop(inbox.deliver(event(number, 1))));
    let topics = vec!["clock:a".parse().unwrap()];
    inbox.deliver(Item::Sync { topics, position: "4".to_owned() });
    assert_eq!(take_all(&inbox), [r#"sync 4 ["clock", "clock:a"]"#]);
}

#[test]
fn few_large_events_have_no_room_either_and_the_largest_waits_alone() {
    let inbox = inbox(&["clock"], 1000);
    inbox.deliver(event(1, 2 * MAX_BYTES));
    assert_eq!(take_all(&inbox), ["1"]);
    (1..=3).for_each(|number| drop(inbox.deliver(event(number, MAX_BYTES / 2 - 100))));
    assert_eq!(take_all(&inbox), [r#"sync 3 ["clock"]"#]);
    (1..=2).for_each(|number| drop(inbox.deliver(event(number, MAX_BYTES / 2 - 100))));
    assert_eq!(take_all(&inbox), ["1", "2"], "what was taken has made room");
}

#[test]
fn the_errors_of_lost_topics_are_kept_and_the_sync_does_not_name_these_topics() {
    let inbox = inbox(&["a", "b", "c"], 2);
    inbox.warn(Error::passing("connect_failed", "1"));
    inbox.lose(Some(&"a".parse().unwrap()), refused("a"));
    inbox.warn(Error::passing("connect_failed", "2"));
    inbox.lose(Some(&"b".parse().unwrap()), refused("b"));
    inbox.deliver(event(1, 1));
    inbox.deliver(event(2, 1));
    assert_eq!(take_all(&inbox), ["forbidden: a", "forbidden: b", r#"sync 2 ["c"]"#]);
    inbox.lose(Some(&"c".parse().unwrap()), refused("c"));
    assert_eq!(take_all(&inbox), ["forbidden: c", "end"]);
}

#[test]
fn a_warning_without_room_is_dropped() {
    let inbox = inbox(&["clock"], 2);
    inbox.deliver(event(1, 1));
    (0..5).for_each(|number| drop(inbox.warn(Error::passing("connect_failed", number.to_string()))));
    assert_eq!(take_all(&inbox), ["1", "connect_failed: 0"]);
}

#[test]
fn each_change_wakes_the_reader_that_waits_once() {
    let (inbox, wakes) = (inbox(&["clock"], 2), Arc::new(Wakes::default()));
    let waker = Waker::from(Arc::clone(&wakes));
    let mut context = Context::from_waker(&waker);
    let changes: [fn(&Inbox) -> Option<Waker>; 6] = [
        |inbox| inbox.deliver(event(1, 1)),
        |inbox| inbox.warn(Error::passing("connect_failed", "")),
        |inbox| inbox.load(LoadId(1)),
        |inbox| inbox.settle(Ok(())),
        |inbox| inbox.lose(Some(&"other".parse().unwrap()), refused("other")).1,
        |inbox| inbox.end(Error::closed()),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        take_all(&inbox);
        assert!(inbox.poll_item(&mut context).is_pending(), "{number}");
        change(&inbox).expect("somebody waits").wake();
        assert_eq!(wakes.0.load(Ordering::Relaxed), number + 1);
        assert!(change(&inbox).is_none(), "nobody waits any more");
    }
}
