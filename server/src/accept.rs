//! The accept loop: HTTP/1.1 connections with deadlines and a cap.

use std::{convert::Infallible, future::Future, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{Request, Response, body::Incoming, server::conn::http1, service::Service, upgrade::Upgraded};
use hyper_util::rt::{TokioIo, TokioTimer};
use tidings_shared::limits::CLOSE_TIMEOUT;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

use crate::{
    addresses::{AddressPlace, Addresses},
    stream::WriteDeadline,
};

/// Bytes of a request's header.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// How long to wait when the system has no descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Time for a client beyond the cap to take its answer.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Clients beyond the cap that are answered at a time.
const MAX_REFUSALS: usize = 64;

/// What a client beyond the cap is told.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n\
    Content-Type: application/problem+json\r\nContent-Length: 82\r\n\r\n\
    {\"status\":503,\"code\":\"overloaded\",\"detail\":\"all connections are taken, try later\"}";

/// The bounds of connections, see [`GatewaySettings`](crate::GatewaySettings).
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) max_connections: usize,
    pub(crate) addresses: Addresses,
    pub(crate) trusted_proxies: Arc<[IpAddr]>,
    pub(crate) header_timeout: Duration,
    pub(crate) write_timeout: Duration,
}

/// A place under the caps; travels with a request, so that an upgraded socket keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Place(Arc<PlaceOf>);

#[derive(Debug)]
struct PlaceOf {
    peer: IpAddr,
    is_over: Notify,
    _permit: OwnedSemaphorePermit,
    _address: Option<AddressPlace>,
}

impl Place {
    /// Whoever the connection is from: a client or a proxy.
    pub(crate) fn peer(&self) -> IpAddr {
        self.0.peer
    }

    /// Lets the connection end when what is under way has been answered, and soon in any case.
    pub(crate) fn end(&self) {
        self.0.is_over.notify_one();
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
    let count = u32::try_from(limits.max_connections.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
    let places = Arc::new(Semaphore::new(count as usize));
    let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
    let (stop, _) = watch::channel(());
    let (mut shutdown, mut drain) = (pin!(shutdown), pin!(drain));
    let mut is_draining = false;
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
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // A proxy is many clients; whoever is on this machine may be one.
        let peer = peer.ip().to_canonical();
        let is_client = !peer.is_loopback() && !limits.trusted_proxies.contains(&peer);
        let address = if is_client { limits.addresses.take(peer).map(Some) } else { Some(None) };
        match (Arc::clone(&places).try_acquire_owned(), address) {
            (Ok(_permit), Some(_address)) => {
                let place = Place(Arc::new(PlaceOf { peer, is_over: Notify::new(), _permit, _address }));
                tokio::spawn(serve_one(stream, service.clone(), place, limits.clone(), stop.subscribe()));
            }
            _ => {
                // A flood gets no answer, so that refusing stays cheap.
                if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
                    tokio::spawn(refuse(stream, permit));
                }
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
    let of = place.clone();
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(place.clone());
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(MAX_HEADER_BYTES)
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
            () = of.0.is_over.notified() => {
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

async fn refuse(mut stream: TcpStream, _permit: OwnedSemaphorePermit) {
    let _ = tokio::time::timeout(REFUSAL_TIMEOUT, async {
        stream.write_all(REFUSAL).await?;
        stream.shutdown().await?;
        // Closing with the request unread would reset the connection, and the answer with it.
        let mut discarded = [0; 1024];
        while stream.read(&mut discarded).await? > 0 {}
        std::io::Result::Ok(())
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let text = std::str::from_utf8(REFUSAL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }
}
