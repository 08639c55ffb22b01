//! The subscriptions, and the state of each of their topics in the session.
//!
//! Only [`Subscriptions::next_change`] compares the wanted topics with those of the session. So a series of subscribes and
//! unsubscribes between two frames costs only its difference. An answer counts for a topic only if it has the `ref` of the
//! topic's last subscribe: older answers, and answers to an unsubscribe, change nothing.
//!
//! If the session has no room for a topic, the topic waits for room. The client subscribes to it again when there may be
//! room.
//!
//! The client has one position, as the session has. A server may go on before it has answered all frames of a resume: an old
//! server does, and a server that has waited for 5 s. Then the client takes over the new position, and notes the topics that have
//! no answer yet. It loads the data of those topics, even if their answer is `resumed`. If the client kept the old position,
//! events would come twice.

mod changes;
mod outcomes;
mod views;

use tidings_shared::{
    Code, TopicName,
    limits::{MAX_TOPIC_BYTES, MAX_TOPICS_PER_FRAME, MAX_TOPICS_PER_SESSION},
};

pub(crate) use self::changes::Change;
use self::views::{View, ViewId, find_view};
use super::{
    Delivery, Error, Now, Output, Payload, SubscriptionId,
    limits::{MAX_SUBSCRIPTIONS, MAX_TOPICS},
    output::{Outputs, deliver},
    watch::Watching,
};

#[derive(Debug)]
pub(crate) struct Subscriptions {
    next_id: u64,
    last_load: u64,
    /// By ascending id.
    subscriptions: Vec<Subscription>,
    /// By ascending id.
    views: Vec<View>,
    /// By ascending name.
    topics: Vec<Topic>,
    /// How many topics the session may have.
    max_topics: usize,
    /// How many topics a frame may name.
    max_topics_per_frame: usize,
    /// The `ref` of the last subscribe.
    last_ref: u64,
    /// The `ref` of the last subscribe that was filled by a higher [`Self::max_topics_per_frame`] than the server's.
    last_long_ref: u64,
    /// There is a change to send.
    changed: bool,
    /// The position of a resume that still has frames to send.
    resume_from: Option<String>,
    /// Some topic may still be resumed. It no longer can when the position advances without it.
    may_resume: bool,
    /// There may be room for topics that wait for room.
    may_have_room: bool,
    /// When the client subscribes again to topics for which the server had no room.
    retry_ms: Option<u64>,
    /// How many retries have failed.
    retries: u32,
}

#[derive(Debug)]
struct Subscription {
    id: SubscriptionId,
    topics: Vec<TopicName>,
    /// How many of its topics it has not lost for good.
    kept: usize,
    /// How many of its topics have had no outcome yet.
    unsettled: usize,
    /// How many of its topics wait for room.
    waiting: usize,
    /// It has lost a topic for good.
    failed: bool,
    is_ready: bool,
    /// Whether all outcomes since the reconnect were resumes; `None` before the first.
    resumed: Option<bool>,
    /// The view that it belongs to, if it is watched.
    view: Option<ViewId>,
}

#[derive(Debug)]
struct Topic {
    name: TopicName,
    /// By ascending id. The next change removes a topic without holders.
    holders: Vec<Holder>,
    state: State,
}

impl Topic {
    /// Returns the subscriptions that get its events. While the client subscribes to it again, they are those that had it
    /// before.
    fn listeners(&self) -> impl Iterator<Item = SubscriptionId> {
        let hears = |holder: &&Holder| self.state == State::InForce || holder.live;
        self.holders.iter().filter(hears).map(|holder| holder.id)
    }
}

#[derive(Debug)]
struct Holder {
    id: SubscriptionId,
    /// The topic is or was in force for this holder, so the holder can miss events.
    live: bool,
    /// It may have missed something, whatever the next outcome is.
    has_missed: bool,
    /// The topic waits for room, and the holder has heard of it.
    waits: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The session does not have it, and the client will subscribe to it.
    Wanted,
    /// A subscribe with this `ref` was sent and is not answered.
    Asked(u64),
    /// The session has it.
    InForce,
    /// It waits for room.
    NoRoom,
}

impl Default for Subscriptions {
    #[inline]
    fn default() -> Self {
        Self {
            next_id: 1,
            last_load: 0,
            subscriptions: Vec::new(),
            views: Vec::new(),
            topics: Vec::new(),
            max_topics: MAX_TOPICS_PER_SESSION,
            max_topics_per_frame: MAX_TOPICS_PER_FRAME,
            last_ref: 0,
            last_long_ref: 0,
            changed: false,
            resume_from: None,
            may_resume: false,
            may_have_room: false,
            retry_ms: None,
            retries: 0,
        }
    }
}

impl Subscriptions {
    /// Sets the limits that the server announced.
    pub(crate) fn set_limits(&mut self, per_session: u64, per_frame: u64) {
        self.max_topics = usize::try_from(per_session).unwrap_or(usize::MAX);
        let max_frame = usize::try_from(per_frame).unwrap_or(usize::MAX).max(1);
        if max_frame < std::mem::replace(&mut self.max_topics_per_frame, max_frame) {
            self.last_long_ref = self.last_ref;
        }
        self.look_for_room();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// Returns whether there is a change to send.
    pub(crate) fn changed(&self) -> bool {
        self.changed
    }

    pub(crate) fn add<P: Payload>(
        &mut self,
        topics: &[impl AsRef<str>],
        watching: Option<Watching>,
        now: Now,
        out: &mut Outputs<P>,
    ) -> Result<SubscriptionId, Error> {
        let names = self.check(topics)?;
        let id = SubscriptionId(self.next_id);
        self.next_id += 1;
        let (mut unsettled, mut without_room) = (0, Vec::new());
        let mut room = self.room();
        for name in &names {
            let index = self.topics.binary_search_by(|topic| topic.name.cmp(name)).unwrap_or_else(|index| {
                let state = if room > 0 { State::Wanted } else { State::NoRoom };
                room = room.saturating_sub(1);
                self.topics.insert(index, Topic { name: name.clone(), holders: Vec::new(), state });
                index
            });
            let topic = &mut self.topics[index];
            let live = topic.state == State::InForce;
            topic.holders.push(Holder { id, live, has_missed: false, waits: false });
            unsettled += usize::from(!live);
            self.changed |= topic.state == State::Wanted;
            if topic.state == State::NoRoom {
                without_room.push(name.clone());
            }
        }
        let view = watching.map(|watching| self.join_view(id, watching, now));
        self.subscriptions.push(Subscription {
            id,
            kept: names.len(),
            topics: names,
            unsettled,
            waiting: 0,
            failed: false,
            is_ready: unsettled == 0,
            resumed: None,
            view,
        });
        if unsettled == 0 {
            out.push(Output::Ready { subscription: id });
            if let Some(view) = find_view(&mut self.views, id) {
                view.watch.in_force();
            }
        }
        let error = self.no_room();
        for name in without_room {
            if let Some(index) = self.find(name.as_str()) {
                self.wait_for_room(index, &error, out);
            }
        }
        Ok(id)
    }

    /// Parses the topics: by ascending name, each once.
    fn check(&self, topics: &[impl AsRef<str>]) -> Result<Vec<TopicName>, Error> {
        let mut names: Vec<TopicName> = Vec::new();
        for text in topics.iter().map(AsRef::as_ref) {
            let name = TopicName::parse(text).map_err(|error| {
                Error::of_topic(&text.chars().take(MAX_TOPIC_BYTES).collect::<String>(), &error)
            })?;
            insert(&mut names, name);
        }
        let held = self.topics.iter().filter(|topic| !topic.holders.is_empty()).count();
        let new = names.iter().filter(|name| self.find(name.as_str()).is_none()).count();
        let too_many = |message| Err(Error::new(Code::TooManyTopics.as_str(), message));
        if names.is_empty() {
            let message = "A subscription needs a topic: name at least one.";
            return Err(Error::new(Code::InvalidTopic.as_str(), message));
        } else if held + new > MAX_TOPICS {
            return too_many(format!(
                "A client holds at most {MAX_TOPICS} topics, also those that wait for room. These would be {}: unsubscribe \
                 from some.",
                held + new
            ));
        } else if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return too_many(format!(
                "A client has at most {MAX_SUBSCRIPTIONS} subscriptions: does the page unsubscribe from old ones?"
            ));
        }
        Ok(names)
    }

    pub(crate) fn remove(&mut self, id: SubscriptionId) {
        let Some(Subscription { topics, .. }) = self.forget(id) else { return };
        for name in topics {
            let Some(index) = self.find(name.as_str()) else { continue };
            let holders = &mut self.topics[index].holders;
            if let Ok(index) = holders.binary_search_by_key(&id, |holder| holder.id) {
                holders.remove(index);
                self.changed |= holders.is_empty();
            }
        }
    }

    fn forget(&mut self, id: SubscriptionId) -> Option<Subscription> {
        let index = self.subscriptions.binary_search_by_key(&id, |subscription| subscription.id).ok()?;
        let subscription = self.subscriptions.remove(index);
        self.leave_view(&subscription);
        Some(subscription)
    }

    /// Returns the index of a topic that has holders, or had some at the last change.
    fn find(&self, name: &str) -> Option<usize> {
        self.topics.binary_search_by(|topic| topic.name.as_str().cmp(name)).ok()
    }

    /// Handles the loss of the session: no topic is in force any more.
    pub(crate) fn connection_lost(&mut self) {
        self.topics.retain(|topic| !topic.holders.is_empty());
        for topic in &mut self.topics {
            if topic.state != State::NoRoom {
                topic.state = State::Wanted;
            }
            self.may_resume |= topic.holders.iter().any(|holder| holder.live);
        }
        self.subscriptions.iter_mut().for_each(|known| known.resumed = None);
        (self.resume_from, self.retry_ms, self.retries) = (None, None, 0);
        self.may_have_room = true;
        self.changed = !self.topics.is_empty();
    }

    /// Notes that the position of the client advanced. Topics without an answer stayed behind: their data is loaded again.
    pub(crate) fn position_advanced(&mut self) {
        if !std::mem::take(&mut self.may_resume) {
            return;
        }
        for topic in self.topics.iter_mut().filter(|topic| topic.state != State::InForce) {
            topic.holders.iter_mut().for_each(|holder| holder.has_missed |= holder.live);
        }
    }

    /// Notes that a subscription has missed events on all its topics. The client subscribes again to topics in force, because
    /// the answer brings the sync.
    pub(crate) fn missed(&mut self, id: SubscriptionId) {
        for topic in &mut self.topics {
            for holder in topic.holders.iter_mut().filter(|holder| holder.id == id) {
                holder.has_missed = true;
                if topic.state == State::InForce {
                    (topic.state, self.changed) = (State::Wanted, true);
                }
            }
        }
    }

    /// Reports to subscriptions that they may have missed something.
    pub(crate) fn sync<P: Payload>(
        &mut self,
        deliveries: Vec<Delivery>,
        position: &str,
        out: &mut Outputs<P>,
    ) {
        for delivery in deliveries {
            if let Some(watch) = self.watch(delivery.subscription) {
                watch.outdated();
            }
            out.push(Output::Sync { delivery, position: position.to_owned() });
        }
    }

    /// Fails and removes all subscriptions.
    pub(crate) fn fail_all<P: Payload>(&mut self, error: &Error, out: &mut Outputs<P>) {
        for Subscription { id, .. } in std::mem::take(self).subscriptions {
            out.push(Output::Failed { subscription: id, topic: None, error: error.clone(), waits: false });
        }
    }

    /// Returns the deliveries of an event or sync on these topics.
    pub(crate) fn deliveries(&self, topics: &[String]) -> Vec<Delivery> {
        let mut indexes = Vec::new();
        topics.iter().filter_map(|name| self.find(name)).for_each(|index| insert(&mut indexes, index));
        let mut deliveries = Vec::new();
        for topic in indexes.into_iter().map(|index| &self.topics[index]) {
            topic.listeners().for_each(|id| deliver(&mut deliveries, id, &topic.name));
        }
        deliveries
    }

    /// Returns the subscriptions that get an event on this topic, by ascending id.
    pub(crate) fn listeners(&self, topic: &str) -> Vec<SubscriptionId> {
        self.find(topic).map_or_else(Vec::new, |index| self.topics[index].listeners().collect())
    }

    /// Returns the deliveries of a sync on all topics that were in force before.
    pub(crate) fn all_live(&self) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        for topic in &self.topics {
            for holder in topic.holders.iter().filter(|holder| holder.live) {
                deliver(&mut deliveries, holder.id, &topic.name);
            }
        }
        deliveries
    }
}

fn find(subscriptions: &mut [Subscription], id: SubscriptionId) -> Option<&mut Subscription> {
    let index = subscriptions.binary_search_by_key(&id, |subscription| subscription.id).ok()?;
    subscriptions.get_mut(index)
}

/// Inserts a value where it belongs, if it is not there. A sort would add two kilobytes to the browser's client.
fn insert<T: Ord>(sorted: &mut Vec<T>, value: T) {
    if let Err(index) = sorted.binary_search(&value) {
        sorted.insert(index, value);
    }
}

/// Counts one more topic of a subscription that had its first outcome.
fn settle_topic<P: Payload>(
    subscriptions: &mut [Subscription],
    views: &mut [View],
    id: SubscriptionId,
    out: &mut Outputs<P>,
) {
    if let Some(subscription) = find(subscriptions, id) {
        subscription.unsettled = subscription.unsettled.saturating_sub(1);
        settle(subscriptions, views, id, out);
    }
}

/// Reports that a subscription is ready, if all of its topics are in force.
fn settle<P: Payload>(
    subscriptions: &mut [Subscription],
    views: &mut [View],
    id: SubscriptionId,
    out: &mut Outputs<P>,
) {
    let Some(subscription) = find(subscriptions, id) else { return };
    if subscription.unsettled > 0 {
        return;
    }
    if !subscription.failed
        && subscription.waiting == 0
        && !std::mem::replace(&mut subscription.is_ready, true)
    {
        out.push(Output::Ready { subscription: id });
    }
    if let Some(view) = subscription.view.and_then(|view| find_view(views, view)) {
        view.watch.in_force();
    }
}
