//! The accept loop: HTTP/1.1 connections with deadlines and permits, and what happens when the server is full.
//!
//! ```text
//!               ┌ a permit is free ─▶ serve_one ─┬─▶ answers, until the client or a deadline ends it
//!  accept ──────┤                                └─▶ a WebSocket or an event stream goes to a shard,
//!               │                                    and takes its permit along
//!               └ no permit ─▶ overflow ─▶ serve_one, for one request and one second at most
//! ```
//!
//! Every connection needs a permit of the server, and one of its address. A connection without one is an **overflow
//! connection**. It still gets an answer: `/health`, `/ready` and `/metrics` as usual, and a refusal for everything
//! else. So a prober sees a server that is full, and not one that is gone.
//!
//! Example: a server with 100 permits has 100 connections, and a prober asks for `/health`.
//!
//! 1. No permit is free, so the connection becomes one of at most [`MAX_OVERFLOW`] overflow connections.
//! 2. If there are as many already, the loop waits until the oldest has had [`OVERFLOW_PATIENCE`], and ends it.
//! 3. The prober gets its answer, and the connection ends.
//!
//! This is the only wait of the loop, and it happens only if no permit is free for anybody. If only the permits of one
//! address are taken, its overflow connections go to a second list. The loop never waits for that list, so one address
//! delays no other address.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    net::IpAddr,
    pin::{Pin, pin},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use futures_util::FutureExt;
use hyper::{
    Request, Response, StatusCode, body::Incoming, header, header::HeaderValue, server::conn::http1,
    service::Service, upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use tidings_hub::event_stream::Framing;
use tidings_shared::limits::LEAST_HEADER_BYTES;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::AbortHandle,
    time::{Instant, sleep_until, timeout},
};

use super::{
    addresses::{self, AddressPermit, Addresses},
    descriptors,
    hand_over::{HandOver, Handed, framing},
    large_heads::LargeHeads,
    request_head::{HeadTimer, Phase},
    write_deadline::WriteDeadline,
};

/// The pause after a failed accept: usually the system has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The longest time of an overflow connection.
const OVERFLOW_TIMEOUT: Duration = Duration::from_secs(1);

/// Overflow connections at a time, in each of the two lists. Few, because each one takes a file descriptor. One more
/// ends the oldest.
const MAX_OVERFLOW: usize = 4;

/// An overflow connection has at least this long before another one pushes it out. A request that is on its way arrives
/// in this time.
const OVERFLOW_PATIENCE: Duration = Duration::from_millis(10);

/// The bounds of connections, see [`GatewaySettings`](crate::GatewaySettings).
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) max_connections: usize,
    pub(crate) shards: usize,
    pub(crate) addresses: Addresses,
    pub(crate) trusted_proxies: Arc<[IpAddr]>,
    pub(crate) header_timeout: Duration,
    pub(crate) keep_alive_timeout: Duration,
    /// From the begin of a drain, idle connections stay open for this long.
    pub(crate) keep_idle: Duration,
    pub(crate) max_header_bytes: usize,
    pub(crate) write_timeout: Duration,
}

/// The permit of a connection. It is in the extensions of each request, so that a connection that leaves HTTP keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Permit {
    shared: Arc<Shared>,
    /// The time of the first byte of the request.
    begun: Instant,
}

/// The part of a permit that all requests of its connection share.
#[derive(Debug)]
struct Shared {
    peer: IpAddr,
    is_overflow: bool,
    pool: PermitPool,
    _permit: Option<OwnedSemaphorePermit>,
    address: Option<AddressPermit>,
}

impl Shared {
    /// Returns whether few permits are left, for the address or for all.
    fn is_scarce(&self) -> bool {
        self.address.as_ref().is_some_and(AddressPermit::is_scarce) || self.pool.is_scarce()
    }
}

impl Permit {
    /// Returns the address that the connection is from: a client's or a proxy's.
    pub(crate) fn peer(&self) -> IpAddr {
        self.shared.peer
    }

    /// Returns the time since the first byte of the request.
    pub(crate) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Returns whether this is an overflow connection: no permit was free for it.
    pub(crate) fn is_overflow(&self) -> bool {
        self.shared.is_overflow
    }
}

/// All permits of the server. When all of them are free, every connection is gone.
#[derive(Debug, Clone)]
pub(crate) struct PermitPool {
    semaphore: Arc<Semaphore>,
    count: u32,
}

impl PermitPool {
    /// Waits until every connection is gone, upgraded ones too.
    pub(crate) async fn all_free(&self) {
        let _ = self.semaphore.acquire_many(self.count).await;
    }

    /// Returns whether few permits are left.
    fn is_scarce(&self) -> bool {
        let all = self.count as usize;
        addresses::is_scarce(all.saturating_sub(self.semaphore.available_permits()), all)
    }
}

/// A bounded list of overflow connections.
#[derive(Debug, Default)]
struct Overflow {
    oldest_first: VecDeque<(Instant, AbortHandle)>,
}

impl Overflow {
    /// Makes room for one more connection. If the list is full, it ends the oldest one. So silent connections can't
    /// block the answers to others.
    ///
    /// # Errors
    /// If the oldest one is too young to end. The error is the time at which it will be old enough.
    fn make_room(&mut self, now: Instant) -> Result<(), Instant> {
        self.oldest_first.retain(|(_, one)| !one.is_finished());
        if self.oldest_first.len() < MAX_OVERFLOW {
            return Ok(());
        }
        match self.oldest_first.front() {
            Some((since, _)) if *since + OVERFLOW_PATIENCE > now => return Err(*since + OVERFLOW_PATIENCE),
            Some((_, oldest)) => oldest.abort(),
            None => {}
        }
        self.oldest_first.pop_front();
        Ok(())
    }

    fn add(&mut self, now: Instant, one: AbortHandle) {
        self.oldest_first.push_back((now, one));
    }
}

/// Accepts connections and serves each of them, until `shutdown` and then `drain` complete.
///
/// After `shutdown`, every answer ends its connection, and idle connections end after `keep_idle`. After `drain`, no
/// further connection is accepted, but the open ones go on. The returned pool tells when all of them are gone.
pub(crate) async fn run<S, B, D>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
    drain: impl Future<Output = D>,
) -> (D, PermitPool)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let max = descriptors::max_connections(limits.max_connections, limits.shards);
    let count = u32::try_from(max.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
    let pool = PermitPool { semaphore: Arc::new(Semaphore::new(count as usize)), count };
    // Two lists: an address with too many connections must not push out the probers of a full server.
    let (mut of_server, mut of_addresses) = (Overflow::default(), Overflow::default());
    let (stop, _) = watch::channel(());
    let (mut shutdown, mut drain) = (pin!(shutdown), pin!(drain));
    let (mut is_draining, mut is_failing) = (false, false);
    let drained = loop {
        let accepted = tokio::select! {
            () = &mut shutdown, if !is_draining => {
                is_draining = true;
                stop.send_replace(());
                continue;
            }
            drained = &mut drain, if is_draining => break drained,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => {
                is_failing = false;
                accepted
            }
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "a connection could not be accepted; the server tries again");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // A proxy has many clients, so its address has no limit. A proxy can also be on this machine.
        let peer = peer.ip().to_canonical();
        let is_client = !peer.is_loopback() && !limits.trusted_proxies.contains(&peer);
        let address = if is_client { limits.addresses.take(peer).map(Some) } else { Some(None) };
        let serve = |_permit, address, is_overflow| {
            let pool = pool.clone();
            let shared = Arc::new(Shared { peer, is_overflow, pool, _permit, address });
            serve_one(stream, service.clone(), shared, limits.clone(), stop.subscribe())
        };
        let mut now = Instant::now();
        let overflow = match (address, Arc::clone(&pool.semaphore).try_acquire_owned()) {
            (Some(address), Ok(permit)) => {
                tokio::spawn(serve(Some(permit), address, false));
                continue;
            }
            (Some(_), Err(_)) => {
                // The wait delays nobody: no permit is free for anybody.
                if let Err(at) = of_server.make_room(now) {
                    sleep_until(at).await;
                    now = Instant::now();
                }
                &mut of_server
            }
            (None, _) => &mut of_addresses,
        };
        // If the list of addresses is full of young connections, this connection is closed without an answer.
        if overflow.make_room(now).is_ok() {
            let served = timeout(OVERFLOW_TIMEOUT, serve(None, None, true));
            overflow.add(now, tokio::spawn(served.map(drop)).abort_handle());
        }
    };
    drop(stop);
    (drained, pool)
}

/// Serves the requests of one connection, until it ends or leaves for a shard.
async fn serve_one<S, B>(
    stream: TcpStream,
    service: S,
    shared: Arc<Shared>,
    limits: Limits,
    mut stopping: watch::Receiver<()>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send,
    S::Future: Send,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let _ = stream.set_nodelay(true);
    let is_kept = !shared.is_overflow;
    let phase = Arc::<Phase>::default();
    let timer = HeadTimer {
        phase: Arc::clone(&phase),
        header_timeout: limits.header_timeout,
        keep_alive_timeout: limits.keep_alive_timeout,
        is_scarce: Arc::new({
            let shared = Arc::clone(&shared);
            move || shared.is_scarce()
        }),
    };
    let is_stopping = Arc::new(AtomicBool::new(false));
    let hands_over = Arc::<OnceLock<(HandOver, Framing)>>::default();
    let service = hyper::service::service_fn({
        let (phase, is_stopping) = (Arc::clone(&phase), Arc::clone(&is_stopping));
        let hands_over = Arc::clone(&hands_over);
        move |mut request: Request<Incoming>| {
            phase.answers();
            let framing = framing(request.version());
            request.extensions_mut().insert(Permit { shared: Arc::clone(&shared), begun: phase.begun() });
            let (answer, is_stopping) = (service.call(request), Arc::clone(&is_stopping));
            let (phase, hands_over) = (Arc::clone(&phase), Arc::clone(&hands_over));
            async move {
                let mut answer = answer.await?;
                if let Some(hand_over) = answer.extensions_mut().remove() {
                    // The shard writes the body as it is, even if the application compresses its answers.
                    answer.headers_mut().remove(header::CONTENT_ENCODING);
                    let _ = hands_over.set((hand_over, framing));
                    phase.leaves();
                }
                if is_stopping.load(Relaxed) && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer)
            }
        }
    });
    let mut connection = http1::Builder::new()
        .timer(timer)
        .header_read_timeout(limits.header_timeout)
        .keep_alive(is_kept)
        .max_buf_size(limits.max_header_bytes.max(LEAST_HEADER_BYTES))
        .serve_connection(
            TokioIo::new(LargeHeads::new(
                WriteDeadline::new(stream, limits.write_timeout, Arc::clone(&phase)),
                Arc::clone(&phase),
                limits.max_header_bytes,
            )),
            service,
        )
        .with_upgrades();
    let mut idle_until = None;
    let result = loop {
        let served = poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
            Poll::Pending if phase.has_left() => Poll::Ready(None),
            polled => polled.map(Some),
        });
        tokio::select! {
            result = served => break result,
            _ = stopping.changed(), if !is_stopping.load(Relaxed) => {
                is_stopping.store(true, Relaxed);
                idle_until = Some(Instant::now() + limits.keep_idle);
            }
            () = until(idle_until) => {
                idle_until = None;
                // A request that has begun to arrive is still answered, and the connection ends with the answer.
                if !phase.has_begun() {
                    Pin::new(&mut connection).graceful_shutdown();
                }
            }
        }
    };
    match result {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%error, "a connection ended early"),
        None => {
            let stream = connection.into_parts().map(|parts| tcp_stream(parts.io));
            if let (Some(Ok(stream)), Some((hand_over, framing))) = (stream, hands_over.get()) {
                hand_over.send(Handed { stream, framing: *framing });
            }
        }
    }
}

/// Waits until a moment, or for ever without one.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Takes an upgraded connection of this loop away from hyper. Returns its socket, and the bytes that hyper has read after
/// the handshake. Returns a connection of another server as it is.
pub(crate) fn take_over(upgraded: Upgraded) -> Result<(io::Result<std::net::TcpStream>, Vec<u8>), Upgraded> {
    let parts = upgraded.downcast::<HttpStream>()?;
    Ok((tcp_stream(parts.io), parts.read_buf.into()))
}

/// A TCP stream in the layers that hyper reads and writes through.
type HttpStream = TokioIo<LargeHeads<WriteDeadline<TcpStream>>>;

fn tcp_stream(stream: HttpStream) -> io::Result<std::net::TcpStream> {
    stream.into_inner().into_inner().into_inner().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_overflow_connection_makes_room_after_its_time() {
        let mut overflow = Overflow::default();
        let start = Instant::now();
        let all: Vec<_> = (0..MAX_OVERFLOW).map(|_| tokio::spawn(std::future::pending::<()>())).collect();
        for one in &all {
            assert_eq!(overflow.make_room(start), Ok(()));
            overflow.add(start, one.abort_handle());
        }
        let due = start + OVERFLOW_PATIENCE;
        assert_eq!(overflow.make_room(start), Err(due), "the caller learns when, and nothing waits here");
        assert_eq!(overflow.make_room(due), Ok(()));
        let ended = timeout(OVERFLOW_TIMEOUT, futures_util::future::select_all(all)).await.expect("one ends");
        assert!(ended.0.is_err_and(|error| error.is_cancelled()) && ended.1 == 0, "the oldest, and no other");
    }
}
