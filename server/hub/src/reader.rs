//! A reader follows the log of a tenant in order, over its topics. Sessions and in-process subscribers are readers.
//! Their undelivered publications wait in the log, and nowhere else.
//!
//! When the log has evicted entries after the position, the reader gets a `sync` for the topics that lost entries.
//! These topics move to the head of the log. The others go on in order.

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

/// One item that a reader gets.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// A publication, and the topics by which it reaches the reader.
    Event {
        /// The publication.
        publication: Arc<Publication>,
        /// The matched topics.
        matched: Matched,
    },
    /// The reader may have missed events of these topics, or an event was [not published](crate::Hub::sync): load
    /// again.
    Sync {
        /// The reader gets everything after this position.
        position: Position,
        /// The topics.
        topics: Vec<TopicName>,
        /// The application asked for it. Otherwise the log has evicted entries that the reader needed.
        is_asked: bool,
    },
}

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// After the reader's position.
    Live,
    /// After the position that the client named.
    Resumed,
    /// After the reader's position. The client may have missed events before it.
    Sync,
}

/// Looking up this many topics in the index takes as long as looking at one entry.
const TOPICS_PER_ENTRY: u64 = 8;

/// A reader: its topics, and one position for all of them.
#[derive(Debug)]
pub struct Reader {
    position: Position,
    /// For each topic: the offset after which the reader wants entries. It matters only while it is ahead of the
    /// position.
    topics: BTreeMap<TopicName, u64>,
    /// The reader has had a topic. Before its first topic, a subscribe may set the position back.
    has_started: bool,
    /// More topics will start at the same position. Until then the reader reads nothing.
    is_paused: bool,
}

impl Reader {
    /// Returns a reader at the log's head, without topics.
    pub fn new(log: &Log) -> Self {
        Self { position: log.head(), topics: BTreeMap::new(), has_started: false, is_paused: false }
    }

    /// Returns the position. Everything after it has still to be read.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Returns the topics, in alphabetical order.
    pub fn topics(&self) -> impl Iterator<Item = &TopicName> {
        self.topics.keys()
    }

    /// Returns the number of topics.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Returns whether the reader has this topic.
    pub fn is_subscribed(&self, topic: &TopicName) -> bool {
        self.topics.contains_key(topic)
    }

    /// Adds topics that start at the same position. Topics that the reader has already stay as they are.
    ///
    /// `since` is the position that the client has. The topics start there if the log can [resume](Log::resumable)
    /// after it, and the reader has read nothing after it. The first subscribe may set the reader back to it; a later
    /// one cannot. A paused reader can also start at its own position. If the log has evicted entries after that
    /// position, a sync follows.
    pub fn subscribe(&mut self, log: &mut Log, topics: &[TopicName], since: Option<&str>) -> Start {
        self.pass(log);
        let is_own = |since: &Position| self.is_paused && *since == self.position;
        let start = |since: &str| log.resumable(since).or_else(|| since.parse().ok().filter(is_own));
        let (start, after) = match since.map(start) {
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
                // The log's own copy, so that all readers of a topic share one text.
                self.topics.insert(log.hold(topic), after);
                self.has_started = true;
            }
        }
        start
    }

    /// Returns the log's own copy of a topic that the reader has.
    pub(crate) fn name_of(&self, topic: &TopicName) -> Option<&TopicName> {
        self.topics.get_key_value(topic).map(|(name, _)| name)
    }

    /// Stops reading until [`Reader::go_on`]. Topics that are added meanwhile start at the same position.
    pub fn pause(&mut self) {
        self.is_paused = true;
    }

    /// Ends a [`Reader::pause`].
    pub fn go_on(&mut self) {
        self.is_paused = false;
    }

    /// Removes a topic. Returns whether the reader had it.
    pub fn unsubscribe(&mut self, log: &mut Log, topic: &TopicName) -> bool {
        let was_subscribed = self.topics.remove(topic).is_some();
        if was_subscribed {
            log.release(topic);
        }
        was_subscribed
    }

    /// Removes all topics, and returns them.
    pub fn clear(&mut self, log: &mut Log) -> Vec<TopicName> {
        let topics: Vec<_> = std::mem::take(&mut self.topics).into_keys().collect();
        for topic in &topics {
            log.release(topic);
        }
        topics
    }

    /// Moves to the log's head if no entry after the position has one of the reader's topics.
    pub fn pass(&mut self, log: &Log) {
        if !self.is_paused && !self.has_pending(log) {
            self.position = log.head();
        }
    }

    /// Moves forward to a position. The caller has delivered everything of the reader's topics up to it.
    pub(crate) fn advance(&mut self, position: Position) {
        if !self.is_paused && position.offset > self.position.offset {
            self.position = position;
        }
    }

    fn has_pending(&self, log: &Log) -> bool {
        self.lost(log).next().is_some() || !self.next_offsets(log, 1).is_empty()
    }

    /// Returns the topics that may have lost entries.
    fn lost(&self, log: &Log) -> impl Iterator<Item = &TopicName> {
        let position = self.position.offset;
        // If the log has everything after the position, no topic has lost an entry.
        let topics = (position < log.tail().offset).then_some(&self.topics);
        let is_lost =
            move |(topic, after): &(&TopicName, &u64)| log.may_have_lost(topic, position.max(**after));
        topics.into_iter().flatten().filter(is_lost).map(|(topic, _)| topic)
    }

    /// Returns the offsets of the next entries that the reader wants, in order, at most `max`. The cost depends on the
    /// number of topics and on `max`. It does not depend on the distance to the head, because the caller holds the
    /// tenant's lock.
    fn next_offsets(&self, log: &Log, max: usize) -> Vec<u64> {
        let (position, head) = (self.position.offset, log.head().offset);
        // When few entries are left, looking at each entry costs less than looking up each topic.
        if head.saturating_sub(position) <= self.topics.len() as u64 / TOPICS_PER_ENTRY {
            let wants = |offset: &u64| {
                log.entry(*offset).is_some_and(|entry| {
                    if entry.is_gap_of_all() {
                        return self.wanting(*offset).next().is_some();
                    }
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
        let heads = first.into_iter().enumerate();
        let mut next: BinaryHeap<_> = heads.map(|(topic, offset)| Reverse((offset, topic))).collect();
        // A gap of the whole tenant is for each topic.
        let first_after = self.topics.values().min().map(|after| position.max(*after));
        let mut gaps = first_after.into_iter().flat_map(|after| log.gaps_of_all_after(after)).peekable();
        let mut offsets = Vec::new();
        while offsets.len() < max {
            let first = next.peek().map(|Reverse((offset, _))| *offset);
            if let Some(gap) = gaps.next_if(|gap| first.is_none_or(|first| *gap < first)) {
                offsets.push(gap);
                continue;
            }
            let Some(Reverse((offset, topic))) = next.pop() else { break };
            if offsets.last() != Some(&offset) {
                offsets.push(offset);
            }
            next.extend(rests[topic].next().map(|offset| Reverse((offset, topic))));
        }
        offsets
    }

    fn wants(&self, topic: &TopicName, offset: u64) -> bool {
        self.topics.get(topic).is_some_and(|&after| after < offset)
    }

    /// Returns the topics that want an entry at this offset, if it is for all topics.
    fn wanting(&self, offset: u64) -> impl Iterator<Item = &TopicName> {
        self.topics.iter().filter(move |(_, after)| **after < offset).map(|(topic, _)| topic)
    }

    /// Reads the next deliveries, in the log's order: at most `max` publications, fewer if they are large. A sync comes
    /// first if topics have lost entries. The answer is empty if the reader has caught up, or is paused.
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
            if publication.is_gap_of_all() {
                let topics: Vec<_> = self.wanting(offset).cloned().collect();
                self.position = publication.position;
                bytes += topics.iter().map(|topic| topic.as_str().len()).sum::<usize>();
                deliveries.push(Delivery::Sync { position: self.position, topics, is_asked: true });
                continue;
            }
            let wants = |topic: &TopicName| self.wants(topic, offset);
            let matched = Matched::of(publication, self.topics.keys(), wants);
            self.position = publication.position;
            bytes += publication.event.payload.get().len();
            bytes += matched.topics(publication).map(|topic| topic.as_str().len()).sum::<usize>();
            if publication.is_gap {
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

    /// Moves the topics that have lost entries to the head, and returns a sync for them.
    fn skip_lost(&mut self, log: &Log) -> Option<Delivery> {
        let topics: Vec<TopicName> = self.lost(log).cloned().collect();
        if topics.is_empty() {
            return None;
        }
        let head = log.head();
        for topic in &topics {
            self.topics.insert(topic.clone(), head.offset);
        }
        // The other topics have lost nothing. They go on from their position, or from the first entry that the log has.
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
