//! The gateway: it puts together a hub, its access rules, its settings and the threads of its connections.

use std::{
    net::IpAddr,
    num::NonZero,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tidings_hub::{Hub, SessionSettings, metrics::Holdings};
use tidings_shared::limits;
use tokio::{runtime::Handle, sync::watch, time::interval};

use crate::{
    authorize::Authorize,
    net::{
        addresses::Addresses,
        worker::{self, Workers},
    },
    origin::OriginRule,
    questions::Questions,
    silence::Silences,
};

/// The bounds and rules of a gateway. Start from [`GatewaySettings::new`] or [`GatewaySettings::development`]. In an
/// application's own server, [some of them](Gateway::service) have no effect.
///
/// ```
/// use std::time::Duration;
/// use tidings_server::{GatewaySettings, OriginRule, hub::SessionSettings};
///
/// let origins = OriginRule::Exact(vec!["https://app.example.com".to_owned()]);
/// let session = SessionSettings::default().heartbeat(Duration::from_secs(15));
/// let settings = GatewaySettings::new(origins).session(session).max_connections(5_000);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GatewaySettings {
    /// The bounds of each session.
    pub session: SessionSettings,
    /// The web pages that are let in.
    pub origins: OriginRule,
    /// The time for a request head, from its first byte to its last.
    pub header_timeout: Duration,
    /// The time for which an idle connection stays open: a fresh one before its first request, and any after an answer.
    /// Make it longer than a proxy in front keeps idle connections. If more than three quarters of the permits are
    /// taken, the header timeout applies instead. A fresh connection has at least the header timeout.
    pub keep_alive_timeout: Duration,
    /// Bytes of a request head. The HTTP library needs at least [`limits::LEAST_HEADER_BYTES`], and a smaller number
    /// is raised to it.
    pub max_header_bytes: usize,
    /// The time for the whole body of a request.
    pub body_timeout: Duration,
    /// Bytes of a request's body.
    pub max_body_bytes: usize,
    /// A socket that accepts no byte for this long is closed.
    pub write_timeout: Duration,
    /// If `true`, every address may read `/metrics`. If `false`, only this machine may.
    pub open_metrics: bool,
    /// Whether `/ready` is 200 also while the hub hears nothing from its journal, or an outbox does not answer. If one
    /// database serves all nodes, and it is away, then `false` takes all of them from a load balancer at once.
    pub ready_ignores_journal: bool,
    /// Whether `/v1/echo` sends back every WebSocket message, for conformance suites. It needs no token.
    pub echo: bool,
    /// Threads that deliver to WebSockets and event streams. `None` means one for each processor.
    pub shards: Option<NonZero<usize>>,
    /// Connections at a time, HTTP and WebSocket together. It is fewer if the process may not open enough files. Beyond
    /// it, the server answers `/health`, `/ready` and `/metrics`, and refuses everything else.
    pub max_connections: usize,
    /// Connections at a time from one address (for IPv6, one /64). This machine and trusted proxies may have any
    /// number. Behind a trusted proxy, the limit counts the WebSockets and event streams of each client.
    pub max_connections_per_address: usize,
    /// Proxies that the server believes: the last entry of their `X-Forwarded-For` is the client's address, perhaps
    /// with a port. All clients without an address in this entry count as one client.
    pub trusted_proxies: Arc<[IpAddr]>,
    /// The longest time of a drain.
    pub drain_timeout: Duration,
    /// The time over which a drain spreads the reconnects of its clients.
    pub drain_spread: Duration,
}

impl GatewaySettings {
    /// Returns the default settings, for pages of these origins.
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
            ready_ignores_journal: false,
            echo: false,
            shards: None,
            max_connections: limits::MAX_CONNECTIONS,
            max_connections_per_address: limits::MAX_CONNECTIONS_PER_ADDRESS,
            trusted_proxies: Arc::default(),
            drain_timeout: limits::DRAIN_TIMEOUT,
            drain_spread: limits::DRAIN_SPREAD,
        }
    }

    /// Returns the number of shards.
    pub(crate) fn shard_count(&self) -> usize {
        self.shards.map_or_else(std::thread::available_parallelism, Ok).map_or(1, NonZero::get)
    }

    /// Returns the default settings, for pages that this machine serves.
    pub fn development() -> Self {
        Self::new(OriginRule::Loopback)
    }
}

tidings_hub::setters!(GatewaySettings {
    session: SessionSettings,
    origins: OriginRule,
    header_timeout: Duration,
    keep_alive_timeout: Duration,
    max_header_bytes: usize,
    body_timeout: Duration,
    max_body_bytes: usize,
    write_timeout: Duration,
    open_metrics: bool,
    ready_ignores_journal: bool,
    echo: bool,
    shards: impl Into<Option<NonZero<usize>>>,
    max_connections: usize,
    max_connections_per_address: usize,
    trusted_proxies: impl Into<Arc<[IpAddr]>>,
    drain_timeout: Duration,
    drain_spread: Duration,
});

/// Lets WebSocket and HTTP clients reach a hub. A clone is cheap, and is the same gateway.
#[derive(Debug, Clone)]
pub struct Gateway(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    hub: Hub,
    questions: Questions,
    settings: GatewaySettings,
    /// `true` from the beginning of a drain.
    draining: watch::Sender<bool>,
    /// Every session and event stream holds a receiver. A drain waits until no receiver is left.
    present: watch::Sender<()>,
    workers: OnceLock<Option<Workers>>,
    addresses: Addresses,
    /// Whether a task evicts old publications.
    is_timed: Arc<AtomicBool>,
}

impl Gateway {
    /// Returns a gateway to a hub.
    pub fn new(hub: Hub, access: impl Authorize, mut settings: GatewaySettings) -> Self {
        // A socket of both address families writes an IPv4 peer as IPv6. So proxies and peers are compared in one form.
        settings.trusted_proxies = settings.trusted_proxies.iter().map(IpAddr::to_canonical).collect();
        let (draining, _) = watch::channel(false);
        let (present, _) = watch::channel(());
        let questions = Questions::new(hub.clone(), access, settings.session.answer_timeout);
        let addresses = Addresses::new(settings.max_connections_per_address);
        let workers = OnceLock::new();
        let is_timed = Arc::default();
        Self(Arc::new(Inner { hub, questions, settings, draining, present, workers, addresses, is_timed }))
    }

    /// Returns the hub behind the gateway.
    pub fn hub(&self) -> &Hub {
        &self.0.hub
    }

    pub(crate) fn questions(&self) -> &Questions {
        &self.0.questions
    }

    pub(crate) fn settings(&self) -> &GatewaySettings {
        &self.0.settings
    }

    pub(crate) fn addresses(&self) -> &Addresses {
        &self.0.addresses
    }

    /// Returns the text of `/metrics`.
    pub(crate) fn metrics_page(&self) -> String {
        let holdings = self.hub().holdings(self.hub().now());
        self.outbox_silences().measure(Instant::now());
        self.hub().metrics().page(&Holdings { sessions: self.sessions(), ..holdings })
    }

    pub(crate) fn outbox_silences(&self) -> Arc<Silences> {
        self.hub().extension()
    }

    /// Returns a guard. A session or an event stream counts as present while it holds the guard.
    pub(crate) fn presence(&self) -> watch::Receiver<()> {
        self.0.present.subscribe()
    }

    /// Returns the shards' threads. The first call starts them, on the application's runtime. Returns `None` if the system
    /// could not start one.
    pub(crate) fn workers(&self) -> Option<&Workers> {
        let start = || {
            let Inner { settings, hub, questions, draining, .. } = &*self.0;
            let settings = worker::Settings {
                count: settings.shard_count(),
                max_message_bytes: settings.session.max_message_bytes,
                write_timeout: settings.write_timeout,
                drain_timeout: settings.drain_timeout,
                drain_spread: settings.drain_spread,
            };
            let workers = Workers::start(&settings, hub, questions, &draining.subscribe());
            workers
                .inspect_err(|error| tracing::error!(%error, "no thread for a shard could be started"))
                .ok()
        };
        self.0.workers.get_or_init(start).as_ref()
    }

    /// Evicts old publications every second, because a log without new publications would keep them. The first call
    /// starts a task, which ends with the gateway or with its runtime. Without a runtime, the next call tries again.
    pub(crate) fn keep_time(&self) {
        if self.0.is_timed.load(Relaxed) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if self.0.is_timed.swap(true, Relaxed) {
            return;
        }
        let (gateway, running) = (Arc::downgrade(&self.0), Running(Arc::clone(&self.0.is_timed)));
        runtime.spawn(async move {
            let _running = running;
            let mut every_second = interval(Duration::from_secs(1));
            loop {
                every_second.tick().await;
                let Some(gateway) = gateway.upgrade() else { return };
                gateway.hub.handle_timeout(gateway.hub.now());
            }
        });
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.0.draining.borrow()
    }

    /// Returns how many sessions and event streams are present.
    pub fn sessions(&self) -> usize {
        self.0.present.receiver_count()
    }

    /// Drains the gateway: refuses new sessions, sends all sessions away, and waits until they are gone. It waits
    /// at most for [`GatewaySettings::drain_timeout`]. Returns whether all were gone in time.
    pub async fn drain(&self) -> bool {
        self.0.draining.send_replace(true);
        tokio::time::timeout(self.0.settings.drain_timeout, self.0.present.closed()).await.is_ok()
    }
}

/// Notes the end of a task, also when its runtime drops it.
struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tidings_hub::{HubSettings, LogLimits};
    use tokio::{
        runtime::{Builder, Runtime},
        time::sleep,
    };

    use super::*;
    use crate::{DevAccess, SystemHost};

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
    }

    #[test]
    fn old_publications_are_evicted_until_the_gateway_ends_whichever_runtime_goes_before() {
        let log = LogLimits::default().max_age(Duration::ZERO);
        let hub = Hub::new(HubSettings::new("acme".parse().unwrap()).log(log), SystemHost::start());
        let gateway =
            Gateway::new(hub.clone(), DevAccess::new(hub.home().clone()), GatewaySettings::development());
        gateway.keep_time();
        let is_timed = Arc::clone(&gateway.0.is_timed);
        assert!(!is_timed.load(Relaxed), "there is no runtime");
        let publish = || {
            let (event, topics) = (r#"{"domain":"a","event":"b","payload":{}}"#, ["a".parse().unwrap()]);
            let event = tidings_shared::RawEvent::parse(event).unwrap();
            drop(hub.publish_raw(event, Some(&topics), Default::default()));
        };
        for _ in 0..2 {
            let runtime = runtime();
            publish();
            runtime.block_on(async {
                gateway.keep_time();
                gateway.keep_time();
                assert!(is_timed.load(Relaxed));
                sleep(Duration::from_secs(2)).await;
            });
            assert_eq!(gateway.hub().counters().log_entries, 0);
            assert_eq!(Arc::weak_count(&gateway.0), 1, "there is one task");
            drop(runtime);
            assert!(!is_timed.load(Relaxed), "the task ends with its runtime");
        }
        runtime().block_on(async {
            gateway.keep_time();
            drop(gateway);
            sleep(Duration::from_secs(2)).await;
            assert!(!is_timed.load(Relaxed), "the task ends with the gateway");
        });
    }
}
