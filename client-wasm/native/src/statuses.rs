//! The status of a client, as a stream.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use tidings_client_core::Status;
use tokio::sync::watch;

/// A stream of the status of a client. It ends after [`Status::Closed`].
pub struct Statuses(BoxStream<'static, Status>);

impl Statuses {
    pub(crate) fn new(mut receiver: watch::Receiver<Status>) -> Self {
        receiver.mark_changed();
        let statuses = stream::unfold(Some(receiver), async |receiver| {
            let mut receiver = receiver?;
            receiver.changed().await.ok()?;
            let status = *receiver.borrow_and_update();
            Some((status, (status != Status::Closed).then_some(receiver)))
        });
        Self(statuses.fuse().boxed())
    }

    /// Waits for the next change. Returns `None` after [`Status::Closed`]. Nothing is lost when this future is dropped before
    /// it is ready.
    pub async fn next(&mut self) -> Option<Status> {
        self.0.next().await
    }
}

impl Stream for Statuses {
    type Item = Status;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Status>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statuses").finish_non_exhaustive()
    }
}
