//! Holds what one subscription of a client hears, over all of its connections, against what was published.

use std::collections::BTreeMap;

use tidings_shared::TopicName;

use crate::{
    invariant::{Check, holds},
    reference::Reference,
};

/// What a subscription is owed from when it is ready.
#[derive(Debug)]
pub(crate) struct SubscriptionCheck {
    tenant: usize,
    pub(crate) is_ready: bool,
    /// It lost a topic, so it never gets ready.
    pub(crate) lost_any: bool,
    topics: BTreeMap<TopicName, Heard>,
}

/// Places in the list of all publications of a topic.
#[derive(Debug, Default)]
struct Heard {
    /// What lies before was heard, or covered by a sync, or came before the subscription was ready.
    settled: usize,
    /// What lies before cannot come any more.
    next: usize,
    /// The history of what it heard last; none after a sync.
    history: Option<u64>,
    /// There is no room for it in the session; a sync says that there is again.
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

    /// The topics for which there is no room.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &TopicName> {
        self.topics.iter().filter(|(_, heard)| heard.waits).map(|(topic, _)| topic)
    }

    /// A topic waits for room. Says whether it was ready before.
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

    /// A sync for these topics: what was published up to now will be loaded.
    pub(crate) fn sync(&mut self, topics: &[TopicName], reference: &Reference) -> Check {
        for topic in topics {
            let heard = self.topics.get_mut(topic);
            holds!(heard.is_some(), Rights, "a sync for {topic}, which it has not");
            let Some(heard) = heard else { continue };
            heard.settled = reference.of_topic(self.tenant, topic).len();
            (heard.history, heard.waits) = (None, false);
        }
        Ok(())
    }

    /// An event for these topics.
    pub(crate) fn event(&mut self, id: usize, topics: &[TopicName], reference: &Reference) -> Check {
        let position = reference.entries[id].position;
        for topic in topics {
            let all = reference.of_topic(self.tenant, topic);
            let place = all.binary_search(&id);
            holds!(
                place.is_ok(),
                NothingInvented,
                "{position} comes for {topic}, where it was not published"
            );
            let place = place.unwrap_or_default();
            let heard = self.topics.get_mut(topic);
            holds!(heard.is_some(), Rights, "{position} comes for {topic}, which it has not");
            let Some(heard) = heard else { continue };
            holds!(!heard.waits, Rights, "{position} comes for {topic}, which waits for room");
            holds!(
                place >= heard.next,
                InOrderOnce,
                "{topic}: {position} is the {place}th publication and comes after the {}th",
                heard.next as i64 - 1
            );
            heard.next = place + 1;
            let is_same = heard.history.is_none_or(|epoch| epoch == position.epoch);
            holds!(
                is_same || !self.is_ready,
                NoHole,
                "{topic}: {position} of a new log comes without a sync"
            );
            heard.history = Some(position.epoch);
            if self.is_ready {
                no_hole(topic, &all[heard.settled.min(place)..place], reference)?;
                heard.settled = heard.settled.max(place + 1);
            }
        }
        Ok(())
    }

    /// Nothing is under way any more: then nothing is missing.
    pub(crate) fn ends_well(&self, reference: &Reference) -> Check {
        for (topic, heard) in self.topics.iter().filter(|(_, heard)| !heard.waits) {
            let all = reference.of_topic(self.tenant, topic);
            no_hole(topic, &all[heard.settled..], reference)?;
        }
        Ok(())
    }
}

/// None of these was owed.
fn no_hole(topic: &TopicName, ids: &[usize], reference: &Reference) -> Check {
    let owed = ids.iter().map(|&id| &reference.entries[id]).find(|entry| !entry.rolled_back);
    holds!(
        owed.is_none(),
        NoHole,
        "{topic}: {} was published after the subscription was ready; neither it nor a sync came",
        owed.map(|entry| entry.position.to_string()).unwrap_or_default()
    );
    Ok(())
}
