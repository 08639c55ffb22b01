//! The state that a hub shares with the handles of its tenants.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tidings_shared::{
    EventError, RawEvent, TopicName,
    limits::{MAX_ORIGIN_BYTES, MAX_TOPICS_PER_PUBLICATION},
};
use uuid::Uuid;

use super::{
    publishing::{PublishError, PublishOptions},
    settings::HubSettings,
    uncertain::Uncertain,
};
use crate::{
    health::Hearing,
    host::Host,
    log::Log,
    metrics::Metrics,
    moment::Moment,
    publication::{Draft, Published},
    refusals::Refusals,
    revocation::Revocations,
    tenant_id::TenantId,
    tenant_log::TenantLog,
    unknown_domains::UnknownDomains,
};

/// One eviction step frees this part of the bound of all logs: 1/1024. Small steps keep the logs at a similar size.
/// Smaller steps would look for the largest log more often.
const LOGS_EVICTED_PART: usize = 1024;

/// The state that a hub shares with the handles of its tenants.
pub(super) struct Shared {
    pub(super) settings: HubSettings,
    pub(super) host: Arc<dyn Host>,
    tenants: Mutex<HashMap<TenantId, TenantLog>>,
    /// The server's domains that some client has in another form. The hub has logged each of them.
    pub(super) other_domains: Mutex<HashSet<String>>,
    pub(super) unknown_domains: UnknownDomains,
    pub(super) revocations: Revocations,
    pub(super) health: Hearing,
    pub(super) refusals: Refusals,
    uncertain: Mutex<Uncertain>,
    pub(super) metrics: Arc<Metrics>,
    /// Bytes of the logs and keys of all tenants.
    pub(super) log_bytes: Arc<AtomicUsize>,
}

impl Shared {
    pub(super) fn new(settings: HubSettings, host: impl Host) -> Self {
        Self {
            settings,
            host: Arc::new(host),
            tenants: Mutex::default(),
            other_domains: Mutex::default(),
            unknown_domains: UnknownDomains::default(),
            revocations: Revocations::default(),
            health: Hearing::default(),
            refusals: Refusals::default(),
            uncertain: Mutex::default(),
            metrics: Arc::new(Metrics::default()),
            log_bytes: Arc::default(),
        }
    }

    /// Appends an event. The caller has [computed and checked](tidings_shared::Domains::fan_out) its topics.
    pub(super) fn append(
        &self,
        tenant: &TenantId,
        event: RawEvent,
        topics: Vec<TopicName>,
        options: PublishOptions,
        now: Moment,
    ) -> Result<Published, PublishError> {
        self.unknown_domains.note(&self.settings.domains, &event.domain);
        if topics.len() > MAX_TOPICS_PER_PUBLICATION {
            return Err(EventError::TooManyTopics.into());
        }
        if options.origin.as_ref().is_some_and(|origin| origin.len() > MAX_ORIGIN_BYTES) {
            return Err(PublishError::Origin);
        }
        let PublishOptions { key, origin } = options;
        let may_come_again = key.is_some();
        let asked = may_come_again.then(|| topics.clone());
        let key = key.unwrap_or_else(|| self.host.new_key());
        let published =
            self.tenant_log(tenant).publish(Draft { key, may_come_again, origin, topics, event }, now);
        self.bound_logs();
        // The key belongs to an earlier publication with other topics. The answer must not name these topics: every
        // subscriber sees the key of a publication, and must not learn which other topics the publication reached.
        if asked.is_some_and(|asked| !is_same_set(&asked, &published.topics)) {
            return Err(PublishError::Key);
        }
        Ok(published)
    }

    /// Tells the subscribers of these topics to load again. The log gets one entry for each 1,024 topics. The first of
    /// them has the `key`.
    pub(super) fn sync(&self, tenant: &TenantId, topics: &[TopicName], mut key: Option<Uuid>, now: Moment) {
        let topics = TopicName::each_once(topics.iter().cloned());
        for part in topics.chunks(MAX_TOPICS_PER_PUBLICATION) {
            let key = key.take().unwrap_or_else(|| self.host.new_key());
            self.tenant_log(tenant).sync(key, part.to_vec(), now);
        }
        self.bound_logs();
    }

    /// Tells all subscribers of a tenant to load again.
    pub(super) fn sync_all(&self, tenant: &TenantId, now: Moment) {
        self.tenant_log(tenant).sync(self.host.new_key(), Vec::new(), now);
        self.bound_logs();
    }

    /// Tells the subscribers of these topics to load again a moment later: nobody knows how their transaction ended.
    pub(super) fn sync_later(&self, tenant: &TenantId, topics: Vec<TopicName>) {
        let now = self.host.now();
        let oldest = self.lock_uncertain().push(tenant.clone(), topics, now);
        if let Some(oldest) = oldest {
            self.sync(&oldest.tenant, &oldest.topics, None, now);
        }
    }

    /// Sends the syncs that are due.
    pub(super) fn sync_uncertain(&self, now: Moment) {
        let next = || self.lock_uncertain().pop_due(now);
        while let Some(due) = next() {
            self.sync(&due.tenant, &due.topics, None, now);
        }
    }

    /// Returns the log of a tenant, and makes it if there is none.
    pub(super) fn tenant_log(&self, id: &TenantId) -> TenantLog {
        let mut tenants = self.lock_tenants();
        if let Some(tenant) = tenants.get(id) {
            return tenant.clone();
        }
        let log = Log::new(self.settings.log, self.host.new_epoch());
        let (metrics, log_bytes) = (Arc::clone(&self.metrics), Arc::clone(&self.log_bytes));
        let tenant = TenantLog::new(log, self.settings.quotas, metrics, log_bytes);
        tenants.insert(id.clone(), tenant.clone());
        tenant
    }

    /// Evicts from the largest log first, in small steps, so that the logs converge to a similar size.
    fn bound_logs(&self) {
        let max = self.settings.logs_max_bytes;
        let excess = || self.log_bytes.load(Ordering::Relaxed).saturating_sub(max);
        if excess() == 0 {
            return;
        }
        let tenants = self.lock_tenants();
        let largest = || tenants.values().max_by_key(|tenant| tenant.counted_bytes());
        while let (1.., Some(largest)) = (excess(), largest()) {
            largest.evict_bytes(max / LOGS_EVICTED_PART + 1);
        }
    }

    fn lock_uncertain(&self) -> MutexGuard<'_, Uncertain> {
        self.uncertain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_tenants(&self) -> MutexGuard<'_, HashMap<TenantId, TenantLog>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
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
