//! The body of an answer that is a stream of events: drives the stream as its reader takes bytes. While the reader
//! takes none, nothing is read from the log; the connection's write deadline sees to one that never does. Whether the
//! stream has to end is looked at all the same, and then such a reader is not waited for.

use std::{
    convert::Infallible,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, stream::unfold};
use tidings_hub::event_stream::EventStream;
use tidings_shared::limits;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    gateway::Gateway,
    host::Clock,
    net::{
        accept::{Place, until},
        addresses::AddressPlace,
        revoked::Revoked,
        worker::random_part,
    },
};

struct Driven {
    shared: Shared,
    drain: watch::Receiver<bool>,
    revoked: Revoked,
    /// Looks whether the stream has ended, until this goes.
    _watched: JoinSet<()>,
    _presence: (watch::Receiver<()>, Option<AddressPlace>),
}

#[derive(Clone)]
struct Shared {
    stream: Arc<Mutex<EventStream>>,
    clock: Clock,
    gateway: Gateway,
    place: Option<Place>,
}

/// The blocks of a stream, until it ends or the server drains; then the connection ends too.
pub(crate) fn body(
    stream: EventStream,
    gateway: Gateway,
    place: Option<Place>,
    address: Option<AddressPlace>,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let (clock, drain, presence) = (Clock::of(gateway.hub()), gateway.watch_drain(), gateway.presence());
    let mut revoked = Revoked::new(gateway.hub().revocations().watch());
    // It may have come since the token was looked at.
    revoked.mark_changed();
    let stream = stream.coming_back_after(stream_retry());
    let shared = Shared { stream: Arc::new(Mutex::new(stream)), clock, gateway, place };
    let mut watched = JoinSet::new();
    watched.spawn(shared.clone().watch(drain.clone(), revoked.clone()));
    let driven = Driven { shared, drain, revoked, _watched: watched, _presence: (presence, address) };
    unfold(driven, |mut driven| async move { driven.next().await.map(|block| (Ok(block), driven)) })
}

/// The pause of one stream, drawn at random.
pub(crate) fn stream_retry() -> Duration {
    limits::STREAM_RETRY + random_part(limits::STREAM_RETRY)
}

impl Driven {
    async fn next(&mut self) -> Option<Bytes> {
        let Self { shared, drain, revoked, .. } = self;
        let clock = shared.clock;
        loop {
            // A reader that never catches up has a deadline too.
            let now = clock.now();
            let (deadline, has_ended) = {
                let mut stream = shared.stream();
                if stream.poll_timeout().is_some_and(|at| at <= now.since_start) {
                    stream.handle_timeout(now);
                }
                (stream.poll_timeout().map(|at| clock.instant(at).into()), stream.has_ended())
            };
            tokio::select! {
                biased;
                _ = drain.wait_for(|draining| *draining), if !has_ended => {
                    let spread = random_part(shared.gateway.settings().drain_spread);
                    shared.stream().handle_drain(spread);
                }
                () = revoked.changed(), if !has_ended => shared.stream().handle_revocation(clock.now()),
                block = poll_fn(|cx| match shared.stream().poll_output(clock.now(), cx.waker()) {
                    None if has_ended => Poll::Ready(None),
                    None => Poll::Pending,
                    block => Poll::Ready(block),
                }) => {
                    if block.is_none() {
                        shared.end_connection();
                    }
                    return block;
                }
                () = until(deadline) => {}
            }
        }
    }
}

impl Shared {
    fn stream(&self) -> MutexGuard<'_, EventStream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection when the stream has to end, although nobody asks the body for a block.
    async fn watch(self, mut drain: watch::Receiver<bool>, mut revoked: Revoked) {
        while !self.stream().has_ended() {
            let deadline = self.stream().poll_expiry().map(|at| self.clock.instant(at).into());
            tokio::select! {
                _ = drain.wait_for(|draining| *draining) => break,
                () = revoked.changed() => self.stream().handle_revocation(self.clock.now()),
                () = until(deadline) => self.stream().handle_expiry(self.clock.now()),
            }
        }
        self.end_connection();
    }

    fn end_connection(&self) {
        if let Some(place) = &self.place {
            place.end();
        }
    }
}
