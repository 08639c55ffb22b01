//! What was published, kept by the simulation from the answers to publishes: the truth that deliveries are held to.

use std::collections::BTreeMap;

use tidings_hub::Moment;
use tidings_shared::{Position, RawEvent, TopicName};
use uuid::Uuid;

use crate::invariant::{Check, holds};

/// What a publisher asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) key: Uuid,
    pub(crate) origin: Option<String>,
    pub(crate) topics: Vec<TopicName>,
    pub(crate) event: RawEvent,
    pub(crate) moment: Moment,
    /// That its readers load again, and nothing is published.
    pub(crate) is_sync: bool,
}

/// A publication.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) asked: Asked,
    pub(crate) position: Position,
    /// Its frame but for the names of topics, as the first session got it.
    pub(crate) bytes: Option<(String, String)>,
    /// It fell to a roll-back that nobody could notice. Its writer announced it again.
    pub(crate) rolled_back: bool,
}

/// The log of a tenant from its creation to its loss.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) epoch: u64,
    /// Indexes into all entries, by offset less one.
    pub(crate) entries: Vec<usize>,
    by_topic: BTreeMap<TopicName, Vec<u64>>,
    by_key: BTreeMap<Uuid, u64>,
    /// The highest offset that the ring no longer holds, as far as its counters say.
    pub(crate) tail: u64,
}

impl History {
    pub(crate) fn head(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The first entry of a topic after an offset.
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

/// All histories of all tenants.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    pub(crate) entries: Vec<Entry>,
    pub(crate) histories: Vec<History>,
    by_position: BTreeMap<(usize, String), usize>,
    /// For each tenant the history that its log has now.
    current: Vec<Option<usize>>,
    /// For each tenant since when nothing of it was held, as far as the server's sweeps noticed.
    unused_since: Vec<Option<u64>>,
    /// For each tenant and topic, its entries over all histories, as they were published.
    published: BTreeMap<(usize, TopicName), Vec<usize>>,
}

impl Reference {
    pub(crate) fn new(tenants: usize) -> Self {
        Self { current: vec![None; tenants], unused_since: vec![None; tenants], ..Self::default() }
    }

    /// The history that a position belongs to which a server just gave out.
    pub(crate) fn current(&mut self, tenant: usize, position: Position) -> Check<usize> {
        self.unused_since[tenant] = None;
        let index = *self.current[tenant].get_or_insert_with(|| {
            self.histories.push(History {
                epoch: position.epoch,
                entries: Vec::new(),
                by_topic: BTreeMap::new(),
                by_key: BTreeMap::new(),
                tail: 0,
            });
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

    /// The tenant's log is gone.
    pub(crate) fn lost(&mut self, tenant: usize) {
        (self.current[tenant], self.unused_since[tenant]) = (None, None);
    }

    /// The server looked at what is too old. A tenant is forgotten once it was unused for as long as its log holds an
    /// entry, and not before: whoever comes back until then resumes.
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

    /// The entry at a position that a tenant's log gave out at any time.
    pub(crate) fn find(&self, tenant: usize, position: &str) -> Option<usize> {
        self.by_position.get(&(tenant, position.to_owned())).copied()
    }

    /// All entries of a topic, oldest first.
    pub(crate) fn of_topic(&self, tenant: usize, topic: &TopicName) -> &[usize] {
        self.published.get(&(tenant, topic.clone())).map_or(&[], Vec::as_slice)
    }

    /// A publish was answered. `ring` is how many entries the log says that it holds now; `keeps_keys`, whether it
    /// knows the keys of others too. Says whether the entry is new.
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
                "{key} is at {} and again at {position}, though the log holds all after {tail}",
                known.unwrap_or_default()
            );
            history.tail = tail;
            holds!(
                position.tag == Position::tag_of(key),
                TruePosition,
                "{position} has not the tag of {key}"
            );
            let id = self.entries.len();
            history.push(id, &asked);
            for topic in &asked.topics {
                self.published.entry((tenant, topic.clone())).or_default().push(id);
            }
            self.by_position.insert((tenant, position.to_string()), id);
            self.entries.push(Entry { asked, position, bytes: None, rolled_back: false });
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

    /// The log of a tenant loses everything after an offset and nobody can tell. Gives what it lost.
    pub(crate) fn roll_back(&mut self, tenant: usize, offset: u64) -> Vec<Asked> {
        let Some(index) = self.current[tenant] else { return Vec::new() };
        self.unused_since[tenant] = None;
        let history = &mut self.histories[index];
        let lost = history.entries.split_off(offset as usize);
        history.by_topic.values_mut().for_each(|offsets| offsets.retain(|&known| known <= offset));
        history.by_key.retain(|_, known| *known <= offset);
        history.tail = 0;
        let lose = |id: usize| {
            self.entries[id].rolled_back = true;
            self.entries[id].asked.clone()
        };
        lost.into_iter().map(lose).collect()
    }

    /// What a history holds, in order.
    pub(crate) fn asked(&self, tenant: usize) -> Vec<Asked> {
        let entries = self.history(tenant).map_or(&[][..], |history| &history.entries);
        entries.iter().map(|&id| self.entries[id].asked.clone()).collect()
    }
}
