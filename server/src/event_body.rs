//! The body of an answer that is a stream of events: drives the stream as its reader takes bytes. While the reader
//! takes none, nothing is read from the log; the connection's write deadline sees to one that never does.

use std::{convert::Infallible, future::poll_fn, task::Poll};

use bytes::Bytes;
use futures_util::{Stream, stream::unfold};
use tokio::{sync::watch, time::sleep_until};

use crate::{
    Clock, Gateway, addresses::AddressPlace, events::EventStream, revocation::Watch, worker::random_part,
};

struct Driven {
    stream: EventStream,
    clock: Clock,
    gateway: Gateway,
    drain: watch::Receiver<bool>,
    revoked: Watch,
    _presence: (watch::Receiver<()>, Option<AddressPlace>),
}

/// The blocks of a stream, until it ends or the server drains.
pub(crate) fn body(
    stream: EventStream,
    gateway: Gateway,
    address: Option<AddressPlace>,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let (clock, drain, presence) = (gateway.hub().clock(), gateway.watch_drain(), gateway.presence());
    let mut revoked = gateway.hub().revocations().watch();
    // It may have come since the token was looked at.
    revoked.mark_changed();
    let driven = Driven { stream, clock, drain, revoked, _presence: (presence, address), gateway };
    unfold(driven, |mut driven| async move { next(&mut driven).await.map(|block| (Ok(block), driven)) })
}

async fn next(driven: &mut Driven) -> Option<Bytes> {
    let Driven { stream, clock, gateway, drain, revoked, .. } = driven;
    loop {
        // A reader that never catches up has a deadline too.
        let now = clock.now();
        if stream.poll_timeout().is_some_and(|at| at <= now.since_start) {
            stream.handle_timeout(now);
        }
        let deadline = stream.poll_timeout().map(|at| clock.instant(at).into());
        let has_ended = stream.has_ended();
        tokio::select! {
            biased;
            _ = drain.wait_for(|draining| *draining), if !has_ended => {
                stream.handle_drain(random_part(gateway.settings().drain_spread));
            }
            Ok(()) = revoked.changed(), if !has_ended => stream.handle_revocation(clock.now()),
            block = poll_fn(|cx| match stream.poll_output(clock.now(), cx.waker()) {
                None if has_ended => Poll::Ready(None),
                None => Poll::Pending,
                block => Poll::Ready(block),
            }) => return block,
            () = async { match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            } } => {}
        }
    }
}
