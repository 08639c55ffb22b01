//! A subscription: a stream of deliveries.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::Stream;
use tidings_client_core::SubscriptionId;
use tidings_shared::{RawEvent, TopicName};

use crate::{
    Error, Publication,
    inbox::{Inbox, Item},
    shared::Handle,
};

/// A stream of deliveries. Dropping it unsubscribes.
///
/// - An error does not end the stream: a topic is refused, an event is unknown, or the client can't connect and keeps
///   trying. [`Error::is_final`] tells whether something is lost for good.
/// - The stream ends when no topic is left, or when the client is closed.
/// - If the reader is too slow ([`Settings::buffer`](crate::Settings::buffer)), one [`Delivery::Sync`] of all its topics
///   replaces what waits. A slow reader delays no other.
pub struct Subscription<E = RawEvent> {
    id: SubscriptionId,
    inbox: Arc<Inbox>,
    handle: Arc<Handle>,
    decode: fn(&RawEvent) -> Result<E, Error>,
}

/// An item of a [`Subscription`].
#[derive(Debug, Clone)]
pub enum Delivery<E = RawEvent> {
    /// An event arrived.
    Event {
        /// The event.
        event: E,
        /// The topics of the event that the subscription has.
        topics: Vec<TopicName>,
        /// The event as it was published, with its position, key, time and origin. All subscriptions share it.
        publication: Arc<Publication>,
    },
    /// Events on these topics may have been missed: load their data again.
    Sync {
        /// The topics.
        topics: Vec<TopicName>,
        /// All events after this position follow.
        position: String,
    },
}

impl<E> Subscription<E> {
    pub(crate) fn new(
        id: SubscriptionId,
        inbox: Arc<Inbox>,
        handle: Arc<Handle>,
        decode: fn(&RawEvent) -> Result<E, Error>,
    ) -> Self {
        Self { id, inbox, handle, decode }
    }

    /// Waits until all topics are in force: every event that is published from then on arrives. So a load that begins then
    /// misses nothing.
    ///
    /// # Errors
    /// A topic was refused, or the client was closed. The stream yields the error too. Its other topics go on.
    pub async fn ready(&mut self) -> Result<(), Error> {
        poll_fn(|context| self.inbox.poll_ready(context)).await
    }

    /// Waits for the next delivery. Returns `None` when no topic is left, or when the client is closed. Nothing is lost when
    /// this future is dropped before it is ready.
    pub async fn next(&mut self) -> Option<Result<Delivery<E>, Error>> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Delivery<E>, Error>>> {
        Poll::Ready(match ready!(self.inbox.poll_item(context)) {
            Some(Item::Event { publication, topics }) => {
                let event = (self.decode)(&publication.event);
                Some(event.map(|event| Delivery::Event { event, topics, publication }))
            }
            Some(Item::Sync { topics, position }) => Some(Ok(Delivery::Sync { topics, position })),
            Some(Item::Error(error)) => Some(Err(error)),
            None => None,
        })
    }
}

impl<E> Stream for Subscription<E> {
    type Item = Result<Delivery<E>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}

impl<E> Drop for Subscription<E> {
    fn drop(&mut self) {
        self.handle.shared.unsubscribe(self.id);
    }
}

impl<E> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("id", &self.id).finish_non_exhaustive()
    }
}
