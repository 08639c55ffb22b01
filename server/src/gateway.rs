//! The gateway: how browsers and tools reach a hub.

use std::{
    net::IpAddr,
    num::NonZero,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tidings_hub::{Authorize, Hub, SessionSettings, metrics::Holdings};
use tidings_shared::limits;
use tokio::sync::watch;

use crate::{
    net::{
        addresses::Addresses,
        worker::{self, Workers},
    },
    origin::OriginRule,
};

/// The bounds and rules of a gateway. Start from [`GatewaySettings::new`] or [`GatewaySettings::development`].
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// The bounds of each session.
    pub session: SessionSettings,
    /// The web pages that are let in.
    pub origins: OriginRule,
    /// From a TCP connection, or from the first byte of a further request, to the last byte of a request's header.
    pub header_timeout: Duration,
    /// From an answer to the end of a connection on which no further request begins. It should be longer than a proxy in front
    /// keeps idle connections. Where more than three quarters of the connections are taken, it is the header timeout.
    pub keep_alive_timeout: Duration,
    /// Bytes of a request's header; the HTTP library wants at least [`limits::LEAST_HEADER_BYTES`] and is given so many.
    pub max_header_bytes: usize,
    /// For the whole body of a request.
    pub body_timeout: Duration,
    /// Bytes of a request's body.
    pub max_body_bytes: usize,
    /// A socket that accepts no byte for so long is closed.
    pub write_timeout: Duration,
    /// Whether anybody may read `/metrics`; else only this machine.
    pub open_metrics: bool,
    /// Whether `/v1/echo` sends back every WebSocket message, for conformance suites. It asks for no token.
    pub echo: bool,
    /// Threads that deliver to WebSockets; as many as there are processors where there is none.
    pub shards: Option<NonZero<usize>>,
    /// Connections at a time, HTTP and WebSocket together; fewer where the process may not open so many files. Beyond it
    /// `/health`, `/ready` and `/metrics` are answered, and everything else is refused.
    pub max_connections: usize,
    /// Connections at a time from one address (of IPv6: one /64). Whoever is on this machine, and trusted proxies, may have
    /// any number; of what a trusted proxy forwards, the sockets and streams of one client count.
    pub max_connections_per_address: usize,
    /// The proxies whose `X-Forwarded-For` is believed: its last entry is the client, an address, perhaps with a port. All
    /// clients whose entry is none count as one.
    pub trusted_proxies: Arc<[IpAddr]>,
    /// From the begin of a drain to its end, at the latest.
    pub drain_timeout: Duration,
    /// The time over which a drain spreads the return of its clients.
    pub drain_spread: Duration,
}

impl GatewaySettings {
    /// The default bounds, for pages of these origins.
    pub fn new(origins: OriginRule) -> Self {
        Self {
            session: SessionSettings::default(),
            origins,
            header_timeout: limits::HEADER_TIMEOUT,
            keep_alive_timeout: limits::KEEP_ALIVE_TIMEOUT,
            max_header_bytes: limits::MAX_HEADER_BYTES,
            body_timeout: limits::BODY_TIMEOUT,
            max_body_bytes: limits::MAX_BODY_BYTES,
            write_timeout: limits::WRITE_TIMEOUT,
            open_metrics: false,
            echo: false,
            shards: None,
            max_connections: limits::MAX_CONNECTIONS,
            max_connections_per_address: limits::MAX_CONNECTIONS_PER_ADDRESS,
            trusted_proxies: Arc::default(),
            drain_timeout: limits::DRAIN_TIMEOUT,
            drain_spread: limits::DRAIN_SPREAD,
        }
    }

    pub(crate) fn shard_count(&self) -> usize {
        self.shards.map_or_else(std::thread::available_parallelism, Ok).map_or(1, NonZero::get)
    }

    /// The default bounds, for pages that this machine serves.
    pub fn development() -> Self {
        Self::new(OriginRule::Loopback)
    }
}

/// Lets WebSocket and HTTP clients reach a hub. Cloning is cheap and gives the same gateway.
#[derive(Debug, Clone)]
pub struct Gateway(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    hub: Hub,
    access: Arc<dyn Authorize>,
    settings: GatewaySettings,
    /// Becomes true once, when a drain begins.
    draining: watch::Sender<bool>,
    /// Every session and stream of events holds a receiver, so that the end of all can be awaited.
    present: watch::Sender<()>,
    workers: OnceLock<Option<Workers>>,
    addresses: Addresses,
}

impl Gateway {
    /// A gateway to a hub.
    pub fn new(hub: Hub, access: impl Authorize, mut settings: GatewaySettings) -> Self {
        // As a socket of both families names its peers.
        settings.trusted_proxies = settings.trusted_proxies.iter().map(IpAddr::to_canonical).collect();
        let (draining, _) = watch::channel(false);
        let (present, _) = watch::channel(());
        let access = Arc::new(access);
        let addresses = Addresses::new(settings.max_connections_per_address);
        let workers = OnceLock::new();
        Self(Arc::new(Inner { hub, access, settings, draining, present, workers, addresses }))
    }

    /// The hub behind it.
    pub fn hub(&self) -> &Hub {
        &self.0.hub
    }

    pub(crate) fn access(&self) -> &Arc<dyn Authorize> {
        &self.0.access
    }

    pub(crate) fn settings(&self) -> &GatewaySettings {
        &self.0.settings
    }

    pub(crate) fn addresses(&self) -> &Addresses {
        &self.0.addresses
    }

    /// The page of metrics.
    pub(crate) fn metrics_page(&self) -> String {
        let holdings = self.hub().holdings(self.hub().now());
        self.hub().metrics().page(&Holdings { sessions: self.sessions(), ..holdings })
    }

    /// Lets streams of events know of a drain.
    pub(crate) fn watch_drain(&self) -> watch::Receiver<bool> {
        self.0.draining.subscribe()
    }

    /// A session or a stream of events counts as there until it drops this.
    pub(crate) fn presence(&self) -> watch::Receiver<()> {
        self.0.present.subscribe()
    }

    /// The shards' threads, which the first that asks starts; none where the system lets none start.
    pub(crate) fn workers(&self) -> Option<&Workers> {
        let start = || {
            let Inner { settings, hub, draining, .. } = &*self.0;
            let settings = worker::Settings {
                count: settings.shard_count(),
                max_message_bytes: settings.session.max_message_bytes,
                write_timeout: settings.write_timeout,
                drain_timeout: settings.drain_timeout,
                drain_spread: settings.drain_spread,
            };
            let workers = Workers::start(&settings, hub, &draining.subscribe());
            workers
                .inspect_err(|error| tracing::error!(%error, "no thread for a shard could be started"))
                .ok()
        };
        self.0.workers.get_or_init(start).as_ref()
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.0.draining.borrow()
    }

    /// Sessions and streams of events that are there now.
    pub fn sessions(&self) -> usize {
        self.0.present.receiver_count()
    }

    /// Sends every session away and waits until all are gone, at most for the drain's deadline. No session is let in
    /// any more. Says whether all went in time.
    pub async fn drain(&self) -> bool {
        self.0.draining.send_replace(true);
        tokio::time::timeout(self.0.settings.drain_timeout, self.0.present.closed()).await.is_ok()
    }
}
