//! A view is a watched subscription. The core says when to load its data. A load takes some time, and reads the store at
//! some moment in between. Some loads fail, some never end, and some views share their loads.

use std::collections::BTreeMap;

use tidings_client_core::{LoadId, Loaded, SubscriptionId, limits::MIN_LOAD_INTERVAL_MS};
use tidings_shared::TopicName;

use crate::{
    invariant::{Check, holds},
    world::{Event, World},
};

/// The data of a view, by topic.
type Snapshot = BTreeMap<TopicName, u64>;

#[derive(Debug)]
pub(crate) struct View {
    topics: Vec<TopicName>,
    /// The view that began to load first: this one, or one whose loads it shares.
    pub(crate) loads: SubscriptionId,
    shows: Option<Snapshot>,
    /// Whether the last load said that it will fail again. The user then sees an error.
    gave_up: bool,
}

/// The loads of a view, or of several that share them.
#[derive(Debug, Default)]
pub(crate) struct Loads {
    load: Option<(LoadId, Snapshot)>,
    /// Whether something happened since the last load began, so that another may begin.
    has_reason: bool,
    /// Whether a topic was refused before the view was ready. The view then loads when its other topics are in force, and
    /// the core tells nobody of that.
    settles_unseen: bool,
    /// The time at which the last load began.
    began: Option<u64>,
    /// Whether the user asked for the next load.
    is_asked_for: bool,
}

impl View {
    pub(crate) fn new(topics: Vec<TopicName>, loads: SubscriptionId) -> Self {
        Self { topics, loads, shows: None, gave_up: false }
    }

    /// Returns all of its topics.
    pub(crate) fn topics(&self) -> &[TopicName] {
        &self.topics
    }

    pub(crate) fn lose(&mut self, topic: &TopicName) {
        self.topics.retain(|held| held != topic);
    }
}

impl Loads {
    /// Notes an event or a sync of a view.
    pub(crate) fn something_happened(&mut self) {
        self.has_reason = true;
    }

    /// Notes that a view lost a topic.
    pub(crate) fn lose(&mut self, was_ready: bool) {
        self.has_reason = true;
        self.settles_unseen |= !was_ready;
    }

    /// Notes that the user of a view asks for a load.
    pub(crate) fn ask(&mut self) {
        (self.has_reason, self.is_asked_for) = (true, true);
    }
}

/// The time after which the core gives up a load, and begins another.
const LOAD_TIMEOUT_MS: u64 = tidings_client_core::limits::LOAD_TIMEOUT_MS;

impl World {
    /// Begins a load that the core asks for.
    pub(crate) fn load(&mut self, client: usize, id: SubscriptionId, load: LoadId) -> Check {
        self.say(|| format!("client {client}: view {id:?} begins {load:?}"));
        self.stats.count("load");
        let life = self.clients[client].life;
        let Some(loads) = self.clients[client].loads(id) else {
            holds!(false, InOrderOnce, "{id:?} loads, but is no view");
            return Ok(());
        };
        let since_last = loads.began.map(|began| self.now - began);
        let took_too_long = loads.load.is_some() && since_last.is_some_and(|ms| ms >= LOAD_TIMEOUT_MS);
        holds!(
            loads.has_reason || took_too_long || std::mem::take(&mut loads.settles_unseen),
            LoadHasReason,
            "client {client}: {id:?} loads without a reason"
        );
        let is_alone = loads.load.is_none() || took_too_long;
        holds!(is_alone, LoadHasReason, "client {client}: two loads of {id:?} at a time");
        let has_paused = since_last.is_none_or(|ms| ms >= MIN_LOAD_INTERVAL_MS);
        holds!(
            has_paused || std::mem::take(&mut loads.is_asked_for),
            LoadsPause,
            "client {client}: {id:?} loads {since_last:?} ms after its last load began"
        );
        (loads.has_reason, loads.began) = (false, Some(self.now));
        loads.load = Some((load, Snapshot::new()));
        let never_ends = !self.heals && self.rng.percent(1);
        if never_ends {
            self.stats.count("load that hangs");
            return Ok(());
        }
        let end = self.rng.below(self.config.load_ms + 1);
        let read = self.rng.below(end + 1);
        let (view, load) = (self.clients[client].views[&id].loads.0, load.0);
        self.after(read, Event::LoadReads { client, life, view, load });
        self.after(end, Event::LoadEnds { client, life, view, load });
        Ok(())
    }

    pub(crate) fn load_reads(&mut self, client: usize, life: u64, view: u64, load: u64) -> Check {
        let actor = &mut self.clients[client];
        let tenant = actor.token.tenant;
        let loads = actor.loads.get_mut(&SubscriptionId(view)).filter(|_| actor.life == life);
        if let Some(Loads { load: Some((current, read)), .. }) = loads
            && current.0 == load
        {
            let topics = self.topics.iter();
            *read = topics.map(|topic| (topic.clone(), self.store.read(tenant, topic))).collect();
        }
        Ok(())
    }

    pub(crate) fn load_ends(&mut self, client: usize, life: u64, view: u64, load: u64) -> Check {
        if self.clients[client].life != life {
            return Ok(());
        }
        let how = match self.rng.below(100) {
            0..5 if !self.heals => Loaded::Retry,
            5..6 if !self.heals => Loaded::Failed,
            _ => Loaded::Done,
        };
        let (id, load, now) = (SubscriptionId(view), LoadId(load), self.now_of(client));
        let actor = &mut self.clients[client];
        let ended = actor.loads.get_mut(&id).and_then(|loads| {
            let (_, read) = loads.load.take_if(|(current, _)| *current == load)?;
            loads.has_reason |= how == Loaded::Retry;
            Some(read)
        });
        let sharing = || actor.views.iter().filter(|(_, view)| view.loads == id);
        // Any of the views that share a load may tell its end.
        let told = sharing().map(|(id, _)| *id).next_back().unwrap_or(id);
        if sharing().count() > 1 {
            self.stats.count("load that is shared");
        }
        if let Some(read) = ended {
            for view in actor.views.values_mut().filter(|view| view.loads == id) {
                view.gave_up = how == Loaded::Failed;
                if how == Loaded::Done {
                    view.shows = Some(read.clone());
                }
            }
        }
        actor.core.handle_loaded(told, load, how, now);
        self.drive(client)
    }

    pub(crate) fn views_equal_the_store(&mut self, client: usize) -> Check {
        let actor = &self.clients[client];
        for (id, view) in actor.views.iter().filter(|(_, view)| !view.gave_up) {
            let waits = |topic: &TopicName| {
                actor
                    .subscriptions
                    .get(id)
                    .is_some_and(|check| check.waiting().any(|waiting| waiting == topic))
            };
            for topic in view.topics.iter().filter(|topic| !waits(topic)) {
                let stored = self.store.read(actor.token.tenant, topic);
                let shown = view.shows.as_ref().and_then(|shows| shows.get(topic));
                holds!(
                    shown == Some(&stored),
                    ViewsConverge,
                    "client {client}: view {id:?} shows {shown:?} of {topic}, and the store holds {stored}"
                );
            }
            self.stats.count("view that equals the store");
        }
        Ok(())
    }
}
