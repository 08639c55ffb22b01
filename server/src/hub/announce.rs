//! Announcements: what code publishes that goes on whatever becomes of it, and what its subscribers get where it fails.

use tidings_shared::{Event, Topic, TopicName, limits::MAX_TOPICS_PER_PUBLICATION};
use uuid::Uuid;

use super::{Hub, PublishError, PublishOptions};
use crate::{Moment, TenantId};

impl Hub {
    /// Publishes on a best-effort basis, for code that must go on whatever happens to the event: never fails, never
    /// waits. Where the event can't be published, because it reaches too many topics for one publication or for any other
    /// reason, the subscribers of its topics get a [sync](Hub::sync), so that none is stale. It is logged and counted, too.
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
        self.sync_raw(self.home(), &topics, None, self.clock().now());
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

    /// Has the subscribers of these topics of the home tenant load again: for a change of which no event tells, or that
    /// touches more than an event may reach. Whoever is not there gets it when coming back.
    pub fn sync<T: Topic>(&self, topics: &[T]) {
        let names: Vec<TopicName> = topics.iter().map(Topic::name).collect();
        self.sync_raw(self.home(), &names, None, self.clock().now());
    }

    /// The same for topics of any tenant, however many. It takes places in the log, as publications do. The `key` tells the
    /// first of them from others, and must be new; there is a new one where it is none.
    pub fn sync_raw(&self, tenant: &TenantId, topics: &[TopicName], mut key: Option<Uuid>, now: Moment) {
        let topics = TopicName::each_once(topics.iter().cloned());
        for part in topics.chunks(MAX_TOPICS_PER_PUBLICATION) {
            let key = key.take().unwrap_or_else(Uuid::now_v7);
            self.tenant(tenant).sync(key, part.to_vec(), now);
        }
        self.bound_logs();
    }
}
