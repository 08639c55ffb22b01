//! What waits for the reader of a subscription or of a watch.
//!
//! It is bounded. If the reader is too slow, one `Sync` replaces everything that waits. So a slow reader costs a bounded amount
//! of memory, delays no other reader, and knows that it has to load again.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tidings_client_core::LoadId;
use tidings_shared::TopicName;

use crate::{Error, Publication};

/// Bytes of payloads and topics that may wait. With many subscriptions and large events, the number of deliveries alone would
/// bound nothing. One event may be larger: it waits alone.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// One side puts deliveries in, the other takes them out.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// Deliveries that may wait.
    max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The topics that the subscription has not lost.
    topics: Vec<TopicName>,
    items: VecDeque<Item>,
    bytes: usize,
    /// The load that the reader has to begin.
    load: Option<LoadId>,
    /// Whether all topics are in force, once that is known.
    ready: Option<Result<(), Error>>,
    is_ended: bool,
    waker: Option<Waker>,
}

/// What the reader takes out.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Event { publication: Arc<Publication>, topics: Vec<TopicName> },
    Sync { topics: Vec<TopicName>, position: String },
    Error(Error),
}

/// What the reader of a watch takes out.
#[derive(Debug)]
pub(crate) enum News {
    Error(Error),
    Load(LoadId),
    /// Nothing more comes.
    End,
}

// The side of the client. Each method returns the reader's waker, which the caller wakes after it has released its own lock.
impl Inbox {
    pub(crate) fn new(topics: Vec<TopicName>, max: usize) -> Self {
        Self { max, inner: Mutex::new(Inner { topics, ..Inner::default() }) }
    }

    /// Adds an event or a sync. If there is no room, a sync replaces everything that waits.
    pub(crate) fn deliver(&self, item: Item) -> Option<Waker> {
        let mut inner = self.lock();
        inner.deliver(item, self.max);
        inner.waker.take()
    }

    /// Adds an error after which the client goes on. If there is no room, the error is dropped: no event is lost with it.
    pub(crate) fn warn(&self, error: Error) -> Option<Waker> {
        let mut inner = self.lock();
        if inner.items.len() < self.max {
            inner.items.push_back(Item::Error(error));
        }
        inner.waker.take()
    }

    /// Takes a topic away, or all topics if it is `None`, and says why. Such an error always has room: there is one for each
    /// topic. Returns whether there is no topic left.
    pub(crate) fn lose(&self, topic: Option<&TopicName>, error: Error) -> (bool, Option<Waker>) {
        let mut inner = self.lock();
        inner.topics.retain(|known| topic.is_some_and(|topic| topic != known));
        inner.is_ended = inner.topics.is_empty();
        inner.ready.get_or_insert(Err(error.clone()));
        inner.items.push_back(Item::Error(error));
        (inner.is_ended, inner.waker.take())
    }

    /// Notes that all topics are in force, or why not all of them are.
    pub(crate) fn settle(&self, ready: Result<(), Error>) -> Option<Waker> {
        let mut inner = self.lock();
        inner.ready.get_or_insert(ready);
        inner.waker.take()
    }

    /// Asks for a load. It replaces one that the reader has not begun.
    pub(crate) fn load(&self, load: LoadId) -> Option<Waker> {
        let mut inner = self.lock();
        inner.load = Some(load);
        inner.waker.take()
    }

    /// Notes that the client was closed by its user.
    pub(crate) fn end(&self, error: Error) -> Option<Waker> {
        let mut inner = self.lock();
        inner.is_ended = true;
        inner.ready.get_or_insert(Err(error));
        inner.waker.take()
    }

    /// Returns whether the subscription has a topic of this domain.
    pub(crate) fn has_domain(&self, domain: &str) -> bool {
        self.lock().topics.iter().any(|topic| topic.domain() == domain)
    }
}

// The side of the reader.
impl Inbox {
    /// Takes the next delivery out. Returns `None` after the last one.
    pub(crate) fn poll_item(&self, context: &mut Context<'_>) -> Poll<Option<Item>> {
        let mut inner = self.lock();
        match inner.take() {
            None if !inner.is_ended => inner.wait(context),
            item => Poll::Ready(item),
        }
    }

    /// Takes an error or a load out.
    pub(crate) fn poll_news(&self, context: &mut Context<'_>) -> Poll<News> {
        let mut inner = self.lock();
        while let Some(item) = inner.take() {
            if let Item::Error(error) = item {
                return Poll::Ready(News::Error(error));
            }
        }
        if inner.is_ended {
            return Poll::Ready(News::End);
        }
        inner.load.take().map_or_else(|| inner.wait(context), |load| Poll::Ready(News::Load(load)))
    }

    /// Waits until all topics are in force, or one is refused.
    pub(crate) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut inner = self.lock();
        inner.ready.clone().map_or_else(|| inner.wait(context), Poll::Ready)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn deliver(&mut self, item: Item, max: usize) {
        let bytes = item.bytes();
        let is_full = self.items.len() >= max || self.bytes.saturating_add(bytes) > MAX_BYTES;
        if !is_full || self.items.is_empty() {
            self.bytes = self.bytes.saturating_add(bytes);
            return self.items.push_back(item);
        }
        let position = match item {
            Item::Event { publication, .. } => publication.position.clone(),
            Item::Sync { position, .. } => position,
            Item::Error(_) => return,
        };
        // The reader must hear of the topics that it has lost.
        self.items.retain(|item| matches!(item, Item::Error(error) if error.is_final()));
        let sync = Item::Sync { topics: self.topics.clone(), position };
        self.bytes = sync.bytes();
        self.items.push_back(sync);
    }

    fn take(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.bytes = self.bytes.saturating_sub(item.bytes());
        Some(item)
    }

    fn wait<T>(&mut self, context: &Context<'_>) -> Poll<T> {
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Item {
    fn bytes(&self) -> usize {
        let of_topics = |topics: &[TopicName]| topics.iter().map(|topic| topic.as_str().len()).sum();
        match self {
            Self::Event { publication, topics } => {
                let of_topics: usize = of_topics(topics);
                publication.event.payload.get().len() + of_topics
            }
            Self::Sync { topics, .. } => of_topics(topics),
            Self::Error(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests;
