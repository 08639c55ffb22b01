use super::*;
use tidings_shared::limits::MAX_TOPICS_PER_PUBLICATION;

use crate::test_support::{at, draft, log, topic};

/// Appends `count` publications to `topic`, with keys from `first` on.
fn fill(log: &mut Log, first: u128, count: u128, topic: &str) {
    for key in first..first + count {
        log.append(draft(key, &[topic]), at(0));
    }
}

fn cost_of(draft: Draft) -> usize {
    let mut log = log(1);
    log.append(draft, at(0));
    log.bytes()
}

#[test]
fn offsets_grow_by_one_and_the_same_key_is_the_same_publication() {
    let mut log = log(10);
    let first = log.append(draft(1, &["a"]), at(0));
    let second = log.append(draft(2, &["b"]), at(0));
    assert_eq!((first.position.offset, second.position.offset), (1, 2));
    let again = log.append(draft(1, &["c"]), at(5));
    assert_eq!(again.position, first.position);
    assert_eq!(again.topics, first.topics, "bodies are not compared: the first one counts");
    assert_eq!(log.head(), second.position);
}

#[test]
fn every_bound_evicts_the_oldest_first() {
    let mut by_count = log(3);
    fill(&mut by_count, 1, 5, "a");
    assert_eq!((by_count.len(), by_count.tail().offset), (3, 2));
    assert_eq!(by_count.keys.len(), 3);

    let cost = cost_of(draft(1, &["a"]));
    let limits = LogLimits { max_bytes: 2 * cost + 100, ..LogLimits::default() };
    let mut by_bytes = Log::new(limits, 1);
    fill(&mut by_bytes, 1, 5, "a");
    assert_eq!(by_bytes.len(), 2);
    assert!(by_bytes.bytes() <= limits.max_bytes);

    let mut by_age = Log::new(LogLimits { max_age: Duration::from_secs(10), ..limits }, 1);
    by_age.append(draft(1, &["a"]), at(0));
    by_age.append(draft(2, &["a"]), at(5));
    by_age.evict_aged(at(10));
    assert_eq!(by_age.len(), 2);
    by_age.evict_aged(at(11));
    assert_eq!(by_age.len(), 1);
    by_age.evict_aged(at(60));
    assert_eq!((by_age.len(), by_age.bytes(), by_age.topic_count()), (0, 0, 0));
    assert_eq!(by_age.head().offset, 2, "an empty log still knows where it is");
}

#[test]
fn many_topics_and_large_payloads_count_as_what_they_are() {
    let cost = |topics: &[&str]| cost_of(draft(1, topics));
    let many: Vec<String> = (0..128).map(|n| format!("topic:{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(cost(&many) > cost(&["a"]) + 127 * 128, "each topic has an index of its own");
    let mut large = draft(1, &["a"]);
    large.event.payload =
        serde_json::value::RawValue::from_string(format!("\"{}\"", "x".repeat(10_000))).unwrap();
    let large = cost_of(large);
    assert!(large > 30_000, "the event and the frames that are kept: {large}");
}

fn contacts(first: usize) -> Vec<String> {
    (first..first + MAX_TOPICS_PER_PUBLICATION)
        .map(|n| format!("crm:contact:00000000-0000-0000-0000-{n:012}:interactions"))
        .collect()
}

/// Returns a publication to the highest number of topics, numbered from `first` on.
fn wide(key: u128, first: usize) -> Draft {
    let contacts = contacts(first);
    draft(key, &contacts.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn what_publications_share_counts_once_and_no_frame_that_is_not_kept() {
    let one = cost_of(wide(1, 0));
    // Measured with jemalloc: 205 bytes for each new topic, 37 for each that is known.
    assert!((150 * 1024..250 * 1024).contains(&one), "{one}");
    let mut log = log(1_000);
    (0..50).for_each(|key| drop(log.append(wide(key, 0), at(0))));
    let many = log.bytes();
    assert!(many < one + 49 * 45 * 1024, "{many}");
    let text = |entry: u64| log.entry(entry).unwrap().topics[7].as_str().as_ptr();
    assert!((1..=50).all(|entry| text(entry) == text(1)), "the text of a name is there once");
}

#[test]
fn fifty_publications_to_as_many_topics_as_there_may_be_leave_room_for_thousands_of_others() {
    for distance in [0, MAX_TOPICS_PER_PUBLICATION] {
        let mut log = Log::new(LogLimits::default(), 7);
        fill(&mut log, 1_000, 3_000, "a");
        (0..50).for_each(|key| drop(log.append(wide(key, key as usize * distance), at(0))));
        assert_eq!((log.tail().offset, log.len()), (0, 3_050), "nothing was evicted: {} bytes", log.bytes());
    }
}

#[test]
fn the_cost_of_a_topic_ends_with_its_last_entry() {
    let mut log = log(2);
    log.hold(&topic("a"));
    for key in 0..20 {
        let topics: &[&str] = if key % 3 == 0 { &["a", "b"] } else { &["a"] };
        log.append(draft(key, topics), at(0));
        log.append(draft(100 + key, &["c"]), at(0));
        log.append_gap(Uuid::from_u128(200 + key), vec![topic("b"), topic("d")], at(0));
        log.append(wide(300 + key, key as usize * 500), at(0));
        assert_eq!(log.len(), 2);
    }
    log.evict_aged(at(10_000));
    assert_eq!((log.len(), log.bytes(), log.topic_count()), (0, 0, 1), "one is held");
}

#[test]
fn the_key_of_a_sync_is_not_the_key_of_a_publication() {
    let mut log = log(10);
    let place = log.append_gap(Uuid::from_u128(1), vec![topic("a")], at(0));
    assert_eq!((place.offset, log.head()), (1, place));
    assert_eq!(place.tag, Position::tag_of(Uuid::from_u128(1)));
    let published = log.append(draft(1, &["b"]), at(0));
    assert_eq!(published.position.offset, 2);
    assert_eq!(log.append(draft(1, &["b"]), at(0)), published);
    log.evict_bytes(usize::MAX);
    assert_eq!(log.resumable(&place.to_string()), None);
}

#[test]
fn a_key_is_one_publication_also_when_that_has_left_the_ring() {
    let mut log = log(3);
    let first = log.append(draft(1, &["b", "a"]), at(0));
    fill(&mut log, 2, 100, "a");
    assert_eq!(log.append(draft(1, &["c"]), at(600)), first);
    assert_eq!((log.head().offset, log.evicted_keys()), (101, 98));
    assert_ne!(log.append(draft(1, &["c"]), at(601)), first, "its time is over");
}

#[test]
fn a_key_is_known_while_the_ring_holds_its_publication_however_old() {
    let keys = KeyLimits { max_age: Duration::ZERO, max_bytes: 0 };
    let mut log = Log::new(LogLimits { max_entries: 3, keys, ..LogLimits::default() }, 1);
    let first = log.append(draft(1, &["a"]), at(0));
    fill(&mut log, 2, 2, "a");
    assert_eq!(log.append(draft(1, &["a"]), at(500)), first);
    fill(&mut log, 4, 1, "a");
    assert_ne!(log.append(draft(1, &["a"]), at(500)), first);
}

#[test]
fn a_key_that_nobody_was_told_is_not_remembered() {
    let mut log = log(1);
    for key in 1..=10 {
        log.append(Draft { may_come_again: false, ..draft(key, &["a"]) }, at(0));
    }
    assert_eq!((log.evicted_keys(), log.evicted_key_bytes()), (0, 0));
}

#[test]
fn a_jump_of_the_wall_clock_evicts_nothing() {
    let mut log = Log::new(LogLimits { max_age: Duration::from_secs(10), ..LogLimits::default() }, 1);
    log.append(draft(1, &["a"]), at(0));
    log.evict_aged(Moment { unix_ms: u64::MAX, ..at(1) });
    assert_eq!(log.len(), 1);
}

#[test]
fn an_entry_larger_than_the_whole_log_is_published_and_evicted_at_once() {
    let mut log = Log::new(LogLimits { max_bytes: 10, ..LogLimits::default() }, 1);
    let publication = log.append(draft(1, &["a"]), at(0));
    assert_eq!((log.len(), log.head()), (0, publication.position));
    assert!(log.may_have_lost(&topic("a"), 0));
}

#[test]
fn a_position_resumes_while_everything_after_it_is_in_the_ring() {
    let mut log = log(100);
    let start = log.head();
    fill(&mut log, 1, 100, "a");
    assert_eq!(log.resumable(&start.to_string()), Some(start), "exactly as many as the log holds");
    let first = log.entry(1).unwrap().position;
    fill(&mut log, 101, 1, "a");
    assert_eq!(log.resumable(&start.to_string()), None, "one more");
    assert_eq!(log.resumable(&first.to_string()), Some(first), "the tag of the last evicted entry is kept");
    assert_eq!(log.resumable(&log.head().to_string()), Some(log.head()));
}

#[test]
fn positions_of_other_histories_do_not_resume() {
    let mut log = log(10);
    fill(&mut log, 1, 3, "a");
    let head = log.head();
    let ahead = Position { offset: head.offset + 1, ..head };
    let other_epoch = Position { epoch: head.epoch ^ 1, ..head };
    let other_entry = Position { tag: head.tag ^ 1, ..head };
    for position in [ahead, other_epoch, other_entry] {
        assert_eq!(log.resumable(&position.to_string()), None, "{position}");
    }
    for text in ["", "garbage", "0.0.0", &format!("{head} ")] {
        assert_eq!(log.resumable(text), None, "{text}");
    }
}

#[test]
fn what_a_topic_lost_is_known_while_it_is_held_and_assumed_when_it_was_forgotten() {
    let mut log = log(2);
    let (held, forgotten) = (topic("held"), topic("forgotten"));
    log.hold(&held);
    fill(&mut log, 1, 10, "noise");
    assert!(!log.may_have_lost(&held, 0), "nothing was published there");
    assert!(log.may_have_lost(&forgotten, 0), "nobody can tell");
    assert!(!log.may_have_lost(&forgotten, log.tail().offset));
    log.hold(&forgotten);
    assert!(log.may_have_lost(&forgotten, 0), "holding it now brings nothing back");
    log.release(&forgotten);
    log.release(&held);
    assert!(log.may_have_lost(&held, 0));
    assert_eq!(log.topic_count(), 1, "only the topic that has entries");
}

#[test]
fn offsets_after_an_offset_are_of_the_topic_alone() {
    let mut log = log(10);
    for key in 1..=6 {
        log.append(draft(key, &[if key % 2 == 0 { "even" } else { "odd" }]), at(0));
    }
    let after = |name: &str, offset| log.offsets_after(&topic(name), offset).collect::<Vec<_>>();
    assert_eq!(after("even", 0), [2, 4, 6]);
    assert_eq!(after("even", 2), [4, 6]);
    assert_eq!(after("odd", 5), [0_u64; 0]);
    assert_eq!(after("none", 0), [0_u64; 0]);
}

#[test]
fn eviction_takes_from_entries_and_remembered_keys_alike() {
    let mut log = log(10);
    fill(&mut log, 1, 100, "a");
    let before = (log.bytes(), log.evicted_key_bytes());
    assert!(before.0 < before.1, "{before:?}");
    log.evict_bytes(before.1 - before.0);
    assert_eq!(log.len(), 10, "the keys were more");
    assert!(log.evicted_key_bytes() <= log.bytes());
    log.evict_bytes(log.total_bytes() / 2);
    assert!((1..10).contains(&log.len()) && (1..80).contains(&log.evicted_keys()));
    log.evict_bytes(usize::MAX);
    assert_eq!((log.len(), log.evicted_keys(), log.total_bytes()), (0, 0, 0));
}

#[test]
fn no_table_stays_large_after_50_000_topics_have_come_and_gone() {
    let max_age = Duration::from_secs(1);
    let keys = KeyLimits { max_age, ..KeyLimits::default() };
    let mut log = Log::new(LogLimits { max_age, keys, ..LogLimits::default() }, 7);
    let kept = topic("kept");
    log.hold(&kept);
    let topics: Vec<TopicName> = (0..50_000).map(|number| topic(&format!("left:{number}"))).collect();
    for (key, topic) in topics.iter().enumerate() {
        log.hold(topic);
        log.append(draft(key as u128, &[topic.as_str(), "kept"]), at(0));
    }
    topics.iter().for_each(|topic| log.release(topic));
    log.evict_aged(at(10));
    assert_eq!((log.topic_count(), log.len(), log.evicted_keys()), (1, 0, 0));
    let left = [
        log.topics.capacity(),
        log.keys.capacity(),
        log.entries.capacity(),
        log.topics[&kept].offsets.capacity(),
        log.evicted_keys.capacity(),
    ];
    assert!(left.iter().all(|&capacity| capacity < 200), "{left:?}");
}
