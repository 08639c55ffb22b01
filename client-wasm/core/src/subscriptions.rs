//! Who wants which topics, and which of those are in force.
//!
//! What is wanted and what the session has are compared only in [`Subscriptions::next_change`], so that any sequence of
//! subscribes and unsubscribes between two frames costs the difference. A topic's answer counts only if it carries the
//! `ref` of the topic's last subscribe: an answer to an older one, or to an unsubscribe, cannot touch it.
//!
//! A topic that is refused for want of room is kept, and asked for again when there may be room.

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
    Delivery, Error, Now, Output, SubscriptionId,
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
    /// Topics that the session may have, and that a frame may name.
    max_topics: usize,
    max_frame: usize,
    /// The last subscribe, and the last one that was sent when a frame was thought to have more topics.
    last_ref: u64,
    last_long_ref: u64,
    changed: bool,
    /// Since when the session is asked for again: the position of a resume that has frames still to send.
    resume: Option<String>,
    /// Some topic may still be resumed: once the position moves on without it, it cannot.
    resumes: bool,
    /// There may be room for topics that were refused.
    has_room: bool,
    /// When those that the server refused are asked for again.
    retry_ms: Option<u64>,
    retries: u32,
}

#[derive(Debug)]
struct Subscription {
    id: SubscriptionId,
    topics: Vec<TopicName>,
    /// Topics that it has not lost for good.
    held: usize,
    /// Topics of it of which no outcome is known yet.
    unsettled: usize,
    /// Topics of it that wait for room.
    refused: usize,
    /// It lost a topic for good.
    failed: bool,
    is_ready: bool,
    /// What became of it since the connection is back: whether everything was resumed so far.
    resumed: Option<bool>,
    /// What its data belongs to, if it is watched.
    view: Option<ViewId>,
}

#[derive(Debug)]
struct Topic {
    name: TopicName,
    /// By ascending id. Without any, the topic goes with the next change.
    holders: Vec<Holder>,
    state: State,
}

#[derive(Debug)]
struct Holder {
    id: SubscriptionId,
    /// The topic was in force for this holder at some time, so it has something to miss.
    live: bool,
    /// It has missed something. The next outcome does not change that.
    behind: bool,
    /// It was told that the topic waits for room.
    told: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The session does not know it.
    Wanted,
    /// Subscribed with this `ref`; not answered.
    Asked(u64),
    InForce,
    /// There was no room for it.
    Refused,
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
            max_frame: MAX_TOPICS_PER_FRAME,
            last_ref: 0,
            last_long_ref: 0,
            changed: false,
            resume: None,
            resumes: false,
            has_room: false,
            retry_ms: None,
            retries: 0,
        }
    }
}

impl Subscriptions {
    /// The server said what it takes.
    pub(crate) fn announced(&mut self, per_session: u64, per_frame: u64) {
        self.max_topics = usize::try_from(per_session).unwrap_or(usize::MAX);
        let max_frame = usize::try_from(per_frame).unwrap_or(usize::MAX).max(1);
        if max_frame < std::mem::replace(&mut self.max_frame, max_frame) {
            self.last_long_ref = self.last_ref;
        }
        self.look_for_room();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// Whether there is a change to send.
    pub(crate) fn changed(&self) -> bool {
        self.changed
    }

    pub(crate) fn add<P>(
        &mut self,
        topics: &[impl AsRef<str>],
        watching: Option<Watching>,
        now: Now,
        out: &mut Outputs<P>,
    ) -> Result<SubscriptionId, Error> {
        let names = self.check(topics)?;
        let id = SubscriptionId(self.next_id);
        self.next_id += 1;
        let (mut unsettled, mut refused) = (0, Vec::new());
        let mut room = self.room();
        for name in &names {
            let index = self.topics.binary_search_by(|topic| topic.name.cmp(name)).unwrap_or_else(|index| {
                let state = if room > 0 { State::Wanted } else { State::Refused };
                room = room.saturating_sub(1);
                self.topics.insert(index, Topic { name: name.clone(), holders: Vec::new(), state });
                index
            });
            let topic = &mut self.topics[index];
            let live = topic.state == State::InForce;
            topic.holders.push(Holder { id, live, behind: false, told: false });
            unsettled += usize::from(!live);
            self.changed |= topic.state == State::Wanted;
            if topic.state == State::Refused {
                refused.push(name.clone());
            }
        }
        let view = watching.map(|watching| self.join(id, watching, now));
        self.subscriptions.push(Subscription {
            id,
            held: names.len(),
            topics: names,
            unsettled,
            refused: 0,
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
        for name in refused {
            if let Some(index) = self.find(name.as_str()) {
                self.wait_for_room(index, &error, out);
            }
        }
        Ok(id)
    }

    /// The topics by ascending name, each once.
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
                "A client holds at most {MAX_TOPICS} topics, also of those that wait for room, and these would be {}: \
                 unsubscribe from some.",
                held + new
            ));
        } else if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return too_many(format!(
                "A client has at most {MAX_SUBSCRIPTIONS} subscriptions: are they ever unsubscribed?"
            ));
        }
        Ok(names)
    }

    pub(crate) fn remove(&mut self, id: SubscriptionId) {
        let Some(Subscription { topics, .. }) = self.forget(id) else { return };
        for name in topics {
            let Some(index) = self.find(name.as_str()) else { continue };
            let holders = &mut self.topics[index].holders;
            if let Ok(place) = holders.binary_search_by_key(&id, |holder| holder.id) {
                holders.remove(place);
                self.changed |= holders.is_empty();
            }
        }
    }

    fn forget(&mut self, id: SubscriptionId) -> Option<Subscription> {
        let index = self.subscriptions.binary_search_by_key(&id, |subscription| subscription.id).ok()?;
        let subscription = self.subscriptions.remove(index);
        self.leave(&subscription);
        Some(subscription)
    }

    /// The place of a topic that is held, or was until the last change.
    fn find(&self, name: &str) -> Option<usize> {
        self.topics.binary_search_by(|topic| topic.name.as_str().cmp(name)).ok()
    }

    /// The session is gone, and what was in force with it.
    pub(crate) fn connection_lost(&mut self) {
        self.topics.retain(|topic| !topic.holders.is_empty());
        for topic in &mut self.topics {
            if topic.state != State::Refused {
                topic.state = State::Wanted;
            }
            self.resumes |= topic.holders.iter().any(|holder| holder.live);
        }
        self.subscriptions.iter_mut().for_each(|known| known.resumed = None);
        (self.resume, self.retry_ms, self.retries) = (None, None, 0);
        self.has_room = true;
        self.changed = !self.topics.is_empty();
    }

    /// The client has had everything up to a later place. What is not answered yet has not: it is loaded again.
    pub(crate) fn moved_on(&mut self) {
        if !std::mem::take(&mut self.resumes) {
            return;
        }
        for topic in self.topics.iter_mut().filter(|topic| topic.state != State::InForce) {
            topic.holders.iter_mut().for_each(|holder| holder.behind |= holder.live);
        }
    }

    /// Tells subscriptions that they may have missed something.
    pub(crate) fn sync<P>(&mut self, deliveries: Vec<Delivery>, position: &str, out: &mut Outputs<P>) {
        for delivery in deliveries {
            if let Some(watch) = self.watch(delivery.subscription) {
                watch.outdated();
            }
            out.push(Output::Sync { delivery, position: position.to_owned() });
        }
    }

    /// Everything fails; nothing is left.
    pub(crate) fn fail_all<P>(&mut self, error: &Error, out: &mut Outputs<P>) {
        for Subscription { id, .. } in std::mem::take(self).subscriptions {
            out.push(Output::Failed { subscription: id, topic: None, error: error.clone(), waits: false });
        }
    }

    /// Who is to hear of something that happened on these topics.
    pub(crate) fn deliveries(&self, topics: &[String]) -> Vec<Delivery> {
        let mut indexes = Vec::new();
        topics.iter().filter_map(|name| self.find(name)).for_each(|index| insert(&mut indexes, index));
        let mut deliveries = Vec::new();
        for topic in indexes.into_iter().map(|index| &self.topics[index]) {
            // What comes while a topic is asked for again is for those who had it before.
            let hears = |holder: &&Holder| topic.state == State::InForce || holder.live;
            topic
                .holders
                .iter()
                .filter(hears)
                .for_each(|holder| deliver(&mut deliveries, holder.id, &topic.name));
        }
        deliveries
    }

    /// Everybody who may have missed something, with all topics that they have something to miss on.
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

/// Puts a value at its place, once. A sort would weigh two kilobytes in a browser.
fn insert<T: Ord>(sorted: &mut Vec<T>, value: T) {
    if let Err(index) = sorted.binary_search(&value) {
        sorted.insert(index, value);
    }
}

/// The outcome of one more of its topics is known.
fn one_more<P>(
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

/// A subscription is in force if all of its topics are.
fn settle<P>(
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
        && subscription.refused == 0
        && !std::mem::replace(&mut subscription.is_ready, true)
    {
        out.push(Output::Ready { subscription: id });
    }
    if let Some(view) = subscription.view.and_then(|view| find_view(views, view)) {
        view.watch.in_force();
    }
}
