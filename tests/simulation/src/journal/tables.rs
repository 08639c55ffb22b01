//! The tables of the simulated journal.

use std::collections::{BTreeMap, VecDeque};

use tidings_hub::{
    LogLimits, TenantId,
    journal::{
        Appended, Content, Entry, Followed, History, JournalDraft, JournalLimits, JournalRevocation,
        REVOCATION_GRACE,
    },
};
use tidings_shared::{Position, TopicName};
use uuid::Uuid;

#[derive(Debug, Clone, Default)]
pub(crate) struct Tables {
    pub(crate) tenants: BTreeMap<TenantId, Rows>,
    /// The number of entries that were appended, of all tenants.
    pub(super) appended: usize,
    revocations: VecDeque<(u64, JournalRevocation)>,
    last_revocation: u64,
}

/// The rows of one tenant.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    /// The position before the first entry.
    pub(crate) tail: Position,
    pub(crate) entries: VecDeque<Entry>,
    /// The keys that it remembers, the oldest first.
    keys: VecDeque<Key>,
}

#[derive(Debug, Clone)]
struct Key {
    key: Uuid,
    position: Position,
    topics: Vec<TopicName>,
    at: u64,
    may_come_again: bool,
}

/// The rows that one call of [`Tables::trim`] removes, at most.
const MAX_TRIMMED: usize = 64;

/// The bytes that a row costs beside its texts. A log in memory counts about as much, so that both keep about the same
/// entries.
const ROW_BYTES: usize = 768;

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn bytes(entry: &Entry) -> usize {
    let payload = match &entry.content {
        Content::Event(event) => event.payload.get().len(),
        Content::Gap => 0,
    };
    ROW_BYTES + payload + entry.topics.iter().map(|topic| topic.as_str().len()).sum::<usize>()
}

impl Rows {
    pub(crate) fn new(epoch: u64) -> Self {
        Self { tail: Position::new(epoch, 0, 0), entries: VecDeque::new(), keys: VecDeque::new() }
    }

    pub(crate) fn head(&self) -> Position {
        self.entries.back().map_or(self.tail, |entry| entry.position)
    }

    pub(super) fn append(&mut self, draft: &JournalDraft, at: u64) -> Appended {
        if let Some(known) = self.keys.iter().find(|known| known.key == draft.key) {
            return Appended::Known { position: known.position, topics: known.topics.clone() };
        }
        let position = Position::new(self.tail.epoch, self.head().offset + 1, Position::tag_of(draft.key));
        let JournalDraft { key, may_come_again, origin, topics, content, .. } = draft.clone();
        self.keys.push_back(Key { key, position, topics: topics.clone(), at, may_come_again });
        self.entries.push_back(Entry { position, at, key, may_come_again, origin, topics, content });
        Appended::New { position, at }
    }

    pub(super) fn recent(&self, limits: &LogLimits, since: u64) -> History {
        let mut left = limits.max_bytes;
        let fits = |entry: &&Entry| {
            let has_room = entry.at >= since && bytes(entry) <= left;
            left = left.saturating_sub(bytes(entry));
            has_room
        };
        let count = self.entries.iter().rev().take(limits.max_entries).take_while(fits).count();
        let skipped = self.entries.len() - count;
        let tail = skipped.checked_sub(1).map_or(self.tail, |last| self.entries[last].position);
        History { tail, entries: self.entries.range(skipped..).cloned().collect() }
    }

    /// Returns what follows a position, or `None` if there is nothing new.
    pub(super) fn follow(&self, position: Position, max: usize) -> Option<Followed> {
        if position.epoch != self.tail.epoch || position.offset > self.head().offset {
            return Some(Followed::RolledBack);
        }
        if position.offset < self.tail.offset {
            return Some(Followed::Trimmed);
        }
        let read = (position.offset - self.tail.offset) as usize;
        let held = read.checked_sub(1).map_or(self.tail, |at| self.entries[at].position);
        if held != position {
            return Some(Followed::RolledBack);
        }
        let rest: Vec<Entry> = self.entries.range(read..).take(max).cloned().collect();
        (!rest.is_empty()).then_some(Followed::Entries(rest))
    }

    pub(super) fn renew(&mut self, epoch: u64) {
        let Position { offset, tag, .. } = self.head();
        self.tail = Position::new(epoch, offset, tag);
        self.entries.clear();
    }

    /// Loses the newest entries, with their keys.
    pub(super) fn lose(&mut self, count: usize) {
        let lost = self.entries.split_off(self.entries.len().saturating_sub(count));
        self.keys.retain(|known| lost.iter().all(|entry| entry.key != known.key));
    }

    /// Removes the oldest entries. The newest `left` stay.
    pub(super) fn trim_to(&mut self, left: usize) {
        let gone = self.entries.len().saturating_sub(left);
        if let Some(last) = self.entries.drain(..gone).next_back() {
            self.tail = last.position;
        }
    }

    /// Removes entries and keys beyond the bounds, at most `most` in all. Returns how many.
    fn trim(&mut self, limits: &JournalLimits, now: u64, most: usize) -> usize {
        let log = &limits.log;
        let is_old = |at: u64, max_age| now.saturating_sub(at) > milliseconds(max_age);
        let mut total: usize = self.entries.iter().map(bytes).sum();
        let mut trimmed = 0;
        while trimmed < most
            && let Some(oldest) = self.entries.front()
            && (self.entries.len() > log.max_entries
                || total > log.max_bytes
                || is_old(oldest.at, log.max_age))
        {
            total -= bytes(oldest);
            self.trim_to(self.entries.len() - 1);
            trimmed += 1;
        }
        // A key is kept as long as its entry, and longer if it may come again.
        let tail = self.tail;
        let is_beyond = |known: &Key| {
            let has_entry = known.position.epoch == tail.epoch && known.position.offset > tail.offset;
            !has_entry && (!known.may_come_again || is_old(known.at, limits.keys().max_age))
        };
        let before = self.keys.len();
        self.keys.retain(|known| !is_beyond(known));
        trimmed + before - self.keys.len()
    }
}

impl Tables {
    pub(super) fn revoke(&mut self, revocation: &JournalRevocation) -> u64 {
        self.last_revocation += 1;
        self.revocations.push_back((self.last_revocation, revocation.clone()));
        self.last_revocation
    }

    pub(super) fn revocations_after(
        &self,
        after: u64,
        max: usize,
        now: u64,
    ) -> Vec<(u64, JournalRevocation)> {
        let is_wanted = |(number, known): &&(u64, JournalRevocation)| *number > after && known.until > now;
        self.revocations.iter().filter(is_wanted).take(max).cloned().collect()
    }

    /// Removes what is beyond the bounds, a bounded number of entries. Returns whether there may be more.
    pub(super) fn trim(&mut self, limits: &JournalLimits, now: u64) -> bool {
        let mut left = MAX_TRIMMED;
        for rows in self.tenants.values_mut() {
            left = left.saturating_sub(rows.trim(limits, now, left));
        }
        let since = now.saturating_sub(milliseconds(REVOCATION_GRACE));
        self.revocations.retain(|(_, known)| known.until > since);
        left == 0
    }
}
