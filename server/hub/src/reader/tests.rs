use uuid::Uuid;

use super::*;
use crate::{
    LogLimits,
    test_support::{at, draft, log, topic},
};

/// Returns the deliveries of a reader as text: offsets with the matched topics, and syncs.
fn read(reader: &mut Reader, log: &Log, max: usize) -> Vec<String> {
    let text = |delivery| match delivery {
        Delivery::Event { publication, matched } => {
            let topics: Vec<&str> = matched.topics(&publication).map(TopicName::as_str).collect();
            format!("{} {}", publication.position.offset, topics.join(","))
        }
        Delivery::Sync { position, topics, .. } => {
            let topics: Vec<&str> = topics.iter().map(TopicName::as_str).collect();
            format!("sync@{} {}", position.offset, topics.join(","))
        }
    };
    reader.read(log, max).into_iter().map(text).collect()
}

fn subscribe(reader: &mut Reader, log: &mut Log, topics: &[&str], since: Option<Position>) -> Start {
    let topics: Vec<TopicName> = topics.iter().map(|name| topic(name)).collect();
    reader.subscribe(log, &topics, since.map(|since| since.to_string()).as_deref())
}

#[test]
fn a_publication_to_several_topics_is_delivered_once_with_those_that_matched() {
    let mut log = log(10);
    let mut reader = Reader::new(&log);
    assert_eq!(subscribe(&mut reader, &mut log, &["a", "b"], None), Start::Live);
    log.append(draft(1, &["c", "b", "a"]), at(0));
    log.append(draft(2, &["c"]), at(0));
    log.append(draft(3, &["a"]), at(0));
    assert_eq!(read(&mut reader, &log, 10), ["1 b,a", "3 a"]);
    assert_eq!(read(&mut reader, &log, 10), [""; 0]);
    assert_eq!(reader.position(), log.head());
}

#[test]
fn a_reader_gets_its_own_of_many_topics_in_the_order_of_the_fan_out() {
    // The topics have numbers as names, so the order of the names differs from the order of the fan-out.
    let all: Vec<String> = (0..1_000).rev().map(|n| format!("t:{n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let others: Vec<String> = (0..200).map(|n| format!("other:{n}")).collect();
    let many: Vec<&str> = all.iter().copied().step_by(3).chain(others.iter().map(String::as_str)).collect();
    for (own, expected) in [
        (vec!["t:7"], vec!["t:7"]),
        (vec!["t:999", "t:10", "a", "z", "t:0"], vec!["t:999", "t:10", "t:0"]),
        (many, all.iter().copied().step_by(3).collect()),
        (all.clone(), all.clone()),
    ] {
        let mut log = log(10);
        let mut reader = Reader::new(&log);
        subscribe(&mut reader, &mut log, &own, None);
        log.append(draft(1, &["a"]), at(0));
        read(&mut reader, &log, 10);
        log.append(draft(2, &all), at(0));
        log.append(draft(3, &all[..500]), at(0));
        log.append(draft(4, &others.iter().map(String::as_str).collect::<Vec<_>>()), at(0));
        let [Delivery::Event { publication, matched }, ..] = &reader.read(&log, 1)[..] else { panic!("one") };
        let topics: Vec<&str> = matched.topics(publication).map(TopicName::as_str).collect();
        assert_eq!((topics, matched.is_empty()), (expected.clone(), false));
        let frame: serde_json::Value = serde_json::from_slice(publication.frame(matched).text()).unwrap();
        assert_eq!(frame["topics"], serde_json::json!(expected));
        // The next publication reaches half of the topics.
        let half: Vec<&str> = expected.iter().copied().filter(|topic| all[..500].contains(topic)).collect();
        let next = read(&mut reader, &log, 1);
        if half.is_empty() {
            assert_eq!(next, [""; 0]);
        } else {
            assert_eq!(next, [format!("3 {}", half.join(","))]);
        }
        let last = read(&mut reader, &log, 10);
        assert_eq!(last.len(), usize::from(own.len() > 200 && own.len() < 1_000), "{last:?}");
    }
}

#[test]
fn a_batch_with_many_topic_names_ends_early_and_loses_nothing() {
    let all: Vec<String> = (0..1_024).map(|n| format!("{}:{n}", "t".repeat(200))).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut log = Log::new(LogLimits { max_bytes: 64 << 20, ..LogLimits::default() }, 7);
    let mut reader = Reader::new(&log);
    subscribe(&mut reader, &mut log, &all, None);
    for key in 0..5 {
        log.append(draft(2 * key, &all), at(0));
        log.append_gap(Uuid::from_u128(2 * key + 1), all.iter().copied().map(topic).collect(), at(0));
    }
    // Each publication has three times as many bytes as a turn.
    let turns: Vec<usize> = (0..11).map(|_| reader.read(&log, 256).len()).collect();
    assert_eq!(turns, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]);
    assert_eq!(reader.position(), log.head());
}

#[test]
fn a_sync_reaches_the_readers_of_its_topics_also_if_they_come_back_later() {
    let mut log = log(10);
    let mut reader = Reader::new(&log);
    subscribe(&mut reader, &mut log, &["a", "b"], None);
    let start = log.append(draft(1, &["a"]), at(0)).position;
    let topics = ["a", "x"].map(topic).to_vec();
    let place = log.append_gap(Uuid::from_u128(2), topics, at(0));
    let last = log.append(draft(3, &["b", "a"]), at(0)).position;
    assert_eq!(read(&mut reader, &log, 10), ["1 a", "sync@2 a", "3 b,a"]);
    assert_eq!(reader.position(), last);
    for (own, since, start, expected) in [
        ("a", start, Start::Resumed, vec!["sync@2 a", "3 a"]),
        ("x", start, Start::Resumed, vec!["sync@2 x"]),
        ("b", start, Start::Resumed, vec!["3 b"]),
        ("a", place, Start::Resumed, vec!["3 a"]),
        ("x", Position { tag: place.tag ^ 1, ..place }, Start::Sync, vec![]),
    ] {
        let mut back = Reader::new(&log);
        assert_eq!(subscribe(&mut back, &mut log, &[own], Some(since)), start, "{own}");
        assert_eq!(read(&mut back, &log, 10), expected, "{own} since {since}");
        back.clear(&mut log);
    }
}

#[test]
fn a_gap_of_the_whole_tenant_reaches_all_topics_that_began_before_it() {
    let mut log = log(10);
    let (mut reader, mut later) = (Reader::new(&log), Reader::new(&log));
    let start = log.head();
    subscribe(&mut reader, &mut log, &["a", "b"], None);
    log.append(draft(1, &["a"]), at(0));
    log.append_gap(Uuid::from_u128(2), Vec::new(), at(0));
    subscribe(&mut reader, &mut log, &["c"], None);
    log.append(draft(3, &["b"]), at(0));
    assert_eq!(
        read(&mut reader, &log, 10),
        ["1 a", "sync@2 a,b,c", "3 b"],
        "the position was before the gap"
    );
    subscribe(&mut later, &mut log, &["d"], Some(start));
    assert_eq!(read(&mut later, &log, 10), ["sync@2 d"]);
    subscribe(&mut later, &mut log, &["e"], None);
    assert_eq!(read(&mut later, &log, 10), [""; 0]);
}

#[test]
fn an_evicted_gap_of_the_whole_tenant_is_lost_for_each_topic() {
    let mut log = log(2);
    let mut reader = Reader::new(&log);
    subscribe(&mut reader, &mut log, &["a", "quiet"], None);
    log.append_gap(Uuid::from_u128(1), Vec::new(), at(0));
    (2..=4).for_each(|key| drop(log.append(draft(key, &["a"]), at(0))));
    assert_eq!(read(&mut reader, &log, 10), ["sync@4 a,quiet"]);
}

#[test]
fn batches_lose_nothing_and_keep_the_order_of_the_log() {
    for topics in [["a", "b"], ["a", "a"]] {
        batches_of(topics);
    }
}

fn batches_of(topics: [&str; 2]) {
    let mut log = log(1000);
    let mut reader = Reader::new(&log);
    subscribe(&mut reader, &mut log, &topics, None);
    for key in 1..=25 {
        log.append(draft(key, &[topics[usize::from(key % 3 == 0)]]), at(0));
    }
    let mut got = Vec::new();
    loop {
        let batch = read(&mut reader, &log, 10);
        if batch.is_empty() {
            break;
        }
        assert!(batch.len() <= 10);
        got.extend(batch);
    }
    let offsets: Vec<u64> = got.iter().map(|text| text.split(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(offsets, (1..=25).collect::<Vec<u64>>());
}

#[test]
fn a_quiet_topic_is_not_synced_by_the_noise_of_others() {
    let mut log = log(5);
    let mut reader = Reader::new(&log);
    subscribe(&mut reader, &mut log, &["quiet"], None);
    for key in 1..=50 {
        log.append(draft(key, &["noise"]), at(0));
    }
    log.append(draft(51, &["quiet"]), at(0));
    assert_eq!(read(&mut reader, &log, 10), ["51 quiet"]);
}

#[test]
fn a_reader_that_is_too_late_gets_one_sync_for_what_it_lost_and_then_what_is_new() {
    let mut log = log(100);
    let mut reader = Reader::new(&log);
    subscribe(&mut reader, &mut log, &["a"], None);
    for key in 1..=101 {
        log.append(draft(key, &["a"]), at(0));
    }
    assert_eq!(read(&mut reader, &log, 10), ["sync@101 a"]);
    assert_eq!(read(&mut reader, &log, 10), [""; 0]);
    log.append(draft(102, &["a"]), at(0));
    assert_eq!(read(&mut reader, &log, 10), ["102 a"]);
}

#[test]
fn topics_that_lost_nothing_go_on_when_another_is_synced() {
    let mut log = log(3);
    let mut reader = Reader::new(&log);
    subscribe(&mut reader, &mut log, &["lost", "kept"], None);
    for (key, topic) in [(1, "lost"), (2, "noise"), (3, "kept"), (4, "lost"), (5, "kept")] {
        log.append(draft(key, &[topic]), at(0));
    }
    // 1 and 2 are evicted. The sync covers 4 of `lost`.
    assert_eq!(read(&mut reader, &log, 10), ["sync@2 lost", "3 kept", "5 kept"]);
    log.append(draft(6, &["lost", "kept"]), at(0));
    assert_eq!(read(&mut reader, &log, 10), ["6 lost,kept"]);
}

#[test]
fn the_first_subscribe_resumes_from_where_the_client_was() {
    let mut log = log(10);
    log.append(draft(1, &["a"]), at(0));
    let since = log.head();
    log.append(draft(2, &["a"]), at(0));
    log.append(draft(3, &["b"]), at(0));
    let mut reader = Reader::new(&log);
    assert_eq!(subscribe(&mut reader, &mut log, &["a"], Some(since)), Start::Resumed);
    assert_eq!(reader.position(), since);
    assert_eq!(read(&mut reader, &log, 10), ["2 a"]);
    // The reader has passed these entries, so a later topic cannot get them.
    assert_eq!(subscribe(&mut reader, &mut log, &["b"], Some(since)), Start::Sync);
    assert_eq!(read(&mut reader, &log, 10), [""; 0]);
    let head = log.head();
    assert_eq!(subscribe(&mut reader, &mut log, &["c"], Some(head)), Start::Resumed);
}

#[test]
fn a_topic_that_resumes_ahead_of_its_reader_is_not_given_what_it_has() {
    let mut log = log(10);
    let start = log.head();
    log.append(draft(1, &["a", "b"]), at(0));
    let since = log.append(draft(2, &["a", "b"]), at(0)).position;
    log.append(draft(3, &["b"]), at(0));
    let mut reader = Reader::new(&log);
    assert_eq!(subscribe(&mut reader, &mut log, &["a"], Some(start)), Start::Resumed);
    assert_eq!(subscribe(&mut reader, &mut log, &["b"], Some(since)), Start::Resumed);
    assert_eq!(read(&mut reader, &log, 10), ["1 a", "2 a", "3 b"]);
}

#[test]
fn a_topic_that_cannot_resume_starts_at_the_head_with_a_sync() {
    let mut log = log(2);
    let since = log.head();
    for key in 1..=3 {
        log.append(draft(key, &["a"]), at(0));
    }
    let mut reader = Reader::new(&log);
    assert_eq!(subscribe(&mut reader, &mut log, &["a"], Some(since)), Start::Sync);
    assert_eq!(read(&mut reader, &log, 10), [""; 0]);
}

#[test]
fn a_topic_added_while_others_are_behind_starts_at_the_common_position() {
    let mut log = log(10);
    let mut reader = Reader::new(&log);
    subscribe(&mut reader, &mut log, &["a"], None);
    log.append(draft(1, &["a"]), at(0));
    log.append(draft(2, &["b"]), at(0));
    assert_eq!(subscribe(&mut reader, &mut log, &["b"], None), Start::Live);
    assert_eq!(reader.position().offset, 0, "everything after the position follows, for every topic");
    assert_eq!(read(&mut reader, &log, 10), ["1 a", "2 b"]);
}

#[test]
fn unsubscribing_leaves_no_trace() {
    let mut log = log(10);
    let mut reader = Reader::new(&log);
    subscribe(&mut reader, &mut log, &["a", "b"], None);
    log.append(draft(1, &["a"]), at(0));
    assert!(reader.unsubscribe(&mut log, &topic("a")));
    assert!(!reader.unsubscribe(&mut log, &topic("a")));
    assert_eq!(read(&mut reader, &log, 10), [""; 0]);
    assert_eq!(reader.clear(&mut log), [topic("b")]);
    log.evict_aged(at(10_000));
    assert_eq!(log.topic_count(), 0);
}

#[test]
fn large_publications_come_in_smaller_batches_and_none_is_lost() {
    let mut log = log(100);
    let mut reader = Reader::new(&log);
    subscribe(&mut reader, &mut log, &["a"], None);
    for key in 1..=9 {
        let mut large = draft(key, &["a"]);
        let text = format!("\"{}\"", "x".repeat(READ_BATCH_BYTES / 2 - 2));
        large.event.payload = serde_json::value::RawValue::from_string(text).unwrap();
        log.append(large, at(0));
    }
    let batches: Vec<usize> =
        std::iter::from_fn(|| Some(reader.read(&log, 256).len()).filter(|n| *n > 0)).collect();
    assert_eq!(batches, [2, 2, 2, 2, 1]);
    assert_eq!(reader.position(), log.head());
}

#[test]
fn a_reader_of_many_topics_reads_the_same_near_the_head_and_far_behind() {
    let names: Vec<String> = (0..200).map(|n| format!("t:{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut log = log(10_000);
    let mut far = Reader::new(&log);
    subscribe(&mut far, &mut log, &names[..100], None);
    let mut near = Reader::new(&log);
    subscribe(&mut near, &mut log, &names[..100], None);
    let (mut got, mut expected) = (Vec::new(), Vec::new());
    for key in 1..=2_000_usize {
        // Some publications reach none of its topics, some reach two.
        let topics = [names[key * 7 % 200], names[key * 13 % 200]];
        log.append(draft(key as u128, &topics), at(0));
        if topics.iter().any(|topic| names[..100].contains(topic)) {
            expected.push(key.to_string());
        }
        // The reader is one entry behind, and then up to a hundred.
        if key % (1 + key % 100) == 0 {
            got.extend(read(&mut near, &log, 256));
        }
    }
    got.extend(read(&mut near, &log, 256));
    let offset = |text: &String| text.split(' ').next().unwrap().to_owned();
    assert_eq!(got.iter().map(offset).collect::<Vec<_>>(), expected);
    let mut all = Vec::new();
    while all.len() < got.len() {
        let batch = read(&mut far, &log, 256);
        assert_eq!(batch.len(), 256.min(got.len() - all.len()));
        all.extend(batch);
    }
    assert_eq!(all, got);
    assert_eq!((near.position(), far.position()), (log.head(), log.head()));
}
