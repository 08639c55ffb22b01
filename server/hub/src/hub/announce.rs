//! Announcements: publishing for code that must not fail, and the sync that takes the place of an event that was refused.

use tidings_shared::{Event, Topic, TopicName, limits::MAX_TOPICS_PER_PUBLICATION};
use uuid::Uuid;

use super::{Hub, PublishError, PublishOptions};
use crate::{moment::Moment, tenant_id::TenantId};

impl Hub {
    /// Publishes on a best-effort basis, for code that must go on whatever happens to the event: never fails, never
    /// waits. An event may be refused, for example because it reaches more topics than a publication may. Then the subscribers
    /// of its topics get a [sync](Hub::sync), so that none is stale. The failure is logged and counted.
    pub fn announce<E: Event>(&self, event: &E) {
        self.announce_with(event, PublishOptions::default());
    }

    /// As [`Hub::announce`], with a key or an origin.
    pub fn announce_with<E: Event>(&self, event: &E, options: PublishOptions) {
        if let Err(error) = self.publish_with(event, options) {
            self.sync_instead(event, &error);
        }
    }

    fn sync_instead<E: Event>(&self, event: &E, error: &PublishError) {
        let topics = event.fan_out();
        self.metrics().failed_announcements.inc();
        self.sync_raw(self.home(), &topics, None, self.now());
        // The sentence may quote the payload.
        let (code, topics) = (error.code().as_str(), topics.len());
        tracing::warn!(
            domain = E::Topic::DOMAIN,
            event = event.name(),
            code,
            topics,
            "an announcement can't be published: the subscribers of its topics load again"
        );
    }

    /// Has the subscribers of these topics of the home tenant load again. This is for a change that no event describes, or
    /// that touches more topics than an event may reach. A subscriber that is away gets the sync when it comes back.
    pub fn sync<T: Topic>(&self, topics: &[T]) {
        let names: Vec<TopicName> = topics.iter().map(Topic::name).collect();
        self.sync_raw(self.home(), &names, None, self.now());
    }

    /// The same for topics of any tenant, however many. Each 1,024 of them take a place in the log, as a publication does. The
    /// `key` tells the first place from others, and must be new. Without one, a new one is drawn.
    pub fn sync_raw(&self, tenant: &TenantId, topics: &[TopicName], mut key: Option<Uuid>, now: Moment) {
        let topics = TopicName::each_once(topics.iter().cloned());
        for part in topics.chunks(MAX_TOPICS_PER_PUBLICATION) {
            let key = key.take().unwrap_or_else(|| self.new_key());
            self.tenant(tenant).sync(key, part.to_vec(), now);
        }
        self.bound_logs();
    }
}
