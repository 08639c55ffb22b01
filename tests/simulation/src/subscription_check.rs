//! Checks the deliveries of one subscription of a client, over all of its connections, against the reference.

use std::collections::BTreeMap;

use tidings_shared::TopicName;

use crate::{
    invariant::{Check, holds},
    reference::Reference,
};

/// The events that a subscription must get after it is ready.
#[derive(Debug)]
pub(crate) struct SubscriptionCheck {
    tenant: usize,
    pub(crate) is_ready: bool,
    /// Whether it lost a topic. It may then never get ready.
    pub(crate) lost_any: bool,
    topics: BTreeMap<TopicName, Heard>,
}

/// The state of one topic. The numbers are indices in the list of all publications of the topic.
#[derive(Debug, Default)]
struct Heard {
    /// Publications before this index came, or a sync covered them, or the subscription was not ready.
    settled: usize,
    /// Publications before this index must not come any more.
    next: usize,
    /// The epoch of the last event. `None` after a sync.
    history: Option<u64>,
    /// Whether the session has no room for it. A sync tells when there is room again.
    waits: bool,
}

impl SubscriptionCheck {
    pub(crate) fn new(tenant: usize, topics: &[TopicName]) -> Self {
        let topics = topics.iter().map(|topic| (topic.clone(), Heard::default())).collect();
        Self { tenant, is_ready: false, lost_any: false, topics }
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = &TopicName> {
        self.topics.keys()
    }

    /// Returns the topics for which the session has no room.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &TopicName> {
        self.topics.iter().filter(|(_, heard)| heard.waits).map(|(topic, _)| topic)
    }

    /// Notes that a topic waits for room. Returns whether the subscription was ready.
    pub(crate) fn wait(&mut self, topic: &TopicName) -> bool {
        self.topics.entry(topic.clone()).and_modify(|heard| heard.waits = true);
        self.is_ready
    }

    pub(crate) fn lose(&mut self, topic: &TopicName) {
        self.lost_any = true;
        self.topics.remove(topic);
    }

    pub(crate) fn ready(&mut self, reference: &Reference) -> Check {
        holds!(!self.is_ready, InOrderOnce, "ready twice");
        self.is_ready = true;
        self.settle_all(reference);
        Ok(())
    }

    fn settle_all(&mut self, reference: &Reference) {
        for (topic, heard) in &mut self.topics {
            heard.settled = reference.of_topic(self.tenant, topic).len();
        }
    }

    /// Notes a sync for these topics. It covers everything that was published until now. `goes_back` says whether older
    /// events may follow: a node that does not hear its journal goes on from what it has.
    pub(crate) fn sync(&mut self, topics: &[TopicName], reference: &Reference, goes_back: bool) -> Check {
        for topic in topics {
            let heard = self.topics.get_mut(topic);
            holds!(heard.is_some(), Rights, "a sync for {topic}, which it does not have");
            let Some(heard) = heard else { continue };
            heard.settled = reference.of_topic(self.tenant, topic).len();
            (heard.history, heard.waits) = (None, false);
            if goes_back {
                heard.next = 0;
            }
        }
        Ok(())
    }

    /// Checks an event for these topics.
    pub(crate) fn event(&mut self, id: usize, topics: &[TopicName], reference: &Reference) -> Check {
        let position = reference.entries[id].position;
        for topic in topics {
            let all = reference.of_topic(self.tenant, topic);
            let index = all.binary_search(&id);
            holds!(
                index.is_ok(),
                NothingInvented,
                "{position} comes for {topic}, where it was not published"
            );
            let index = index.unwrap_or_default();
            let heard = self.topics.get_mut(topic);
            holds!(heard.is_some(), Rights, "{position} comes for {topic}, which it does not have");
            let Some(heard) = heard else { continue };
            holds!(!heard.waits, Rights, "{position} comes for {topic}, which waits for room");
            holds!(
                index >= heard.next,
                InOrderOnce,
                "{topic}: {position} is the {index}th publication and comes after the {}th",
                heard.next as i64 - 1
            );
            heard.next = index + 1;
            let is_same = heard.history.is_none_or(|epoch| epoch == position.epoch);
            holds!(
                is_same || !self.is_ready,
                NoHole,
                "{topic}: {position} of a new log comes without a sync"
            );
            heard.history = Some(position.epoch);
            if self.is_ready {
                no_hole(topic, &all[heard.settled.min(index)..index], reference)?;
                heard.settled = heard.settled.max(index + 1);
            }
        }
        Ok(())
    }

    /// Checks at the end of a run that no event is missing.
    pub(crate) fn ends_well(&self, reference: &Reference) -> Check {
        for (topic, heard) in self.topics.iter().filter(|(_, heard)| !heard.waits) {
            let all = reference.of_topic(self.tenant, topic);
            no_hole(topic, &all[heard.settled..], reference)?;
        }
        Ok(())
    }
}

/// Checks that none of these entries had to come.
fn no_hole(topic: &TopicName, ids: &[usize], reference: &Reference) -> Check {
    let owed = ids.iter().map(|&id| &reference.entries[id]).find(|entry| !entry.rolled_back);
    holds!(
        owed.is_none(),
        NoHole,
        "{topic}: {} was published after the subscription was ready, but neither it nor a sync came",
        owed.map(|entry| entry.position.to_string()).unwrap_or_default()
    );
    Ok(())
}
