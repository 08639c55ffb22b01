//! A tenant: a log and who follows it. Two tenants can never meet.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use tidings_shared::{
    Position, TopicName,
    planted::{self, Bug},
};

use crate::{
    Moment,
    log::Log,
    publication::{Draft, Published},
    reader::{Delivery, Reader, Start},
};

/// Characters of a tenant's name.
const MAX_TENANT_BYTES: usize = 64;

/// A tenant's name: 1 to 64 characters of `A-Z a-z 0-9 _ . ~ -`. Made only by parsing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

/// A text that is no tenant's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantIdError;

impl fmt::Display for TenantIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a tenant's name has 1 to {MAX_TENANT_BYTES} characters of A-Z a-z 0-9 _ . ~ -")
    }
}

impl std::error::Error for TenantIdError {}

impl TenantId {
    /// Reads a tenant's name.
    ///
    /// # Errors
    /// When it breaks the rule.
    pub fn parse(text: &str) -> Result<Self, TenantIdError> {
        let is_good = |b: u8| b.is_ascii_alphanumeric() || b"_.~-".contains(&b);
        if text.is_empty() || text.len() > MAX_TENANT_BYTES || !text.bytes().all(is_good) {
            return Err(TenantIdError);
        }
        Ok(Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for TenantId {
    type Err = TenantIdError;

    fn from_str(text: &str) -> Result<Self, TenantIdError> {
        Self::parse(text)
    }
}

/// A tenant's log and its followers, shared. A handle; clones are the same tenant.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    log: Log,
    /// Who follows a topic; a topic that nobody follows is not here.
    followers_of: HashMap<TopicName, HashSet<u64>>,
    /// Followers that have caught up and wait.
    waiting: HashMap<u64, Waker>,
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
    /// Topics that somebody follows.
    pub followed_topics: usize,
    /// Topics of which the log knows anything.
    pub known_topics: usize,
    /// Followers that wait to be woken.
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
    pub(crate) fn new(log: Log) -> Self {
        let state = State {
            log,
            followers_of: HashMap::new(),
            waiting: HashMap::new(),
            followers: 0,
            next_follower: 0,
            unused_since: None,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere is that session's end only; the state is never left half changed by one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a publication and wakes those that wait for it.
    pub(crate) fn publish(&self, draft: Draft, now: Moment) -> Published {
        let (published, wakers) = {
            let mut state = self.lock();
            let published = state.log.append(draft, now);
            let wakers = state.take_waiting(&published.topics);
            (published, wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
        published
    }

    pub(crate) fn follow(&self) -> Follower {
        let mut state = self.lock();
        state.followers += 1;
        state.unused_since = None;
        state.next_follower += 1;
        let (id, reader) = (state.next_follower, Reader::new(&state.log));
        drop(state);
        Follower { tenant: self.clone(), id, reader }
    }

    /// Lets go of what is too old, and says whether that is the tenant itself: it holds nothing, and nobody has held it
    /// for as long as its log holds an entry, so that whoever comes back sooner resumes. A remembered key is something:
    /// under a new log the same key would be published twice.
    pub(crate) fn handle_timeout(&self, now: Moment) -> bool {
        let mut state = self.lock();
        state.log.evict_aged(now);
        let is_empty = state.log.is_empty() && state.log.evicted_keys() == 0;
        if Arc::strong_count(&self.state) > 1 || !is_empty {
            state.unused_since = None;
            return false;
        }
        let unused_since = *state.unused_since.get_or_insert(now.since_start);
        now.since_start.saturating_sub(unused_since) >= state.log.max_age()
    }

    pub(crate) fn counters(&self) -> Counters {
        let state = self.lock();
        Counters {
            followers: state.followers,
            followed_topics: state.followers_of.len(),
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
    fn take_waiting(&mut self, topics: &[TopicName]) -> Vec<Waker> {
        let Self { followers_of, waiting, .. } = self;
        let followers = topics.iter().filter_map(|topic| followers_of.get(topic)).flatten();
        let lost = usize::from(planted::is(Bug::WakeLost));
        followers.skip(lost).filter_map(|follower| waiting.remove(follower)).collect()
    }

    fn unfollow(&mut self, topic: &TopicName, follower: u64) {
        if let Some(followers) = self.followers_of.get_mut(topic) {
            followers.remove(&follower);
            if followers.is_empty() {
                self.followers_of.remove(topic);
            }
        }
    }
}

/// A reader of a tenant's log that is woken when there is something to read. Dropping it leaves no trace.
#[derive(Debug)]
pub(crate) struct Follower {
    tenant: Tenant,
    id: u64,
    reader: Reader,
}

impl Follower {
    /// Adds topics that start together, see [`Reader::subscribe`].
    pub(crate) fn subscribe(&mut self, topics: &[TopicName], since: Option<&str>) -> Start {
        let mut state = self.tenant.lock();
        let start = self.reader.subscribe(&mut state.log, topics, since);
        for topic in topics {
            state.followers_of.entry(topic.clone()).or_default().insert(self.id);
        }
        start
    }

    /// Takes a topic away; says whether it was in force.
    pub(crate) fn unsubscribe(&mut self, topic: &TopicName) -> bool {
        let mut state = self.tenant.lock();
        state.unfollow(topic, self.id);
        self.reader.unsubscribe(&mut state.log, topic)
    }

    /// Takes what comes next; where there is nothing, `waker` is woken when there is.
    pub(crate) fn poll_read(&mut self, max: usize, waker: &Waker) -> Vec<Delivery> {
        let mut state = self.tenant.lock();
        let deliveries = self.reader.read(&state.log, max);
        if deliveries.is_empty() {
            state.waiting.insert(self.id, waker.clone());
        }
        deliveries
    }

    /// Up to where everything of its topics has been taken: the log's head, unless there is something to read.
    pub(crate) fn passed(&mut self) -> Position {
        if planted::is(Bug::PingBoasts) {
            return self.tenant.lock().log.head();
        }
        self.reader.pass(&self.tenant.lock().log);
        self.reader.position()
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut state = self.tenant.lock();
        for topic in self.reader.clear(&mut state.log) {
            if planted::is(Bug::FollowerLeaked) {
                continue;
            }
            state.unfollow(&topic, self.id);
        }
        state.waiting.remove(&self.id);
        state.followers -= 1;
    }
}
