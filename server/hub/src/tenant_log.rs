//! The log of one tenant, with its followers. No event ever crosses from one tenant to another.
//!
//! Three places know that a follower subscribes to a topic. Each answers another question without a search:
//!
//! - The follower's [`Reader`]: is this entry for me?
//! - The log's index of the topic: does anybody subscribe, so that the index must stay?
//! - The delivery: to which sockets does the shard write a publication (`shard/followed.rs`), and which in-process
//!   subscribers does the tenant wake (`followers_of`)?
//!
//! A change of a session's topics goes from its follower to the shard through `Notice::Shard`.

mod journaled;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
    time::Duration,
};

use tidings_shared::{
    Position, TopicName,
    limits::{MAX_SESSIONS_PER_TENANT, MAX_TOPICS_PER_TENANT, READ_BATCH},
};
use uuid::Uuid;

use self::journaled::Journaled;
pub(crate) use self::journaled::{Loading, Reaching};
use crate::{
    log::Log,
    metrics::Metrics,
    moment::Moment,
    publication::{Draft, Publication, Published},
    reader::{Delivery, Reader, Start},
    shrink::Shrink,
};

/// The quotas of one tenant. In-process subscribers count too, but none of them is refused, because they belong to the
/// application.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Quotas {
    /// Sessions and event streams at a time. The tenant refuses more with `overloaded`.
    pub max_sessions: usize,
    /// Different topics that they subscribe to together. The tenant refuses more with `overloaded`.
    pub max_topics: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { max_sessions: MAX_SESSIONS_PER_TENANT, max_topics: MAX_TOPICS_PER_TENANT }
    }
}

crate::setters!(Quotas { max_sessions: usize, max_topics: usize });

/// A tenant's log and its followers. Clones share them. The hub removes a tenant that has no clone outside the hub, once
/// it is unused.
#[derive(Debug, Clone)]
pub(crate) struct TenantLog {
    state: Arc<Mutex<State>>,
    quotas: Quotas,
    metrics: Arc<Metrics>,
    /// Bytes of the logs and keys of all tenants.
    log_bytes: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct State {
    log: Log,
    /// The bytes of this log and its keys, as they were last added to `log_bytes`.
    counted_bytes: usize,
    /// By topic: the followers that a publication wakes. A topic without such followers has no entry.
    followers_of: HashMap<TopicName, HashSet<u64>>,
    /// Followers that have caught up and wait.
    waiting: HashMap<u64, Waker>,
    /// The shards that wait for the next entry of any topic.
    waiting_shards: Vec<Waker>,
    followers: usize,
    next_follower: u64,
    /// When it was first seen without entries, keys and other handles.
    unused_since: Option<Duration>,
    /// How far the log has come in following its journal.
    journal: Journaled,
    /// How often the log has begun to follow its journal.
    follows: u64,
}

/// The current counts of a tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sessions, event streams and in-process subscribers.
    pub followers: usize,
    /// Subscriptions: each topic counts once for each of its followers.
    pub subscriptions: usize,
    /// Topics that somebody follows.
    pub followed_topics: usize,
    /// Topics that the log has an index of.
    pub known_topics: usize,
    /// In-process subscribers that wait to be woken.
    pub waiting: usize,
    /// Publications in the log.
    pub log_entries: usize,
    /// Bytes of these publications.
    pub log_bytes: usize,
    /// Idempotency keys of evicted publications.
    pub evicted_keys: usize,
    /// Bytes of these keys.
    pub evicted_key_bytes: usize,
}

impl TenantLog {
    /// Returns the log of a tenant. If it is not loaded, its journal [gives](Self::load) it its history.
    pub(crate) fn new(
        log: Log,
        is_loaded: bool,
        quotas: Quotas,
        metrics: Arc<Metrics>,
        log_bytes: Arc<AtomicUsize>,
    ) -> Self {
        let state = State {
            log,
            counted_bytes: 0,
            followers_of: HashMap::new(),
            waiting: HashMap::new(),
            waiting_shards: Vec::new(),
            followers: 0,
            next_follower: 0,
            unused_since: None,
            follows: 0,
            journal: Journaled::new(is_loaded),
        };
        Self { state: Arc::new(Mutex::new(state)), quotas, metrics, log_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic ends only the session that panicked. No code panics while it changes the state, so the state is still
        // good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a publication, and wakes the followers that wait for it.
    pub(crate) fn publish(&self, draft: Draft, now: Moment) -> Published {
        let (published, wakers) = {
            let mut state = self.lock();
            state.unused_since = None;
            let before = state.log.head().offset;
            let published = state.log.append(draft, now);
            if published.position.offset > before {
                self.metrics.publications.inc();
            }
            self.count_bytes(&mut state);
            let wakers = state.take_waiting(&published.topics);
            (published, wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
        published
    }

    /// Tells the readers of these topics to load again. Without topics, it tells all readers of the tenant.
    pub(crate) fn sync(&self, key: Uuid, topics: Vec<TopicName>, now: Moment) {
        let wakers = {
            let mut state = self.lock();
            state.unused_since = None;
            let wakers = state.take_waiting(&topics);
            state.log.append_gap(key, topics, now);
            self.count_bytes(&mut state);
            wakers
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    fn count_bytes(&self, state: &mut State) {
        let is_retired = matches!(state.journal, Journaled::Retired);
        let bytes = if is_retired { 0 } else { state.log.total_bytes() };
        let counted = std::mem::replace(&mut state.counted_bytes, bytes);
        // Adding a wrapped difference subtracts.
        self.log_bytes.fetch_add(bytes.wrapping_sub(counted), Ordering::Relaxed);
    }

    /// Returns the bytes of the log and its keys.
    pub(crate) fn counted_bytes(&self) -> usize {
        self.lock().counted_bytes
    }

    /// Evicts the oldest publications and keys until it has freed this number of bytes.
    pub(crate) fn evict_bytes(&self, bytes: usize) {
        let mut state = self.lock();
        state.log.evict_bytes(bytes);
        self.count_bytes(&mut state);
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Returns a follower for an in-process subscriber. It is woken for its topics, and never refused.
    pub(crate) fn follow(&self) -> Follower {
        self.add_follower(self.lock(), State::waker)
    }

    /// Returns a follower for a session or an event stream in a shard, or `None` if the tenant has as many followers as
    /// it may have. It is not woken: the shard follows the whole log, and asks for the changes of the
    /// follower's topics, see [`Follower::poll_interest`].
    pub(crate) fn try_follow_in_shard(&self) -> Option<Follower> {
        let state = self.lock();
        let has_room = state.followers < self.quotas.max_sessions;
        has_room.then(|| self.add_follower(state, |_| Notice::Shard(VecDeque::new())))
    }

    fn add_follower(
        &self,
        mut state: MutexGuard<'_, State>,
        notice: impl FnOnce(&mut State) -> Notice,
    ) -> Follower {
        state.followers += 1;
        state.unused_since = None;
        let (notice, reader) = (notice(&mut state), Reader::new(&state.log));
        drop(state);
        Follower { tenant: self.clone(), notice, reader }
    }

    /// Returns the publications after an offset, in order, at most a batch. If there are none, the next entry wakes
    /// `waker`.
    pub(crate) fn read_after(&self, offset: u64, waker: &Waker) -> After {
        let mut state = self.lock();
        let head = state.log.head();
        if let Journaled::Retired = state.journal {
            return After::Retired;
        }
        if offset >= head.offset {
            if !state.waiting_shards.iter().any(|waiting| waiting.will_wake(waker)) {
                state.waiting_shards.push(waker.clone());
            }
            return After::Nothing;
        }
        if offset < state.log.tail().offset {
            return After::Lost(head);
        }
        After::Publications(
            (offset + 1..).map_while(|offset| state.log.entry(offset)).take(READ_BATCH).cloned().collect(),
        )
    }

    /// Removes a waker that waits for the next entry.
    pub(crate) fn forget(&self, waker: &Waker) {
        self.lock().waiting_shards.retain(|waiting| !waiting.will_wake(waker));
    }

    /// Returns the log's head.
    pub(crate) fn head(&self) -> Position {
        self.lock().log.head()
    }

    /// Returns a number that no other tenant has, as long as a handle to this one exists.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.state).addr()
    }

    /// Evicts the entries and keys that are too old. Returns whether the hub can remove the tenant: it had no entry, no
    /// key and no other handle during the maximum age of an entry. A client that comes back sooner can resume. A
    /// remembered key keeps the tenant, because a new log would publish the same key twice.
    pub(crate) fn handle_timeout(&self, now: Moment) -> bool {
        let mut state = self.lock();
        state.log.evict_aged(now);
        self.count_bytes(&mut state);
        let is_empty = state.log.is_empty() && state.log.evicted_keys() == 0;
        if Arc::strong_count(&self.state) > 1 || !is_empty {
            state.unused_since = None;
            return false;
        }
        let unused_since = *state.unused_since.get_or_insert(now.since_start);
        now.since_start.saturating_sub(unused_since) >= state.log.max_age()
    }

    /// Returns when the oldest publication of the log was appended.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        self.lock().log.oldest()
    }

    pub(crate) fn counters(&self) -> Counters {
        let state = self.lock();
        Counters {
            followers: state.followers,
            subscriptions: state.log.holds(),
            followed_topics: state.log.held_topics(),
            known_topics: state.log.topic_count(),
            waiting: state.waiting.len(),
            log_entries: state.log.len(),
            log_bytes: state.log.bytes(),
            evicted_keys: state.log.evicted_keys(),
            evicted_key_bytes: state.log.evicted_key_bytes(),
        }
    }
}

impl State {
    fn waker(&mut self) -> Notice {
        self.next_follower += 1;
        Notice::Waker(self.next_follower)
    }

    fn take_waiting(&mut self, topics: &[TopicName]) -> Vec<Waker> {
        let Self { followers_of, waiting, waiting_shards, .. } = self;
        let of_all = topics.is_empty().then(|| std::mem::take(waiting).into_values());
        let followers = topics.iter().filter_map(|topic| followers_of.get(topic)).flatten();
        let followers = followers.filter_map(|follower| waiting.remove(follower));
        followers.chain(of_all.into_iter().flatten()).chain(waiting_shards.drain(..)).collect()
    }

    fn unfollow(&mut self, topic: &TopicName, follower: u64) {
        if let Some(followers) = self.followers_of.get_mut(topic) {
            followers.remove(&follower);
            if followers.is_empty() {
                self.followers_of.remove(topic);
                self.followers_of.shrink();
            }
        }
    }
}

/// The answer of [`TenantLog::read_after`].
#[derive(Debug)]
pub(crate) enum After {
    Nothing,
    Publications(Vec<Arc<Publication>>),
    /// The log has evicted some of the publications. This is its head.
    Lost(Position),
    /// The log has ended.
    Retired,
}

/// A reader of a tenant's log. Dropping it removes the reader from the tenant.
#[derive(Debug)]
pub(crate) struct Follower {
    tenant: TenantLog,
    notice: Notice,
    reader: Reader,
}

/// How a follower hears that there is something to read.
#[derive(Debug)]
enum Notice {
    /// The tenant wakes it. The tenant knows the follower by this number.
    Waker(u64),
    /// A shard reads the log. These are the changes of the follower's topics that the shard has not seen yet.
    Shard(VecDeque<Interest>),
}

/// A change of a follower's topics.
#[derive(Debug)]
pub(crate) enum Interest {
    Added(TopicName),
    Removed(TopicName),
}

impl Follower {
    /// Adds topics that start at the same position, see [`Reader::subscribe`].
    pub(crate) fn subscribe(&mut self, topics: &[TopicName], since: Option<&str>) -> Start {
        let Self { tenant, notice, reader } = self;
        add_topics(&mut tenant.lock(), notice, reader, topics, since)
    }

    /// Adds topics like [`Follower::subscribe`], within the tenant's quota. `topics` names each topic once. Also
    /// returns the topics that the quota refuses. The quota never refuses a topic that some follower of the tenant has
    /// already.
    pub(crate) fn try_subscribe(
        &mut self,
        topics: Vec<TopicName>,
        since: Option<&str>,
    ) -> (Start, Vec<TopicName>) {
        let Self { tenant, notice, reader } = self;
        let mut state = tenant.lock();
        let mut room = tenant.quotas.max_topics.saturating_sub(state.log.held_topics());
        let mut has_room = |topic: &TopicName| {
            let is_new = !state.log.is_held(topic);
            let has_room = !is_new || room > 0;
            room -= usize::from(is_new && has_room);
            has_room
        };
        let (topics, refused): (Vec<_>, _) = topics.into_iter().partition(|topic| has_room(topic));
        (add_topics(&mut state, notice, reader, &topics, since), refused)
    }

    /// Stops reading, see [`Reader::pause`].
    pub(crate) fn pause(&mut self) {
        self.reader.pause();
    }

    /// Ends a [`Follower::pause`].
    pub(crate) fn go_on(&mut self) {
        self.reader.go_on();
    }

    /// Removes a topic. Returns whether the follower had it.
    pub(crate) fn unsubscribe(&mut self, topic: &TopicName) -> bool {
        let mut state = self.tenant.lock();
        let was_subscribed = self.reader.unsubscribe(&mut state.log, topic);
        match &mut self.notice {
            Notice::Waker(id) => state.unfollow(topic, *id),
            Notice::Shard(changes) if was_subscribed => changes.push_back(Interest::Removed(topic.clone())),
            Notice::Shard(_) => {}
        }
        was_subscribed
    }

    /// Takes the next change of its topics that the shard has not seen.
    pub(crate) fn poll_interest(&mut self) -> Option<Interest> {
        match &mut self.notice {
            Notice::Waker(_) => None,
            Notice::Shard(changes) => {
                let change = changes.pop_front();
                if change.is_none() {
                    *changes = VecDeque::new();
                }
                change
            }
        }
    }

    /// Reads the next deliveries. If there are none, the next publication wakes `waker`. A follower in a shard is not
    /// woken.
    pub(crate) fn poll_read(&mut self, max: usize, waker: &Waker) -> Vec<Delivery> {
        let mut state = self.tenant.lock();
        let deliveries = self.reader.read(&state.log, max);
        if let (true, Notice::Waker(id)) = (deliveries.is_empty(), &self.notice) {
            state.waiting.insert(*id, waker.clone());
        }
        deliveries
    }

    /// Returns the position up to which the follower has read everything of its topics. It is the log's head if there
    /// is nothing to read.
    pub(crate) fn passed(&mut self) -> Position {
        self.reader.pass(&self.tenant.lock().log);
        self.reader.position()
    }

    /// Moves forward to a position. The shard has delivered everything up to it.
    pub(crate) fn advance(&mut self, position: Position) {
        self.reader.advance(position);
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(crate) fn tenant(&self) -> &TenantLog {
        &self.tenant
    }
}

fn add_topics(
    state: &mut State,
    notice: &mut Notice,
    reader: &mut Reader,
    topics: &[TopicName],
    since: Option<&str>,
) -> Start {
    let mut added: Vec<_> = topics.iter().filter(|topic| !reader.is_subscribed(topic)).collect();
    added.sort_unstable();
    added.dedup();
    let start = reader.subscribe(&mut state.log, topics, since);
    for topic in added.into_iter().filter_map(|topic| reader.name_of(topic)) {
        match notice {
            Notice::Waker(id) => {
                state.followers_of.entry(topic.clone()).or_default().insert(*id);
            }
            Notice::Shard(changes) => changes.push_back(Interest::Added(topic.clone())),
        }
    }
    start
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut state = self.tenant.lock();
        let topics = self.reader.clear(&mut state.log);
        if let Notice::Waker(id) = self.notice {
            topics.iter().for_each(|topic| state.unfollow(topic, id));
            state.waiting.remove(&id);
            state.waiting.shrink();
        }
        state.followers -= 1;
    }
}
