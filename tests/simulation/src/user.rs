//! A user, who subscribes, watches views, publishes, loads the page again, and closes the lid of the computer.

use tidings_client_core::{Publish, SubscriptionId, Watching};
use tidings_shared::TopicName;

use crate::{
    actor::{Pending, core},
    invariant::{Check, holds},
    reference::Asked,
    store::event,
    subscription_check::SubscriptionCheck,
    view::View,
    world::{Event, World},
};

/// The most subscriptions that a user has at a time.
const MAX_SUBSCRIPTIONS: usize = 8;

impl World {
    /// Lets the user do something.
    pub(crate) fn user(&mut self, client: usize) -> Check {
        if self.heals {
            return Ok(());
        }
        let next = self.around(self.config.user_ms);
        self.after(next, Event::User { client });
        let held: Vec<SubscriptionId> = self.clients[client].subscriptions.keys().copied().collect();
        let needs_view = self.config.only_views && held.is_empty();
        match self.rng.below(100) {
            at if needs_view || at < 35 && held.len() < MAX_SUBSCRIPTIONS => {
                let is_view = self.config.only_views || self.rng.percent(50);
                let topics = self.rng.some(&self.topics, 3);
                self.subscribe(client, topics, is_view)?;
            }
            35..60 if held.len() > usize::from(self.config.only_views) => {
                let id = *self.rng.pick(&held);
                self.say(|| format!("client {client}: unsubscribes {id:?}"));
                let actor = &mut self.clients[client];
                actor.subscriptions.remove(&id);
                actor.end_view(id);
                actor.core.handle_unsubscribe(id);
            }
            60..75 => {
                let tenant = self.clients[client].token.tenant;
                let asked = Asked {
                    key: self.rng.uuid(),
                    origin: None,
                    topics: self.rng.some(&self.topics, 3),
                    event: event(tenant, self.rng.next() >> 20),
                    moment: self.moment(),
                    is_sync: false,
                };
                return self.client_publishes(client, asked, None);
            }
            75..78 => {
                // Only a publish that announces no write, because a write must be announced.
                let publishes = self.clients[client].publishes.iter();
                let id = publishes.filter(|(_, pending)| pending.write.is_none()).map(|(id, _)| *id).next();
                if let Some(id) = id {
                    self.clients[client].publishes.remove(&id);
                    self.clients[client].core.handle_cancel(id);
                }
            }
            78..80 => self.reload(client),
            80..90 => {
                // A timeout that comes too early must change nothing.
                let now = self.now_of(client);
                self.clients[client].core.handle_timeout(now);
            }
            90..92 => {
                self.say(|| format!("client {client}: falls asleep"));
                self.stats.count("sleep");
                let now = self.now_of(client);
                self.clients[client].core.handle_sleep(now);
                let life = self.clients[client].life;
                let later = self.rng.below(20_000);
                self.after(later, Event::Wake { client, life });
            }
            92..95 => {
                let life = self.clients[client].life;
                self.after(0, Event::Wake { client, life });
            }
            95..97 if !self.clients[client].views.is_empty() => {
                let views: Vec<SubscriptionId> = self.clients[client].views.keys().copied().collect();
                let (id, now) = (*self.rng.pick(&views), self.now_of(client));
                if let Some(loads) = self.clients[client].loads(id) {
                    loads.ask();
                }
                self.clients[client].core.handle_reload(id, now);
            }
            _ => {}
        }
        self.drive(client)
    }

    fn subscribe(&mut self, client: usize, mut topics: Vec<TopicName>, is_view: bool) -> Check {
        let now = self.now_of(client);
        let actor = &mut self.clients[client];
        let mut watching = Watching::default();
        if is_view && actor.rng.percent(30) && !actor.views.is_empty() {
            let views: Vec<SubscriptionId> = actor.views.keys().copied().collect();
            let other = *actor.rng.pick(&views);
            watching.shares = Some(other);
            topics = actor.views[&other].topics().to_vec();
        }
        let names: Vec<&str> = topics.iter().map(TopicName::as_str).collect();
        let id = if is_view {
            actor.core.handle_watch_with(&names, watching, now)
        } else {
            actor.core.handle_subscribe(&names, now)
        };
        holds!(id.is_ok(), Answered, "client {client} can't subscribe to {topics:?}: {id:?}");
        let Ok(id) = id else { return Ok(()) };
        let check = SubscriptionCheck::new(actor.token.tenant, &topics);
        actor.subscriptions.insert(id, check);
        self.say(|| format!("client {client}: subscribes {id:?} to {topics:?}, view: {is_view}"));
        if is_view {
            let actor = &mut self.clients[client];
            let loads = watching.shares.map_or(id, |other| actor.views[&other].loads);
            actor.views.insert(id, View::new(topics, loads));
            actor.loads.entry(loads).or_default().something_happened();
        }
        Ok(())
    }

    pub(crate) fn wake(&mut self, client: usize, life: u64) -> Check {
        let now = self.now_of(client);
        if self.clients[client].life == life {
            self.say(|| format!("client {client}: is awake"));
            self.clients[client].core.handle_wake(now);
        }
        self.drive(client)
    }

    /// Publishes as a client. `write` is the write that this announces.
    pub(crate) fn client_publishes(&mut self, client: usize, asked: Asked, write: Option<usize>) -> Check {
        let now = self.now_of(client);
        let actor = &mut self.clients[client];
        let Asked { key, origin, topics, event, .. } = asked.clone();
        let names = topics.iter().map(TopicName::to_string).collect();
        let publish = Publish { event, topics: Some(names), key, origin };
        match actor.core.handle_publish(publish, now) {
            Ok(id) => {
                actor.publishes.insert(id, Pending { asked, write });
                self.say(|| format!("client {client}: publishes {key} to {topics:?} as {id:?}"));
            }
            // Too many publishes wait for an answer. An announcement is tried again.
            Err(_) => {
                self.stats.count("publishes full");
                if let Some(write) = write {
                    self.after(500, Event::Announce { write });
                }
            }
        }
        self.drive(client)
    }

    /// Loads the page again. It loses everything, and the application announces the writes that the page did not.
    pub(crate) fn reload(&mut self, client: usize) {
        self.say(|| format!("client {client}: loads its page again"));
        self.stats.count("page loaded again");
        let actor = &mut self.clients[client];
        actor.life += 1;
        actor.core = core();
        actor.timer_at = None;
        actor.position = None;
        actor.subscriptions.clear();
        actor.views.clear();
        actor.loads.clear();
        let links = std::mem::take(&mut actor.links);
        let publishes = std::mem::take(&mut actor.publishes);
        for write in publishes.into_values().filter_map(|pending| pending.write) {
            self.after(10, Event::Announce { write });
        }
        for link in links.into_values() {
            if self.rng.percent(50) {
                self.hang_up(link);
            } else if let Some(known) = self.links.get_mut(&link) {
                // The page ends without a close message.
                known.is_heard = false;
            }
        }
    }
}
