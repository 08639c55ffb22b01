//! Announcements: publishing for code that must not fail. A refused event becomes a sync.

use tidings_shared::{Event, Topic, TopicName, limits::MAX_TOPICS_PER_PUBLICATION};
use uuid::Uuid;

use super::{Hub, PublishError, PublishOptions};
use crate::{moment::Moment, tenant_id::TenantId};

impl Hub {
    /// Publishes an event on a best-effort basis: never fails, and never waits. If the event is refused, for example
    /// because it reaches too many topics, the subscribers of its topics get a [sync](Hub::sync), so that none of them
    /// is stale. The hub logs and counts the failure.
    pub fn announce<E: Event>(&self, event: &E) {
        self.announce_with(event, PublishOptions::default());
    }

    /// Does the same as [`Hub::announce`], with a key or an origin.
    pub fn announce_with<E: Event>(&self, event: &E, options: PublishOptions) {
        if let Err(error) = self.publish_with(event, options) {
            self.sync_instead(event, &error);
        }
    }

    fn sync_instead<E: Event>(&self, event: &E, error: &PublishError) {
        let topics = event.fan_out();
        self.metrics().failed_announcements.inc();
        self.sync_raw(self.home(), &topics, None, self.now());
        // The error's message may quote the payload, so it is not logged.
        let (code, topics) = (error.code().as_str(), topics.len());
        tracing::warn!(
            domain = E::Topic::DOMAIN,
            event = event.name(),
            code,
            topics,
            "an announcement can't be published: the subscribers of its topics load again"
        );
    }

    /// Tells the subscribers of these topics of the home tenant to load again. Use it for a change that no event
    /// describes, or that touches more topics than an event may reach. A subscriber that is away gets the sync when it
    /// comes back.
    pub fn sync<T: Topic>(&self, topics: &[T]) {
        let names: Vec<TopicName> = topics.iter().map(Topic::name).collect();
        self.sync_raw(self.home(), &names, None, self.now());
    }

    /// Does the same as [`Hub::sync`], for topics of any tenant. The log gets one entry for each 1,024 topics. The
    /// `key` must be new: it goes into the tag of the first entry's position. Without one, the hub makes a new key.
    pub fn sync_raw(&self, tenant: &TenantId, topics: &[TopicName], mut key: Option<Uuid>, now: Moment) {
        let topics = TopicName::each_once(topics.iter().cloned());
        for part in topics.chunks(MAX_TOPICS_PER_PUBLICATION) {
            let key = key.take().unwrap_or_else(|| self.new_key());
            self.tenant(tenant).sync(key, part.to_vec(), now);
        }
        self.bound_logs();
    }
}
