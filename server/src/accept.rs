//! The accept loop: HTTP/1.1 connections with deadlines and a cap.

use std::{
    cell::Cell, collections::VecDeque, convert::Infallible, future::Future, net::IpAddr, pin::pin, sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::Service, upgrade::Upgraded};
use hyper_util::rt::{TokioIo, TokioTimer};
use tidings_shared::limits::{CLOSE_TIMEOUT, LEAST_HEADER_BYTES};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    task::AbortHandle,
    time::{Instant, timeout},
};

use crate::{
    addresses::{AddressPlace, Addresses},
    descriptors,
    stream::WriteDeadline,
};

/// How long to wait when the system has no descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Time for a connection beyond the cap, from its begin to its end.
const CROWDED_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections beyond the cap at a time: they are few descriptors and soon over.
const MAX_CROWDED: usize = 8;

/// What each of them has of that where all its places are taken and more come: time for a request that is on its way.
const CROWDED_PATIENCE: Duration = Duration::from_millis(20);

/// The bounds of connections, see [`GatewaySettings`](crate::GatewaySettings).
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) max_connections: usize,
    pub(crate) shards: usize,
    pub(crate) addresses: Addresses,
    pub(crate) trusted_proxies: Arc<[IpAddr]>,
    pub(crate) header_timeout: Duration,
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
    is_over: Notify,
    is_beyond_cap: bool,
    _permit: OwnedSemaphorePermit,
    _address: Option<AddressPlace>,
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

    /// Lets the connection end when what is under way has been answered, and soon in any case.
    pub(crate) fn end(&self) {
        self.of.is_over.notify_one();
    }

    /// Whether it is one too many: it is told so, unless it asks how the server is.
    pub(crate) fn is_beyond_cap(&self) -> bool {
        self.of.is_beyond_cap
    }
}

/// All places; once every one of them is free, every connection is gone.
#[derive(Debug)]
pub(crate) struct Places {
    semaphore: Arc<Semaphore>,
    count: u32,
}

impl Places {
    /// Waits until every connection is gone, upgraded ones too.
    pub(crate) async fn all_free(&self) {
        let _ = self.semaphore.acquire_many(self.count).await;
    }
}

/// The connections beyond the cap.
#[derive(Debug)]
struct Crowd {
    places: Arc<Semaphore>,
    oldest_first: VecDeque<(Instant, AbortHandle)>,
}

impl Crowd {
    fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_CROWDED)), oldest_first: VecDeque::new() }
    }

    /// A place for one more, if need be that of the oldest, so that a flood of silent ones keeps nobody from an answer.
    async fn room(&mut self) -> Option<OwnedSemaphorePermit> {
        self.oldest_first.retain(|(_, one)| !one.is_finished());
        let oldest = self.oldest_first.front().map_or_else(Instant::now, |(since, _)| *since);
        let room = Arc::clone(&self.places).acquire_owned();
        if let Ok(permit) = tokio::time::timeout_at(oldest + CROWDED_PATIENCE, room).await {
            return permit.ok();
        }
        if let Some((_, oldest)) = self.oldest_first.pop_front() {
            oldest.abort();
        }
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    fn add(&mut self, one: AbortHandle) {
        self.oldest_first.push_back((Instant::now(), one));
    }
}

/// Accepts connections and serves each, until `shutdown` and then `drain` are done. From the one on, connections that
/// wait for a request end; what is under way at the other is still answered: what is returned tells when all is.
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
    let places = Arc::new(Semaphore::new(count as usize));
    let mut crowd = Crowd::new();
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
        let serve = |_permit, _address, is_beyond_cap| {
            let of = PlaceOf { peer, is_over: Notify::new(), is_beyond_cap, _permit, _address };
            let place = Place { of: Arc::new(of), begun: Instant::now() };
            serve_one(stream, service.clone(), place, limits.clone(), stop.subscribe())
        };
        match (Arc::clone(&places).try_acquire_owned(), address) {
            (Ok(permit), Some(address)) => drop(tokio::spawn(serve(permit, address, false))),
            _ => {
                let Some(permit) = crowd.room().await else { continue };
                let served = timeout(CROWDED_TIMEOUT, serve(permit, None, true));
                crowd.add(tokio::spawn(served.map(drop)).abort_handle());
            }
        }
    };
    drop(stop);
    (drained, Places { semaphore: places, count })
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
    let is_used = Cell::new(false);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let begun = if is_used.replace(true) { Instant::now() } else { place.begun };
        request.extensions_mut().insert(Place { begun, ..place.clone() });
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .keep_alive(is_kept)
        .max_buf_size(limits.max_header_bytes.max(LEAST_HEADER_BYTES))
        .serve_connection(TokioIo::new(WriteDeadline::new(stream, limits.write_timeout)), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut is_stopping = false;
    let result = loop {
        tokio::select! {
            result = connection.as_mut() => break Some(result),
            _ = stopping.changed(), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = of.is_over.notified() => {
                connection.as_mut().graceful_shutdown();
                break timeout(CLOSE_TIMEOUT, connection).await.ok();
            }
        }
    };
    match result {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%error, "a connection ended early"),
        None => tracing::debug!("a connection was cut: its peer takes nothing"),
    }
}

/// The connection below an upgraded one, and what was read from it beyond the handshake.
pub(crate) fn take_over(upgraded: Upgraded) -> Result<(std::net::TcpStream, Vec<u8>), String> {
    let parts = upgraded
        .downcast::<TokioIo<WriteDeadline<TcpStream>>>()
        .map_err(|_| "the connection is not one of this server's")?;
    let stream = parts.io.into_inner().into_inner().into_std().map_err(|error| error.to_string())?;
    Ok((stream, parts.read_buf.into()))
}
