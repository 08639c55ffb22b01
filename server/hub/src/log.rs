//! The tenant's log: a bounded ring of publications with an index by topic. It is the queue: live delivery, resume and
//! slow sessions all read from it. Pure: time and randomness are arguments.

mod offsets;

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use tidings_shared::{
    Position, TopicName,
    limits::{LOG_MAX_AGE, LOG_MAX_BYTES, LOG_MAX_ENTRIES},
};
use uuid::Uuid;

use self::offsets::Offsets;
use crate::{
    Moment,
    keys::{KeyLimits, Keys},
    publication::{Draft, Publication, Published},
    shrink::Shrink,
};

/// The bounds of a tenant's log. What is over any of them is evicted, the oldest first.
#[derive(Debug, Clone, Copy)]
pub struct LogLimits {
    /// Bytes, as encoded frames with their bookkeeping.
    pub max_bytes: usize,
    /// Publications.
    pub max_entries: usize,
    /// Age of the oldest publication.
    pub max_age: Duration,
    /// The bounds of what is remembered of publications that were evicted.
    pub keys: KeyLimits,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            max_bytes: LOG_MAX_BYTES,
            max_entries: LOG_MAX_ENTRIES,
            max_age: LOG_MAX_AGE,
            keys: KeyLimits::default(),
        }
    }
}

/// A bounded history of publications, whose offsets grow by one.
#[derive(Debug)]
pub struct Log {
    limits: LogLimits,
    epoch: u64,
    entries: VecDeque<Arc<Publication>>,
    bytes: usize,
    /// The place of the last entry that was evicted; the place before the first where none was.
    evicted: Position,
    topics: HashMap<TopicName, TopicIndex>,
    held_topics: usize,
    holds: usize,
    /// The offsets of the ring's entries, by key.
    keys: HashMap<Uuid, u64>,
    /// The keys of entries that were evicted.
    evicted_keys: Keys,
}

/// What the log knows of one topic. It is kept while the ring holds an entry of the topic or a session subscribes.
#[derive(Debug, Default)]
struct TopicIndex {
    /// The offsets of its entries in the ring, in order.
    offsets: Offsets,
    /// The highest offset that may have been evicted.
    evicted: u64,
    /// How many sessions subscribe.
    holds: usize,
}

/// Bytes that a topic of the ring costs beside its name and the places of its entries: a slot of a table that may be half
/// empty, and the overhead of an allocation.
const TOPIC_OVERHEAD: usize = 128;

/// What a topic is counted with once its first entry is in the ring, until its last one has left.
fn topic_cost(topic: &TopicName) -> usize {
    TOPIC_OVERHEAD + topic.as_str().len()
}

impl Log {
    /// An empty log. Every new history needs an `epoch` of its own, drawn at random.
    pub fn new(limits: LogLimits, epoch: u64) -> Self {
        let evicted = Position::new(epoch, 0, 0);
        Self {
            limits,
            epoch: evicted.epoch,
            entries: VecDeque::new(),
            bytes: 0,
            evicted,
            topics: HashMap::new(),
            held_topics: 0,
            holds: 0,
            keys: HashMap::new(),
            evicted_keys: Keys::new(limits.keys),
        }
    }

    /// Appends a publication, or finds the one that had the same key.
    pub fn append(&mut self, draft: Draft, now: Moment) -> Published {
        self.evict_aged(now);
        let known = self.keys.get(&draft.key).and_then(|offset| self.entry(*offset)).map(|e| e.published());
        let known = known.or_else(|| self.evicted_keys.answer(draft.key).cloned());
        if let Some(known) = known {
            return known;
        }
        let mut draft = draft;
        let position = self.next(draft.key);
        self.note(&mut draft.topics, position.offset);
        self.keys.insert(draft.key, position.offset);
        let publication = Publication::new(draft, position, now.unix_ms, now.since_start);
        let published = publication.published();
        self.push(publication);
        published
    }

    /// Appends a place at which the readers of these topics get a sync. It stands for something that can't be published. The
    /// `key` tells the place from others, and is not the key of a publication.
    pub fn append_sync(&mut self, key: Uuid, mut topics: Vec<TopicName>, now: Moment) -> Position {
        self.evict_aged(now);
        let position = self.next(key);
        self.note(&mut topics, position.offset);
        self.push(Publication::sync(key, topics, position, now));
        position
    }

    fn next(&self, key: Uuid) -> Position {
        Position::new(self.epoch, self.head().offset + 1, Position::tag_of(key))
    }

    /// Notes the next entry of these topics. Their names become the log's own, so that all entries share one text.
    fn note(&mut self, topics: &mut Vec<TopicName>, offset: u64) {
        for topic in &mut *topics {
            // A topic that was forgotten may have had the entry that was evicted last.
            let evicted = self.evicted.offset;
            let index = match self.topics.entry(topic.clone()) {
                Entry::Occupied(known) => {
                    *topic = known.key().clone();
                    known.into_mut()
                }
                Entry::Vacant(new) => new.insert(TopicIndex { evicted, ..TopicIndex::default() }),
            };
            if index.offsets.is_empty() {
                self.bytes += topic_cost(topic);
            }
            self.bytes += index.offsets.push(offset);
        }
        topics.shrink_to_fit();
    }

    fn push(&mut self, publication: Publication) {
        self.bytes += publication.cost();
        self.entries.push_back(Arc::new(publication));
        while self.entries.len() > self.limits.max_entries || self.bytes > self.limits.max_bytes {
            self.evict();
        }
    }

    /// Evicts, and forgets of evicted keys, what is older than the bounds.
    pub fn evict_aged(&mut self, now: Moment) {
        let is_aged =
            |entry: &Arc<Publication>| now.since_start.saturating_sub(entry.appended) > self.limits.max_age;
        let aged = self.entries.iter().take_while(|entry| is_aged(entry)).count();
        for _ in 0..aged {
            self.evict();
        }
        self.evicted_keys.forget_aged(now.since_start);
    }

    /// Lets go of the oldest entries and of the oldest keys of evicted ones, always of what is more, until so many bytes are
    /// free or all is gone.
    pub fn evict_bytes(&mut self, bytes: usize) {
        let left = self.total_bytes().saturating_sub(bytes);
        while self.total_bytes() > left {
            if self.bytes >= self.evicted_keys.bytes() {
                self.evict();
            } else {
                self.evicted_keys.forget();
            }
        }
    }

    fn evict(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        self.evicted = entry.position;
        self.bytes -= entry.cost();
        if !entry.is_sync {
            self.keys.remove(&entry.key);
        }
        self.entries.shrink();
        self.keys.shrink();
        if entry.may_come_again {
            self.evicted_keys.remember(entry.published(), entry.appended);
        }
        for topic in &entry.topics {
            let Some(index) = self.topics.get_mut(topic) else { continue };
            self.bytes -= index.offsets.pop();
            if index.offsets.is_empty() {
                self.bytes -= topic_cost(topic);
            }
            index.evicted = entry.position.offset;
            self.forget_if_unused(topic);
        }
    }

    /// How long it holds an entry, at most.
    pub fn max_age(&self) -> Duration {
        self.limits.max_age
    }

    /// The place of the newest entry.
    pub fn head(&self) -> Position {
        self.entries.back().map_or(self.evicted, |entry| entry.position)
    }

    /// The place of the newest entry that the ring no longer holds: everything after it is here.
    pub fn tail(&self) -> Position {
        self.evicted
    }

    /// The place that a client named, if this log can vouch for it: everything after it is in the ring.
    pub fn resumable(&self, since: &str) -> Option<Position> {
        let since: Position = since.parse().ok()?;
        let known = if since.offset == self.evicted.offset {
            self.evicted
        } else {
            self.entry(since.offset)?.position
        };
        (known == since).then_some(since)
    }

    /// The entry at an offset, while the ring holds it.
    pub fn entry(&self, offset: u64) -> Option<&Arc<Publication>> {
        let index = offset.checked_sub(self.evicted.offset + 1)?;
        self.entries.get(usize::try_from(index).ok()?)
    }

    /// The offsets of a topic's entries after `offset`, in order.
    pub fn offsets_after(&self, topic: &TopicName, offset: u64) -> impl Iterator<Item = u64> {
        self.topics.get(topic).into_iter().flat_map(move |index| index.offsets.after(offset))
    }

    /// Whether the topic may have had an entry after `offset` that the ring no longer holds.
    pub fn may_have_lost(&self, topic: &TopicName, offset: u64) -> bool {
        let evicted = self.topics.get(topic).map_or(self.evicted.offset, |index| index.evicted);
        evicted > offset
    }

    /// Keeps what is known of a topic while a session subscribes to it. Gives its name as the log has it, whose text is
    /// shared.
    pub fn hold(&mut self, topic: &TopicName) -> TopicName {
        let index = self.index(topic);
        index.holds += 1;
        if index.holds == 1 {
            self.held_topics += 1;
        }
        self.holds += 1;
        self.topics.get_key_value(topic).map_or_else(|| topic.clone(), |(name, _)| name.clone())
    }

    /// Ends a [`Log::hold`].
    pub fn release(&mut self, topic: &TopicName) {
        if let Some(index) = self.topics.get_mut(topic).filter(|index| index.holds > 0) {
            index.holds -= 1;
            if index.holds == 0 {
                self.held_topics -= 1;
            }
            self.holds -= 1;
            self.forget_if_unused(topic);
        }
    }

    fn index(&mut self, topic: &TopicName) -> &mut TopicIndex {
        // A topic that was forgotten may have had the entry that was evicted last.
        let evicted = self.evicted.offset;
        self.topics.entry(topic.clone()).or_insert_with(|| TopicIndex { evicted, ..TopicIndex::default() })
    }

    fn forget_if_unused(&mut self, topic: &TopicName) {
        if self.topics.get(topic).is_some_and(|index| index.holds == 0 && index.offsets.is_empty()) {
            self.topics.remove(topic);
            self.topics.shrink();
        }
    }

    /// Publications in the ring.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the ring holds nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that the ring's entries cost.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keys of evicted publications that are remembered.
    pub fn evicted_keys(&self) -> usize {
        self.evicted_keys.len()
    }

    /// Bytes that these cost.
    pub fn evicted_key_bytes(&self) -> usize {
        self.evicted_keys.bytes()
    }

    /// Bytes that entries and keys cost together.
    pub fn total_bytes(&self) -> usize {
        self.bytes + self.evicted_keys.bytes()
    }

    /// Topics that a session subscribes to.
    pub fn held_topics(&self) -> usize {
        self.held_topics
    }

    /// Whether a session subscribes to this topic.
    pub fn is_held(&self, topic: &TopicName) -> bool {
        self.topics.get(topic).is_some_and(|index| index.holds > 0)
    }

    /// Subscriptions to a topic.
    pub fn holds(&self) -> usize {
        self.holds
    }

    /// When the oldest publication of the ring was appended.
    pub fn oldest(&self) -> Option<Duration> {
        self.entries.front().map(|entry| entry.appended)
    }

    /// Topics of which the log knows anything.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }
}

#[cfg(test)]
mod tests;
