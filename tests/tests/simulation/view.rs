//! A view: a watched subscription, whose data the core says when to load. Here a load takes its time and reads the store
//! at some moment between its begin and its end; some fail, some never end.

use std::collections::BTreeMap;

use tidings_client_wasm::core::{LoadId, Loaded, SubscriptionId};
use tidings_shared::TopicName;

use crate::{
    invariant::{Check, holds},
    world::{Event, World},
};

/// What a view shows, by topic.
type Snapshot = BTreeMap<TopicName, u64>;

#[derive(Debug)]
pub(crate) struct View {
    topics: Vec<TopicName>,
    load: Option<(LoadId, Snapshot)>,
    shows: Option<Snapshot>,
    /// The last load said that it will fail again: its user sees an error, and no old data as if it were new.
    gave_up: bool,
    /// Something happened since the last load began for which another may begin.
    has_reason: bool,
    /// A topic was refused before the view was ever ready: it never will be, and when the rest of its topics are in
    /// force it is loaded without a word.
    settles_unseen: bool,
    /// When the last load began.
    began: u64,
}

impl View {
    pub(crate) fn new(topics: Vec<TopicName>) -> Self {
        Self {
            topics,
            load: None,
            shows: None,
            gave_up: false,
            has_reason: true,
            settles_unseen: false,
            began: 0,
        }
    }

    /// The view is there, and something happened to its subscription.
    pub(crate) fn something_happened(&mut self) {
        self.has_reason = true;
    }

    pub(crate) fn lose(&mut self, topic: &TopicName, was_ready: bool) {
        self.topics.retain(|held| held != topic);
        self.has_reason = true;
        self.settles_unseen |= !was_ready;
    }
}

/// What a load takes, of a view that goes on being loaded after it.
const LOAD_TIMEOUT_MS: u64 = tidings_client_wasm::core::limits::LOAD_TIMEOUT_MS;

impl World {
    /// The core wants the data of a view.
    pub(crate) fn load(&mut self, client: usize, id: SubscriptionId, load: LoadId) -> Check {
        self.say(|| format!("client {client}: view {id:?} begins {load:?}"));
        self.stats.count("load");
        let life = self.clients[client].life;
        let Some(view) = self.clients[client].views.get_mut(&id) else {
            holds!(false, InOrderOnce, "{id:?} is loaded and no view");
            return Ok(());
        };
        let took_too_long = view.load.is_some() && self.now - view.began >= LOAD_TIMEOUT_MS;
        holds!(
            view.has_reason || took_too_long || std::mem::take(&mut view.settles_unseen),
            LoadHasReason,
            "client {client}: {id:?} is loaded for nothing"
        );
        let is_alone = view.load.is_none() || took_too_long;
        holds!(is_alone, LoadHasReason, "client {client}: two loads of {id:?} at a time");
        (view.has_reason, view.began) = (false, self.now);
        view.load = Some((load, Snapshot::new()));
        let never_ends = !self.heals && self.rng.percent(1);
        if never_ends {
            self.stats.count("load that hangs");
            return Ok(());
        }
        let end = self.rng.below(self.config.load_ms + 1);
        let read = self.rng.below(end + 1);
        let (view, load) = (id.0, load.0);
        self.after(read, Event::LoadReads { client, life, view, load });
        self.after(end, Event::LoadEnds { client, life, view, load });
        Ok(())
    }

    pub(crate) fn load_reads(&mut self, client: usize, life: u64, view: u64, load: u64) -> Check {
        let actor = &mut self.clients[client];
        let tenant = actor.token.tenant;
        let view = actor.views.get_mut(&SubscriptionId(view)).filter(|_| actor.life == life);
        if let Some(View { topics, load: Some((current, read)), .. }) = view
            && current.0 == load
        {
            *read = topics.iter().map(|topic| (topic.clone(), self.store.read(tenant, topic))).collect();
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
        if let Some(view) = actor.views.get_mut(&id)
            && let Some((_, read)) = view.load.take_if(|(current, _)| *current == load)
        {
            view.gave_up = how == Loaded::Failed;
            view.has_reason |= how == Loaded::Retry;
            if how == Loaded::Done {
                view.shows = Some(read);
            }
        }
        actor.core.handle_loaded(id, load, how, now);
        self.drive(client)
    }

    pub(crate) fn views_equal_the_store(&mut self, client: usize) -> Check {
        let actor = &self.clients[client];
        for (id, view) in actor.views.iter().filter(|(_, view)| !view.gave_up) {
            for topic in &view.topics {
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
