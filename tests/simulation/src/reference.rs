//! The reference: everything that was published, as the answers to the publishes say. Deliveries are compared with it.

use std::collections::{BTreeMap, BTreeSet};

use tidings_hub::Moment;
use tidings_shared::{Position, RawEvent, TopicName};
use uuid::Uuid;

use crate::invariant::{Check, holds};

/// The arguments of a publish.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) key: Uuid,
    pub(crate) origin: Option<String>,
    pub(crate) topics: Vec<TopicName>,
    pub(crate) event: RawEvent,
    pub(crate) moment: Moment,
    /// Whether it publishes nothing, and its readers get a sync.
    pub(crate) is_sync: bool,
}

/// A publication.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) asked: Asked,
    pub(crate) position: Position,
    /// Its frame without the names of topics, as the first session got it.
    pub(crate) bytes: Option<(String, String)>,
    /// Whether a roll-back removed it, which nobody could notice. Its writer announced it again.
    pub(crate) rolled_back: bool,
}

/// Everything that the log of a tenant got, from its creation to its loss.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) epoch: u64,
    /// The offset before that of the first entry.
    base: u64,
    /// Indices into all entries.
    pub(crate) entries: Vec<usize>,
    by_topic: BTreeMap<TopicName, Vec<u64>>,
    by_key: BTreeMap<Uuid, u64>,
    /// The highest offset that the log has evicted, as far as its counters say.
    pub(crate) tail: u64,
}

impl History {
    fn new(epoch: u64, base: u64) -> Self {
        let (by_topic, by_key) = (BTreeMap::new(), BTreeMap::new());
        Self { epoch, base, entries: Vec::new(), by_topic, by_key, tail: base }
    }

    pub(crate) fn head(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    /// Returns the offset of a topic's first entry after an offset.
    pub(crate) fn next_of(&self, topic: &TopicName, after: u64) -> Option<u64> {
        let offsets = self.by_topic.get(topic)?;
        offsets.get(offsets.partition_point(|&offset| offset <= after)).copied()
    }

    fn push(&mut self, index: usize, asked: &Asked) {
        self.entries.push(index);
        let offset = self.head();
        for topic in &asked.topics {
            self.by_topic.entry(topic.clone()).or_default().push(offset);
        }
        if !asked.is_sync {
            self.by_key.insert(asked.key, offset);
        }
    }
}

/// The histories of all tenants.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    pub(crate) entries: Vec<Entry>,
    pub(crate) histories: Vec<History>,
    by_position: BTreeMap<(usize, String), usize>,
    /// The keys of all gaps of a journal.
    gaps: BTreeSet<(usize, Uuid)>,
    /// The history of the present log, for each tenant.
    current: Vec<Option<usize>>,
    /// The time since which the hub has held nothing of a tenant, as far as its timer noticed.
    unused_since: Vec<Option<u64>>,
    /// The entries of a tenant and a topic over all histories, oldest first.
    published: BTreeMap<(usize, TopicName), Vec<usize>>,
}

impl Reference {
    pub(crate) fn new(tenants: usize) -> Self {
        Self { current: vec![None; tenants], unused_since: vec![None; tenants], ..Self::default() }
    }

    /// Returns the history of a position that a server has just sent.
    pub(crate) fn current(&mut self, tenant: usize, position: Position) -> Check<usize> {
        self.unused_since[tenant] = None;
        let index = *self.current[tenant].get_or_insert_with(|| {
            self.histories.push(History::new(position.epoch, 0));
            self.histories.len() - 1
        });
        let epoch = self.histories[index].epoch;
        holds!(position.epoch == epoch, TruePosition, "{position} is of another epoch than {epoch:x}");
        Ok(index)
    }

    pub(crate) fn history(&self, tenant: usize) -> Option<&History> {
        Some(&self.histories[self.current[tenant]?])
    }

    pub(crate) fn history_mut(&mut self, tenant: usize) -> Option<&mut History> {
        Some(&mut self.histories[self.current[tenant]?])
    }

    /// Notes that the tenant's log is lost.
    pub(crate) fn lost(&mut self, tenant: usize) {
        (self.current[tenant], self.unused_since[tenant]) = (None, None);
    }

    /// Notes a call of the hub's timer. The hub forgets a tenant that was unused for as long as its log holds an entry,
    /// and not before, so that sessions can resume until then.
    pub(crate) fn swept(&mut self, tenant: usize, is_unused: bool, now: u64, max_age: u64) {
        if !is_unused {
            self.unused_since[tenant] = None;
        } else if now - *self.unused_since[tenant].get_or_insert(now) >= max_age {
            self.lost(tenant);
        }
    }

    /// Whether the tenant's log ever had this key.
    pub(crate) fn knows(&self, tenant: usize, key: Uuid) -> bool {
        self.history(tenant).is_some_and(|history| history.by_key.contains_key(&key))
    }

    /// Returns the entry at a position that a log of this tenant had at any time.
    pub(crate) fn find(&self, tenant: usize, position: &str) -> Option<usize> {
        self.by_position.get(&(tenant, position.to_owned())).copied()
    }

    /// Returns all entries of a topic, oldest first.
    pub(crate) fn of_topic(&self, tenant: usize, topic: &TopicName) -> &[usize] {
        self.published.get(&(tenant, topic.clone())).map_or(&[], Vec::as_slice)
    }

    /// Notes the answer to a publish, and returns whether the entry is new. `ring` is the number of entries that the log
    /// holds now. `keeps_keys` says whether the log also knows the keys of evicted entries.
    pub(crate) fn answered(
        &mut self,
        tenant: usize,
        asked: Asked,
        position: Position,
        ring: u64,
        keeps_keys: bool,
    ) -> Check<bool> {
        let index = self.current(tenant, position)?;
        let history = &mut self.histories[index];
        let key = asked.key;
        if position.offset == history.head() + 1 {
            let tail = position.offset - ring.min(position.offset);
            let known = history.by_key.get(&key).copied().filter(|&known| keeps_keys || known > tail);
            let known = known.filter(|_| !asked.is_sync);
            holds!(
                known.is_none(),
                OneKeyOnePublication,
                "{key} is at {} and again at {position}, although the log holds all after {tail}",
                known.unwrap_or_default()
            );
            history.tail = tail;
            holds!(
                position.tag == Position::tag_of(key),
                TruePosition,
                "{position} does not have the tag of {key}"
            );
            self.push(tenant, index, asked, position);
            return Ok(true);
        }
        let entry = position.offset.checked_sub(1).and_then(|at| history.entries.get(at as usize));
        let entry = entry.map(|&id| &self.entries[id]);
        holds!(
            entry.is_some_and(|entry| entry.asked.key == key && entry.position == position),
            Acknowledged,
            "{key} was acknowledged at {position}, where the log has {entry:?}; its head is {}",
            history.head()
        );
        Ok(false)
    }

    fn push(&mut self, tenant: usize, history: usize, asked: Asked, position: Position) {
        let id = self.entries.len();
        if asked.is_sync {
            self.gaps.insert((tenant, asked.key));
        }
        self.histories[history].push(id, &asked);
        for topic in &asked.topics {
            self.published.entry((tenant, topic.clone())).or_default().push(id);
        }
        self.by_position.insert((tenant, position.to_string()), id);
        self.entries.push(Entry { asked, position, bytes: None, rolled_back: false });
    }

    /// Notes an entry that the journal has appended. It knows the keys of all entries after `remembers`.
    pub(crate) fn journaled(
        &mut self,
        tenant: usize,
        asked: Asked,
        position: Position,
        remembers: u64,
    ) -> Check {
        let index = self.current(tenant, position)?;
        let history = &self.histories[index];
        let is_next = position.offset == history.head() + 1;
        holds!(is_next, InOrderOnce, "the journal has {position} after {}", history.head());
        let known = history.by_key.get(&asked.key).filter(|known| !asked.is_sync && **known > remembers);
        holds!(known.is_none(), OneKeyOnePublication, "{} is at {known:?} and at {position}", asked.key);
        self.push(tenant, index, asked, position);
        Ok(())
    }

    /// Notes that the journal has another history of the tenant now. Returns what is lost, if this comes from an old copy.
    pub(crate) fn replaced(
        &mut self,
        tenant: usize,
        tail: Position,
        positions: &[Position],
        copied_at: Option<usize>,
    ) -> Vec<Asked> {
        let before =
            self.current[tenant].map(|index| self.histories[index].entries.clone()).unwrap_or_default();
        let mut history = History::new(tail.epoch, tail.offset);
        let ids: Vec<usize> =
            positions.iter().filter_map(|position| self.find(tenant, &position.to_string())).collect();
        for &id in &ids {
            history.push(id, &self.entries[id].asked);
        }
        self.histories.push(history);
        self.current[tenant] = Some(self.histories.len() - 1);
        let Some(copied_at) = copied_at else { return Vec::new() };
        let later = self.by_position.range((tenant, String::new())..(tenant + 1, String::new()));
        let later = later.map(|(_, &id)| id).filter(|&id| id >= copied_at && !self.entries[id].rolled_back);
        // The journal has trimmed the others before.
        let gone = before.into_iter().filter(|&id| self.entries[id].position.offset > tail.offset);
        let lost: BTreeSet<usize> = gone.chain(later).filter(|id| !ids.contains(id)).collect();
        lost.into_iter().map(|id| self.lose(id)).collect()
    }

    /// Notes that the journal does not have the tenant any more.
    pub(crate) fn removed(&mut self, tenant: usize) -> Vec<Asked> {
        let before = self.current[tenant].take().map(|index| self.histories[index].entries.clone());
        before.unwrap_or_default().into_iter().map(|id| self.lose(id)).collect()
    }

    fn lose(&mut self, id: usize) -> Asked {
        self.entries[id].rolled_back = true;
        self.entries[id].asked.clone()
    }

    /// Whether the tenant has ever got a gap with this key.
    pub(crate) fn has_gap(&self, tenant: usize, key: Uuid) -> bool {
        self.gaps.contains(&(tenant, key))
    }

    /// Whether the present history of the tenant has this position.
    pub(crate) fn has(&self, tenant: usize, position: Position) -> bool {
        self.history(tenant).is_some_and(|history| {
            let is_base = position.epoch == history.epoch && position.offset == history.base;
            is_base || is_in_log(history, self, position)
        })
    }

    /// Removes everything after an offset, and returns it. The epoch stays, so that nobody notices it.
    pub(crate) fn roll_back(&mut self, tenant: usize, offset: u64) -> Vec<Asked> {
        let Some(index) = self.current[tenant] else { return Vec::new() };
        self.unused_since[tenant] = None;
        let history = &mut self.histories[index];
        let lost = history.entries.split_off(offset as usize);
        history.by_topic.values_mut().for_each(|offsets| offsets.retain(|&known| known <= offset));
        history.by_key.retain(|_, known| *known <= offset);
        history.tail = 0;
        lost.into_iter().map(|id| self.lose(id)).collect()
    }

    /// Returns the publishes of a tenant's history, in order.
    pub(crate) fn asked(&self, tenant: usize) -> Vec<Asked> {
        let entries = self.history(tenant).map_or(&[][..], |history| &history.entries);
        entries.iter().map(|&id| self.entries[id].asked.clone()).collect()
    }
}

/// Whether this log had an entry at that position.
pub(crate) fn is_in_log(history: &History, reference: &Reference, since: Position) -> bool {
    let entry = match since.offset.checked_sub(history.base + 1) {
        None => return since == Position::new(history.epoch, 0, 0),
        Some(at) => history.entries.get(at as usize),
    };
    entry.is_some_and(|&id| reference.entries[id].position == since)
}

/// Checks a frame of an event: without its topics it is the same for all sessions, and the event in it is the
/// publisher's.
pub(crate) fn same_bytes(frame: &str, reference: &mut Reference, id: usize) -> Check {
    let parts = frame
        .split_once(r#""topics":["#)
        .and_then(|(head, rest)| Some((head.to_owned(), rest.split_once(']')?.1.to_owned())));
    holds!(parts.is_some(), SameBytes, "{frame} has no topics");
    let entry = &mut reference.entries[id];
    let known = entry.bytes.get_or_insert(parts.clone().unwrap_or_default());
    holds!(parts.as_ref() == Some(known), SameBytes, "{frame} was {known:?}");
    let event = &entry.asked.event;
    let event = format!(
        r#","event":{{"domain":"{}","event":"{}","payload":{}}}}}"#,
        event.domain,
        event.event,
        event.payload.get()
    );
    holds!(known.1 == event, SameBytes, "{frame} is not {event}");
    let (key, at) = (entry.asked.key, entry.asked.moment.unix_ms);
    let origin =
        entry.asked.origin.as_ref().map_or(String::new(), |origin| format!(r#""origin":"{origin}","#));
    let head = format!(r#"{{"op":"event","position":"{}","key":"{key}","at":{at},{origin}"#, entry.position);
    holds!(known.0 == head, SameBytes, "{frame} does not begin {head}");
    Ok(())
}
