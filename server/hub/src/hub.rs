//! The hub: it holds the tenants, and is the API for Rust programs.
//!
//! [`Tenant`] has the verbs. The [`Hub`] has the same verbs for its home tenant, in `home.rs`.

mod announce;
mod catching_up;
mod changes;
mod driver;
mod handed_over;
mod home;
mod later;
mod lost;
mod observer;
mod outgoing;
mod publishing;
mod settings;
mod shared;
mod subscription;
mod tenant;
mod uncertain;
mod weak;

use std::sync::{Arc, PoisonError};

use tidings_shared::{Domains, RawEvent, TopicName, frame::Fingerprints};
use uuid::Uuid;

use self::shared::Shared;
pub use self::{
    catching_up::CatchingUp,
    changes::Changes,
    driver::{Driver, Turn},
    handed_over::{Positioning, Publishing, Revoking, Syncing},
    observer::ChangesObserver,
    publishing::{PublishError, PublishOptions, RawPublish},
    settings::HubSettings,
    subscription::{Subscribing, Subscription},
    tenant::Tenant,
    weak::WeakHub,
};
use crate::{
    health::Health,
    host::Host,
    journal::JournalRevocation,
    log::LogLimits,
    metrics::{Holdings, Metrics},
    moment::Moment,
    refusals::Refusals,
    revocation::{Admitted, Revocations},
    tenant_id::TenantId,
    tenant_log::TenantLog,
    unknown_domains::UnknownDomains,
    watch::Watch,
};

/// Takes publications, and delivers them to subscribers. Cloning is cheap and gives the same hub.
///
/// The hub's own verbs act in the home tenant. [`Hub::tenant`] returns a handle to any tenant, with the same verbs.
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
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::new(HubSettings::new("acme".parse()?), FixedHost);
/// let mut people = hub.subscribe(&staff::Topic::People).await;
/// hub.announce(&staff::Event::PersonUpdated(staff::Person { uuid: Uuid::nil() }));
/// let Some(Delivery::Event { publication, .. }) = people.next().await else { panic!() };
/// assert_eq!(publication.event.event, "person_updated");
/// # Ok(())
/// # }
/// # run().now_or_never().expect("is ready at once").unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Hub {
    /// The handle to the home tenant. It leads to the state of all tenants.
    home: Arc<Tenant>,
}

impl Hub {
    /// Returns a hub without history. The `host` gives it the time and random numbers.
    pub fn new(settings: HubSettings, host: impl Host) -> Self {
        Self::of(Shared::new(settings, host, false))
    }

    /// Returns a hub and its driver. The driver keeps the hub's history in a journal. Publications wait for the driver's first
    /// [turn](Driver::turn). The hub refuses all when the driver is dropped.
    pub fn with_journal(settings: HubSettings, host: impl Host) -> (Self, Driver) {
        let hub = Self::of(Shared::new(settings, host, true));
        let driver = Driver::new(Arc::clone(hub.shared()));
        (hub, driver)
    }

    fn of(shared: Shared) -> Self {
        Self::from_shared(Arc::new(shared))
    }

    fn from_shared(shared: Arc<Shared>) -> Self {
        let id = shared.settings.home.clone();
        Self { home: Arc::new(Tenant { shared, id }) }
    }

    /// Returns the name of the home tenant.
    pub fn home(&self) -> &TenantId {
        self.home.id()
    }

    /// Returns a handle to a tenant. The handle is cheap: it makes no tenant, and keeps none.
    ///
    /// ```
    /// use tidings_hub::{Hub, TenantId};
    /// use tidings_shared::domains::staff;
    ///
    /// fn person_was_saved(hub: &Hub, tenant: &TenantId, person: staff::Person) {
    ///     hub.tenant(tenant).announce(&staff::Event::PersonUpdated(person));
    /// }
    /// ```
    pub fn tenant(&self, id: &TenantId) -> Tenant {
        Tenant { shared: Arc::clone(self.shared()), id: id.clone() }
    }

    /// Publishes events in this order. Each names its tenant. See [`Hub::publish_raw`] for one event.
    ///
    /// The journal may refuse some of them with [`PublishError::Overloaded`]. Then publish these again, with the same keys and
    /// in the same order: the order of all events stays as it is. With one call for each event, a later event could be in the
    /// journal before an earlier one is tried again.
    ///
    /// ```
    /// use tidings_hub::{Hub, PublishError, RawPublish};
    ///
    /// /// Every event has a key. Returns the events that should be published again a moment later.
    /// async fn publish(hub: &Hub, events: Vec<RawPublish>) -> Vec<RawPublish> {
    ///     let answers = hub.publish_all(events.clone());
    ///     let mut again = Vec::new();
    ///     for (event, answer) in events.into_iter().zip(answers) {
    ///         if answer.await == Err(PublishError::Overloaded) {
    ///             again.push(event);
    ///         }
    ///     }
    ///     again
    /// }
    /// ```
    ///
    /// # Errors
    /// Each future has the errors of [`Hub::publish_raw`]. From the first event on that finds no room in the journal's queue,
    /// all are refused.
    pub fn publish_all(&self, events: Vec<RawPublish>) -> Vec<Publishing> {
        self.shared().publish_all(events)
    }

    /// Evicts entries, keys and revocations that are too old, and removes tenants that have been empty for a long time.
    /// If such a tenant comes back, a journal gives it its history again. Without a journal, its log has a new epoch, so no old
    /// position fits it. Also announces the late syncs of
    /// [`Changes`], and notices a journal that is silent. Call this about once a second. A gateway does.
    pub fn handle_timeout(&self, now: Moment) {
        self.revocations().handle_timeout(now);
        self.shared().sync_uncertain(now);
        self.shared().health.look(now);
        if let Some(outgoing) = &self.shared().outgoing {
            outgoing.handle_timeout(now.since_start);
        }
        let mut tenants = self.shared().lock_tenants();
        // Clones of a log are made under this lock, so nobody can take the log of a tenant that is being removed.
        tenants.retain(|_, tenant| !tenant.handle_timeout(now));
    }

    /// Also revokes the token of a session or stream that a revocation has ended.
    pub(crate) fn keep_out(&self, session: Option<Uuid>, admitted: &Admitted, now: Moment) {
        self.shared().keep_out(session, admitted, now);
    }

    /// Lets the journal keep revocations that this node has learned from a session or stream.
    pub(crate) fn keep_revoked(&self, revocations: impl IntoIterator<Item = JournalRevocation>, now: Moment) {
        self.shared().keep_revoked(revocations, now);
    }

    /// Returns the domains that this hub checks.
    pub fn domains(&self) -> &Domains {
        &self.shared().settings.domains
    }

    /// Returns the bounds of each tenant's log.
    pub fn log_limits(&self) -> &LogLimits {
        &self.shared().settings.log
    }

    /// Returns the time, by the clock that dates publications.
    pub fn now(&self) -> Moment {
        self.shared().host.now()
    }

    /// Returns a reference that does not keep the hub.
    pub fn downgrade(&self) -> WeakHub {
        WeakHub::new(self.shared())
    }

    /// Returns the extension of this type: state that belongs to the hub and that the hub itself does not know. The first call
    /// makes it, and it is dropped with the hub. A bridge's server keeps its bridges there.
    ///
    /// An extension must not keep a [`Hub`] or a [`Tenant`]: then neither would ever end. Let it keep a [`WeakHub`].
    ///
    /// ```
    /// use std::sync::{Arc, atomic::AtomicU64};
    /// use tidings_hub::Hub;
    ///
    /// #[derive(Default)]
    /// struct Writes(AtomicU64);
    ///
    /// fn writes(hub: &Hub) -> Arc<Writes> {
    ///     hub.extension()
    /// }
    /// ```
    pub fn extension<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        self.shared().extension()
    }

    /// Returns the list of revocations.
    pub fn revocations(&self) -> &Revocations {
        &self.shared().revocations
    }

    /// Returns whether the hub hears its journal. While it does not, data may be out of date.
    ///
    /// ```
    /// use tidings_hub::{Health, Hub};
    ///
    /// fn note(hub: &Hub) -> Option<String> {
    ///     match hub.health() {
    ///         Health::Good => None,
    ///         Health::Degraded { since } => Some(format!("no news since {} (milliseconds since 1970)", since.unix_ms)),
    ///     }
    /// }
    /// ```
    pub fn health(&self) -> Health {
        self.shared().health.health()
    }

    /// Returns the id of the journal's database, if an outbox can be beside the journal.
    pub fn journal_id(&self) -> Option<Uuid> {
        self.shared().journal_id.get().copied()
    }

    /// Asks the driver to read the journal now: another connection of this process has just written there.
    pub fn follow_journal(&self) {
        if let Some(outgoing) = &self.shared().outgoing {
            outgoing.follow_all();
        }
    }

    /// Lets an observer hear of the events of all guards of this hub ([`Hub::changes`]) that are made from now on. It is for
    /// tests, which look for writes without an event. Returns whether it is the hub's first observer: there is no second one.
    pub fn observe_changes(&self, observer: Arc<dyn ChangesObserver>) -> bool {
        self.shared().changes_observer.set(observer).is_ok()
    }

    /// Notes that the journal has answered, and that the logs have everything that it had. From the first call on, a
    /// silence of 10 s makes the hub [degraded](Hub::health). The journal's driver calls this.
    pub fn journal_answered(&self, now: Moment) {
        self.shared().health.answered(now);
    }

    /// Returns a watch of [`Hub::health`].
    pub fn watch_health(&self) -> Watch {
        self.shared().health.watch()
    }

    /// Returns the log of refusals.
    pub fn refusals(&self) -> &Refusals {
        &self.shared().refusals
    }

    /// Returns the log of domains that clients use and this server does not know.
    pub fn unknown_domains(&self) -> &UnknownDomains {
        &self.shared().unknown_domains
    }

    /// Returns the metrics of all tenants.
    pub fn metrics(&self) -> &Metrics {
        &self.shared().metrics
    }

    /// Returns how many announcements failed since the hub began.
    pub fn failed_announcements(&self) -> u64 {
        self.metrics().failed_announcements.get()
    }

    /// Returns how many tenants have a log.
    pub fn tenant_count(&self) -> usize {
        self.shared().lock_tenants().len()
    }

    /// Returns the current amounts of all tenants together.
    pub fn holdings(&self, now: Moment) -> Holdings {
        let tenants = self.shared().lock_tenants();
        let journal_silence = self.shared().health.silence(now);
        let mut holdings = Holdings { tenants: tenants.len(), journal_silence, ..Holdings::default() };
        if let Some(outgoing) = &self.shared().outgoing {
            (holdings.journal_waiting, holdings.journal_lag) = outgoing.waiting(now.since_start);
        }
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

    /// Returns those of a client's domains that the server has in another form. The hub logs each such domain once. A
    /// difference is no fault: both sides carry what only the other side knows.
    pub fn compare_domains(&self, theirs: &Fingerprints, client: Option<&str>) -> Vec<String> {
        let different = self.domains().differences(theirs);
        let mut told = self.shared().other_domains.lock().unwrap_or_else(PoisonError::into_inner);
        for &domain in &different {
            if told.insert(domain.to_owned()) {
                let fingerprint = theirs.get(domain).unwrap_or_default();
                tracing::info!(
                    ?client,
                    ?fingerprint,
                    "a client has another form of the domain {domain:?}: generate the client's file of this domain again, \
                     or deploy the newer side"
                );
            }
        }
        different.into_iter().map(str::to_owned).collect()
    }

    /// Publishes an event of a client. Its topics are [computed and checked](Domains::fan_out).
    pub(crate) fn hand_over(
        &self,
        tenant: &TenantId,
        event: RawEvent,
        topics: Vec<TopicName>,
        options: PublishOptions,
        now: Moment,
    ) -> Result<Publishing, PublishError> {
        self.shared().publish(tenant, event, topics, options, now)
    }

    /// Returns the log of a tenant, and makes it if there is none.
    pub(crate) fn tenant_log(&self, id: &TenantId) -> TenantLog {
        self.shared().tenant_log(id)
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.home.shared
    }
}

#[cfg(test)]
mod tests;
