//! The hub: it holds the tenants, and is the API for Rust programs.

mod announce;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::Stream;
use tidings_shared::{
    Code, Domains, Event, EventError, RawEvent, Topic, TopicName,
    limits::{LOGS_MAX_BYTES, MAX_ORIGIN_BYTES, MAX_TOPICS_PER_PUBLICATION, READ_BATCH},
};
use uuid::Uuid;

use crate::{
    host::Host,
    log::{Log, LogLimits},
    metrics::{Holdings, Metrics},
    moment::Moment,
    publication::{Draft, Published},
    reader::Delivery,
    refusals::Refusals,
    revocation::{Revocations, Revoke, RevokeError},
    tenant::{Counters, Follower, Quotas, Tenant},
    tenant_id::TenantId,
    unknown_domains::UnknownDomains,
};

/// Settings of a hub.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// The domains whose topics and events are checked.
    pub domains: Domains,
    /// The bounds of each tenant's log.
    pub log: LogLimits,
    /// The quotas of each tenant.
    pub quotas: Quotas,
    /// Bytes of all tenants' logs and remembered keys together. Over this bound, the hub evicts from the largest log.
    pub logs_max_bytes: usize,
    /// The home tenant: [`Hub::publish`] and [`Hub::subscribe`] use it.
    pub home: TenantId,
}

impl HubSettings {
    /// Returns settings with the shipped domains and the default bounds.
    pub fn new(home: TenantId) -> Self {
        let (domains, log, quotas) = (Domains::shipped(), LogLimits::default(), Quotas::default());
        Self { domains, log, quotas, logs_max_bytes: LOGS_MAX_BYTES, home }
    }
}

/// Takes publications, and delivers them to subscribers. Cloning is cheap and gives the same hub.
///
/// ```
/// use futures_util::{FutureExt, StreamExt};
/// use tidings_hub::{Delivery, Host, Hub, HubSettings, Moment};
/// use tidings_shared::domains::staff;
/// use uuid::Uuid;
///
/// /// A host whose clock stands still. A server uses `tidings_server::SystemHost`.
/// #[derive(Debug)]
/// struct FixedHost;
///
/// impl Host for FixedHost {
///     fn now(&self) -> Moment {
///         Moment { since_start: std::time::Duration::ZERO, unix_ms: 1_700_000_000_000 }
///     }
///     fn new_key(&self) -> Uuid {
///         Uuid::from_u128(1)
///     }
///     fn new_epoch(&self) -> u64 {
///         7
///     }
/// }
///
/// let hub = Hub::new(HubSettings::new("acme".parse()?), FixedHost);
/// let mut people = hub.subscribe(&staff::Topic::People);
/// hub.announce(&staff::Event::PersonUpdated(staff::Person { uuid: Uuid::nil() }));
/// let Some(Some(Delivery::Event { publication, .. })) = people.next().now_or_never() else { panic!() };
/// assert_eq!(publication.event.event, "person_updated");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: HubSettings,
    host: Arc<dyn Host>,
    tenants: Mutex<HashMap<TenantId, Tenant>>,
    /// Fingerprints of clients whose domains differ from this server's. Each is logged once.
    other_schemas: Mutex<Vec<String>>,
    unknown_domains: UnknownDomains,
    revocations: Revocations,
    refusals: Refusals,
    metrics: Arc<Metrics>,
    /// Bytes of the logs and keys of all tenants.
    log_bytes: Arc<AtomicUsize>,
}

/// One eviction step frees this part of the bound of all logs: 1/1024. Small steps keep the logs at a similar size.
/// Smaller steps would look for the largest log more often.
const LOGS_EVICTED_PART: usize = 1024;

/// Other fingerprints that the hub remembers: a few older versions of a page have one each. Beyond this bound, the hub
/// does not log a difference.
const MAX_OTHER_SCHEMAS: usize = 16;

/// Options of a publish.
#[derive(Debug, Clone, Default)]
pub struct PublishOptions {
    /// The idempotency key. A second publish with the same key and the same topics publishes nothing and returns the
    /// first answer, as long as the key is [remembered](crate::KeyLimits). Without a key, the hub makes a new one (UUID
    /// version 7).
    pub key: Option<Uuid>,
    /// An opaque tag that names the cause, at most [`MAX_ORIGIN_BYTES`]. Every subscriber sees it.
    pub origin: Option<String>,
}

/// Why an event was not published. [`PublishError::code`] says whether a retry can help.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// The domain refuses the event or its topics.
    Event(EventError),
    /// The origin is too long.
    Origin,
    /// Another publication has this key, with other topics. Nothing was published.
    Key,
    /// The payload cannot be written as JSON.
    Encode(String),
}

impl PublishError {
    /// Returns the code on the wire.
    pub fn code(&self) -> Code {
        match self {
            Self::Event(error) => error.code(),
            Self::Key => Code::Forbidden,
            Self::Origin | Self::Encode(_) => Code::InvalidEvent,
        }
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(error) => error.fmt(f),
            Self::Key => f.write_str("this key is that of another publication: draw a new one for each"),
            Self::Origin => write!(f, "`origin` has at most {MAX_ORIGIN_BYTES} bytes"),
            Self::Encode(reason) => write!(f, "the payload can't be written as JSON: {reason}"),
        }
    }
}

impl std::error::Error for PublishError {}

impl From<EventError> for PublishError {
    fn from(error: EventError) -> Self {
        Self::Event(error)
    }
}

impl Hub {
    /// Returns a hub without history. The `host` gives it the time and random numbers.
    pub fn new(settings: HubSettings, host: impl Host) -> Self {
        let inner = Inner {
            settings,
            host: Arc::new(host),
            tenants: Mutex::default(),
            other_schemas: Mutex::default(),
            unknown_domains: UnknownDomains::default(),
            revocations: Revocations::default(),
            refusals: Refusals::default(),
            metrics: Arc::new(Metrics::default()),
            log_bytes: Arc::default(),
        };
        Self(Arc::new(inner))
    }

    /// Returns the domains whose topics and events are checked.
    pub fn domains(&self) -> &Domains {
        &self.0.settings.domains
    }

    /// Returns the time, by the clock that dates publications.
    pub fn now(&self) -> Moment {
        self.0.host.now()
    }

    /// Returns the home tenant.
    pub fn home(&self) -> &TenantId {
        &self.0.settings.home
    }

    /// Publishes an event in the home tenant, to the topics that the event computes itself.
    ///
    /// # Errors
    /// The payload cannot be written, there are too many topics, or the key belongs to a publication with other topics.
    pub fn publish<E: Event>(&self, event: &E) -> Result<Published, PublishError> {
        self.publish_with(event, PublishOptions::default())
    }

    /// Does the same as [`Hub::publish`], with a key or an origin.
    ///
    /// # Errors
    /// The errors of [`Hub::publish`]. Also an error if the origin is too long.
    pub fn publish_with<E: Event>(
        &self,
        event: &E,
        options: PublishOptions,
    ) -> Result<Published, PublishError> {
        self.append(self.home(), raw(event)?, event.fan_out(), options, self.now())
    }

    /// Publishes an event to topics that the publisher names. Some domains need this, because their events do not
    /// compute all topics. The topics are of the event's own domain: topics of another domain do not compile.
    ///
    /// ```compile_fail,E0308
    /// # use tidings_hub::{Hub, PublishOptions};
    /// use tidings_shared::domains::{projects, staff};
    /// # fn publish(hub: &Hub, event: &staff::Event) {
    /// let _ = hub.publish_to(event, &[projects::Topic::All], PublishOptions::default());
    /// # }
    /// ```
    ///
    /// # Errors
    /// The errors of [`Hub::publish_with`]. Also an error if the domain computes its topics itself.
    pub fn publish_to<E: Event>(
        &self,
        event: &E,
        topics: &[E::Topic],
        options: PublishOptions,
    ) -> Result<Published, PublishError> {
        let named: Vec<TopicName> = topics.iter().map(Topic::name).collect();
        self.publish_raw(self.home(), raw(event)?, Some(&named), options, self.now())
    }

    /// Publishes an event as it came over the wire. Its domain checks it, and undeclared keys of its payload stay. It
    /// goes to the `named` topics. With `None`, it goes to the topics that its domain computes.
    ///
    /// # Errors
    /// The fault of the event or of its topics.
    pub fn publish_raw(
        &self,
        tenant: &TenantId,
        event: RawEvent,
        named: Option<&[TopicName]>,
        options: PublishOptions,
        now: Moment,
    ) -> Result<Published, PublishError> {
        let topics = self.domains().fan_out(&event, named)?;
        self.append(tenant, event, topics, options, now)
    }

    /// Appends an event whose topics are [computed and checked](Domains::fan_out).
    pub(crate) fn append(
        &self,
        tenant: &TenantId,
        event: RawEvent,
        topics: Vec<TopicName>,
        options: PublishOptions,
        now: Moment,
    ) -> Result<Published, PublishError> {
        self.unknown_domains().note(self.domains(), &event.domain);
        if topics.len() > MAX_TOPICS_PER_PUBLICATION {
            return Err(EventError::TooManyTopics.into());
        }
        if options.origin.as_ref().is_some_and(|origin| origin.len() > MAX_ORIGIN_BYTES) {
            return Err(PublishError::Origin);
        }
        let PublishOptions { key, origin } = options;
        let may_come_again = key.is_some();
        let asked = may_come_again.then(|| topics.clone());
        let key = key.unwrap_or_else(|| self.new_key());
        let published =
            self.tenant(tenant).publish(Draft { key, may_come_again, origin, topics, event }, now);
        self.bound_logs();
        // The key belongs to an earlier publication with other topics. The answer must not name these topics: every
        // subscriber sees the key of a publication, and must not learn which other topics the publication reached.
        if asked.is_some_and(|asked| !is_same_set(&asked, &published.topics)) {
            return Err(PublishError::Key);
        }
        Ok(published)
    }

    /// Evicts from the largest log first, in small steps, so that the logs converge to a similar size.
    fn bound_logs(&self) {
        let max = self.0.settings.logs_max_bytes;
        let excess = || self.0.log_bytes.load(Ordering::Relaxed).saturating_sub(max);
        if excess() == 0 {
            return;
        }
        let tenants = self.lock_tenants();
        let largest = || tenants.values().max_by_key(|tenant| tenant.counted_bytes());
        while let (1.., Some(largest)) = (excess(), largest()) {
            largest.evict_bytes(max / LOGS_EVICTED_PART + 1);
        }
    }

    /// Returns how many announcements failed since the hub began.
    pub fn failed_announcements(&self) -> u64 {
        self.metrics().failed_announcements.get()
    }

    /// Subscribes to a topic of the home tenant, from now on.
    pub fn subscribe<T: Topic>(&self, topic: &T) -> Subscription {
        self.subscribe_to(self.home(), &[topic.name()])
    }

    /// Subscribes to several topics of a tenant, from now on. An event that reaches several of them is delivered once.
    pub fn subscribe_to(&self, tenant: &TenantId, topics: &[TopicName]) -> Subscription {
        let mut follower = self.tenant(tenant).follow();
        follower.subscribe(topics, None);
        Subscription { follower, ready: VecDeque::new() }
    }

    /// Evicts entries, keys and revocations that are too old, and removes tenants that have been empty for a long time.
    /// If such a tenant comes back, its log has a new epoch, so no old position fits it. Call this about once a second.
    pub fn handle_timeout(&self, now: Moment) {
        self.revocations().handle_timeout(now);
        let mut tenants = self.lock_tenants();
        // Handles are made under this lock, so nobody can take a handle of a tenant that is being removed.
        tenants.retain(|_, tenant| !tenant.handle_timeout(now));
    }

    /// Revokes a subject or a session: its sessions and event streams end within a moment, and its tokens are refused.
    /// One exception remains: if the issuer's clock is ahead, a token that was not in use can seem to be issued after
    /// the revocation, and is accepted. The revocation lasts for
    /// [`REVOCATION_MAX_AGE`](tidings_shared::limits::REVOCATION_MAX_AGE), or until the token expires. Only this hub
    /// knows it.
    ///
    /// # Errors
    /// Too many revocations are remembered already.
    pub fn revoke(&self, tenant: &TenantId, revoke: &Revoke) -> Result<(), RevokeError> {
        self.revocations().add(tenant, revoke, self.now())
    }

    /// Returns the list of revocations.
    pub fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    /// Returns the log of refusals.
    pub fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// Returns the metrics of all tenants.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Returns the current amounts of all tenants together.
    pub fn holdings(&self, now: Moment) -> Holdings {
        let tenants = self.lock_tenants();
        let mut holdings = Holdings { tenants: tenants.len(), ..Holdings::default() };
        for tenant in tenants.values() {
            let counters = tenant.counters();
            holdings.subscriptions += counters.subscriptions;
            holdings.topics += counters.followed_topics;
            holdings.log_publications += counters.log_entries;
            holdings.log_bytes += counters.log_bytes + counters.evicted_key_bytes;
            let age = tenant.oldest().map(|oldest| now.since_start.saturating_sub(oldest));
            holdings.log_age = holdings.log_age.max(age.unwrap_or_default());
        }
        holdings
    }

    /// Returns how many tenants have a log.
    pub fn tenant_count(&self) -> usize {
        self.lock_tenants().len()
    }

    /// Returns the log of domains that clients use and this server does not know.
    pub fn unknown_domains(&self) -> &UnknownDomains {
        &self.0.unknown_domains
    }

    /// Returns the current counts of a tenant.
    pub fn counters(&self, tenant: &TenantId) -> Counters {
        self.lock_tenants().get(tenant).map(Tenant::counters).unwrap_or_default()
    }

    /// Returns the fingerprint that answers a client's fingerprint. It is the client's own if this server knows each of
    /// the client's domains in the same form. Otherwise it is this server's, and the hub logs the difference, once for
    /// each fingerprint. A difference is no fault: the server does not check events of unknown domains.
    pub fn answer_schema(&self, schema: Option<&str>, client: Option<&str>) -> String {
        let own = self.domains().fingerprint().to_string();
        let Some(schema) = schema.filter(|schema| *schema != own) else { return own };
        if self.domains().include(schema) {
            return schema.to_owned();
        }
        let mut others = self.0.other_schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if others.len() < MAX_OTHER_SCHEMAS && !others.iter().any(|other| other == schema) {
            others.push(schema.to_owned());
            tracing::info!(?schema, ?client, own, "a client was compiled with other domains");
        }
        own
    }

    pub(crate) fn tenant(&self, id: &TenantId) -> Tenant {
        let mut tenants = self.lock_tenants();
        if let Some(tenant) = tenants.get(id) {
            return tenant.clone();
        }
        let log = self.0.settings.log;
        let (metrics, log_bytes) = (Arc::clone(&self.0.metrics), Arc::clone(&self.0.log_bytes));
        let tenant =
            Tenant::new(Log::new(log, self.0.host.new_epoch()), self.0.settings.quotas, metrics, log_bytes);
        tenants.insert(id.clone(), tenant.clone());
        tenant
    }

    fn new_key(&self) -> Uuid {
        self.0.host.new_key()
    }

    fn lock_tenants(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, Tenant>> {
        self.0.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether two lists have the same topics. Each list names a topic at most once.
fn is_same_set(one: &[TopicName], other: &[TopicName]) -> bool {
    let sorted = |topics: &[TopicName]| {
        let mut topics: Vec<TopicName> = topics.to_vec();
        topics.sort_unstable();
        topics
    };
    one == other || one.len() == other.len() && sorted(one) == sorted(other)
}

fn raw<E: Event>(event: &E) -> Result<RawEvent, PublishError> {
    RawEvent::from_event(event).map_err(|error| PublishError::Encode(error.to_string()))
}

/// A subscription in this process: a stream that never ends. It reads from the log as a session does. A slow one costs
/// others nothing, and gets a [`Delivery::Sync`] when the log has evicted entries that it needed.
#[derive(Debug)]
pub struct Subscription {
    follower: Follower,
    ready: VecDeque<Delivery>,
}

impl Stream for Subscription {
    type Item = Delivery;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let this = self.get_mut();
        if this.ready.is_empty() {
            this.ready.extend(this.follower.poll_read(READ_BATCH, cx.waker()));
        }
        match this.ready.pop_front() {
            Some(delivery) => Poll::Ready(Some(delivery)),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests;
