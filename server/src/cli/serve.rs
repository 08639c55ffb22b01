//! `tidings serve`: reads the settings, and runs a server until a signal stops it.

use std::{
    fmt,
    io::Write,
    net::{IpAddr, SocketAddr},
    num::NonZero,
    path::PathBuf,
    time::Duration,
};

use clap::{Args, builder::BoolishValueParser};
use futures_util::FutureExt;
use tidings_hub::{HubSettings, KeyLimits, LogLimits, Quotas, SessionSettings, TenantId};
use tidings_shared::{Domains, limits};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{
    Failure,
    application::Application,
    keys,
    log::LogFormat,
    output::print,
    time::{duration, duration_or_none},
    tokens::Tokens,
    watch_table,
};
use crate::{
    authorize::DevAccess,
    gateway::{Gateway, GatewaySettings},
    journal::{self, JournalAddress, JournalSettings, Synchronous, open_hub},
    origin::{OriginRule, check_as_browsers_write},
    outbox::{Outbox, OutboxAddress, admin},
    postgres,
};

/// The tenant of a server with `--dev`.
const DEV_TENANT: &str = "dev";

/// The hub's own tenant when tokens name their tenants. Nobody publishes there.
const HOME_TENANT: &str = "home";

/// A supervisor starts the server again when it ends with an error.
const JOURNAL_ENDED: &str = "the journal's thread has panicked, so the server ends; start it again, and report the panic in the lines above";

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, env = "TIDINGS_LISTEN", default_value = "127.0.0.1:7700", value_name = "ADDR:PORT")]
    listen: SocketAddr,
    /// Run for development, on loopback only: no tokens, and everybody has all rights in the tenant `dev`
    #[arg(long, env = "TIDINGS_DEV", value_parser = BoolishValueParser::new(), num_args = 0..=1, default_missing_value = "true", default_value = "false", hide_default_value = true, hide_possible_values = true, require_equals = true, value_name = "true|false")]
    dev: bool,
    /// TOML file with settings; its keys are the names of these flags; flags and environment win over it
    #[arg(long, env = "TIDINGS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Origin of pages that may connect, such as `https://host[:port]`, or `tauri://localhost` for an app; may be given
    /// several times. With --dev, pages of this machine may connect
    #[arg(long, env = "TIDINGS_ALLOW_ORIGIN", value_delimiter = ',', value_parser = origin, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Where the history is: `memory`, which a restart forgets; sqlite:PATH, a file of this server; or postgres://…, a database
    /// that any number of servers share
    #[arg(
        long,
        env = "TIDINGS_JOURNAL",
        help_heading = "Journal",
        default_value = "memory",
        value_name = "memory|sqlite:PATH|postgres://…"
    )]
    journal: JournalAddress,
    /// When an event is on the disk: `full`, before it is acknowledged; `normal`, a moment later, so that a power loss may
    /// lose the last acknowledged events, and their subscribers get a sync
    #[arg(
        long,
        env = "TIDINGS_JOURNAL_SYNCHRONOUS",
        help_heading = "Journal",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "full|normal"
    )]
    journal_synchronous: Synchronous,
    /// Database of the application with an outbox, as sqlite:PATH or postgres://…; may be given several times
    #[arg(long, env = "TIDINGS_OUTBOX", value_name = "URL")]
    outbox: Vec<OutboxAddress>,
    /// Time from the first byte of the upgrade request to the client's hello
    #[arg(long, env = "TIDINGS_HELLO_TIMEOUT", help_heading = "Deadlines", default_value = "5s", value_parser = duration, value_name = "TIME")]
    hello_timeout: Duration,
    /// Time from the first byte of a request head to its last
    #[arg(long, env = "TIDINGS_HEADER_TIMEOUT", help_heading = "Deadlines", default_value = "5s", value_parser = duration, value_name = "TIME")]
    header_timeout: Duration,
    /// Time for which an idle HTTP connection stays open, used or not; should be longer than in a proxy in front
    #[arg(long, env = "TIDINGS_KEEP_ALIVE_TIMEOUT", help_heading = "Deadlines", default_value = "75s", value_parser = duration, value_name = "TIME")]
    keep_alive_timeout: Duration,
    /// Silence after which the server sends a ping
    #[arg(long, env = "TIDINGS_HEARTBEAT", help_heading = "Deadlines", default_value = "25s", value_parser = duration, value_name = "TIME")]
    heartbeat: Duration,
    /// Time in which a socket must accept a byte; else it is closed as a slow consumer
    #[arg(long, env = "TIDINGS_WRITE_TIMEOUT", help_heading = "Deadlines", default_value = "30s", value_parser = duration, value_name = "TIME")]
    write_timeout: Duration,
    /// Time in which a client must answer a ping; any input counts as an answer
    #[arg(long, env = "TIDINGS_PING_TIMEOUT", help_heading = "Deadlines", default_value = "10s", value_parser = duration, value_name = "TIME")]
    ping_timeout: Duration,
    /// Time in which the whole body of a request must arrive
    #[arg(long, env = "TIDINGS_BODY_TIMEOUT", help_heading = "Deadlines", default_value = "10s", value_parser = duration, value_name = "TIME")]
    body_timeout: Duration,
    /// Time over which a drain spreads the reconnects of its clients
    #[arg(long, env = "TIDINGS_DRAIN_SPREAD", help_heading = "Deadlines", default_value = "5s", value_parser = duration_or_none, value_name = "TIME")]
    drain_spread: Duration,
    /// Longest time of a drain, which SIGTERM or SIGINT starts
    #[arg(long, env = "TIDINGS_DRAIN_TIMEOUT", help_heading = "Deadlines", default_value = "30s", value_parser = duration, value_name = "TIME")]
    drain_timeout: Duration,
    /// Bytes of one message from a client
    #[arg(long, env = "TIDINGS_MAX_MESSAGE_BYTES", help_heading = "Limits", default_value_t = limits::MAX_MESSAGE_BYTES, value_parser = at_least_one, value_name = "N")]
    max_message_bytes: usize,
    /// Bytes of a message before the session is open, such as the hello; a token in it has at most 4096
    #[arg(long, env = "TIDINGS_MAX_HELLO_BYTES", help_heading = "Limits", default_value_t = limits::MAX_MESSAGE_BYTES_BEFORE_HELLO, value_parser = at_least_one, value_name = "N")]
    max_hello_bytes: usize,
    /// Bytes of a request head, at least 8192; it holds the topics of an event stream
    #[arg(long, env = "TIDINGS_MAX_HEADER_BYTES", help_heading = "Limits", default_value_t = limits::MAX_HEADER_BYTES, value_parser = header_bytes, value_name = "N")]
    max_header_bytes: usize,
    /// Bytes of a request's body
    #[arg(long, env = "TIDINGS_MAX_BODY_BYTES", help_heading = "Limits", default_value_t = limits::MAX_BODY_BYTES, value_parser = at_least_one, value_name = "N")]
    max_body_bytes: usize,
    /// Topics that one session or event stream may subscribe to, in frames of 128
    #[arg(long, env = "TIDINGS_MAX_TOPICS_PER_SESSION", help_heading = "Limits", default_value_t = limits::MAX_TOPICS_PER_SESSION, value_parser = at_least_one, value_name = "N")]
    max_topics_per_session: usize,
    /// Connections at a time, but at least 32 fewer than the limit of open files
    #[arg(long, env = "TIDINGS_MAX_CONNECTIONS", help_heading = "Limits", default_value_t = limits::MAX_CONNECTIONS, value_parser = at_least_one, value_name = "N")]
    max_connections: usize,
    /// Frames that a session may send per second; a burst may be twice that
    #[arg(long, env = "TIDINGS_FRAMES_PER_SECOND", help_heading = "Limits", default_value_t = limits::FRAMES_PER_SECOND, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    frames_per_second: u32,
    /// Bytes of a tenant's log
    #[arg(long, env = "TIDINGS_LOG_MAX_BYTES", help_heading = "Log of publications", default_value_t = limits::LOG_MAX_BYTES, value_parser = at_least_one, value_name = "N")]
    log_max_bytes: usize,
    /// Publications in a tenant's log
    #[arg(long, env = "TIDINGS_LOG_MAX_ENTRIES", help_heading = "Log of publications", default_value_t = limits::LOG_MAX_ENTRIES, value_parser = at_least_one, value_name = "N")]
    log_max_entries: usize,
    /// Bytes of all tenants' logs and remembered keys; beyond it, the largest log loses its oldest entries
    #[arg(long, env = "TIDINGS_LOGS_MAX_BYTES", help_heading = "Log of publications", default_value_t = limits::LOGS_MAX_BYTES, value_parser = at_least_one, value_name = "N")]
    logs_max_bytes: usize,
    /// Sessions and event streams of one tenant
    #[arg(long, env = "TIDINGS_MAX_SESSIONS_PER_TENANT", help_heading = "Limits", default_value_t = limits::MAX_SESSIONS_PER_TENANT, value_parser = at_least_one, value_name = "N")]
    max_sessions_per_tenant: usize,
    /// Topics of one tenant that have a subscriber
    #[arg(long, env = "TIDINGS_MAX_TOPICS_PER_TENANT", help_heading = "Limits", default_value_t = limits::MAX_TOPICS_PER_TENANT, value_parser = at_least_one, value_name = "N")]
    max_topics_per_tenant: usize,
    /// Age of the oldest publication in a tenant's log
    #[arg(long, env = "TIDINGS_LOG_MAX_AGE", help_heading = "Log of publications", default_value = "10m", value_parser = duration, value_name = "TIME")]
    log_max_age: Duration,
    /// Time for which the server remembers the key of a publication that has left the log
    #[arg(long, env = "TIDINGS_KEY_MAX_AGE", help_heading = "Log of publications", default_value = "10m", value_parser = duration, value_name = "TIME")]
    key_max_age: Duration,
    /// Let every address read /metrics, not only this machine
    #[arg(long, env = "TIDINGS_OPEN_METRICS", value_parser = BoolishValueParser::new(), num_args = 0..=1, default_missing_value = "true", default_value = "false", hide_default_value = true, hide_possible_values = true, require_equals = true, value_name = "true|false")]
    open_metrics: bool,
    /// Let /ready be 200 also while the journal or an outbox is away
    #[arg(long, env = "TIDINGS_READY_IGNORES_JOURNAL", value_parser = BoolishValueParser::new(), num_args = 0..=1, default_missing_value = "true", default_value = "false", hide_default_value = true, hide_possible_values = true, require_equals = true, value_name = "true|false")]
    ready_ignores_journal: bool,
    /// Serve a WebSocket echo at /v1/echo, for conformance suites
    #[arg(long, env = "TIDINGS_ECHO", value_parser = BoolishValueParser::new(), num_args = 0..=1, default_missing_value = "true", default_value = "false", hide_default_value = true, hide_possible_values = true, require_equals = true, value_name = "true|false")]
    echo: bool,
    /// Threads that deliver to WebSockets and event streams; by default one for each processor
    #[arg(long, env = "TIDINGS_SHARDS", value_parser = shards, value_name = "N")]
    shards: Option<NonZero<usize>>,
    /// Connections at a time from one address; this machine and trusted proxies have no such limit
    #[arg(long, env = "TIDINGS_MAX_CONNECTIONS_PER_ADDRESS", help_heading = "Limits", default_value_t = limits::MAX_CONNECTIONS_PER_ADDRESS, value_parser = at_least_one, value_name = "N")]
    max_connections_per_address: usize,
    /// Address of a proxy whose `X-Forwarded-For` the server believes; may be given several times
    #[arg(long, env = "TIDINGS_TRUSTED_PROXY", value_delimiter = ',', value_name = "ADDR")]
    trusted_proxy: Vec<IpAddr>,
    /// Time for which a session goes on after its token has expired, so that a fresh one can arrive
    #[arg(long, env = "TIDINGS_EXPIRY_GRACE", help_heading = "Deadlines", default_value = "5s", value_parser = duration_or_none, value_name = "TIME")]
    expiry_grace: Duration,
    /// Format of the log on standard error; RUST_LOG filters it (default: info)
    #[arg(long, env = "TIDINGS_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, hide_possible_values = true, value_name = "text|json")]
    log_format: LogFormat,
    #[command(flatten)]
    tokens: Tokens,
}

/// The longest wait for a database that has failed, to see whether it answers at all.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Returns the failure of a server that can't use a database, with its setting and the URL if it is PostgreSQL. If nobody
/// answers there, the setting may be right, and a later start may succeed.
async fn unusable(setting: &str, url: Option<&str>, error: impl fmt::Display) -> Failure {
    let message = format!("{setting}{error}");
    let is_away = match url.map(|url| postgres::Database::parse(url, String::new())) {
        Some(Ok(database)) => database.timeouts(PROBE_TIMEOUT, PROBE_TIMEOUT).is_away().await,
        _ => false,
    };
    if is_away { Failure::Failed(message) } else { Failure::Usage(message) }
}

/// Returns the outbox in the database of a journal, if it has one.
fn journals_outbox(journal: &JournalAddress) -> Option<OutboxAddress> {
    journal::postgres_url(journal)?.parse().ok()
}

fn origin(text: &str) -> Result<String, &'static str> {
    check_as_browsers_write(text).map(|()| text.to_owned())
}

fn shards(text: &str) -> Result<NonZero<usize>, String> {
    let number = text.parse().ok().filter(|number: &NonZero<usize>| number.get() <= limits::MAX_SHARDS);
    number.ok_or_else(|| format!("1 to {}", limits::MAX_SHARDS))
}

fn header_bytes(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (limits::LEAST_HEADER_BYTES..).contains(number));
    number.ok_or_else(|| format!("a number, at least {}", limits::LEAST_HEADER_BYTES))
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

impl Serve {
    pub(super) fn log_format(&self) -> LogFormat {
        self.log_format
    }

    pub(super) async fn run(self, application: impl Application, domains: Domains) -> Result<(), Failure> {
        self.check()?;
        self.serve(application, domains).await
    }

    /// Runs `tidings check-config`.
    pub(super) async fn check_config(&self) -> Result<(), Failure> {
        self.check()?;
        if !self.dev {
            self.tokens.access()?;
        }
        let address = self.journal.clone();
        if let Err(error) = journal::blocking(move || journal::check(&address)).await {
            return Err(unusable("--journal: ", journal::postgres_url(&self.journal), error).await);
        }
        let in_journal = journals_outbox(&self.journal);
        let of_journal = in_journal.iter().map(|outbox| ("--journal: ", outbox));
        for (setting, outbox) in of_journal.chain(self.outbox.iter().map(|outbox| ("--outbox ", outbox))) {
            let checked = match admin::check(outbox).await {
                Ok(()) => admin::check_journal(outbox, in_journal.as_ref()).await,
                fault => fault,
            };
            if let Err(error) = checked {
                return Err(unusable(setting, outbox.postgres_url(), error).await);
            }
            if let Some(fault) = watch_table::fault_of(outbox).await {
                return Err(Failure::Usage(format!("{setting}{outbox}: {fault}")));
            }
        }
        print("the configuration is valid")
    }

    /// Checks the rules that concern several flags.
    fn check(&self) -> Result<(), Failure> {
        if let (true, Some(flag)) = (self.dev, self.tokens.given()) {
            return Err(Failure::Usage(format!("{flag}: --dev needs no token; leave one of the two out")));
        }
        let is_repeated = |(index, outbox): &(usize, &OutboxAddress)| self.outbox[..*index].contains(outbox);
        if let Some((_, outbox)) = self.outbox.iter().enumerate().find(is_repeated) {
            return Err(Failure::Usage(format!(
                "--outbox {outbox} is given twice: an outbox has one reader"
            )));
        }
        if !self.dev {
            return Ok(());
        }
        if !self.listen.ip().is_loopback() {
            let reason =
                format!("--listen {}: --dev needs no token, so it listens on loopback only", self.listen);
            return Err(Failure::Usage(reason));
        }
        if !self.allow_origin.is_empty() {
            let reason = "--allow-origin: --dev lets in the pages of this machine, and no others";
            return Err(Failure::Usage(reason.to_owned()));
        }
        Ok(())
    }

    async fn serve(self, application: impl Application, domains: Domains) -> Result<(), Failure> {
        let failed = |reason: String| Failure::Failed(reason);
        let (access, keys) = if self.dev { None } else { Some(self.tokens.access()?) }.unzip();
        let home = match (&self.tokens.single_tenant, self.dev) {
            (Some(tenant), _) => Ok(tenant.clone()),
            (None, true) => TenantId::parse(DEV_TENANT),
            (None, false) => TenantId::parse(HOME_TENANT),
        };
        let home = home.map_err(|error| failed(error.to_string()))?;
        let log = LogLimits::default()
            .max_bytes(self.log_max_bytes)
            .max_entries(self.log_max_entries)
            .max_age(self.log_max_age)
            .keys(KeyLimits::default().max_age(self.key_max_age));
        let quotas = Quotas::default()
            .max_sessions(self.max_sessions_per_tenant)
            .max_topics(self.max_topics_per_tenant);
        let settings = HubSettings::new(home.clone())
            .domains(domains)
            .log(log)
            .quotas(quotas)
            .logs_max_bytes(self.logs_max_bytes);
        let in_journal = journals_outbox(&self.journal);
        let journal = JournalSettings::new(self.journal.clone()).synchronous(self.journal_synchronous);
        let (hub, journal) = match open_hub(settings, journal).await {
            Ok(open) => open,
            Err(error) => {
                return Err(unusable("--journal: ", journal::postgres_url(&self.journal), error).await);
            }
        };
        let session = SessionSettings::default()
            .hello_timeout(self.hello_timeout)
            .heartbeat(self.heartbeat)
            .ping_timeout(self.ping_timeout)
            .max_message_bytes(self.max_message_bytes)
            .max_message_bytes_before_hello(self.max_hello_bytes)
            .max_topics(self.max_topics_per_session)
            .frames_per_second(self.frames_per_second)
            .expiry_grace(self.expiry_grace);
        // With several tenants, nobody subscribes in the home tenant. So each row must name its tenant.
        let one_tenant = (self.dev || self.tokens.single_tenant.is_some()).then(|| home.clone());
        let mut outboxes = Vec::new();
        if let Some(address) = &in_journal {
            match Outbox::start_with(&hub, address, one_tenant.clone()).await {
                Ok(outbox) => outboxes.push(outbox),
                Err(error) => return Err(unusable("--journal: ", address.postgres_url(), error).await),
            }
        }
        for address in &self.outbox {
            let started = match hub.journal_id() {
                Some(id) if admin::journal_id(address).await == Ok(Some(id)) => {
                    tracing::info!(outbox = %address, "--outbox names the database of the journal: it is read already");
                    continue;
                }
                _ => Outbox::start_with(&hub, address, one_tenant.clone()).await,
            };
            match started {
                Ok(outbox) => outboxes.push(outbox),
                Err(error) => return Err(unusable("--outbox ", address.postgres_url(), error).await),
            }
            if let Some(fault) = watch_table::fault_of(address).await {
                tracing::error!(outbox = %address, "{fault}");
            }
        }
        let origins = if self.dev { OriginRule::Loopback } else { OriginRule::Exact(self.allow_origin) };
        let settings = GatewaySettings::new(origins)
            .session(session)
            .header_timeout(self.header_timeout)
            .keep_alive_timeout(self.keep_alive_timeout)
            .max_header_bytes(self.max_header_bytes)
            .body_timeout(self.body_timeout)
            .max_body_bytes(self.max_body_bytes)
            .write_timeout(self.write_timeout)
            .max_connections(self.max_connections)
            .max_connections_per_address(self.max_connections_per_address)
            .trusted_proxies(self.trusted_proxy)
            .open_metrics(self.open_metrics)
            .ready_ignores_journal(self.ready_ignores_journal)
            .echo(self.echo)
            .shards(self.shards)
            .drain_timeout(self.drain_timeout)
            .drain_spread(self.drain_spread);
        let gateway = match access.clone() {
            Some(access) => Gateway::new(hub, application.access(access), settings),
            None => Gateway::new(hub, application.access(DevAccess::new(home)), settings),
        };
        // Every connection is an open file. Systems have a low soft limit by default, because old programs use
        // `select`. So the server raises it.
        if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
            tracing::warn!(%error, "the limit of open files could not be raised");
        }
        let cannot_listen = |error| failed(format!("can't listen on {}: {error}", self.listen));
        let listener = TcpListener::bind(self.listen).await.map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;
        let no_signal = |error| failed(format!("can't listen for signals: {error}"));
        let stop = stop_signal().map_err(no_signal)?;
        let hangup = signal(SignalKind::hangup()).map_err(no_signal)?;
        match access.zip(keys) {
            Some((access, keys)) => tokio::spawn(keys.watch(access, hangup)),
            None => tokio::spawn(keys::pass_over(hangup)),
        };
        if self.dev {
            tracing::info!("--dev: no token is needed; everybody on this machine has all rights");
        }
        tracing::info!(%address, "listening");
        // The server runs on if standard output is closed.
        let _ = writeln!(std::io::stdout(), "listening on http://{address}");
        let ended = journal.ended();
        let stop = async move {
            tokio::select! {
                () = stop => {}
                () = ended => tracing::error!("{JOURNAL_ENDED}"),
            }
        };
        application.serve(gateway, listener, stop).await;
        for outbox in outboxes {
            outbox.stop().await;
        }
        let has_failed = journal.ended().now_or_never().is_some();
        journal.stop().await;
        if has_failed { Err(failed(JOURNAL_ENDED.to_owned())) } else { Ok(()) }
    }
}

/// Returns a future that completes at the first SIGTERM or SIGINT.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("draining");
    })
}
