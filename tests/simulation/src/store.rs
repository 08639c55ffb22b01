//! The application's store and its writers. They commit a write, and then announce it.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use tidings_shared::{
    RawEvent, Segment, Topic as _, TopicName,
    derive::{Event, Payload, Topic},
};

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
    /// What was published of it. Nodes on a journal publish it again with the same key.
    asked: Option<Asked>,
}

/// The topics of the simulation, as a type.
#[derive(Debug, Clone, PartialEq, Eq, Topic)]
#[topic(domain = "sim")]
pub(crate) enum SimTopic {
    /// A topic.
    #[topic("{number}")]
    Numbered(Segment),
}

/// A write.
#[derive(Debug, Clone, PartialEq, Payload)]
#[payload(topic = SimTopic, topics = named)]
pub(crate) struct Written {
    tenant: u32,
    number: u32,
}

impl Written {
    /// Returns no topics: its publisher names them.
    fn named(&self) -> Vec<SimTopic> {
        Vec::new()
    }
}

/// The events of the simulation, as a type.
#[derive(Debug, Clone, PartialEq, Event)]
#[event(named)]
pub(crate) enum SimEvent {
    /// Something was written.
    Written(Written),
}

/// Returns what an application announces, if its types can say it.
pub(crate) fn announcement(asked: &Asked) -> Option<(SimEvent, Vec<SimTopic>)> {
    let topics = asked.topics.iter().map(|topic| SimTopic::from_name(topic).ok()).collect::<Option<_>>()?;
    Some((asked.event.decode().ok()?, topics))
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
        self.store.writes.push(Write { tenant, topics, asked: None });
        let delay = self.rng.below(50);
        self.after(delay, Event::Announce { write });
        let next = self.around(self.config.write_ms);
        self.after(next, Event::Write);
        Ok(())
    }

    /// Announces a write, as the application or as a page whose user has the right to it.
    pub(crate) fn announce(&mut self, write: usize) -> Check {
        let Write { tenant, topics, asked } = self.store.writes[write].clone();
        if let Some(asked) = asked {
            return self.announce_on_journal(tenant, asked, write);
        }
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
        if self.config.cluster.is_some() {
            asked.is_sync = self.rng.percent(self.config.extra_percent / 2);
            self.store.writes[write].asked = Some(asked.clone());
            return self.announce_on_journal(tenant, asked, write);
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

    /// Announces a write at some node, or as a page.
    fn announce_on_journal(&mut self, tenant: usize, asked: Asked, write: usize) -> Check {
        let allowed = |client: &usize| {
            let token = &self.clients[*client].token;
            !asked.is_sync && token.tenant == tenant && asked.topics.iter().all(|topic| token.allows(topic))
        };
        let clients: Vec<usize> = (0..self.clients.len()).filter(allowed).collect();
        if !clients.is_empty() && self.rng.percent(40) {
            let client = *self.rng.pick(&clients);
            return self.client_publishes(client, asked, Some(write));
        }
        match self.node_that_is_up() {
            Some(node) => self.hand_over(node, tenant, asked, Some(write)),
            None => {
                self.after(100, Event::Announce { write });
                Ok(())
            }
        }
    }
}
