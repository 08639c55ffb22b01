//! A client: the real core, driven as the shell of a page drives it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;
use tidings_client_core::{
    Client, ConnectionId, Delivery, Error, Now, Options, Output, Publication, PublishId, Status,
    SubscriptionId, limits::LINGER_MS,
};
use tidings_shared::{
    TopicName,
    frame::{ClientFrame, Outcome, ServerFrame},
};

use crate::{
    access::{Token, bits},
    config::Config,
    invariant::{Check, holds},
    link::{Message, Peer, Side},
    reference::Asked,
    rng::Rng,
    served::short,
    subscription_check::SubscriptionCheck,
    view::{Loads, View},
    world::{Event, World},
};

type Payload = Box<RawValue>;

/// The longest delay of a timer of a page in the background, in milliseconds.
const LATE_MS: u64 = 5_000;

pub(crate) struct Actor {
    pub(crate) token: Token,
    /// The bits of topics that it lost the right to at some time.
    pub(crate) lost_rights: u64,
    /// Whether its subject was revoked at some time.
    pub(crate) was_revoked: bool,
    pub(crate) core: Client<Payload>,
    pub(crate) rng: Rng,
    /// Counts the reloads of the page. Events of an earlier life are ignored.
    pub(crate) life: u64,
    pub(crate) timer_at: Option<u64>,
    pub(crate) links: BTreeMap<ConnectionId, u64>,
    pub(crate) subscriptions: BTreeMap<SubscriptionId, SubscriptionCheck>,
    pub(crate) views: BTreeMap<SubscriptionId, View>,
    /// The key is the view that began to load first.
    pub(crate) loads: BTreeMap<SubscriptionId, Loads>,
    /// Views that got an event. The core does not know of it yet.
    pub(crate) outdated: Vec<SubscriptionId>,
    pub(crate) publishes: BTreeMap<PublishId, Pending>,
    /// The time since which its user has neither subscriptions nor publishes.
    unwanted_since: Option<u64>,
    /// The newest position that the server sent.
    pub(crate) position: Option<String>,
    /// The `since` of a resume, while frames of that resume are still to be sent.
    pub(crate) resume: Option<String>,
    /// The subscribes of this connection without an answer, by their `ref`, with the topics that are still wanted.
    pub(crate) unanswered: BTreeMap<u64, BTreeSet<String>>,
}

/// A publish without an answer.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) asked: Asked,
    /// The write in the store that it announces.
    pub(crate) write: Option<usize>,
}

pub(crate) fn core() -> Client<Payload> {
    Client::new(Options { asks_for_tokens: true, ..Options::default() })
}

impl Actor {
    pub(crate) fn new(index: usize, config: &Config, rng: &mut Rng) -> Self {
        let mut rng = Rng::new(rng.next());
        let all = (1 << config.topics) - 1;
        let rights = if config.only_views || rng.percent(70) { all } else { rng.next() & all };
        let tenant = rng.index(config.tenants);
        Self {
            token: Token { tenant, subject: format!("client-{index}"), rights, issued: 0 },
            lost_rights: 0,
            was_revoked: false,
            core: core(),
            rng,
            life: 0,
            timer_at: None,
            links: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            views: BTreeMap::new(),
            loads: BTreeMap::new(),
            outdated: Vec::new(),
            publishes: BTreeMap::new(),
            unwanted_since: None,
            position: None,
            resume: None,
            unanswered: BTreeMap::new(),
        }
    }

    /// Returns the loads of a view.
    pub(crate) fn loads(&mut self, view: SubscriptionId) -> Option<&mut Loads> {
        self.loads.get_mut(&self.views.get(&view)?.loads)
    }

    /// Removes a view, and its loads if no other view shares them.
    pub(crate) fn end_view(&mut self, view: SubscriptionId) {
        self.views.remove(&view);
        self.loads.retain(|began_with, _| self.views.values().any(|view| view.loads == *began_with));
    }

    /// Returns whether a refusal of these topics is right.
    fn may_lack(&self, topics: &[TopicName], error: &Error) -> bool {
        let has_lost = bits(topics) & self.lost_rights != 0;
        error.code == "forbidden" && (has_lost || !topics.iter().all(|topic| self.token.allows(topic)))
    }

    fn lets_go(&mut self, now: u64) -> Check {
        let is_wanted = !self.subscriptions.is_empty() || !self.publishes.is_empty();
        self.unwanted_since = self.unwanted_since.or(Some(now)).filter(|_| !is_wanted);
        let unwanted_ms = self.unwanted_since.map_or(0, |since| now - since);
        let connections = self.links.len();
        holds!(
            unwanted_ms <= LINGER_MS + 2 * LATE_MS || connections == 0,
            LetsGo,
            "its user has wanted nothing for {unwanted_ms} ms, but it has {connections} connections"
        );
        Ok(())
    }

    fn now(&mut self, ms: u64) -> Now {
        Now { ms, random: self.rng.next() as u32 }
    }
}

impl World {
    pub(crate) fn now_of(&mut self, client: usize) -> Now {
        let now = self.now;
        self.clients[client].now(now)
    }

    /// Carries out all outputs of the core, and sets its timer.
    pub(crate) fn drive(&mut self, client: usize) -> Check {
        loop {
            while let Some(output) = self.clients[client].core.poll_output() {
                self.carry_out(client, output)?;
            }
            // An event outdates the data of each view that it reaches.
            let outdated = std::mem::take(&mut self.clients[client].outdated);
            if outdated.is_empty() {
                break;
            }
            for id in outdated {
                let now = self.now_of(client);
                self.happened(client, id);
                self.clients[client].core.handle_outdated(id, now);
            }
        }
        let now = self.now;
        let actor = &mut self.clients[client];
        actor.lets_go(now)?;
        if let Some(due) = actor.core.poll_timeout() {
            let due = due.max(now);
            if actor.timer_at.is_none_or(|at| at > due) {
                // A page in the background gets its timers late.
                let late = if actor.rng.percent(2) { actor.rng.below(LATE_MS) } else { 0 };
                actor.timer_at = Some(due + late);
                let life = actor.life;
                self.at(due + late, Event::ClientTimer { client, life });
            }
        }
        Ok(())
    }

    pub(crate) fn client_timer(&mut self, client: usize, life: u64) -> Check {
        let now = self.now_of(client);
        let actor = &mut self.clients[client];
        if actor.life != life || actor.timer_at.is_some_and(|at| at > self.now) {
            return Ok(());
        }
        actor.timer_at = None;
        actor.core.handle_timeout(now);
        self.drive(client)
    }

    fn carry_out(&mut self, client: usize, output: Output<Payload>) -> Check {
        let life = self.clients[client].life;
        match output {
            Output::Token { connection } => {
                let later = self.rng.below(100);
                self.after(later, Event::Token { client, life, connection: connection.0 });
            }
            Output::Connect { connection } => {
                let link = self.connect(Peer::Client { client, life, connection: connection.0 });
                self.clients[client].unanswered.clear();
                self.clients[client].resume = None;
                self.clients[client].links.insert(connection, link);
            }
            Output::Send { connection, frame } => {
                self.asks_from_its_position(client, &frame)?;
                if matches!(frame, ClientFrame::Token { .. }) {
                    self.stats.count("token refreshed");
                }
                let text = serde_json::to_string(&frame).unwrap_or_default();
                if let Some(&link) = self.clients[client].links.get(&connection) {
                    self.say(|| format!("link {link}: client {client} says {}", short(&text)));
                    self.send(link, Side::Server, Message::Text(text));
                }
            }
            Output::Disconnect { connection } => self.disconnect(client, connection),
            Output::Status(status) => {
                self.say(|| format!("client {client}: {status:?}"));
                if status == Status::Closed {
                    holds!(self.clients[client].was_revoked, Answered, "client {client} ended for good");
                    self.stats.count("client that was revoked");
                    self.reload(client);
                }
            }
            Output::Ready { subscription } => {
                self.say(|| format!("client {client}: {subscription:?} is ready"));
                let actor = &mut self.clients[client];
                let known = actor.subscriptions.get_mut(&subscription);
                holds!(known.is_some(), InOrderOnce, "{subscription:?} is ready, but was removed");
                known.map_or(Ok(()), |known| known.ready(&self.reference))?;
                self.happened(client, subscription);
            }
            Output::Event { deliveries, publication } => self.heard(client, &deliveries, &publication)?,
            Output::Sync { delivery, .. } => {
                self.say(|| format!("client {client}: sync {delivery:?}"));
                self.stats.count("client synced");
                let Delivery { subscription, topics } = delivery;
                let goes_back = self.config.cluster.is_some();
                let known = self.clients[client].subscriptions.get_mut(&subscription);
                holds!(known.is_some(), InOrderOnce, "{subscription:?} gets a sync, but was removed");
                let had_waited =
                    known.as_ref().is_some_and(|known| known.waiting().any(|topic| topics.contains(topic)));
                if had_waited {
                    self.stats.count("has room again");
                }
                known.map_or(Ok(()), |known| known.sync(&topics, &self.reference, goes_back))?;
                self.happened(client, subscription);
            }
            Output::Load { subscription, load } => self.load(client, subscription, load)?,
            Output::Resumed { .. } => self.stats.count("client resumed"),
            Output::Failed { subscription, topic: Some(topic), error, waits: true } => {
                self.say(|| format!("client {client}: {subscription:?} waits for {topic}: {error}"));
                self.stats.count("waits for room");
                holds!(
                    matches!(&*error.code, "too_many_topics" | "overloaded"),
                    Answered,
                    "{subscription:?} waits for {topic}: {error}"
                );
                let actor = &mut self.clients[client];
                let known = actor.subscriptions.get_mut(&subscription);
                holds!(known.is_some(), InOrderOnce, "{subscription:?} waits for {topic}, but was removed");
                let was_ready = known.is_some_and(|known| known.wait(&topic));
                if let Some(loads) = actor.loads(subscription) {
                    loads.lose(was_ready);
                }
            }
            Output::Failed { subscription, topic, error, .. } => {
                self.say(|| format!("client {client}: {subscription:?} lost {topic:?}: {error}"));
                let actor = &self.clients[client];
                let is_right =
                    topic.as_ref().is_some_and(|topic| actor.may_lack(std::slice::from_ref(topic), &error));
                holds!(is_right, Answered, "{subscription:?} lost {topic:?}: {error}");
                let actor = &mut self.clients[client];
                if let (Some(known), Some(topic)) = (actor.subscriptions.get_mut(&subscription), topic) {
                    known.lose(&topic);
                    let (was_ready, is_over) = (known.is_ready, known.topics().next().is_none());
                    actor.views.entry(subscription).and_modify(|view| view.lose(&topic));
                    if let Some(loads) = actor.loads(subscription) {
                        loads.lose(was_ready);
                    }
                    if is_over {
                        actor.subscriptions.remove(&subscription);
                        actor.end_view(subscription);
                    }
                }
            }
            Output::Published { publish, key, position, .. } => {
                self.say(|| format!("client {client}: {publish:?} is at {position}"));
                let Some(pending) = self.clients[client].publishes.remove(&publish) else {
                    holds!(false, InOrderOnce, "{publish:?} is answered, but was removed");
                    return Ok(());
                };
                let tenant = self.clients[client].token.tenant;
                let known = self.reference.find(tenant, &position);
                let known = known.map(|id| self.reference.entries[id].asked.key);
                let is_right = known == Some(pending.asked.key) && pending.asked.key.to_string() == key;
                holds!(
                    is_right,
                    Acknowledged,
                    "{pending:?} was answered {key} at {position}, where {known:?} is"
                );
            }
            Output::PublishFailed { publish, error } => {
                let pending = self.clients[client].publishes.remove(&publish);
                self.say(|| format!("client {client}: {publish:?} failed: {error}"));
                let actor = &self.clients[client];
                let is_right = pending.as_ref().is_some_and(|pending| {
                    error.code == "overloaded" || actor.may_lack(&pending.asked.topics, &error)
                });
                holds!(is_right, Answered, "{pending:?} failed: {error}");
                if let Some(write) = pending.and_then(|pending| pending.write) {
                    // The write must be announced.
                    self.after(500, Event::Announce { write });
                }
            }
            Output::Error(error) => self.say(|| format!("client {client}: {error}")),
            _ => {}
        }
        Ok(())
    }

    /// Checks an event that a client delivers to some of its subscriptions.
    fn heard(&mut self, client: usize, deliveries: &[Delivery], publication: &Publication<Payload>) -> Check {
        let tenant = self.clients[client].token.tenant;
        let position = &publication.position;
        self.say(|| format!("client {client}: {position} for {deliveries:?}"));
        let id = self.reference.find(tenant, position);
        holds!(id.is_some(), NothingInvented, "client {client} gets {position}, where nothing was published");
        let id = id.unwrap_or_default();
        let asked = &self.reference.entries[id].asked;
        holds!(
            !asked.is_sync,
            NothingInvented,
            "client {client} gets an event at {position}, which is a sync in the log"
        );
        let is_same = publication.key == asked.key.to_string()
            && publication.at == asked.moment.unix_ms
            && publication.origin == asked.origin
            && publication.event.domain == asked.event.domain
            && publication.event.event == asked.event.event
            && publication.event.payload.get() == asked.event.payload.get();
        holds!(is_same, SameBytes, "client {client} gets {publication:?}, which was published as {asked:?}");
        for Delivery { subscription, topics } in deliveries {
            let known = self.clients[client].subscriptions.get_mut(subscription);
            holds!(known.is_some(), InOrderOnce, "{subscription:?} gets {position}, but was removed");
            known.map_or(Ok(()), |known| known.event(id, topics, &self.reference))?;
        }
        let outdated = deliveries.iter().map(|delivery| delivery.subscription);
        self.clients[client].outdated.extend(outdated);
        Ok(())
    }

    pub(crate) fn happened(&mut self, client: usize, id: SubscriptionId) {
        if let Some(loads) = self.clients[client].loads(id) {
            loads.something_happened();
        }
    }

    /// Checks that a client resumes from the newest position that it has, in all frames of a resume.
    fn asks_from_its_position(&mut self, client: usize, frame: &ClientFrame<Payload>) -> Check {
        let Self { clients, stats, .. } = self;
        let Actor { unanswered, resume, position, .. } = &mut clients[client];
        if let ClientFrame::Unsubscribe { topics, .. } = frame {
            unanswered.retain(|_, asked| {
                asked.retain(|topic| !topics.contains(topic));
                !asked.is_empty()
            });
        }
        let ClientFrame::Subscribe { r#ref, topics, since, more } = frame else { return Ok(()) };
        if !topics.is_empty() {
            unanswered.insert(*r#ref, topics.iter().cloned().collect());
        }
        if let Some(since) = since {
            let its = resume.as_ref().or(position.as_ref());
            let is_its = its == Some(since);
            holds!(
                is_its,
                ResumesFromItsPosition,
                "client {client}: it resumes from {since}, but has {its:?}"
            );
            stats.count(if *more || resume.is_some() { "several frames" } else { "one frame" });
        }
        *resume = since.clone().filter(|_| *more);
        Ok(())
    }

    fn disconnect(&mut self, client: usize, connection: ConnectionId) {
        let Some(link) = self.clients[client].links.remove(&connection) else { return };
        self.hang_up(link);
    }

    /// A peer closes its connection, and reads nothing more.
    pub(crate) fn hang_up(&mut self, link: u64) {
        self.say(|| format!("link {link}: the peer hangs up"));
        self.send(link, Side::Server, Message::Close(1000));
        if let Some(known) = self.links.get_mut(&link) {
            known.is_heard = false;
        }
        self.sweep(link);
    }

    pub(crate) fn token(&mut self, client: usize, life: u64, connection: u64) -> Check {
        if self.clients[client].life != life {
            return Ok(());
        }
        let fails = !self.heals && self.rng.percent(3);
        let (now, issued) = (self.now_of(client), self.moment());
        let actor = &mut self.clients[client];
        // The last word differs each time, because a core takes the same token for an old one.
        let fresh = actor.token.issued_at(issued);
        let token = if fails { Err("no token today".to_owned()) } else { Ok(Some(fresh.text())) };
        actor.core.handle_token(ConnectionId(connection), token, now);
        self.drive(client)
    }

    /// A message arrives on a client's connection. `was_heard` is false if the client no longer reads from it.
    pub(crate) fn client_hears(
        &mut self,
        client: usize,
        life: u64,
        connection: u64,
        link: u64,
        message: Message,
        was_heard: bool,
    ) -> Check {
        if self.clients[client].life != life {
            return Ok(());
        }
        let connection = ConnectionId(connection);
        let now = self.now_of(client);
        match message {
            Message::Open => self.clients[client].core.handle_open(connection, now),
            Message::Text(text) => {
                let frame = ServerFrame::parse(&text);
                if let (true, Ok(frame)) = (was_heard, &frame) {
                    self.learns(client, frame);
                }
                self.clients[client].core.handle_frame(connection, frame, now);
            }
            Message::Bytes(_) | Message::Ping | Message::Pong => {}
            Message::Close(code) => self.clients[client].core.handle_closed(connection, code, now),
            Message::Lost => self.clients[client].core.handle_closed(connection, 1006, now),
        }
        if !self.links.get(&link).is_some_and(|link| link.is_heard) {
            self.clients[client].links.remove(&connection);
        }
        self.drive(client)
    }

    /// Notes the position that a frame tells a client.
    fn learns(&mut self, client: usize, frame: &ServerFrame) {
        let actor = &mut self.clients[client];
        if let ServerFrame::Subscribed { r#ref, .. } | ServerFrame::Error { r#ref: Some(r#ref), .. } = frame {
            actor.unanswered.remove(r#ref);
        }
        let position = match frame {
            ServerFrame::Event { position, .. } | ServerFrame::Sync { position, .. } => position,
            // After a resume the missed events are still to come, and this position is not reached.
            ServerFrame::Subscribed { position, topics, .. }
                if topics.iter().all(|topic| topic.outcome != Outcome::Resumed) =>
            {
                position
            }
            // They say nothing of topics whose subscribe has no answer yet.
            ServerFrame::Ping { position: Some(position) } | ServerFrame::Restored { position }
                if actor.unanswered.is_empty() && actor.resume.is_none() =>
            {
                position
            }
            _ => return,
        };
        actor.position = Some(position.clone());
    }

    /// Checks a client after the network has healed: all is answered, nothing is missing, each view equals the store.
    pub(crate) fn client_ends_well(&mut self, client: usize) -> Check {
        let actor = &self.clients[client];
        let pending = actor.publishes.values().next();
        holds!(pending.is_none(), Answered, "client {client} has no answer to {pending:?}");
        for (id, check) in &actor.subscriptions {
            let is_settled = check.is_ready || check.lost_any || check.waiting().next().is_some();
            holds!(is_settled, Answered, "client {client}: {id:?} never got ready");
            if check.is_ready {
                check.ends_well(&self.reference)?;
            }
        }
        // As many topics wait for room as there are beyond the session's bound.
        let all: BTreeSet<_> = actor.subscriptions.values().flat_map(SubscriptionCheck::topics).collect();
        let waiting: BTreeSet<_> =
            actor.subscriptions.values().flat_map(SubscriptionCheck::waiting).collect();
        let beyond = all.len().saturating_sub(self.config.session.max_topics);
        holds!(waiting.len() == beyond, Answered, "client {client}: {waiting:?} of {all:?} wait for room");
        self.views_equal_the_store(client)
    }
}
