//! The topics of a subscribe: parsed at first, and subscribed to when their rights are known.

use std::collections::{HashMap, HashSet};

use tidings_shared::{
    Code, TopicName,
    frame::{Outcome, TopicOutcome},
};

use super::SessionSettings;
use crate::{Hub, metrics::SyncCause, reader::Start, tenant_log::Follower};

/// The topics of a subscribe, before their rights are known.
#[derive(Debug)]
pub struct NamedTopics {
    /// The client's topics, in its order. An accepted one has its index in `names`.
    entries: Vec<(String, Result<usize, Code>)>,
    names: Vec<TopicName>,
}

impl NamedTopics {
    /// Parses topics. Their domains check them.
    pub fn parse(hub: &Hub, topics: &[String]) -> Self {
        let (mut names, mut known) = (Vec::new(), HashMap::new());
        let mut parse = |text: &String| {
            let topic = TopicName::parse(text).ok().filter(|topic| hub.domains().check_topic(topic).is_ok());
            let Some(topic) = topic else { return (text.clone(), Err(Code::InvalidTopic)) };
            let text = topic.to_string();
            let index = *known.entry(topic.clone()).or_insert_with(|| {
                names.push(topic);
                names.len() - 1
            });
            (text, Ok(index))
        };
        let entries = topics.iter().map(&mut parse).collect();
        Self { entries, names }
    }

    /// Returns whether the client named no topic.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the topics, each once.
    pub fn names(&self) -> &[TopicName] {
        &self.names
    }

    /// Adds the topics that `allowed` names to a follower. Returns one outcome for each topic of the client. The
    /// accepted topics start at the same position.
    pub(crate) fn subscribe(
        self,
        hub: &Hub,
        settings: SessionSettings,
        follower: &mut Follower,
        allowed: Result<Vec<bool>, Code>,
        since: Option<&str>,
    ) -> Vec<TopicOutcome> {
        let reader = follower.reader();
        let (mut accepted, mut new) = (Vec::new(), 0);
        let mut judge = |(index, topic): (usize, TopicName)| {
            match &allowed {
                Ok(allowed) if allowed.get(index) == Some(&true) => {}
                Ok(_) => return Err(Code::Forbidden),
                Err(code) => return Err(*code),
            }
            if !reader.is_subscribed(&topic) {
                if reader.topic_count() + new >= settings.max_topics {
                    return Err(Code::TooManyTopics);
                }
                new += 1;
            }
            accepted.push(topic);
            Ok(())
        };
        let mut judged: Vec<Result<(), Code>> =
            self.names.iter().cloned().enumerate().map(&mut judge).collect();
        let (start, no_room) = follower.try_subscribe(accepted, since);
        // A retry can help: there is room when other followers leave.
        if !no_room.is_empty() {
            let no_room: HashSet<TopicName> = no_room.into_iter().collect();
            for (topic, judged) in self.names.iter().zip(&mut judged).filter(|(_, judged)| judged.is_ok()) {
                if no_room.contains(topic) {
                    *judged = Err(Code::Overloaded);
                }
            }
        }
        let start = match start {
            Start::Live => Outcome::Live,
            Start::Resumed => Outcome::Resumed,
            Start::Sync => {
                hub.metrics().synced(SyncCause::Resume);
                Outcome::Sync
            }
        };
        let outcome =
            |(topic, named): (String, Result<usize, Code>)| match named.and_then(|index| judged[index]) {
                Ok(()) => TopicOutcome { topic, outcome: start, code: None },
                Err(code) => {
                    hub.metrics().refused(code);
                    TopicOutcome { topic, outcome: Outcome::Refused, code: Some(code.to_string()) }
                }
            };
        self.entries.into_iter().map(outcome).collect()
    }
}
