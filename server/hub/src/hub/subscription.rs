//! A subscription in this process.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::Stream;
use tidings_shared::{TopicName, limits::READ_BATCH};

use super::{
    later::{Later, later},
    shared::Shared,
};
use crate::{
    reader::Delivery,
    tenant_id::TenantId,
    tenant_log::{Follower, Loading},
};

/// A subscription in this process: a stream that never ends. It reads from the log as a session does. A slow one costs
/// others nothing, and gets a [`Delivery::Sync`] when the log has evicted entries that it needed.
pub struct Subscription {
    shared: Arc<Shared>,
    tenant: TenantId,
    follower: Follower,
    ready: VecDeque<Delivery>,
    /// The tenant's history is another one now. The subscription goes on in the new log when that is loaded.
    moving: Option<Loading>,
}

impl Subscription {
    pub(super) fn new(shared: Arc<Shared>, tenant: TenantId, follower: Follower) -> Self {
        Self { shared, tenant, follower, ready: VecDeque::new(), moving: None }
    }

    /// Follows the tenant's new log, and syncs all topics.
    fn poll_move(&mut self, cx: &Context<'_>) -> Poll<()> {
        let log = self.shared.tenant_log(&self.tenant);
        ready!(self.moving.get_or_insert_with(|| log.loading()).poll(cx.waker()));
        self.moving = None;
        let topics: Vec<TopicName> = self.follower.reader().topics().cloned().collect();
        let mut follower = log.follow();
        follower.subscribe(&topics, None);
        let position = follower.reader().position();
        self.follower = follower;
        if !topics.is_empty() {
            self.ready.push_back(Delivery::Sync { position, topics, is_asked: false });
        }
        Poll::Ready(())
    }
}

impl Stream for Subscription {
    type Item = Delivery;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let this = self.get_mut();
        if this.ready.is_empty() {
            this.ready.extend(this.follower.poll_read(READ_BATCH, cx.waker()));
        }
        // After the read: a log that ends later wakes the waker.
        while this.ready.is_empty() && this.follower.tenant().is_retired() {
            ready!(this.poll_move(cx));
            this.ready.extend(this.follower.poll_read(READ_BATCH, cx.waker()));
        }
        match this.ready.pop_front() {
            Some(delivery) => Poll::Ready(Some(delivery)),
            None => Poll::Pending,
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("tenant", &self.tenant.as_str()).finish_non_exhaustive()
    }
}

later! {
    /// A future of a subscription. It is ready when the tenant's history is loaded. The subscription begins by then.
    #[must_use = "await the subscription"]
    Subscribing: Subscription;
}

impl Subscribing {
    pub(super) fn after(loading: Loading, then: impl FnOnce() -> Subscription + Send + 'static) -> Self {
        Self(Later::after(loading, then))
    }
}
