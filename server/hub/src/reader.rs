//! A reader follows the log in order over its topics. Sessions and in-process subscribers are readers; what they have
//! not taken yet waits in the log and nowhere else. Pure.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
};

use tidings_shared::{Position, TopicName, limits::READ_BATCH_BYTES};

use crate::{
    log::Log,
    publication::{Matched, Publication},
};

/// What a reader gets.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// A publication, and which of its topics the reader subscribes to.
    Event {
        /// The publication.
        publication: Arc<Publication>,
        /// The matched topics.
        matched: Matched,
    },
    /// Something of these topics may have been missed, or was [not published](crate::Hub::sync): load again.
    Sync {
        /// Everything after this follows.
        position: Position,
        /// The topics.
        topics: Vec<TopicName>,
        /// Whether the application asked for it, and not because the log has moved on.
        is_asked: bool,
    },
}

/// How a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// After the reader's position.
    Live,
    /// After the place that was named.
    Resumed,
    /// After the reader's position, and something before may have been missed.
    Sync,
}

/// So many topics are looked for in the time in which one entry is looked at.
const TOPICS_PER_ENTRY: u64 = 8;

/// One position over all topics of a reader.
#[derive(Debug)]
pub struct Reader {
    position: Position,
    /// For each topic, the offset after which it wants entries, where that is ahead of the position.
    topics: BTreeMap<TopicName, u64>,
    /// Whether any subscription was ever in force; until then the position may be set back.
    has_started: bool,
    /// More topics will start where the last ones did: until then it reads nothing.
    is_paused: bool,
}

impl Reader {
    /// A reader at the log's head, without topics.
    pub fn new(log: &Log) -> Self {
        Self { position: log.head(), topics: BTreeMap::new(), has_started: false, is_paused: false }
    }

    /// Everything after this has still to be taken.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The topics, in their order.
    pub fn topics(&self) -> impl Iterator<Item = &TopicName> {
        self.topics.keys()
    }

    /// How many topics.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Whether this topic is in force.
    pub fn is_subscribed(&self, topic: &TopicName) -> bool {
        self.topics.contains_key(topic)
    }

    /// Adds topics that start together; those in force already stay as they are.
    ///
    /// `since` is the position that the client has. It can be honoured where the log covers it and this reader has
    /// taken nothing after it: the first subscribe sets the reader back, a later one cannot. While the reader is
    /// paused, its own position can be honoured too: where the log no longer covers that, a sync follows.
    pub fn subscribe(&mut self, log: &mut Log, topics: &[TopicName], since: Option<&str>) -> Start {
        self.pass(log);
        let is_own = |since: &Position| self.is_paused && *since == self.position;
        let place = |since: &str| log.resumable(since).or_else(|| since.parse().ok().filter(is_own));
        let (start, after) = match since.map(place) {
            None => (Start::Live, self.position.offset),
            Some(Some(since)) if since.offset >= self.position.offset => (Start::Resumed, since.offset),
            Some(Some(since)) if !self.has_started => {
                self.position = since;
                (Start::Resumed, self.position.offset)
            }
            Some(_) => (Start::Sync, self.position.offset),
        };
        for topic in topics {
            if !self.topics.contains_key(topic) {
                // The log's own name, so that all readers of a topic share one text.
                self.topics.insert(log.hold(topic), after);
                self.has_started = true;
            }
        }
        start
    }

    /// The log's own name of a topic that is in force.
    pub(crate) fn name_of(&self, topic: &TopicName) -> Option<&TopicName> {
        self.topics.get_key_value(topic).map(|(name, _)| name)
    }

    /// Reads nothing and stays where it is, until [`Reader::go_on`]: what subscribes meanwhile starts at the same place.
    pub fn pause(&mut self) {
        self.is_paused = true;
    }

    /// Ends a [`Reader::pause`].
    pub fn go_on(&mut self) {
        self.is_paused = false;
    }

    /// Takes a topic away; says whether it was in force.
    pub fn unsubscribe(&mut self, log: &mut Log, topic: &TopicName) -> bool {
        let was_in_force = self.topics.remove(topic).is_some();
        if was_in_force {
            log.release(topic);
        }
        was_in_force
    }

    /// Takes all topics away and returns them.
    pub fn clear(&mut self, log: &mut Log) -> Vec<TopicName> {
        let topics: Vec<_> = std::mem::take(&mut self.topics).into_keys().collect();
        for topic in &topics {
            log.release(topic);
        }
        topics
    }

    /// Passes over entries that are not of its topics, as far as there is nothing else.
    pub fn pass(&mut self, log: &Log) {
        if !self.is_paused && !self.has_pending(log) {
            self.position = log.head();
        }
    }

    /// Goes on after this place, as everything of its topics up to there was delivered otherwise.
    pub(crate) fn advance(&mut self, position: Position) {
        if !self.is_paused && position.offset > self.position.offset {
            self.position = position;
        }
    }

    fn has_pending(&self, log: &Log) -> bool {
        self.lost(log).next().is_some() || !self.next_offsets(log, 1).is_empty()
    }

    /// The topics that may have lost something.
    fn lost(&self, log: &Log) -> impl Iterator<Item = &TopicName> {
        let position = self.position.offset;
        // All that is after the position is in the ring: nobody has lost anything.
        let topics = (position < log.tail().offset).then_some(&self.topics);
        let is_lost =
            move |(topic, after): &(&TopicName, &u64)| log.may_have_lost(topic, position.max(**after));
        topics.into_iter().flatten().filter(is_lost).map(|(topic, _)| topic)
    }

    /// The offsets of the next entries that it wants, in order, at most `max`. What that costs depends on the topics and
    /// on `max`, not on how far it is behind: it happens under the log's lock.
    fn next_offsets(&self, log: &Log, max: usize) -> Vec<u64> {
        let (position, head) = (self.position.offset, log.head().offset);
        // Where few entries are left, it is less to look at each than to look for each topic.
        if head.saturating_sub(position) <= self.topics.len() as u64 / TOPICS_PER_ENTRY {
            let wants = |offset: &u64| {
                log.entry(*offset).is_some_and(|entry| {
                    entry.reaches(self.topics.keys(), |topic| self.wants(topic, *offset))
                })
            };
            return (position + 1..=head).filter(wants).take(max).collect();
        }
        let start = self.topics.iter().filter_map(|(topic, &after)| {
            let mut rest = log.offsets_after(topic, position.max(after));
            Some((rest.next()?, rest))
        });
        let (first, mut rests): (Vec<u64>, Vec<_>) = start.unzip();
        let places = first.into_iter().enumerate();
        let mut next: BinaryHeap<_> = places.map(|(place, offset)| Reverse((offset, place))).collect();
        let mut offsets = Vec::new();
        while offsets.len() < max
            && let Some(Reverse((offset, place))) = next.pop()
        {
            if offsets.last() != Some(&offset) {
                offsets.push(offset);
            }
            next.extend(rests[place].next().map(|offset| Reverse((offset, place))));
        }
        offsets
    }

    fn wants(&self, topic: &TopicName, offset: u64) -> bool {
        self.topics.get(topic).is_some_and(|&after| after < offset)
    }

    /// Takes what comes next, in the log's order: at most `max` publications, fewer where they are large, and before
    /// them a sync for the topics that lost something. An empty answer means that the reader has caught up, or is paused.
    pub fn read(&mut self, log: &Log, max: usize) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        if self.is_paused {
            return deliveries;
        }
        deliveries.extend(self.skip_lost(log));
        let mut offsets = self.next_offsets(log, max + 1);
        let mut has_more = offsets.len() > max;
        offsets.truncate(max);
        let mut bytes = 0;
        for offset in offsets {
            if bytes >= READ_BATCH_BYTES {
                has_more = true;
                break;
            }
            let Some(publication) = log.entry(offset) else { continue };
            let wants = |topic: &TopicName| self.wants(topic, offset);
            let matched = Matched::of(publication, self.topics.keys(), wants);
            self.position = publication.position;
            bytes += publication.event.payload.get().len();
            bytes += matched.topics(publication).map(|topic| topic.as_str().len()).sum::<usize>();
            if publication.is_sync {
                let topics = matched.topics(publication).cloned().collect();
                deliveries.push(Delivery::Sync { position: self.position, topics, is_asked: true });
                continue;
            }
            deliveries.push(Delivery::Event { publication: Arc::clone(publication), matched });
        }
        if !has_more {
            self.position = log.head();
        }
        deliveries
    }

    /// Moves topics that lost something to the head, and says so.
    fn skip_lost(&mut self, log: &Log) -> Option<Delivery> {
        let topics: Vec<TopicName> = self.lost(log).cloned().collect();
        if topics.is_empty() {
            return None;
        }
        let head = log.head();
        for topic in &topics {
            self.topics.insert(topic.clone(), head.offset);
        }
        // The others lost nothing and go on from where they are: at the earliest, from the ring's first entry.
        let all_lost = topics.len() == self.topics.len();
        if all_lost {
            self.position = head;
        } else if self.position.offset < log.tail().offset {
            self.position = log.tail();
        }
        Some(Delivery::Sync { position: self.position, topics, is_asked: false })
    }
}

#[cfg(test)]
mod tests;
