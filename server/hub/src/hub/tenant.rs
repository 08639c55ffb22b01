//! One tenant of a hub: what a program does there.

use std::{fmt, sync::Arc};

use tidings_shared::{Event, RawEvent, Topic, TopicName};
use uuid::Uuid;

use super::{
    Hub,
    catching_up::CatchingUp,
    handed_over::{Positioning, Publishing, Revoking, Syncing},
    publishing::{PublishError, PublishOptions},
    shared::Shared,
    subscription::{Subscribing, Subscription},
};
use crate::{
    journal::JournalDraft,
    revocation::Revoke,
    tenant_id::TenantId,
    tenant_log::{Counters, TenantLog},
};

/// One tenant of a hub: [`Hub::tenant`](crate::Hub::tenant) returns it. It has the verbs of the [`Hub`](crate::Hub),
/// which themselves act in the home tenant.
///
/// A handle holds the tenant's name, and clones are cheap. The hub still forgets a tenant that is unused, and makes it
/// again when a verb needs it.
///
/// ```
/// use tidings_hub::{Hub, PublishError, TenantIdError};
/// use tidings_shared::domains::staff;
///
/// # async fn person_was_saved(hub: &Hub, person: staff::Person) -> Result<(), Box<dyn std::error::Error>> {
/// let acme = hub.tenant(&"acme".parse()?);
/// acme.announce(&staff::Event::PersonUpdated(person));
/// let people = acme.subscribe(&staff::Topic::People).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tenant {
    pub(super) shared: Arc<Shared>,
    pub(super) id: TenantId,
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tenant").field(&self.id.as_str()).finish()
    }
}

impl Tenant {
    /// Returns the tenant's name.
    pub fn id(&self) -> &TenantId {
        &self.id
    }

    /// Returns the hub.
    pub fn hub(&self) -> Hub {
        Hub::from_shared(Arc::clone(&self.shared))
    }

    /// Publishes an event to the topics that it computes itself. See [`Hub::publish`](crate::Hub::publish).
    ///
    /// # Errors
    /// The errors of [`Hub::publish`](crate::Hub::publish).
    pub fn publish<E: Event>(&self, event: &E) -> Publishing {
        self.publish_with(event, PublishOptions::default())
    }

    /// Publishes an event with a key or an origin. See [`Hub::publish_with`](crate::Hub::publish_with).
    ///
    /// # Errors
    /// The errors of [`Hub::publish_with`](crate::Hub::publish_with).
    pub fn publish_with<E: Event>(&self, event: &E, options: PublishOptions) -> Publishing {
        or_refused(self.try_publish(event, options))
    }

    /// Publishes an event to topics that the publisher names. See [`Hub::publish_to`](crate::Hub::publish_to).
    ///
    /// # Errors
    /// The errors of [`Hub::publish_to`](crate::Hub::publish_to).
    pub fn publish_to<E: Event>(
        &self,
        event: &E,
        topics: &[E::Topic],
        options: PublishOptions,
    ) -> Publishing {
        or_refused(self.try_publish_to(event, &names(topics), options))
    }

    /// Publishes an event as it came over the wire. See [`Hub::publish_raw`](crate::Hub::publish_raw).
    ///
    /// # Errors
    /// The errors of [`Hub::publish_raw`](crate::Hub::publish_raw).
    pub fn publish_raw(
        &self,
        event: RawEvent,
        named: Option<&[TopicName]>,
        options: PublishOptions,
    ) -> Publishing {
        let now = self.shared.host.now();
        let draft = self.shared.draft_raw(event, named, options);
        or_refused(draft.and_then(|draft| self.shared.hand_over(&self.id, draft, now)))
    }

    /// Checks an event as [`publish_raw`](Self::publish_raw) does, and publishes nothing. Returns the entry that a journal
    /// would get: with all topics that the event reaches, and with a new key if it has none.
    ///
    /// # Errors
    /// The errors of [`Hub::publish_raw`](crate::Hub::publish_raw) that a retry does not help against, apart from
    /// [`PublishError::Key`]: only the journal knows its keys.
    ///
    /// ```
    /// use tidings_hub::{PublishError, PublishOptions, Tenant, journal::JournalDraft};
    /// use tidings_shared::RawEvent;
    ///
    /// fn check(tenant: &Tenant, event: RawEvent) -> Result<JournalDraft, PublishError> {
    ///     tenant.check_raw(event, None, PublishOptions::default())
    /// }
    /// ```
    pub fn check_raw(
        &self,
        event: RawEvent,
        named: Option<&[TopicName]>,
        options: PublishOptions,
    ) -> Result<JournalDraft, PublishError> {
        self.shared.draft_raw(event, named, options).map(|draft| JournalDraft::new(self.id.clone(), draft))
    }

    /// Tells the subscribers of these topics to load again. See [`Hub::sync`](crate::Hub::sync).
    pub fn sync<T: Topic>(&self, topics: &[T]) -> Syncing {
        self.sync_raw(&names(topics), None)
    }

    /// Tells the subscribers of topics of any domain to load again. See [`Hub::sync_raw`](crate::Hub::sync_raw).
    pub fn sync_raw(&self, topics: &[TopicName], key: Option<Uuid>) -> Syncing {
        self.shared.sync(&self.id, topics, key, self.shared.host.now())
    }

    /// Tells all subscribers of the tenant to load again. See [`Hub::sync_all`](crate::Hub::sync_all).
    pub fn sync_all(&self) -> Syncing {
        self.shared.sync_all(&self.id, self.shared.host.now())
    }

    /// Subscribes to a topic, from now on. See [`Hub::subscribe`](crate::Hub::subscribe).
    pub fn subscribe<T: Topic>(&self, topic: &T) -> Subscribing {
        self.subscribe_raw(&[topic.name()])
    }

    /// Subscribes to several topics, from now on. See [`Hub::subscribe_raw`](crate::Hub::subscribe_raw).
    pub fn subscribe_raw(&self, topics: &[TopicName]) -> Subscribing {
        let (log, topics, Self { shared, id }) = (self.log(), topics.to_vec(), self.clone());
        Subscribing::after(log.loading(), move || {
            let mut follower = log.follow();
            follower.subscribe(&topics, None);
            Subscription::new(shared, id, follower)
        })
    }

    /// Returns the tenant's newest position. See [`Hub::position`](crate::Hub::position).
    pub fn position(&self) -> Positioning {
        let log = self.log();
        Positioning::after(log.loading(), move || log.head())
    }

    /// Waits until this node has the tenant's history. If `since` is a later position of the same history, it also waits
    /// until the node has read what the journal has: another node may have given this position to the client. Without a
    /// journal, it does not wait.
    pub fn catch_up(&self, since: Option<&str>) -> CatchingUp {
        CatchingUp::new(Arc::clone(&self.shared), &self.id, since)
    }

    /// Revokes a subject or a session. See [`Hub::revoke`](crate::Hub::revoke).
    ///
    /// # Errors
    /// The errors of [`Hub::revoke`](crate::Hub::revoke).
    pub fn revoke(&self, revoke: &Revoke) -> Revoking {
        self.shared.revoke(&self.id, revoke, self.shared.host.now())
    }

    /// Takes a subject's rights to these topics back. See [`Hub::revoke_topics`](crate::Hub::revoke_topics).
    ///
    /// # Errors
    /// The errors of [`Hub::revoke`](crate::Hub::revoke).
    pub fn revoke_topics(&self, subject: &str, topics: &[TopicName]) -> Revoking {
        self.revoke(&Revoke::Topics { subject: subject.to_owned(), topics: topics.to_vec() })
    }

    /// Returns the current counts. A tenant that the hub has forgotten, or has not made yet, has nothing.
    pub fn counters(&self) -> Counters {
        self.shared.lock_tenants().get(&self.id).map(TenantLog::counters).unwrap_or_default()
    }

    fn try_publish<E: Event>(&self, event: &E, options: PublishOptions) -> Result<Publishing, PublishError> {
        let now = self.shared.host.now();
        self.shared.publish(&self.id, encode(event)?, event.fan_out(), options, now)
    }

    fn try_publish_to<E: Event>(
        &self,
        event: &E,
        topics: &[TopicName],
        options: PublishOptions,
    ) -> Result<Publishing, PublishError> {
        let (event, topics) = self.fan_out(event, topics)?;
        self.shared.publish(&self.id, event, topics, options, self.shared.host.now())
    }

    /// Encodes an event, and checks the topics that its publisher names.
    pub(super) fn fan_out<E: Event>(
        &self,
        event: &E,
        topics: &[TopicName],
    ) -> Result<(RawEvent, Vec<TopicName>), PublishError> {
        let event = encode(event)?;
        let topics = self.shared.settings.domains.fan_out(&event, Some(topics))?;
        Ok((event, topics))
    }

    fn log(&self) -> TenantLog {
        self.shared.tenant_log(&self.id)
    }
}

fn or_refused(handed_over: Result<Publishing, PublishError>) -> Publishing {
    handed_over.unwrap_or_else(|error| Publishing::ready(Err(error)))
}

pub(super) fn encode<E: Event>(event: &E) -> Result<RawEvent, PublishError> {
    RawEvent::from_event(event).map_err(|error| PublishError::Encode(error.to_string()))
}

pub(super) fn names<T: Topic>(topics: &[T]) -> Vec<TopicName> {
    topics.iter().map(Topic::name).collect()
}
