//! The log and its readers, compared with a list of all entries that were ever appended.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;
use tidings_hub::{Delivery, Draft, Log, LogLimits, Moment, Reader, Start};
use tidings_shared::{Position, RawEvent, TopicName};
use uuid::Uuid;

use crate::cases;

const TOPICS: u8 = 4;
const READERS: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    /// Appends with one of a few keys, to a set of topics. If it is wide, it also has many topics that nobody reads.
    Append {
        key: u8,
        topics: Vec<u8>,
        is_wide: bool,
    },
    /// Appends a sync for such topics.
    Sync {
        topics: Vec<u8>,
        is_wide: bool,
    },
    Pass {
        seconds: u8,
    },
    /// A reader subscribes, with a `since` that was the head so many entries ago.
    Subscribe {
        reader: usize,
        topics: Vec<u8>,
        since: Option<Since>,
    },
    Unsubscribe {
        reader: usize,
        topic: u8,
    },
    Read {
        reader: usize,
        max: usize,
    },
    /// Pauses a reader, or ends the pause.
    Pause {
        reader: usize,
        is_paused: bool,
    },
    /// Replaces a reader by a new one.
    Leave {
        reader: usize,
    },
}

#[derive(Debug, Clone)]
struct Since {
    back: u8,
    is_forged: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let topics = || prop::collection::btree_set(0..TOPICS, 1..3).prop_map(|set| set.into_iter().collect());
    let gap_topics =
        || prop::collection::btree_set(0..TOPICS, 0..3).prop_map(|set| set.into_iter().collect::<Vec<u8>>());
    let since = (0..12_u8, prop::bool::weighted(0.1)).prop_map(|(back, is_forged)| Since { back, is_forged });
    let reader = 0..READERS;
    let step = prop_oneof![
        6 => (0..60_u8, topics(), prop::bool::weighted(0.3))
            .prop_map(|(key, topics, is_wide)| Step::Append { key, topics, is_wide }),
        1 => (gap_topics(), prop::bool::weighted(0.3)).prop_map(|(topics, is_wide)| Step::Sync { topics, is_wide }),
        1 => (0..12_u8).prop_map(|seconds| Step::Pass { seconds }),
        3 => (reader.clone(), topics(), prop::option::of(since))
            .prop_map(|(reader, topics, since)| Step::Subscribe { reader, topics, since }),
        1 => (reader.clone(), 0..TOPICS).prop_map(|(reader, topic)| Step::Unsubscribe { reader, topic }),
        4 => (reader.clone(), 1..4_usize).prop_map(|(reader, max)| Step::Read { reader, max }),
        2 => (reader.clone(), any::<bool>())
            .prop_map(|(reader, is_paused)| Step::Pause { reader, is_paused }),
        1 => reader.prop_map(|reader| Step::Leave { reader }),
    ];
    prop::collection::vec(step, 1..80)
}

fn topic(number: u8) -> TopicName {
    TopicName::from_segments(&["t", &number.to_string()])
}

/// Returns the names of these topics in reverse order. If it is wide, there are more topics than bits in a set of few.
fn names(topics: &[u8], is_wide: bool) -> Vec<TopicName> {
    let others = (0..if is_wide { 130 } else { 0 }).rev();
    let others = others.map(|number: u32| TopicName::from_segments(&["s", &number.to_string()]));
    others.chain(topics.iter().rev().map(|&number| topic(number))).collect()
}

/// An entry of the list.
#[derive(Debug)]
struct Entry {
    position: Position,
    topics: BTreeSet<u8>,
    at: Duration,
    is_sync: bool,
}

/// The list, and the log that is compared with it.
struct Model {
    log: Log,
    limits: LogLimits,
    now: Moment,
    /// All entries that were ever appended.
    entries: Vec<Entry>,
    by_key: BTreeMap<u8, Position>,
    readers: Vec<Follower>,
}

/// A reader, and the state that the model expects of it.
struct Follower {
    reader: Reader,
    owed: BTreeMap<u8, Owed>,
    last: u64,
    has_started: bool,
    is_paused: bool,
}

impl Follower {
    fn new(log: &Log) -> Self {
        let (owed, last) = (BTreeMap::new(), 0);
        Self { reader: Reader::new(log), owed, last, has_started: false, is_paused: false }
    }
}

/// All entries after `must` come, or a sync covers them. No entry up to `may` comes.
#[derive(Debug, Clone, Copy)]
struct Owed {
    must: u64,
    may: u64,
}

impl Model {
    fn new(max_entries: usize, max_age: u64) -> Self {
        let limits = LogLimits::default().max_entries(max_entries).max_age(Duration::from_secs(max_age));
        let log = Log::new(limits, 7);
        let readers = (0..READERS).map(|_| Follower::new(&log)).collect();
        let now = Moment { since_start: Duration::ZERO, unix_ms: 0 };
        Self { log, limits, now, entries: Vec::new(), by_key: BTreeMap::new(), readers }
    }

    fn head(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Returns the highest offset that the bounds evict.
    fn tail(&self) -> u64 {
        let is_aged = |time: &Duration| self.now.since_start - *time > self.limits.max_age;
        let aged = self.entries.iter().filter(|entry| is_aged(&entry.at)).count();
        aged.max(self.entries.len().saturating_sub(self.limits.max_entries)) as u64
    }

    fn position(&self, offset: u64) -> Position {
        match offset.checked_sub(1) {
            None => Position::new(7, 0, 0),
            Some(at) => self.entries[at as usize].position,
        }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Append { key, topics, is_wide } => self.append(key, topics, is_wide)?,
            Step::Sync { topics, is_wide } => {
                let key = Uuid::from_u128(1_000 + u128::from(self.head()));
                let position = self.log.append_gap(key, names(&topics, is_wide), self.now);
                prop_assert_eq!(position, Position::new(7, self.head() + 1, Position::tag_of(key)));
                // A gap without topics is for all.
                let all = names(&topics, is_wide).is_empty().then(|| (0..TOPICS).collect());
                self.noted(position, all.unwrap_or(topics), true);
            }
            Step::Pass { seconds } => {
                self.now.since_start += Duration::from_secs(seconds.into());
                self.log.evict_aged(self.now);
            }
            Step::Subscribe { reader, topics, since } => self.subscribe(reader, &topics, since)?,
            Step::Unsubscribe { reader, topic: number } => {
                let Follower { reader, owed, .. } = &mut self.readers[reader];
                let was_held = reader.unsubscribe(&mut self.log, &topic(number));
                prop_assert_eq!(was_held, owed.remove(&number).is_some());
            }
            Step::Read { reader, max } => self.read(reader, max)?,
            Step::Pause { reader, is_paused } => {
                let Follower { reader, is_paused: was_paused, .. } = &mut self.readers[reader];
                if is_paused {
                    reader.pause()
                } else {
                    reader.go_on()
                }
                *was_paused = is_paused;
            }
            Step::Leave { reader } => {
                let fresh = Follower::new(&self.log);
                let mut old = std::mem::replace(&mut self.readers[reader], fresh);
                old.reader.clear(&mut self.log);
            }
        }
        self.compare()
    }

    fn noted(&mut self, position: Position, topics: Vec<u8>, is_sync: bool) {
        let topics = topics.into_iter().collect();
        self.entries.push(Entry { position, topics, at: self.now.since_start, is_sync });
    }

    fn append(&mut self, key: u8, topics: Vec<u8>, is_wide: bool) -> Result<(), TestCaseError> {
        let draft = Draft {
            key: Uuid::from_u128(key.into()),
            may_come_again: true,
            origin: None,
            topics: names(&topics, is_wide),
            event: RawEvent::parse(r#"{"domain":"t","event":"e","payload":{}}"#).expect("an event"),
        };
        let published = self.log.append(draft, self.now);
        if let Some(known) = self.by_key.get(&key) {
            prop_assert_eq!(published.position, *known, "one key, one publication");
            return Ok(());
        }
        let position = Position::new(7, self.head() + 1, Position::tag_of(Uuid::from_u128(key.into())));
        prop_assert_eq!(published.position, position);
        self.by_key.insert(key, position);
        self.noted(position, topics, false);
        Ok(())
    }

    fn subscribe(&mut self, index: usize, topics: &[u8], since: Option<Since>) -> Result<(), TestCaseError> {
        let offset = |since: &Since| self.head().saturating_sub(since.back.into());
        let since = since.map(|since| {
            let mut position = self.position(offset(&since));
            position.tag ^= u32::from(since.is_forged);
            (position, since.is_forged)
        });
        let can_resume = since.is_some_and(|(position, forged)| !forged && position.offset >= self.tail());
        let names: Vec<TopicName> = topics.iter().map(|&number| topic(number)).collect();
        let text = since.map(|(position, _)| position.to_string());
        let Follower { reader, owed, has_started, is_paused, .. } = &mut self.readers[index];
        let before = reader.position();
        // A paused reader keeps its position for the next topics, also when the log has evicted the entries after it.
        let is_own = *is_paused && since.is_some_and(|(position, _)| position == before);
        let can_resume = can_resume || is_own;
        let start = reader.subscribe(&mut self.log, &names, text.as_deref());
        let after = match (start, since) {
            (Start::Live, None) | (Start::Sync, Some(_)) => reader.position().offset,
            (Start::Resumed, Some((position, _))) => {
                prop_assert!(can_resume, "resumed from {position}");
                position.offset
            }
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        };
        // A reader that never had a topic resumes from any position that the log covers.
        let resumes = start == Start::Resumed;
        let must_resume = is_own || !*has_started && can_resume;
        prop_assert!(resumes || !must_resume, "{since:?} is not resumed");
        prop_assert!(
            !*is_paused || !*has_started || reader.position() == before,
            "a paused reader moved on from {before}"
        );
        *has_started = true;
        for &number in topics {
            owed.entry(number).or_insert(Owed { must: after, may: after });
        }
        Ok(())
    }

    fn read(&mut self, index: usize, max: usize) -> Result<(), TestCaseError> {
        let (head, tail) = (self.head(), self.tail());
        let Follower { reader, owed, last, is_paused, .. } = &mut self.readers[index];
        let before = reader.position();
        let may_have_lost = |(number, owed): (&u8, &Owed)| {
            self.log.may_have_lost(&topic(*number), owed.must.max(before.offset))
        };
        let has_lost = owed.iter().any(may_have_lost);
        let deliveries = reader.read(&self.log, max);
        if *is_paused {
            prop_assert!(deliveries.is_empty() && reader.position() == before, "{deliveries:?}");
            return Ok(());
        }
        // The number of deliveries from the log. Before them there may be a sync for evicted entries.
        let mut taken = 0;
        for (number, delivery) in deliveries.iter().enumerate() {
            let (position, topics): (Position, BTreeSet<&TopicName>) = match delivery {
                Delivery::Event { publication, matched } => {
                    (publication.position, matched.topics(publication).collect())
                }
                Delivery::Sync { position, topics, .. } => (*position, topics.iter().collect()),
            };
            prop_assert!(!topics.is_empty());
            let offset = position.offset;
            let is_sync = matches!(delivery, Delivery::Sync { .. });
            if has_lost && number == 0 {
                prop_assert!(is_sync, "{:?}", delivery);
                for name in topics {
                    let known = owed.iter_mut().find(|(number, _)| topic(**number) == *name);
                    let Some((_, owed)) = known else {
                        return Err(TestCaseError::fail("a foreign topic"));
                    };
                    prop_assert!(owed.must < tail, "a sync without a reason");
                    *owed = Owed { must: head, may: owed.may.max(offset) };
                }
                continue;
            }
            prop_assert_eq!(is_sync, self.entries[offset as usize - 1].is_sync);
            prop_assert!(offset > *last, "{} after {}", offset, last);
            taken += 1;
            *last = offset;
            for (number, owed) in owed.iter_mut() {
                let missed = (owed.must + 1..offset)
                    .find(|&missed| self.entries[missed as usize - 1].topics.contains(number));
                prop_assert_eq!(missed, None, "left out of {}, before {}", number, offset);
                let is_on_it = self.entries[offset as usize - 1].topics.contains(number);
                let is_matched = topics.contains(&topic(*number));
                prop_assert!(!is_matched || is_on_it && offset > owed.may);
                prop_assert!(is_matched || !is_on_it || offset <= owed.must);
                owed.must = owed.must.max(offset);
                owed.may = owed.may.max(offset);
            }
            let is_foreign = |name: &&&TopicName| !owed.keys().any(|&number| topic(number) == ***name);
            prop_assert_eq!(topics.iter().find(is_foreign), None);
        }
        prop_assert!(taken <= max && deliveries.len() <= max + 1);
        if taken < max {
            for (number, owed) in owed.iter() {
                let left = (owed.must + 1..=head)
                    .find(|&left| self.entries[left as usize - 1].topics.contains(number));
                prop_assert_eq!(
                    left,
                    None,
                    "the reader rests without entry {} of topic {}",
                    left.unwrap_or_default(),
                    number
                );
            }
        }
        Ok(())
    }

    /// Checks that the log holds what the list says.
    fn compare(&mut self) -> Result<(), TestCaseError> {
        let (head, log) = (self.head(), &self.log);
        prop_assert_eq!(log.head(), self.position(head));
        // The log evicts by age only when something is appended, and when it is called for that.
        let tail = log.tail().offset;
        prop_assert!(tail <= self.tail() && head - tail <= self.limits.max_entries as u64);
        prop_assert_eq!(log.tail(), self.position(tail));
        prop_assert_eq!(log.len() as u64, head - tail);
        for offset in 0..=head + 1 {
            let in_ring = offset > tail && offset <= head;
            prop_assert_eq!(log.entry(offset).is_some(), in_ring, "entry {}", offset);
            if offset <= head {
                let position = self.position(offset);
                let resumable = log.resumable(&position.to_string());
                prop_assert_eq!(resumable, (offset >= tail).then_some(position), "resume from {}", position);
            }
        }
        for number in 0..TOPICS {
            let of_topic = |&offset: &u64| self.entries[offset as usize - 1].topics.contains(&number);
            let expected: Vec<u64> = (tail + 1..=head).filter(of_topic).collect();
            let topic = topic(number);
            let known: BTreeSet<u64> = log.offsets_after(&topic, 0).chain(log.gaps_of_all_after(0)).collect();
            prop_assert_eq!(known.into_iter().collect::<Vec<_>>(), expected);
            for offset in 0..=head {
                let has_lost = (offset + 1..=tail).any(|offset| of_topic(&offset));
                let says_so = log.may_have_lost(&topic, offset);
                prop_assert!(says_so || !has_lost, "{} of {} after {}", tail, number, offset);
                prop_assert!(!says_so || offset < tail, "nothing after {} was evicted", offset);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn the_log_and_its_readers_agree_with_a_list_of_all_entries(
        max_entries in 1..8_usize,
        max_age in prop_oneof![Just(5_u64), Just(600)],
        steps in steps(),
    ) {
        let mut model = Model::new(max_entries, max_age);
        for step in steps {
            model.step(step)?;
        }
        for index in 0..READERS {
            model.step(Step::Leave { reader: index })?;
        }
        model.now.since_start += Duration::from_secs(2_000);
        model.log.evict_aged(model.now);
        prop_assert_eq!((model.log.len(), model.log.topic_count(), model.log.bytes()), (0, 0, 0));
        prop_assert_eq!((model.log.evicted_keys(), model.log.evicted_key_bytes()), (0, 0));
    }
}
