//! The accept loop: HTTP/1.1 connections with deadlines and a cap.
//!
//! When the server is full, it still answers `/health`, so that a prober sees a server that is full and not one that is gone.
//! The loop waits for nobody, except when no permit is free for anybody, and then for 10 ms at most. So too many connections
//! from one address delay no other address.

use std::{
    cell::Cell,
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
    addresses::{self, AddressPlace, Addresses},
    descriptors,
    hand_over::{HandOver, Handed, framing},
    large_heads::LargeHeads,
    request_head::{HeadTimer, Phase},
    write_deadline::WriteDeadline,
};

/// How long to wait when the system has no descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Time for a connection beyond the cap, from its begin to its end.
const CROWDED_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections beyond each cap at a time: they are few descriptors and soon over.
const MAX_CROWDED: usize = 4;

/// What each of them has of that where all its places are taken and more come: time for a request that is on its way.
const CROWDED_PATIENCE: Duration = Duration::from_millis(10);

/// The bounds of connections, see [`GatewaySettings`](crate::GatewaySettings).
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) max_connections: usize,
    pub(crate) shards: usize,
    pub(crate) addresses: Addresses,
    pub(crate) trusted_proxies: Arc<[IpAddr]>,
    pub(crate) header_timeout: Duration,
    pub(crate) keep_alive_timeout: Duration,
    /// How long idle connections are kept from the begin of a drain on.
    pub(crate) linger: Duration,
    pub(crate) max_header_bytes: usize,
    pub(crate) write_timeout: Duration,
}

/// A place under the caps; travels with a request, so that an upgraded socket keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    of: Arc<PlaceOf>,
    /// When the client had its first chance to say what it asks: with the connection, or on one that was used before, with
    /// the request.
    begun: Instant,
}

#[derive(Debug)]
struct PlaceOf {
    peer: IpAddr,
    is_beyond_cap: bool,
    places: Places,
    _permit: Option<OwnedSemaphorePermit>,
    address: Option<AddressPlace>,
}

impl PlaceOf {
    fn is_crowded(&self) -> bool {
        self.address.as_ref().is_some_and(AddressPlace::is_crowded) || self.places.is_crowded()
    }
}

impl Place {
    /// Whoever the connection is from: a client or a proxy.
    pub(crate) fn peer(&self) -> IpAddr {
        self.of.peer
    }

    /// For how long whoever asks may have been there.
    pub(crate) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Whether it is one too many: it is told so, unless it asks how the server is.
    pub(crate) fn is_beyond_cap(&self) -> bool {
        self.of.is_beyond_cap
    }
}

/// All places; once every one of them is free, every connection is gone.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    semaphore: Arc<Semaphore>,
    count: u32,
}

impl Places {
    /// Waits until every connection is gone, upgraded ones too.
    pub(crate) async fn all_free(&self) {
        let _ = self.semaphore.acquire_many(self.count).await;
    }

    fn is_crowded(&self) -> bool {
        let all = self.count as usize;
        addresses::is_crowded(all.saturating_sub(self.semaphore.available_permits()), all)
    }
}

/// The connections beyond a cap.
#[derive(Debug, Default)]
struct Crowd {
    oldest_first: VecDeque<(Instant, AbortHandle)>,
}

impl Crowd {
    /// Makes room for one more, if need be by the end of the oldest, so that silent ones keep nobody from an answer.
    ///
    /// # Errors
    /// When the oldest will have had its time.
    fn make_room(&mut self, now: Instant) -> Result<(), Instant> {
        self.oldest_first.retain(|(_, one)| !one.is_finished());
        if self.oldest_first.len() < MAX_CROWDED {
            return Ok(());
        }
        match self.oldest_first.front() {
            Some((since, _)) if *since + CROWDED_PATIENCE > now => return Err(*since + CROWDED_PATIENCE),
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

/// Accepts connections and serves each, until `shutdown` and then `drain` are done. From the one on, every answer ends its
/// connection, and those that wait for a request end after a moment; what is under way at the other is still answered: what
/// is returned tells when all is.
pub(crate) async fn run<S, B, D>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
    drain: impl Future<Output = D>,
) -> (D, Places)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let max = descriptors::max_connections(limits.max_connections, limits.shards);
    let count = u32::try_from(max.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
    let places = Places { semaphore: Arc::new(Semaphore::new(count as usize)), count };
    // Those of an address that has too many take no places of those who ask how a full server is.
    let (mut crowd, mut of_addresses) = (Crowd::default(), Crowd::default());
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
                    tracing::warn!(%error, "a connection could not be accepted; it is tried again");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // A proxy is many clients; whoever is on this machine may be one.
        let peer = peer.ip().to_canonical();
        let is_client = !peer.is_loopback() && !limits.trusted_proxies.contains(&peer);
        let address = if is_client { limits.addresses.take(peer).map(Some) } else { Some(None) };
        let serve = |_permit, address, is_beyond_cap| {
            let places = places.clone();
            let of = PlaceOf { peer, is_beyond_cap, places, _permit, address };
            let place = Place { of: Arc::new(of), begun: Instant::now() };
            serve_one(stream, service.clone(), place, limits.clone(), stop.subscribe())
        };
        let mut now = Instant::now();
        let crowd = match (address, Arc::clone(&places.semaphore).try_acquire_owned()) {
            (Some(address), Ok(permit)) => {
                tokio::spawn(serve(Some(permit), address, false));
                continue;
            }
            (Some(_), Err(_)) => {
                // Nobody loses by the wait: there is no place for anybody.
                if let Err(at) = crowd.make_room(now) {
                    sleep_until(at).await;
                    now = Instant::now();
                }
                &mut crowd
            }
            (None, _) => &mut of_addresses,
        };
        // What an address has too much is closed without an answer while as much of it is served.
        if crowd.make_room(now).is_ok() {
            let served = timeout(CROWDED_TIMEOUT, serve(None, None, true));
            crowd.add(now, tokio::spawn(served.map(drop)).abort_handle());
        }
    };
    drop(stop);
    (drained, places)
}

async fn serve_one<S, B>(
    stream: TcpStream,
    service: S,
    place: Place,
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
    let of = Arc::clone(&place.of);
    let is_kept = !place.is_beyond_cap();
    let phase = Arc::<Phase>::default();
    let timer = HeadTimer {
        phase: Arc::clone(&phase),
        header_timeout: limits.header_timeout,
        keep_alive_timeout: limits.keep_alive_timeout,
        is_crowded: {
            let of = Arc::clone(&of);
            Arc::new(move || of.is_crowded())
        },
    };
    let is_used = Cell::new(false);
    let is_stopping = Arc::new(AtomicBool::new(false));
    let hands_over = Arc::<OnceLock<(HandOver, Framing)>>::default();
    let service = hyper::service::service_fn({
        let (phase, is_stopping) = (Arc::clone(&phase), Arc::clone(&is_stopping));
        let hands_over = Arc::clone(&hands_over);
        move |mut request: Request<Incoming>| {
            phase.answers();
            let framing = framing(request.version());
            let begun = if is_used.replace(true) { Instant::now() } else { place.begun };
            request.extensions_mut().insert(Place { begun, ..place.clone() });
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
    let mut lingers_until = None;
    let result = loop {
        let served = poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
            Poll::Pending if phase.has_left() => Poll::Ready(None),
            polled => polled.map(Some),
        });
        tokio::select! {
            result = served => break result,
            _ = stopping.changed(), if !is_stopping.load(Relaxed) => {
                is_stopping.store(true, Relaxed);
                lingers_until = Some(Instant::now() + limits.linger);
            }
            () = until(lingers_until) => {
                lingers_until = None;
                // What has begun to come is answered, and ends with its answer.
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

/// For ever where there is no such moment.
pub(crate) async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The connection below an upgraded one, and what was read from it beyond the handshake.
pub(crate) fn take_over(upgraded: Upgraded) -> Result<(std::net::TcpStream, Vec<u8>), String> {
    let parts =
        upgraded.downcast::<HttpStream>().map_err(|_| "the connection is not one of this server's")?;
    let stream = tcp_stream(parts.io).map_err(|error| error.to_string())?;
    Ok((stream, parts.read_buf.into()))
}

/// A TCP stream as hyper has it.
type HttpStream = TokioIo<LargeHeads<WriteDeadline<TcpStream>>>;

fn tcp_stream(stream: HttpStream) -> io::Result<std::net::TcpStream> {
    stream.into_inner().into_inner().into_inner().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn beyond_the_cap_the_oldest_makes_room_once_it_has_had_its_time() {
        let mut crowd = Crowd::default();
        let start = Instant::now();
        let all: Vec<_> = (0..MAX_CROWDED).map(|_| tokio::spawn(std::future::pending::<()>())).collect();
        for one in &all {
            assert_eq!(crowd.make_room(start), Ok(()));
            crowd.add(start, one.abort_handle());
        }
        let due = start + CROWDED_PATIENCE;
        assert_eq!(crowd.make_room(start), Err(due), "it is said when, and nothing waits");
        assert_eq!(crowd.make_room(due), Ok(()));
        let ended = timeout(CROWDED_TIMEOUT, futures_util::future::select_all(all)).await.expect("one ends");
        assert!(ended.0.is_err_and(|error| error.is_cancelled()) && ended.1 == 0, "the oldest, and no other");
    }
}
