//! A subscription in this process.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::Stream;
use tidings_shared::limits::READ_BATCH;

use crate::{reader::Delivery, tenant_log::Follower};

/// A subscription in this process: a stream that never ends. It reads from the log as a session does. A slow one costs
/// others nothing, and gets a [`Delivery::Sync`] when the log has evicted entries that it needed.
#[derive(Debug)]
pub struct Subscription {
    follower: Follower,
    ready: VecDeque<Delivery>,
}

impl Subscription {
    pub(super) fn new(follower: Follower) -> Self {
        Self { follower, ready: VecDeque::new() }
    }
}

impl Stream for Subscription {
    type Item = Delivery;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let this = self.get_mut();
        if this.ready.is_empty() {
            this.ready.extend(this.follower.poll_read(READ_BATCH, cx.waker()));
        }
        match this.ready.pop_front() {
            Some(delivery) => Poll::Ready(Some(delivery)),
            None => Poll::Pending,
        }
    }
}
