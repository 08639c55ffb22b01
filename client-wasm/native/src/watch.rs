//! A watch: a stream of data that is loaded again when it may have changed.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;
use tidings_client_core::{LoadId, Loaded, SubscriptionId, limits::LOAD_TIMEOUT_MS};

use crate::{
    Error,
    error::LOAD_FAILED,
    inbox::{Inbox, News},
    shared::Handle,
};

/// A stream of loaded data. Dropping it ends the watch, and a load that runs.
///
/// The stream ends when no topic is left, or when the client is closed.
pub struct Watch<D, E> {
    id: SubscriptionId,
    inbox: Arc<Inbox>,
    handle: Arc<Handle>,
    load: Box<dyn FnMut() -> Loading<D, E> + Send>,
    running: Option<(LoadId, Loading<D, E>)>,
}

/// A load that runs.
pub(crate) type Loading<D, E> = Pin<Box<dyn Future<Output = Result<D, E>> + Send>>;

/// Why a [`Watch`] has no new data. The watch goes on, unless it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchError<E> {
    /// The load failed with this error. The watch loads again later.
    Load(E),
    /// A topic is refused, the load took too long, or the client can't connect and keeps trying.
    Client(Error),
}

impl<D, E> Watch<D, E> {
    pub(crate) fn new(
        id: SubscriptionId,
        inbox: Arc<Inbox>,
        handle: Arc<Handle>,
        load: Box<dyn FnMut() -> Loading<D, E> + Send>,
    ) -> Self {
        Self { id, inbox, handle, load, running: None }
    }

    /// Waits for the data of the next load. Returns `None` when no topic is left, or when the client is closed. When this
    /// future is dropped before it is ready, a load that runs goes on with the next call.
    pub async fn next(&mut self) -> Option<Result<D, WatchError<E>>> {
        poll_fn(|context| self.poll(context)).await
    }

    /// Loads again, without waiting for an event, for the pause between two loads, or for the retry of a load that failed.
    pub fn reload(&self) {
        self.handle.shared.ask(|state, now| state.core.handle_reload(self.id, now));
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<D, WatchError<E>>>> {
        loop {
            match self.inbox.poll_news(context) {
                Poll::Ready(News::Error(error)) => return Poll::Ready(Some(Err(WatchError::Client(error)))),
                Poll::Ready(News::Load(load)) => {
                    let is_late = self.running.is_some();
                    self.running = Some((load, (self.load)()));
                    if is_late {
                        let message = format!("The load took longer than {} s.", LOAD_TIMEOUT_MS / 1000);
                        let error = Error::passing(LOAD_FAILED, message);
                        return Poll::Ready(Some(Err(WatchError::Client(error))));
                    }
                }
                Poll::Ready(News::End) => {
                    self.running = None;
                    return Poll::Ready(None);
                }
                Poll::Pending => break,
            }
        }
        let Some((load, running)) = &mut self.running else { return Poll::Pending };
        let (load, Poll::Ready(loaded)) = (*load, running.as_mut().poll(context)) else {
            return Poll::Pending;
        };
        self.running = None;
        let how = if loaded.is_ok() { Loaded::Done } else { Loaded::Retry };
        self.handle.shared.ask(|state, now| state.core.handle_loaded(self.id, load, how, now));
        Poll::Ready(Some(loaded.map_err(WatchError::Load)))
    }
}

impl<D, E> Stream for Watch<D, E> {
    type Item = Result<D, WatchError<E>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}

impl<D, E> Drop for Watch<D, E> {
    fn drop(&mut self) {
        self.handle.shared.unsubscribe(self.id);
    }
}

impl<D, E> fmt::Debug for Watch<D, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<E: fmt::Display> fmt::Display for WatchError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => write!(f, "{LOAD_FAILED}: The data was not loaded: {error}"),
            Self::Client(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error> std::error::Error for WatchError<E> {}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tokio::time::{Duration, Instant, sleep};

    use super::*;
    use crate::{Client, Settings};

    #[tokio::test(start_paused = true)]
    async fn a_load_that_takes_too_long_fails_and_another_replaces_it() {
        // Nobody listens there.
        let client = Client::new(Settings::new("http://127.0.0.1:1".parse().unwrap()));
        let mut loads = 0;
        let load = move || {
            loads += 1;
            let number = loads;
            async move {
                if number < 3 {
                    sleep(Duration::from_secs(3600)).await;
                }
                Ok::<_, Infallible>(number)
            }
        };
        let mut watch = client.watch_raw(&["clock"], load).unwrap();
        let start = Instant::now();
        let mut codes = Vec::new();
        let loaded = loop {
            match watch.next().await.unwrap() {
                Ok(number) => break number,
                Err(WatchError::Client(error)) => codes.push(error.code().to_owned()),
            }
        };
        codes.retain(|code| code == LOAD_FAILED);
        assert_eq!((loaded, codes.len()), (3, 2));
        assert!(start.elapsed() < Duration::from_secs(90), "{:?}", start.elapsed());
        // Nobody polls this one, so no load is late.
        let mut idle = client.watch_raw(&["clock"], async || Ok::<_, Infallible>(1)).unwrap();
        sleep(Duration::from_secs(300)).await;
        while let Err(WatchError::Client(error)) = idle.next().await.unwrap() {
            assert_eq!(error.code(), "connect_failed");
        }
    }
}
