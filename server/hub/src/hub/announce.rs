//! Announcements: publishing for code that must not fail. A refused event becomes a sync.

use tidings_shared::{Event, Topic, TopicName};

use super::{
    publishing::{PublishError, PublishOptions},
    tenant::{Tenant, encode, names},
};

impl Tenant {
    /// Publishes an event on a best-effort basis. See [`Hub::announce`](crate::Hub::announce).
    pub fn announce<E: Event>(&self, event: &E) {
        self.announce_with(event, PublishOptions::default());
    }

    /// Announces an event with a key or an origin. See [`Hub::announce_with`](crate::Hub::announce_with).
    pub fn announce_with<E: Event>(&self, event: &E, options: PublishOptions) {
        let (now, topics) = (self.shared.host.now(), event.fan_out());
        let announced =
            encode(event).and_then(|raw| self.shared.announce(&self.id, raw, topics, options, now));
        if let Err(error) = announced {
            self.sync_instead(E::Topic::DOMAIN, event.name(), &event.fan_out(), &error);
        }
    }

    /// Announces an event to topics that the publisher names. See [`Hub::announce_to`](crate::Hub::announce_to).
    pub fn announce_to<E: Event>(&self, event: &E, topics: &[E::Topic], options: PublishOptions) {
        let topics = names(topics);
        let now = self.shared.host.now();
        let checked = self.fan_out(event, &topics);
        let announced =
            checked.and_then(|(raw, topics)| self.shared.announce(&self.id, raw, topics, options, now));
        if let Err(error) = announced {
            self.sync_instead(E::Topic::DOMAIN, event.name(), &reach(event, topics), &error);
        }
    }

    /// Tells the subscribers of an event that was refused to load again.
    pub(super) fn sync_instead(&self, domain: &str, event: &str, topics: &[TopicName], error: &PublishError) {
        self.shared.metrics.failed_announcements.inc();
        drop(self.sync_raw(topics, None));
        // The error's message may quote the payload, so it is not logged.
        let (code, topics) = (error.code().as_str(), topics.len());
        tracing::warn!(
            domain,
            event,
            code,
            topics,
            "an announcement can't be published: the subscribers of its topics load again"
        );
    }
}

/// Returns every topic that an event may have been meant for: those that its publisher named, and those that it
/// computes.
pub(super) fn reach<E: Event>(event: &E, mut named: Vec<TopicName>) -> Vec<TopicName> {
    named.extend(event.fan_out());
    named
}
