//! A publish that waits for its answer.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::sync::oneshot;

use crate::{Error, Published, publish::Answer, shared::Handle};

/// An event that was handed over to the client: a future of the server's answer. Dropping it takes nothing back.
#[derive(Debug)]
#[must_use = "the server may refuse the event: await the answer, or drop it on purpose"]
pub struct Publishing(State);

#[derive(Debug)]
enum State {
    /// The client has refused it.
    Failed(Option<Error>),
    /// The client lives as long as somebody waits.
    Waiting { answer: oneshot::Receiver<Answer>, _handle: Arc<Handle> },
}

impl Publishing {
    pub(crate) fn failed(error: Error) -> Self {
        Self(State::Failed(Some(error)))
    }

    pub(crate) fn waiting(answer: oneshot::Receiver<Answer>, handle: Arc<Handle>) -> Self {
        Self(State::Waiting { answer, _handle: handle })
    }
}

/// # Panics
/// It is polled again after it was ready.
impl Future for Publishing {
    type Output = Result<Published, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match &mut self.0 {
            State::Failed(error) => {
                Err(error.take().expect("a future is not polled again after it was ready"))
            }
            State::Waiting { answer, .. } => {
                ready!(Pin::new(answer).poll(context)).unwrap_or_else(|_| Err(Error::closed()))
            }
        })
    }
}
