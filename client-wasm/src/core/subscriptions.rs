//! Who wants which topics, and which of those are in force.
//!
//! What is wanted and what the session has are compared only in [`Subscriptions::reconcile`], so that any sequence of
//! subscribes and unsubscribes between two frames costs the difference. A topic's answer counts only if it carries the
//! `ref` of the topic's last subscribe: an answer to an older one, or to an unsubscribe, cannot touch it.

use tidings_shared::{
    Code, TopicName,
    frame::{Outcome, TopicOutcome},
    limits::{MAX_TOPIC_BYTES, MAX_TOPICS_PER_SESSION},
    planted::{self, Bug},
};

use super::{
    Delivery, Error, LoadId, Now, Output, SubscriptionId,
    limits::MAX_SUBSCRIPTIONS,
    output::{Outputs, deliver},
    watch::{Watch, Watching},
};

#[derive(Debug)]
pub(crate) struct Subscriptions {
    next_id: u64,
    last_load: u64,
    /// By ascending id.
    subscriptions: Vec<Subscription>,
    /// By ascending id.
    views: Vec<View>,
    topics: Vec<Topic>,
    max_topics: usize,
    changed: bool,
}

#[derive(Debug)]
struct Subscription {
    id: SubscriptionId,
    /// Topics of it of which no outcome is known yet.
    unsettled: usize,
    failed: bool,
    /// What its data belongs to, if it is watched.
    view: Option<ViewId>,
}

/// Named after the subscription that it began with.
type ViewId = SubscriptionId;

/// Watched subscriptions that share their loads; never none.
#[derive(Debug)]
struct View {
    id: ViewId,
    members: Vec<SubscriptionId>,
    watch: Watch,
}

#[derive(Debug)]
struct Topic {
    name: TopicName,
    /// By ascending id. Without any, the topic goes with the next reconcile.
    holders: Vec<Holder>,
    state: State,
}

#[derive(Debug)]
struct Holder {
    id: SubscriptionId,
    /// The topic was in force for this holder at some time, so it has something to miss.
    live: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The session does not know it.
    Wanted,
    /// Subscribed with this `ref`; not answered.
    Asked(u64),
    InForce,
}

/// The frames that make the session have what is wanted.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    pub(crate) subscribe: Vec<String>,
    /// Whether somebody has something to miss on these topics, so that they are resumed.
    pub(crate) resumes: bool,
    pub(crate) unsubscribe: Vec<String>,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self {
            next_id: 1,
            last_load: 0,
            subscriptions: Vec::new(),
            views: Vec::new(),
            topics: Vec::new(),
            max_topics: MAX_TOPICS_PER_SESSION,
            changed: false,
        }
    }
}

impl Subscriptions {
    /// The server said what it takes. All topics go into one frame when a session is resumed, so the smaller counts.
    pub(crate) fn announced(&mut self, per_session: u64, per_frame: u64) {
        self.max_topics = usize::try_from(per_session.min(per_frame)).unwrap_or(usize::MAX);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// Whether a reconcile has something to do.
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
        let mut unsettled = 0;
        for name in names {
            let index = self.topics.iter().position(|topic| topic.name == name).unwrap_or_else(|| {
                self.topics.push(Topic { name, holders: Vec::new(), state: State::Wanted });
                self.topics.len() - 1
            });
            let topic = &mut self.topics[index];
            let live = topic.state == State::InForce;
            topic.holders.push(Holder { id, live });
            unsettled += usize::from(!live);
            self.changed |= topic.state == State::Wanted;
        }
        let view = watching.map(|watching| self.join(id, watching, now));
        self.subscriptions.push(Subscription { id, unsettled, failed: false, view });
        if unsettled == 0 {
            out.push(Output::Ready { subscription: id });
            if let Some(view) = find_view(&mut self.views, id) {
                view.watch.in_force();
            }
        }
        Ok(id)
    }

    /// Adds a subscription to the view that it shares, or makes one for it.
    fn join(&mut self, id: SubscriptionId, watching: Watching, now: Now) -> ViewId {
        let Watching { min_interval_ms, shares } = watching;
        let shared = shares.and_then(|other| find(&mut self.subscriptions, other)?.view);
        if let Some(view) = shared.and_then(|view| find_view(&mut self.views, view)) {
            view.members.push(id);
            // It has heard of nothing so far, and what was loaded may leave out what the others took no interest in.
            view.watch.outdated();
            return view.id;
        }
        self.views.push(View { id, members: vec![id], watch: Watch::new(min_interval_ms, now) });
        id
    }

    fn check(&self, topics: &[impl AsRef<str>]) -> Result<Vec<TopicName>, Error> {
        let mut names: Vec<TopicName> = Vec::new();
        for text in topics.iter().map(AsRef::as_ref) {
            let name = TopicName::parse(text).map_err(|error| {
                Error::of_topic(&text.chars().take(MAX_TOPIC_BYTES).collect::<String>(), &error)
            })?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let is_new = |name: &&TopicName| self.topics.iter().all(|topic| topic.name != **name);
        let held = self.topics.iter().filter(|topic| !topic.holders.is_empty()).count();
        let too_many = |message| Err(Error::new(Code::TooManyTopics.as_str(), message));
        if names.is_empty() {
            let message = "A subscription needs a topic: name at least one.";
            return Err(Error::new(Code::InvalidTopic.as_str(), message));
        } else if held + names.iter().filter(is_new).count() > self.max_topics {
            return too_many("More topics than one session may have: unsubscribe from some.");
        } else if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return too_many("More subscriptions than a client may have: are they ever unsubscribed?");
        }
        Ok(names)
    }

    pub(crate) fn remove(&mut self, id: SubscriptionId) {
        self.forget(id);
        for topic in &mut self.topics {
            let before = topic.holders.len();
            topic.holders.retain(|holder| holder.id != id);
            self.changed |= topic.holders.is_empty() && before > 0;
        }
    }

    fn forget(&mut self, id: SubscriptionId) {
        if let Ok(index) = self.subscriptions.binary_search_by_key(&id, |subscription| subscription.id) {
            let Subscription { view, .. } = self.subscriptions.remove(index);
            if let Some(view) = view.and_then(|view| find_view(&mut self.views, view)) {
                view.members.retain(|member| *member != id);
            }
            self.views.retain(|view| !view.members.is_empty());
        }
    }

    /// Compares what is wanted with what the session has; what it lacks is from now on asked for with this `ref`.
    pub(crate) fn reconcile(&mut self, r#ref: u64) -> Difference {
        let mut difference = Difference::default();
        self.changed = false;
        self.topics.retain_mut(|topic| {
            if topic.holders.is_empty() {
                if topic.state != State::Wanted {
                    difference.unsubscribe.push(topic.name.as_str().to_owned());
                }
                return false;
            }
            if topic.state == State::Wanted {
                topic.state = State::Asked(r#ref);
                difference.resumes |= topic.holders.iter().any(|holder| holder.live);
                difference.subscribe.push(topic.name.as_str().to_owned());
            }
            true
        });
        difference
    }

    /// The session is gone, and what was in force with it.
    pub(crate) fn connection_lost(&mut self) {
        self.topics.retain(|topic| !topic.holders.is_empty());
        for topic in &mut self.topics {
            topic.state = State::Wanted;
        }
        self.changed = !self.topics.is_empty();
    }

    /// The outcomes of the subscribe with this `ref`.
    pub(crate) fn subscribed<P>(
        &mut self,
        r#ref: u64,
        position: &str,
        outcomes: Vec<TopicOutcome>,
        out: &mut Outputs<P>,
    ) {
        let (mut lost, mut resumed) = (Vec::new(), Vec::new());
        for TopicOutcome { topic, outcome, code } in outcomes {
            let is_its = |state| {
                state == State::Asked(r#ref) || planted::is(Bug::AnswerMixedUp) && state != State::InForce
            };
            let asked = |known: &Topic| known.name.as_str() == topic && is_its(known.state);
            let Some(index) = self.topics.iter().position(asked) else { continue };
            if outcome == Outcome::Refused {
                self.refuse(index, &Error::of_code(code), out);
                continue;
            }
            let topic = &mut self.topics[index];
            topic.state = State::InForce;
            for holder in &mut topic.holders {
                if !std::mem::replace(&mut holder.live, true) {
                    one_more(&mut self.subscriptions, &mut self.views, holder.id, out);
                } else if outcome != Outcome::Resumed {
                    if !planted::is(Bug::SyncDropped) {
                        deliver(&mut lost, holder.id, &topic.name);
                    }
                } else if !resumed.contains(&holder.id) {
                    resumed.push(holder.id);
                }
            }
        }
        for subscription in resumed {
            if planted::is(Bug::LoadedInVain)
                && let Some(watch) = self.watch(subscription)
            {
                watch.outdated();
            }
            out.push(Output::Resumed { subscription });
        }
        self.sync(lost, position, out);
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

    /// How the data of a subscription is kept, if it is watched.
    pub(crate) fn watch(&mut self, id: SubscriptionId) -> Option<&mut Watch> {
        let view = find(&mut self.subscriptions, id)?.view?;
        Some(&mut find_view(&mut self.views, view)?.watch)
    }

    /// How the data of each view is kept.
    pub(crate) fn watches(&mut self) -> impl Iterator<Item = &mut Watch> {
        self.views.iter_mut().map(|view| &mut view.watch)
    }

    /// When [`Self::begin_loads`] has something to do.
    pub(crate) fn timeout_ms(&self) -> Option<u64> {
        self.views.iter().filter_map(|view| view.watch.timeout_ms()).min()
    }

    /// Begins the loads that are due.
    pub(crate) fn begin_loads<P>(&mut self, now: Now, out: &mut Outputs<P>) {
        for View { members, watch, .. } in &mut self.views {
            let load = LoadId(self.last_load + 1);
            if let Some(subscription) = members.first().copied()
                && watch.begin(load, now)
            {
                self.last_load = load.0;
                out.push(Output::Load { subscription, load });
            }
        }
    }

    /// The subscribe with this `ref` was refused as a whole; `false` if there was none.
    pub(crate) fn refused<P>(&mut self, r#ref: u64, error: &Error, out: &mut Outputs<P>) -> bool {
        let mut any = false;
        while let Some(index) = self.topics.iter().position(|topic| topic.state == State::Asked(r#ref)) {
            self.refuse(index, error, out);
            any = true;
        }
        any
    }

    /// Whether any subscribe waits for its answer.
    pub(crate) fn any_asked(&self) -> bool {
        self.topics.iter().any(|topic| matches!(topic.state, State::Asked(_)))
    }

    /// Whether the subscribe with this `ref` waits for its answer.
    pub(crate) fn is_asked(&self, r#ref: u64) -> bool {
        self.topics.iter().any(|topic| topic.state == State::Asked(r#ref))
    }

    /// The right to these topics is gone. A topic that was asked for again since then has its own answer to come.
    pub(crate) fn revoked<P>(&mut self, topics: &[String], error: &Error, out: &mut Outputs<P>) {
        for name in topics {
            let in_force = |topic: &Topic| topic.name.as_str() == name && topic.state == State::InForce;
            if let Some(index) = self.topics.iter().position(in_force) {
                self.refuse(index, error, out);
            }
        }
    }

    /// Takes a topic from its holders; later subscriptions to it ask anew.
    fn refuse<P>(&mut self, index: usize, error: &Error, out: &mut Outputs<P>) {
        let topic = self.topics.swap_remove(index);
        for Holder { id, live } in topic.holders {
            let (name, error) = (Some(topic.name.clone()), error.about(&topic.name));
            out.push(Output::Failed { subscription: id, topic: name, error });
            if self.topics.iter().all(|topic| topic.holders.iter().all(|holder| holder.id != id)) {
                self.forget(id);
            } else if let Some(subscription) = find(&mut self.subscriptions, id) {
                subscription.failed = true;
                if !live {
                    one_more(&mut self.subscriptions, &mut self.views, id, out);
                }
            }
        }
    }

    /// Everything fails; nothing is left.
    pub(crate) fn fail_all<P>(&mut self, error: &Error, out: &mut Outputs<P>) {
        for Subscription { id, .. } in std::mem::take(self).subscriptions {
            out.push(Output::Failed { subscription: id, topic: None, error: error.clone() });
        }
    }

    /// Who is to hear of something that happened on these topics.
    pub(crate) fn deliveries(&self, topics: &[String]) -> Vec<Delivery> {
        let named = |topic: &&Topic| topics.iter().any(|name| topic.name.as_str() == name);
        let mut deliveries = Vec::new();
        for topic in self.topics.iter().filter(named) {
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

fn find_view(views: &mut [View], id: ViewId) -> Option<&mut View> {
    let index = views.binary_search_by_key(&id, |view| view.id).ok()?;
    views.get_mut(index)
}

/// The outcome of one more of its topics is known; it is in force if all are.
fn one_more<P>(
    subscriptions: &mut [Subscription],
    views: &mut [View],
    id: SubscriptionId,
    out: &mut Outputs<P>,
) {
    let Some(subscription) = find(subscriptions, id) else { return };
    subscription.unsettled = subscription.unsettled.saturating_sub(1);
    if subscription.unsettled > 0 {
        return;
    }
    if !subscription.failed {
        out.push(Output::Ready { subscription: id });
    }
    if let Some(view) = subscription.view.and_then(|view| find_view(views, view)) {
        view.watch.in_force();
    }
}
