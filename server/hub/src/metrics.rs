//! Metrics for operators, in the text format of OpenMetrics, which Prometheus reads. No label contains a client's text,
//! so the number of time series is bounded.

use std::{fmt, time::Duration};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};
use tidings_shared::Code;

mod bridge;
mod outbox;

pub use self::{bridge::BridgeMetrics, outbox::OutboxMetrics};
use self::{bridge::Bridges, outbox::Outboxes};

/// Upper bounds of the histogram's buckets, in seconds. The first is for a fan-out to a few sockets, the last for an
/// overloaded node.
const LATENCIES: [f64; 10] = [0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0];

/// Counters since the start, and gauges of the current state. Any thread can count, at a low cost.
pub struct Metrics {
    registry: Registry,
    /// Publications that were appended to a log.
    pub publications: Counter,
    /// Events that were written to a session or a stream.
    pub deliveries: Counter,
    syncs: Family<[(&'static str, &'static str); 1], Counter>,
    refusals: Family<[(&'static str, &'static str); 1], Counter>,
    /// Sessions whose socket takes no more at the moment.
    pub slow_sessions: Gauge,
    /// Sessions that ended because their handler panicked.
    pub panics: Counter,
    /// Announcements that could not be published.
    pub failed_announcements: Counter,
    /// The time from a publication to a socket.
    latency: Histogram,
    outboxes: Outboxes,
    bridges: Bridges,
    sums: Sums,
}

/// Gauges that are set when an operator asks.
#[derive(Debug, Default)]
struct Sums {
    sessions: Gauge,
    tenants: Gauge,
    subscriptions: Gauge,
    topics: Gauge,
    log_publications: Gauge,
    log_bytes: Gauge,
    log_age: Gauge,
    journal_silence: Gauge,
    journal_waiting: Gauge,
    journal_lag: Gauge,
}

/// The current amounts of a hub and its gateway.
#[derive(Debug, Default)]
pub struct Holdings {
    /// Sessions and event streams.
    pub sessions: usize,
    /// Tenants that have a log.
    pub tenants: usize,
    /// Subscriptions of sessions, event streams and in-process subscribers. Each topic counts once for each of them.
    pub subscriptions: usize,
    /// Topics that somebody subscribes to.
    pub topics: usize,
    /// Publications in all logs.
    pub log_publications: usize,
    /// Bytes of all logs and of all remembered keys.
    pub log_bytes: usize,
    /// The age of the oldest publication in any log.
    pub log_age: Duration,
    /// The time since something came through from the journal. Zero without a journal.
    pub journal_silence: Duration,
    /// Entries that wait for the journal.
    pub journal_waiting: usize,
    /// How long the oldest of them has waited.
    pub journal_lag: Duration,
}

/// The cause of a sync.
#[derive(Debug, Clone, Copy)]
pub enum SyncCause {
    /// The log evicted entries that a slow reader needed.
    Lag,
    /// The log cannot resume after the position that the client named.
    Resume,
    /// The application asked for it, or an announcement failed.
    Application,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("tidings"),
            publications: Counter::default(),
            deliveries: Counter::default(),
            syncs: Family::default(),
            refusals: Family::default(),
            slow_sessions: Gauge::default(),
            panics: Counter::default(),
            failed_announcements: Counter::default(),
            latency: Histogram::new(LATENCIES),
            outboxes: Outboxes::default(),
            bridges: Bridges::default(),
            sums: Sums::default(),
        };
        let Self {
            registry,
            publications,
            deliveries,
            syncs,
            refusals,
            slow_sessions,
            panics,
            failed_announcements,
            latency,
            outboxes,
            bridges,
            sums,
        } = &mut metrics;
        registry.register("publications", "Publications that were appended to a log", publications.clone());
        registry.register(
            "deliveries",
            "Events that were written to a session or a stream",
            deliveries.clone(),
        );
        registry.register("syncs", "Syncs, by cause", syncs.clone());
        registry.register("refusals", "Refusals, by code", refusals.clone());
        registry.register(
            "session_panics",
            "Sessions that ended because their handler panicked",
            panics.clone(),
        );
        registry.register(
            "failed_announcements",
            "Announcements of the application that could not be published",
            failed_announcements.clone(),
        );
        registry.register(
            "build",
            "The version of this server",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register(
            "slow_sessions",
            "Sessions and event streams whose socket is full at the moment",
            slow_sessions.clone(),
        );
        let help = "From a publication to the socket, one sample for each turn of a fan-out";
        registry.register_with_unit("publish_to_socket", help, Unit::Seconds, latency.clone());
        registry.register("sessions", "Sessions and event streams", sums.sessions.clone());
        registry.register("tenants", "Tenants that have a log", sums.tenants.clone());
        registry.register(
            "subscriptions",
            "Topics of sessions, streams and in-process subscribers",
            sums.subscriptions.clone(),
        );
        registry.register("topics", "Topics that somebody subscribes to", sums.topics.clone());
        registry.register("log_publications", "Publications in the logs", sums.log_publications.clone());
        registry.register_with_unit(
            "log",
            "Bytes of the logs and of the remembered keys",
            Unit::Bytes,
            sums.log_bytes.clone(),
        );
        registry.register_with_unit(
            "log_oldest_age",
            "The age of the oldest publication",
            Unit::Seconds,
            sums.log_age.clone(),
        );
        registry.register_with_unit(
            "journal_silence",
            "The time since something came through from the journal, 0 without a journal",
            Unit::Seconds,
            sums.journal_silence.clone(),
        );
        registry.register(
            "journal_waiting",
            "Entries that wait for the journal",
            sums.journal_waiting.clone(),
        );
        let help = "How long the oldest entry has waited for the journal";
        registry.register_with_unit("journal_lag", help, Unit::Seconds, sums.journal_lag.clone());
        outboxes.register(registry);
        bridges.register(registry);
        metrics
    }
}

impl Metrics {
    /// Counts a refusal.
    pub fn refused(&self, code: Code) {
        self.refusals.get_or_create(&[("code", code.as_str())]).inc();
    }

    /// Counts a sync.
    pub fn synced(&self, cause: SyncCause) {
        let cause = match cause {
            SyncCause::Lag => "lag",
            SyncCause::Resume => "resume",
            SyncCause::Application => "application",
        };
        self.syncs.get_or_create(&[("cause", cause)]).inc();
    }

    /// Counts the time from a publication to a socket.
    pub fn took(&self, latency: Duration) {
        self.latency.observe(latency.as_secs_f64());
    }

    /// Returns the metrics of an outbox. Its name has no secrets.
    pub fn outbox(&self, name: &str) -> OutboxMetrics {
        self.outboxes.of(name)
    }

    /// Returns the metrics of the bridges of one schema in one source. The source's name has no secrets.
    pub fn bridge(&self, source: &str, schema: &str) -> BridgeMetrics {
        self.bridges.of(source, schema)
    }

    /// Returns all metrics as text.
    pub fn page(&self, holdings: &Holdings) -> String {
        let set = |gauge: &Gauge, value: usize| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&self.sums.sessions, holdings.sessions);
        set(&self.sums.tenants, holdings.tenants);
        set(&self.sums.subscriptions, holdings.subscriptions);
        set(&self.sums.topics, holdings.topics);
        set(&self.sums.log_publications, holdings.log_publications);
        set(&self.sums.log_bytes, holdings.log_bytes);
        let seconds = |time: Duration| usize::try_from(time.as_secs()).unwrap_or(usize::MAX);
        set(&self.sums.log_age, seconds(holdings.log_age));
        set(&self.sums.journal_silence, seconds(holdings.journal_silence));
        set(&self.sums.journal_waiting, holdings.journal_waiting);
        set(&self.sums.journal_lag, seconds(holdings.journal_lag));
        let mut page = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut page, &self.registry);
        page
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
