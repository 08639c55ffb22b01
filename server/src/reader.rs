//! A reader follows the log in order over its topics. Sessions and in-process subscribers are readers; what they have
//! not taken yet waits in the log and nowhere else. Pure.

use std::{collections::BTreeMap, sync::Arc};

use tidings_shared::{
    Position, TopicName,
    limits::READ_BATCH_BYTES,
    planted::{self, Bug},
};

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
    /// Something of these topics may have been missed: load again.
    Sync {
        /// Everything after this follows.
        position: Position,
        /// The topics.
        topics: Vec<TopicName>,
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

/// One position over all topics of a reader.
#[derive(Debug)]
pub struct Reader {
    position: Position,
    /// For each topic, the offset after which it wants entries, where that is ahead of the position.
    topics: BTreeMap<TopicName, u64>,
    /// Whether any subscription was ever in force; until then the position may be set back.
    has_started: bool,
}

impl Reader {
    /// A reader at the log's head, without topics.
    pub fn new(log: &Log) -> Self {
        Self { position: log.head(), topics: BTreeMap::new(), has_started: false }
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
    /// taken nothing after it: the first subscribe sets the reader back, a later one cannot.
    pub fn subscribe(&mut self, log: &mut Log, topics: &[TopicName], since: Option<&str>) -> Start {
        self.pass(log);
        let (start, after) = match since.map(|since| log.resumable(since)) {
            None => (Start::Live, self.position.offset),
            Some(Some(since)) if since.offset >= self.position.offset => (Start::Resumed, since.offset),
            Some(Some(since)) if !self.has_started => {
                self.position = if planted::is(Bug::ResumeRepeats) { log.tail() } else { since };
                (Start::Resumed, self.position.offset)
            }
            Some(_) => (Start::Sync, self.position.offset),
        };
        let after = after + u64::from(planted::is(Bug::AcknowledgedEarly));
        for topic in topics {
            if !self.topics.contains_key(topic) {
                log.hold(topic);
                self.topics.insert(topic.clone(), after);
                self.has_started = true;
            }
        }
        start
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
        if !self.has_pending(log) {
            self.position = log.head();
        }
    }

    /// Goes on after this place, as everything of its topics up to there was delivered otherwise.
    pub(crate) fn advance(&mut self, position: Position) {
        if position.offset > self.position.offset {
            self.position = position;
        }
    }

    fn has_pending(&self, log: &Log) -> bool {
        self.topics.iter().any(|(topic, &after)| {
            let after = after.max(self.position.offset);
            log.may_have_lost(topic, after) || log.offsets_after(topic, after).next().is_some()
        })
    }

    /// Takes what comes next, in the log's order: at most `max` publications, fewer where they are large, and before
    /// them a sync for the topics that lost something. An empty answer means that the reader has caught up.
    pub fn read(&mut self, log: &Log, max: usize) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        deliveries.extend(self.skip_lost(log));
        let mut offsets: Vec<u64> = self
            .topics
            .iter()
            .flat_map(|(topic, &after)| {
                log.offsets_after(topic, after.max(self.position.offset)).take(max + 1)
            })
            .collect();
        offsets.sort_unstable();
        offsets.dedup();
        let mut has_more = offsets.len() > max;
        offsets.truncate(max);
        let mut bytes = 0;
        for offset in offsets {
            if bytes >= READ_BATCH_BYTES {
                has_more = true;
                break;
            }
            let Some(publication) = log.entry(offset) else { continue };
            let wants = |topic: &TopicName| {
                planted::is(Bug::TopicsLeaked) || self.topics.get(topic).is_some_and(|&after| after < offset)
            };
            let matched = Matched::of(publication, wants);
            self.position = publication.position;
            bytes += publication.event.payload.get().len();
            deliveries.push(Delivery::Event { publication: Arc::clone(publication), matched });
        }
        if !has_more {
            self.position = log.head();
        }
        deliveries
    }

    /// Moves topics that lost something to the head, and says so.
    fn skip_lost(&mut self, log: &Log) -> Option<Delivery> {
        let position = self.position.offset;
        let is_lost = |topic: &TopicName, after: u64| log.may_have_lost(topic, after.max(position));
        let topics: Vec<TopicName> = self
            .topics
            .iter()
            .filter(|(topic, after)| is_lost(topic, **after))
            .map(|(t, _)| t.clone())
            .collect();
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
        (!planted::is(Bug::LagSwallowed)).then_some(Delivery::Sync { position: self.position, topics })
    }
}

#[cfg(test)]
mod tests;
