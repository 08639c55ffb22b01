//! A tenant: a log and who follows it. Two tenants can never meet.

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

use crate::{
    log::Log,
    metrics::Metrics,
    moment::Moment,
    publication::{Draft, Publication, Published},
    reader::{Delivery, Reader, Start},
    shrink::Shrink,
};

/// What one tenant may have at a time. In-process subscribers count, and are never refused: they are the application's
/// own.
#[derive(Debug, Clone, Copy)]
pub struct Quotas {
    /// Sessions and streams of events.
    pub max_sessions: usize,
    /// Topics that any of them subscribes to.
    pub max_topics: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { max_sessions: MAX_SESSIONS_PER_TENANT, max_topics: MAX_TOPICS_PER_TENANT }
    }
}

/// A tenant's log and its followers, shared. A handle; clones are the same tenant.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    state: Arc<Mutex<State>>,
    quotas: Quotas,
    metrics: Arc<Metrics>,
    /// Bytes of the logs and keys of all tenants.
    log_bytes: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct State {
    log: Log,
    /// What its log and its keys had of the bytes of all when that was counted last.
    counted_bytes: usize,
    /// Whom a topic wakes; a topic that wakes nobody is not here.
    followers_of: HashMap<TopicName, HashSet<u64>>,
    /// Followers that have caught up and wait.
    waiting: HashMap<u64, Waker>,
    /// Those that wait for whatever comes next: shards.
    waiting_shards: Vec<Waker>,
    followers: usize,
    next_follower: u64,
    /// Since when it holds nothing and nobody holds it, as far as that was noticed.
    unused_since: Option<Duration>,
}

/// What a tenant holds just now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sessions and in-process subscribers.
    pub followers: usize,
    /// Their subscriptions to a topic.
    pub subscriptions: usize,
    /// Topics that somebody follows.
    pub followed_topics: usize,
    /// Topics of which the log knows anything.
    pub known_topics: usize,
    /// In-process subscribers and streams of events that wait to be woken.
    pub waiting: usize,
    /// Publications in the log.
    pub log_entries: usize,
    /// Bytes that these cost.
    pub log_bytes: usize,
    /// Keys of publications that have left the log.
    pub evicted_keys: usize,
    /// Bytes that these cost.
    pub evicted_key_bytes: usize,
}

impl Tenant {
    pub(crate) fn new(log: Log, quotas: Quotas, metrics: Arc<Metrics>, log_bytes: Arc<AtomicUsize>) -> Self {
        let state = State {
            log,
            counted_bytes: 0,
            followers_of: HashMap::new(),
            waiting: HashMap::new(),
            waiting_shards: Vec::new(),
            followers: 0,
            next_follower: 0,
            unused_since: None,
        };
        Self { state: Arc::new(Mutex::new(state)), quotas, metrics, log_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere is that session's end only; the state is never left half changed by one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a publication and wakes those that wait for it.
    pub(crate) fn publish(&self, draft: Draft, now: Moment) -> Published {
        let (published, wakers) = {
            let mut state = self.lock();
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

    /// Has the readers of these topics load again.
    pub(crate) fn sync(&self, key: Uuid, topics: Vec<TopicName>, now: Moment) {
        let wakers = {
            let mut state = self.lock();
            let wakers = state.take_waiting(&topics);
            state.log.append_sync(key, topics, now);
            self.count_bytes(&mut state);
            wakers
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    fn count_bytes(&self, state: &mut State) {
        let bytes = state.log.total_bytes();
        let counted = std::mem::replace(&mut state.counted_bytes, bytes);
        // Wraps around where it became less.
        self.log_bytes.fetch_add(bytes.wrapping_sub(counted), Ordering::Relaxed);
    }

    /// Bytes that its log and its keys had when that was counted last.
    pub(crate) fn counted_bytes(&self) -> usize {
        self.lock().counted_bytes
    }

    /// Lets go of the oldest publications and keys until so many bytes are free.
    pub(crate) fn evict_bytes(&self, bytes: usize) {
        let mut state = self.lock();
        state.log.evict_bytes(bytes);
        self.count_bytes(&mut state);
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// A reader that is woken when there is something of its topics: an in-process subscriber, which is never refused.
    pub(crate) fn follow(&self) -> Follower {
        self.add_follower(self.lock(), State::waker)
    }

    /// The same for a stream of events, unless the tenant has as many followers as it may.
    pub(crate) fn try_follow(&self) -> Option<Follower> {
        self.add_within_quota(State::waker)
    }

    /// A reader that is not woken, within the quota: whoever holds it follows the whole log, and takes account of
    /// [its topics](Follower::poll_interest).
    pub(crate) fn try_follow_in_shard(&self) -> Option<Follower> {
        self.add_within_quota(|_| Notice::Shard(VecDeque::new()))
    }

    fn add_within_quota(&self, notice: impl FnOnce(&mut State) -> Notice) -> Option<Follower> {
        let state = self.lock();
        (state.followers < self.quotas.max_sessions).then(|| self.add_follower(state, notice))
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

    /// The publications after an offset, in order, at most a batch; where there are none, `waker` is woken when there
    /// are.
    pub(crate) fn read_after(&self, offset: u64, waker: &Waker) -> After {
        let mut state = self.lock();
        let head = state.log.head();
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

    /// Takes back a waker that waits for what comes next.
    pub(crate) fn forget(&self, waker: &Waker) {
        self.lock().waiting_shards.retain(|waiting| !waiting.will_wake(waker));
    }

    /// The log's head.
    pub(crate) fn head(&self) -> Position {
        self.lock().log.head()
    }

    /// What tells this tenant from others, while somebody holds it.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.state).addr()
    }

    /// Lets go of what is too old, and says whether that is the tenant itself: it holds nothing, and nobody has held it
    /// for as long as its log holds an entry, so that whoever comes back sooner resumes. A remembered key is something:
    /// under a new log the same key would be published twice.
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

    /// When the oldest publication of its log was appended.
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
        let followers = topics.iter().filter_map(|topic| followers_of.get(topic)).flatten();
        followers.filter_map(|follower| waiting.remove(follower)).chain(waiting_shards.drain(..)).collect()
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

/// What comes after a place in the log.
#[derive(Debug)]
pub(crate) enum After {
    Nothing,
    Publications(Vec<Arc<Publication>>),
    /// The ring no longer holds all of it; this is its head.
    Lost(Position),
}

/// A reader of a tenant's log. Dropping it leaves no trace.
#[derive(Debug)]
pub(crate) struct Follower {
    tenant: Tenant,
    notice: Notice,
    reader: Reader,
}

/// Who sees that there is something to read.
#[derive(Debug)]
enum Notice {
    /// The tenant, which knows this follower by a number.
    Waker(u64),
    /// A shard, which is to know of these.
    Shard(VecDeque<Interest>),
}

/// A change of a follower's topics.
#[derive(Debug)]
pub(crate) enum Interest {
    Added(TopicName),
    Removed(TopicName),
}

impl Follower {
    /// Adds topics that start together, see [`Reader::subscribe`].
    pub(crate) fn subscribe(&mut self, topics: &[TopicName], since: Option<&str>) -> Start {
        let Self { tenant, notice, reader } = self;
        add_topics(&mut tenant.lock(), notice, reader, topics, since)
    }

    /// The same within the tenant's quota, for topics that are named once each. Gives back those for which there is no room;
    /// what somebody subscribes to already takes none.
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

    /// Reads nothing until it goes on, see [`Reader::pause`].
    pub(crate) fn pause(&mut self) {
        self.reader.pause();
    }

    /// Ends a [`Follower::pause`].
    pub(crate) fn go_on(&mut self) {
        self.reader.go_on();
    }

    /// Takes a topic away; says whether it was in force.
    pub(crate) fn unsubscribe(&mut self, topic: &TopicName) -> bool {
        let mut state = self.tenant.lock();
        let was_in_force = self.reader.unsubscribe(&mut state.log, topic);
        match &mut self.notice {
            Notice::Waker(id) => state.unfollow(topic, *id),
            Notice::Shard(changes) if was_in_force => changes.push_back(Interest::Removed(topic.clone())),
            Notice::Shard(_) => {}
        }
        was_in_force
    }

    /// The next change of its topics that the shard does not know of.
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

    /// Takes what comes next; where there is nothing, `waker` is woken when there is.
    pub(crate) fn poll_read(&mut self, max: usize, waker: &Waker) -> Vec<Delivery> {
        let mut state = self.tenant.lock();
        let deliveries = self.reader.read(&state.log, max);
        if let (true, Notice::Waker(id)) = (deliveries.is_empty(), &self.notice) {
            state.waiting.insert(*id, waker.clone());
        }
        deliveries
    }

    /// Up to where everything of its topics has been taken: the log's head, unless there is something to read.
    pub(crate) fn passed(&mut self) -> Position {
        self.reader.pass(&self.tenant.lock().log);
        self.reader.position()
    }

    /// Everything up to this place was delivered by the shard.
    pub(crate) fn advance(&mut self, position: Position) {
        self.reader.advance(position);
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(crate) fn tenant(&self) -> &Tenant {
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
