//! The application's store and its writers. They commit a write, and then announce it.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use tidings_shared::{RawEvent, TopicName};

use crate::{
    access::extra_topics,
    invariant::Check,
    reference::Asked,
    world::{Event, World},
};

/// One record for each tenant and topic. Its value is the number of its last write.
#[derive(Debug, Default)]
pub(crate) struct Store {
    records: BTreeMap<(usize, TopicName), u64>,
    writes: Vec<Write>,
}

#[derive(Debug, Clone)]
pub(crate) struct Write {
    tenant: usize,
    topics: Vec<TopicName>,
}

impl Store {
    pub(crate) fn read(&self, tenant: usize, topic: &TopicName) -> u64 {
        self.records.get(&(tenant, topic.clone())).copied().unwrap_or_default()
    }
}

/// Returns an event whose payload no other event has.
pub(crate) fn event(tenant: usize, number: u64) -> RawEvent {
    let payload = format!(r#"{{"tenant":{tenant},"number":{number}}}"#);
    let payload = RawValue::from_string(payload).expect("a payload is JSON");
    RawEvent { domain: "sim".to_owned(), event: "written".to_owned(), payload }
}

impl World {
    /// Commits a write.
    pub(crate) fn write(&mut self) -> Check {
        if self.heals {
            return Ok(());
        }
        let tenant = self.rng.index(self.config.tenants);
        let topics = self.rng.some(&self.topics, 3);
        let write = self.store.writes.len();
        for topic in &topics {
            self.store.records.insert((tenant, topic.clone()), write as u64 + 1);
        }
        self.say(|| format!("write {write}: tenant {tenant} commits {topics:?}"));
        self.store.writes.push(Write { tenant, topics });
        let delay = self.rng.below(50);
        self.after(delay, Event::Announce { write });
        let next = self.around(self.config.write_ms);
        self.after(next, Event::Write);
        Ok(())
    }

    /// Announces a write, as the application or as a page whose user has the right to it.
    pub(crate) fn announce(&mut self, write: usize) -> Check {
        let Write { tenant, topics } = self.store.writes[write].clone();
        let mut asked = Asked {
            key: self.rng.uuid(),
            origin: self.rng.percent(30).then(|| format!("origin-{write}")),
            topics,
            event: event(tenant, write as u64),
            moment: self.moment(),
            is_sync: false,
        };
        if self.rng.percent(self.config.extra_percent) {
            let index = self.rng.index(asked.topics.len() + 1);
            asked.topics.splice(index..index, extra_topics());
        }
        let allowed = |client: &usize| {
            let token = &self.clients[*client].token;
            token.tenant == tenant && asked.topics.iter().all(|topic| token.allows(topic))
        };
        let clients: Vec<usize> = (0..self.clients.len()).filter(allowed).collect();
        if !clients.is_empty() && self.rng.percent(40) {
            let client = *self.rng.pick(&clients);
            return self.client_publishes(client, asked, Some(write));
        }
        if !self.nodes[0].is_up {
            self.after(100, Event::Announce { write });
            return Ok(());
        }
        // An event that cannot be published reaches its subscribers as a sync.
        asked.is_sync = self.rng.percent(self.config.extra_percent);
        self.publish_at_hub(tenant, asked)
    }
}
