//! The state that a hub shares with the handles of its tenants.

use std::{
    any::{Any, TypeId},
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tidings_shared::{
    EventError, RawEvent, TopicName,
    limits::{MAX_ORIGIN_BYTES, MAX_TOPICS_PER_PUBLICATION},
};
use uuid::Uuid;

use super::{
    handed_over::{Publishing, Revoking, Syncing},
    observer::ChangesObserver,
    outgoing::{Outgoing, Waiting},
    publishing::{PublishError, PublishOptions, RawPublish},
    settings::HubSettings,
    uncertain::Uncertain,
};
use crate::{
    health::Hearing,
    host::Host,
    journal::{JournalDraft, JournalRevocation, Revoked},
    log::Log,
    metrics::Metrics,
    moment::Moment,
    publication::{Draft, Published},
    refusals::Refusals,
    revocation::{Admitted, Revocations, Revoke},
    tenant_id::TenantId,
    tenant_log::TenantLog,
    unknown_domains::UnknownDomains,
};

/// One eviction step frees this part of the bound of all logs: 1/1024. Small steps keep the logs at a similar size.
/// Smaller steps would look for the largest log more often.
const LOGS_EVICTED_PART: usize = 1024;

/// The state that a hub shares with the handles of its tenants.
pub(crate) struct Shared {
    pub(crate) settings: HubSettings,
    pub(crate) host: Arc<dyn Host>,
    /// What waits for the journal. `None` if the hub has no journal.
    pub(crate) outgoing: Option<Outgoing>,
    /// What the journal says of its database.
    pub(super) journal_id: OnceLock<Uuid>,
    tenants: Mutex<HashMap<TenantId, TenantLog>>,
    /// The server's domains that some client has in another form. The hub has logged each of them.
    pub(super) other_domains: Mutex<HashSet<String>>,
    pub(super) unknown_domains: UnknownDomains,
    pub(crate) revocations: Revocations,
    pub(crate) health: Hearing,
    pub(super) refusals: Refusals,
    uncertain: Mutex<Uncertain>,
    /// Who hears of the events of guards.
    pub(super) changes_observer: OnceLock<Arc<dyn ChangesObserver>>,
    /// By type.
    extensions: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    pub(super) metrics: Arc<Metrics>,
    /// Bytes of the logs and keys of all tenants.
    pub(super) log_bytes: Arc<AtomicUsize>,
}

impl Shared {
    pub(super) fn new(settings: HubSettings, host: impl Host, has_journal: bool) -> Self {
        Self {
            settings,
            host: Arc::new(host),
            outgoing: has_journal.then(Outgoing::default),
            journal_id: OnceLock::new(),
            tenants: Mutex::default(),
            other_domains: Mutex::default(),
            unknown_domains: UnknownDomains::default(),
            revocations: Revocations::default(),
            health: Hearing::default(),
            refusals: Refusals::default(),
            uncertain: Mutex::default(),
            changes_observer: OnceLock::new(),
            extensions: Mutex::default(),
            metrics: Arc::new(Metrics::default()),
            log_bytes: Arc::default(),
        }
    }

    /// Publishes an event. The caller has [computed and checked](tidings_shared::Domains::fan_out) its topics.
    ///
    /// # Errors
    /// The hub refuses the event at once.
    pub(super) fn publish(
        &self,
        tenant: &TenantId,
        event: RawEvent,
        topics: Vec<TopicName>,
        options: PublishOptions,
        now: Moment,
    ) -> Result<Publishing, PublishError> {
        self.hand_over(tenant, self.draft(event, topics, options)?, now)
    }

    /// Publishes a checked event. Without a journal, the answer is there at once.
    ///
    /// # Errors
    /// The hub refuses the event at once.
    pub(super) fn hand_over(
        &self,
        tenant: &TenantId,
        draft: Draft,
        now: Moment,
    ) -> Result<Publishing, PublishError> {
        if let Some(outgoing) = &self.outgoing {
            let slot = outgoing.publish(JournalDraft::new(tenant.clone(), draft), now.since_start)?;
            return Ok(Publishing::waiting(slot));
        }
        self.append(tenant, draft, now).map(|published| Publishing::ready(Ok(published)))
    }

    /// Publishes events in their order. A repetition of those that are [`PublishError::Overloaded`] keeps the order.
    pub(super) fn publish_all(&self, events: Vec<RawPublish>) -> Vec<Publishing> {
        let now = self.host.now();
        let draft = |RawPublish { tenant, event, named, options }| -> Result<_, PublishError> {
            Ok((tenant, self.draft_raw(event, named.as_deref(), options)?))
        };
        let drafts = events.into_iter().map(draft);
        let Some(outgoing) = &self.outgoing else {
            let append = |(tenant, draft): (TenantId, Draft)| self.append(&tenant, draft, now);
            return drafts.map(|draft| Publishing::ready(draft.and_then(append))).collect();
        };
        let drafts = drafts.map(|draft| draft.map(|(tenant, draft)| JournalDraft::new(tenant, draft)));
        outgoing.publish_all(drafts.collect(), now.since_start)
    }

    /// Announces an event: nobody waits for the answer.
    ///
    /// # Errors
    /// The hub refuses the event at once.
    pub(super) fn announce(
        &self,
        tenant: &TenantId,
        event: RawEvent,
        topics: Vec<TopicName>,
        options: PublishOptions,
        now: Moment,
    ) -> Result<(), PublishError> {
        let draft = self.draft(event, topics, options)?;
        if let Some(outgoing) = &self.outgoing {
            outgoing.announce(JournalDraft::new(tenant.clone(), draft), now.since_start);
            return Ok(());
        }
        self.append(tenant, draft, now).map(drop)
    }

    /// Checks an event, and computes its topics or checks those that its publisher names.
    ///
    /// # Errors
    /// The event can't be published, now or later.
    pub(super) fn draft_raw(
        &self,
        event: RawEvent,
        named: Option<&[TopicName]>,
        options: PublishOptions,
    ) -> Result<Draft, PublishError> {
        let topics = self.settings.domains.fan_out(&event, named)?;
        self.draft(event, topics, options)
    }

    /// Checks what a domain does not check.
    ///
    /// # Errors
    /// The event has too many topics, or its origin is too long.
    fn draft(
        &self,
        event: RawEvent,
        topics: Vec<TopicName>,
        options: PublishOptions,
    ) -> Result<Draft, PublishError> {
        self.unknown_domains.note(&self.settings.domains, &event.domain);
        if topics.len() > MAX_TOPICS_PER_PUBLICATION {
            return Err(EventError::TooManyTopics.into());
        }
        if options.origin.as_ref().is_some_and(|origin| origin.len() > MAX_ORIGIN_BYTES) {
            return Err(PublishError::Origin);
        }
        let PublishOptions { key, origin } = options;
        let may_come_again = key.is_some();
        let key = key.unwrap_or_else(|| self.host.new_key());
        Ok(Draft { key, may_come_again, origin, topics, event })
    }

    /// Appends to the log in memory.
    fn append(&self, tenant: &TenantId, draft: Draft, now: Moment) -> Result<Published, PublishError> {
        let asked = draft.may_come_again.then(|| draft.topics.clone());
        let published = self.tenant_log(tenant).publish(draft, now);
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
    pub(super) fn sync(
        &self,
        tenant: &TenantId,
        topics: &[TopicName],
        mut key: Option<Uuid>,
        now: Moment,
    ) -> Syncing {
        let topics = TopicName::each_once(topics.iter().cloned());
        let mut last = Syncing::ready(Ok(()));
        for part in topics.chunks(MAX_TOPICS_PER_PUBLICATION) {
            let key = key.take().unwrap_or_else(|| self.host.new_key());
            let handed_over = self.append_gap(tenant, part.to_vec(), key, now);
            if !last.is_refused() {
                last = handed_over;
            }
        }
        last
    }

    /// Tells all subscribers of a tenant to load again.
    pub(super) fn sync_all(&self, tenant: &TenantId, now: Moment) -> Syncing {
        self.append_gap(tenant, Vec::new(), self.host.new_key(), now)
    }

    /// Appends a gap of these topics. Without topics, it is a gap of the whole tenant. A journal takes entries in order, so
    /// the answer to the last of several gaps is the answer to all.
    fn append_gap(&self, tenant: &TenantId, topics: Vec<TopicName>, key: Uuid, now: Moment) -> Syncing {
        if let Some(outgoing) = &self.outgoing {
            let handed_over = outgoing.sync(JournalDraft::gap(tenant.clone(), topics, key), now.since_start);
            return handed_over.map_or_else(|error| Syncing::ready(Err(error)), Syncing::waiting);
        }
        self.tenant_log(tenant).sync(key, topics, now);
        self.bound_logs();
        Syncing::ready(Ok(()))
    }

    /// Takes rights back, on this node at once.
    pub(super) fn revoke(&self, tenant: &TenantId, revoke: &Revoke, now: Moment) -> Revoking {
        if let Err(error) = self.revocations.add(tenant, revoke, now) {
            return Revoking::ready(Err(error));
        }
        let Some(outgoing) = &self.outgoing else { return Revoking::ready(Ok(())) };
        let revocation = JournalRevocation::of(tenant.clone(), revoke.clone().into(), now);
        match outgoing.revoke(revocation, now.since_start) {
            Ok(slot) => Revoking::waiting(slot),
            Err(error) => Revoking::ready(Err(error)),
        }
    }

    /// Also revokes the token of a session or stream that a revocation has ended.
    pub(super) fn keep_out(&self, session: Option<Uuid>, admitted: &Admitted, now: Moment) {
        let known = self.revocations.keep_out(session, admitted, now);
        let has_token = known.iter().any(|known| matches!(known.revoked, Revoked::Token(_)));
        self.keep(known, session, now);
        if let (Some(outgoing), Some(session), false) = (&self.outgoing, session, has_token) {
            outgoing.has_left(session);
        }
    }

    /// Lets the journal keep revocations that this node has learned from a session or stream.
    pub(super) fn keep_revoked(&self, revocations: impl IntoIterator<Item = JournalRevocation>, now: Moment) {
        self.keep(revocations, None, now);
    }

    fn keep(
        &self,
        revocations: impl IntoIterator<Item = JournalRevocation>,
        session: Option<Uuid>,
        now: Moment,
    ) {
        if let Some(outgoing) = &self.outgoing {
            for revocation in revocations {
                // If the queue is full, the client's token works again after a restart, until it expires.
                if outgoing.keep_revoked(revocation, session, now.since_start).is_err() {
                    tracing::warn!("a revocation is not in the journal: too many wait for it");
                }
            }
        }
    }

    /// Gives up an entry that waits for the journal.
    pub(crate) fn give_up(&self, draft: JournalDraft, waiting: Waiting) {
        if let Some(outgoing) = &self.outgoing {
            outgoing.give_up(draft, waiting);
        }
    }

    /// Returns the log of a tenant, if there is one.
    pub(crate) fn known_log(&self, id: &TenantId) -> Option<TenantLog> {
        self.lock_tenants().get(id).cloned()
    }

    /// Returns the logs that have their history.
    pub(crate) fn loaded_logs(&self) -> BTreeMap<TenantId, TenantLog> {
        let tenants = self.lock_tenants();
        tenants.iter().filter(|(_, log)| log.is_loaded()).map(|(id, log)| (id.clone(), log.clone())).collect()
    }

    /// Ends the logs that wait for their history: there is no driver any more. So nobody waits for ever.
    pub(crate) fn end_loading(&self) {
        let mut tenants = self.lock_tenants();
        let ended = tenants.extract_if(|_, log| !log.is_loaded());
        ended.for_each(|(_, log)| log.retire());
    }

    /// Ends a tenant's log. The next one has another epoch.
    pub(crate) fn retire(&self, id: &TenantId, log: &TenantLog) {
        let mut tenants = self.lock_tenants();
        if tenants.get(id).is_some_and(|known| known.address() == log.address()) {
            tenants.remove(id);
        }
        drop(tenants);
        log.retire();
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
        let is_loaded = self.outgoing.as_ref().is_none_or(Outgoing::is_closed);
        let tenant = TenantLog::new(log, is_loaded, self.settings.quotas, metrics, log_bytes);
        tenants.insert(id.clone(), tenant.clone());
        if let Some(outgoing) = self.outgoing.as_ref().filter(|_| !is_loaded) {
            outgoing.load(id);
        }
        tenant
    }

    /// Evicts from the largest log first, in small steps, so that the logs converge to a similar size.
    pub(crate) fn bound_logs(&self) {
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

    /// Returns the extension of this type. The first call makes it.
    pub(super) fn extension<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut extensions = self.extensions.lock().unwrap_or_else(PoisonError::into_inner);
        let extension = extensions.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default()));
        Arc::clone(extension).downcast().expect("the key is the type of the extension")
    }

    fn lock_uncertain(&self) -> MutexGuard<'_, Uncertain> {
        self.uncertain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_tenants(&self) -> MutexGuard<'_, HashMap<TenantId, TenantLog>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether two lists have the same topics. Each list names a topic at most once.
pub(crate) fn is_same_set(one: &[TopicName], other: &[TopicName]) -> bool {
    let sorted = |topics: &[TopicName]| {
        let mut topics: Vec<TopicName> = topics.to_vec();
        topics.sort_unstable();
        topics
    };
    one == other || one.len() == other.len() && sorted(one) == sorted(other)
}
