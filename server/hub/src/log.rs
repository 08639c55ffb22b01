//! The log of a tenant: a bounded ring buffer of publications, with an index by topic.
//!
//! The log is the only queue. Live sessions, slow sessions and sessions that resume all read from it, each at its
//! position. Time and randomness are arguments.
//!
//! ```text
//!              evicted                       in the ring buffer
//!  offsets   1   2   3   4 │ 5   6   7   8   9
//!                        ▲                   ▲
//!                       tail                head
//! ```

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

/// The bounds of a tenant's log. Over any of them, the log evicts its oldest entries.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct LogLimits {
    /// Bytes of the encoded frames and their bookkeeping.
    pub max_bytes: usize,
    /// Publications.
    pub max_entries: usize,
    /// Age of the oldest publication.
    pub max_age: Duration,
    /// The bounds of the idempotency keys of evicted publications.
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

crate::setters!(LogLimits { max_bytes: usize, max_entries: usize, max_age: Duration, keys: KeyLimits });

/// A bounded history of publications. Each offset is one more than the offset before it.
#[derive(Debug)]
pub struct Log {
    limits: LogLimits,
    epoch: u64,
    entries: VecDeque<Arc<Publication>>,
    bytes: usize,
    /// The position of the newest evicted entry. If none was evicted: the position before the first entry.
    evicted: Position,
    topics: HashMap<TopicName, TopicIndex>,
    /// The offsets of the gaps of the whole tenant, in order.
    gaps_of_all: Offsets,
    /// No gap of the whole tenant after this offset was evicted.
    evicted_gap_of_all: u64,
    held_topics: usize,
    holds: usize,
    /// The offsets of the entries, by their keys.
    keys: HashMap<Uuid, u64>,
    /// The keys of evicted entries.
    evicted_keys: Keys,
}

/// An entry of the journal does not follow on the log's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotNext;

/// The index of one topic. It is kept while the log has an entry of the topic, or a reader subscribes to it.
#[derive(Debug, Default)]
struct TopicIndex {
    /// The offsets of the topic's entries, in order.
    offsets: Offsets,
    /// No entry of the topic after this offset was evicted.
    evicted: u64,
    /// How many readers subscribe.
    holds: usize,
}

/// Bytes that a topic costs beside its name and the offsets of its entries: a slot of a hash table that may be half
/// empty, and the overhead of an allocation.
const TOPIC_OVERHEAD: usize = 128;

/// Returns the bytes that a topic costs from its first entry in the log until its last entry is evicted.
fn topic_cost(topic: &TopicName) -> usize {
    TOPIC_OVERHEAD + topic.as_str().len()
}

impl Log {
    /// Returns an empty log. The `epoch` must be random, and new for every log.
    pub fn new(limits: LogLimits, epoch: u64) -> Self {
        let evicted = Position::new(epoch, 0, 0);
        Self {
            limits,
            epoch: evicted.epoch,
            entries: VecDeque::new(),
            bytes: 0,
            evicted,
            topics: HashMap::new(),
            gaps_of_all: Offsets::default(),
            evicted_gap_of_all: 0,
            held_topics: 0,
            holds: 0,
            keys: HashMap::new(),
            evicted_keys: Keys::new(limits.keys),
        }
    }

    /// Drops all entries, and goes on after this position of the journal. Readers that are before it have lost what is
    /// between.
    pub(crate) fn skip_to(&mut self, tail: Position) {
        while !self.entries.is_empty() {
            self.evict();
        }
        (self.epoch, self.evicted) = (tail.epoch, tail);
        // An entry between the old head and the tail may have had any topic.
        self.topics.values_mut().for_each(|index| index.evicted = tail.offset);
    }

    /// Appends the next entry of the journal. An entry that the log has had changes nothing. The journal knows the keys, so
    /// the log does not.
    ///
    /// # Errors
    /// The entry does not follow on the head, or the log had another one at its offset.
    pub(crate) fn follow(&mut self, mut publication: Publication) -> Result<(), NotNext> {
        let (head, position) = (self.head(), publication.position);
        if position.epoch != head.epoch || position.offset > head.offset + 1 {
            return Err(NotNext);
        }
        if position.offset <= head.offset {
            let known = self.entry(position.offset).map(|known| known.position);
            return if known.is_none_or(|known| known == position) { Ok(()) } else { Err(NotNext) };
        }
        self.note(&mut publication.topics, position.offset);
        if publication.is_gap_of_all() {
            self.bytes += self.gaps_of_all.push(position.offset);
        }
        self.push(publication);
        Ok(())
    }

    /// Appends a publication. If the log knows its key, appends nothing and returns the answer of the first
    /// publication.
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

    /// Appends a gap: an entry that tells the readers of these topics to load again. Without topics, it tells all readers
    /// of the tenant. The `key` must be new. It goes into the position's tag, and is not the key of a publication.
    pub fn append_gap(&mut self, key: Uuid, mut topics: Vec<TopicName>, now: Moment) -> Position {
        self.evict_aged(now);
        let position = self.next(key);
        self.note(&mut topics, position.offset);
        if topics.is_empty() {
            self.bytes += self.gaps_of_all.push(position.offset);
        }
        self.push(Publication::gap(key, topics, position, now));
        position
    }

    fn next(&self, key: Uuid) -> Position {
        Position::new(self.epoch, self.head().offset + 1, Position::tag_of(key))
    }

    /// Indexes the next entry under these topics. Replaces them with the log's own copies, so all entries share one
    /// text.
    fn note(&mut self, topics: &mut Vec<TopicName>, offset: u64) {
        for topic in &mut *topics {
            // The log may have removed the topic's index. Then the newest evicted entry may be one of the topic's.
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

    /// Evicts the entries, and removes the keys, that are older than their bounds.
    pub fn evict_aged(&mut self, now: Moment) {
        let is_aged =
            |entry: &Arc<Publication>| now.since_start.saturating_sub(entry.appended) > self.limits.max_age;
        let aged = self.entries.iter().take_while(|entry| is_aged(entry)).count();
        for _ in 0..aged {
            self.evict();
        }
        self.evicted_keys.forget_aged(now.since_start);
    }

    /// Frees this number of bytes, or all. Each step removes the oldest entry or the oldest key of an evicted entry:
    /// from the kind that takes more bytes.
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
        if !entry.is_gap {
            self.keys.remove(&entry.key);
        }
        self.entries.shrink();
        self.keys.shrink();
        if entry.may_come_again {
            self.evicted_keys.remember(entry.published(), entry.appended);
        }
        if entry.is_gap_of_all() {
            self.bytes -= self.gaps_of_all.pop();
            self.evicted_gap_of_all = entry.position.offset;
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

    /// Returns how long the log keeps an entry, at most.
    pub fn max_age(&self) -> Duration {
        self.limits.max_age
    }

    /// Returns the position of the newest entry.
    pub fn head(&self) -> Position {
        self.entries.back().map_or(self.evicted, |entry| entry.position)
    }

    /// Returns the position of the newest evicted entry. The log has everything after it.
    pub fn tail(&self) -> Position {
        self.evicted
    }

    /// Returns the position that a client named, if the log can resume after it: it is a position of this log, and
    /// everything after it is still here.
    pub fn resumable(&self, since: &str) -> Option<Position> {
        let since: Position = since.parse().ok()?;
        let known = if since.offset == self.evicted.offset {
            self.evicted
        } else {
            self.entry(since.offset)?.position
        };
        (known == since).then_some(since)
    }

    /// Returns the entry at an offset, if the log has it.
    pub fn entry(&self, offset: u64) -> Option<&Arc<Publication>> {
        let index = offset.checked_sub(self.evicted.offset + 1)?;
        self.entries.get(usize::try_from(index).ok()?)
    }

    /// Returns the offsets of a topic's entries after `offset`, in order.
    pub fn offsets_after(&self, topic: &TopicName, offset: u64) -> impl Iterator<Item = u64> {
        self.topics.get(topic).into_iter().flat_map(move |index| index.offsets.after(offset))
    }

    /// Returns the offsets of the gaps of the whole tenant after `offset`, in order.
    pub fn gaps_of_all_after(&self, offset: u64) -> impl Iterator<Item = u64> {
        self.gaps_of_all.after(offset)
    }

    /// Returns whether an entry of the topic after `offset` may have been evicted.
    pub fn may_have_lost(&self, topic: &TopicName, offset: u64) -> bool {
        let evicted = self.topics.get(topic).map_or(self.evicted.offset, |index| index.evicted);
        evicted.max(self.evicted_gap_of_all) > offset
    }

    /// Keeps the index of a topic while a reader subscribes to it. Returns the log's own copy of the topic, which
    /// shares its text with the entries.
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
        // The log may have removed the topic's index. Then the newest evicted entry may be one of the topic's.
        let evicted = self.evicted.offset;
        self.topics.entry(topic.clone()).or_insert_with(|| TopicIndex { evicted, ..TopicIndex::default() })
    }

    fn forget_if_unused(&mut self, topic: &TopicName) {
        if self.topics.get(topic).is_some_and(|index| index.holds == 0 && index.offsets.is_empty()) {
            self.topics.remove(topic);
            self.topics.shrink();
        }
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the bytes of the entries and of their index.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the number of keys of evicted entries.
    pub fn evicted_keys(&self) -> usize {
        self.evicted_keys.len()
    }

    /// Returns the bytes of the keys of evicted entries.
    pub fn evicted_key_bytes(&self) -> usize {
        self.evicted_keys.bytes()
    }

    /// Returns the bytes of entries, index and keys together.
    pub fn total_bytes(&self) -> usize {
        self.bytes + self.evicted_keys.bytes()
    }

    /// Returns the number of topics that some reader subscribes to.
    pub fn held_topics(&self) -> usize {
        self.held_topics
    }

    /// Returns whether some reader subscribes to this topic.
    pub fn is_held(&self, topic: &TopicName) -> bool {
        self.topics.get(topic).is_some_and(|index| index.holds > 0)
    }

    /// Returns the number of subscriptions: each topic counts once for each of its readers.
    pub fn holds(&self) -> usize {
        self.holds
    }

    /// Returns when the oldest entry was appended.
    pub fn oldest(&self) -> Option<Duration> {
        self.entries.front().map(|entry| entry.appended)
    }

    /// Returns the number of topics that the log has an index of.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }
}

#[cfg(test)]
mod tests;
