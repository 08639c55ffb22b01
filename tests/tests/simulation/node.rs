//! The server: the real hub and sessions, moved as the socket loop moves them.

use std::{
    cell::Cell,
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

use tidings_server::{
    Authorize, Counters, Hub, HubSettings, LogLimits, Moment, Output, PublishOptions, Session,
    SessionSettings,
};
use tidings_shared::{
    Position, TopicName,
    frame::{ClientFrame, ServerFrame},
    limits::WRITE_TIMEOUT,
};
use uuid::Uuid;

use crate::{
    access::{ByToken, tenant},
    config::Config,
    invariant::{Check, holds},
    link::{Link, Message, Side},
    reference::Asked,
    session_check::SessionCheck,
    world::{Event, World},
};

thread_local! {
    /// The next epoch that a hub of this thread draws.
    pub(crate) static EPOCH: Cell<u64> = const { Cell::new(0) };
}

fn draw_epoch() -> u64 {
    EPOCH.replace(EPOCH.get().wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F))
}

/// A server, and what survives its restarts.
pub(crate) struct Node {
    pub(crate) hub: Hub,
    access: Arc<dyn Authorize>,
    settings: SessionSettings,
    pub(crate) log: LogLimits,
    pub(crate) is_up: bool,
}

/// The server's side of a connection.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) session: Session,
    flag: Arc<Flag>,
    check: SessionCheck,
    /// What arrived and was not handed in.
    inbox: VecDeque<Message>,
    /// The session had nothing more to say when it was polled last.
    pub(crate) rests: bool,
    is_pump_due: bool,
    timer_at: Option<u64>,
    /// Since when the peer takes nothing.
    blocked_since: Option<u64>,
}

/// Whether a session was woken.
#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Flag {
    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What must not change when somebody sends garbage: the logs, and who was woken.
#[derive(Debug, PartialEq, Eq)]
struct Others {
    logs: Vec<(usize, usize)>,
    woken: usize,
}

pub(crate) fn new_hub(log: LogLimits) -> Hub {
    Hub::new(HubSettings { log, epochs: draw_epoch, ..HubSettings::new(tenant(0)) })
}

impl Node {
    pub(crate) fn new(config: &Config, epoch: u64) -> Self {
        EPOCH.set(epoch);
        Self {
            hub: new_hub(config.log),
            access: Arc::new(ByToken::new(config.token_ms)),
            settings: config.session,
            log: config.log,
            is_up: true,
        }
    }

    /// Milliseconds between two looks at what is too old.
    pub(crate) fn sweep_ms(&self) -> u64 {
        1_000
    }

    pub(crate) fn counters(&self, index: usize) -> Counters {
        self.hub.counters(&tenant(index))
    }

    pub(crate) fn tenant_count(&self) -> usize {
        self.hub.tenant_count()
    }

    pub(crate) fn handle_timeout(&self, now: Moment) {
        self.hub.handle_timeout(now);
    }

    /// Publishes as an application that embeds the hub does.
    pub(crate) fn publish(&self, index: usize, asked: &Asked) -> Result<Position, String> {
        let options = PublishOptions { key: Some(asked.key), origin: asked.origin.clone() };
        let event = asked.event.clone();
        let published =
            self.hub.publish_raw(&tenant(index), event, Some(&asked.topics), options, asked.moment);
        published.map(|published| published.position).map_err(|error| error.to_string())
    }
}

impl World {
    /// A connection that was asked for is there, or is refused.
    pub(crate) fn accept(&mut self, link: u64) -> Check {
        if !self.node.is_up || !self.heals && self.rng.percent(5) {
            self.say(|| format!("link {link}: refused"));
            self.send(link, Side::Peer, Message::Lost);
            return Ok(());
        }
        if !self.heals && self.rng.percent(2) {
            self.silence(link, Side::Peer);
        }
        let node = &self.node;
        let id = Uuid::from_u128(link.into());
        let session =
            Session::new(id, node.hub.clone(), Arc::clone(&node.access), node.settings, self.moment());
        let served = Served {
            session,
            flag: Arc::default(),
            check: SessionCheck::new(),
            inbox: VecDeque::new(),
            rests: true,
            is_pump_due: false,
            timer_at: None,
            blocked_since: None,
        };
        self.send(link, Side::Peer, Message::Open);
        self.put_back(link, served);
        self.pump(link, 0)
    }

    pub(crate) fn take_served(&mut self, link: u64) -> Option<Served> {
        self.links.get_mut(&link)?.served.take()
    }

    fn put_back(&mut self, link: u64, served: Served) {
        if let Some(known) = self.links.get_mut(&link) {
            known.served = Some(served);
        }
    }

    /// Lets a session say what it has to say while its peer takes it, and then hear what has arrived.
    pub(crate) fn pump(&mut self, link: u64, at_least: usize) -> Check {
        let Some(mut served) = self.take_served(link) else { return Ok(()) };
        served.is_pump_due = false;
        if self.polled(link, &mut served, at_least)? {
            while served.rests
                && let Some(message) = served.inbox.pop_front()
            {
                let before = self.hand_in(&mut served, message);
                let goes_on = self.polled(link, &mut served, 1)?;
                if let Some(before) = before {
                    let after = self.others();
                    holds!(before == after, FaultsStayAlone, "garbage turned {before:?} into {after:?}");
                }
                if !goes_on {
                    return Ok(());
                }
            }
            // A socket that waits for its peer looks at no timer.
            if served.rests {
                self.arm(link, &mut served);
            }
            self.put_back(link, served);
        }
        Ok(())
    }

    /// Takes outputs; says whether the session goes on.
    pub(crate) fn polled(&mut self, link: u64, served: &mut Served, at_least: usize) -> Check<bool> {
        let waker = Waker::from(Arc::clone(&served.flag));
        served.rests = false;
        let mut taken = 0;
        while taken < at_least || !self.links.get(&link).is_none_or(|link| link.is_full()) {
            served.flag.0.store(false, Ordering::Relaxed);
            match served.session.poll_output(self.moment(), &waker) {
                None => {
                    served.rests = true;
                    served.blocked_since = None;
                    return Ok(true);
                }
                Some(Output::Frame(bytes)) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    self.session_said(link, served, &text)?;
                    self.send(link, Side::Peer, Message::Text(text));
                }
                // The peer's WebSocket answers by itself, if it is there.
                Some(Output::Ping) if self.links.get(&link).is_some_and(|link| link.is_heard) => {
                    self.send(link, Side::Server, Message::Pong);
                }
                Some(Output::Ping) => {}
                Some(Output::Close { code, reason }) => {
                    self.say(|| format!("link {link}: server closes, {code} {reason}"));
                    self.send(link, Side::Peer, Message::Close(code));
                    return Ok(false);
                }
            }
            taken += 1;
        }
        if served.blocked_since.is_none() {
            self.stats.count("blocked");
            served.blocked_since = Some(self.now);
            let deadline = u64::try_from(WRITE_TIMEOUT.as_millis()).unwrap_or(u64::MAX);
            self.after(deadline, Event::WriteDeadline { link, since: self.now });
        }
        Ok(true)
    }

    /// Hands a message to a session; where it is garbage, gives what that must not change.
    fn hand_in(&mut self, served: &mut Served, message: Message) -> Option<Others> {
        let now = self.moment();
        let Message::Text(text) = message else {
            served.session.handle_control(now);
            return None;
        };
        let frame = ClientFrame::parse(&text).ok();
        let others = frame.is_none().then(|| self.others());
        if others.is_some() {
            self.stats.count("garbage");
        }
        served.check.asked(frame);
        served.session.handle_text(&text, now);
        others
    }

    /// A session says something: it is held against what was published.
    fn session_said(&mut self, link: u64, served: &mut Served, text: &str) -> Check {
        let frame = ServerFrame::parse(text);
        holds!(frame.is_ok(), SameBytes, "the server said {text}: {frame:?}");
        let Ok(frame) = frame else { return Ok(()) };
        self.say(|| format!("link {link}: server says {}", short(text)));
        if let Some(token) = served.check.token() {
            self.look_at_ring(token.tenant);
        }
        if let ServerFrame::Published { key, position, .. } = &frame {
            let tenant = served.check.token().map_or(usize::MAX, |token| token.tenant);
            if let Some(ClientFrame::Publish { event, topics, key: Some(asked), origin, .. }) =
                served.check.asked_for().cloned()
            {
                holds!(asked.to_string() == *key, Acknowledged, "{asked} was answered as {key}");
                let topics: Vec<TopicName> =
                    topics.iter().flatten().filter_map(|topic| topic.parse().ok()).collect();
                let allowed =
                    topics.iter().all(|topic| served.check.token().is_some_and(|t| t.allows(topic)));
                holds!(allowed, Rights, "published to {topics:?} without the right");
                let asked = Asked { key: asked, origin, topics, event, moment: self.moment() };
                self.acknowledged(tenant, asked, position)?;
            }
        }
        self.stats.seen(&frame);
        let said = served.check.said(&frame, text, &mut self.reference);
        if self.config.watches_sessions { said } else { Ok(()) }
    }

    /// A publish was acknowledged.
    pub(crate) fn acknowledged(&mut self, tenant: usize, asked: Asked, position: &str) -> Check {
        let place: Option<Position> = position.parse().ok();
        holds!(place.is_some(), Acknowledged, "{position} is no position");
        let ring = self.node.counters(tenant).log_entries as u64;
        let bounds = &self.config.log;
        holds!(ring <= bounds.max_entries as u64, Bounds, "the log has {ring} entries");
        let Counters { log_bytes: bytes, evicted_key_bytes: key_bytes, .. } = self.node.counters(tenant);
        holds!(bytes <= bounds.max_bytes, Bounds, "the log has {bytes} bytes");
        holds!(key_bytes <= bounds.keys.max_bytes, Bounds, "its keys have {key_bytes} bytes");
        let (key, topics) = (asked.key, asked.topics.clone());
        let place = place.unwrap_or(Position::new(0, 0, 0));
        let is_new = self.reference.answered(tenant, asked, place, ring, self.config.keeps_keys())?;
        self.say(|| format!("tenant {tenant}: {key} is at {position} for {topics:?}, {is_new}"));
        self.stats.count(if is_new { "published" } else { "known key" });
        Ok(())
    }

    /// Notes how far the ring has moved on.
    pub(crate) fn look_at_ring(&mut self, tenant: usize) {
        let ring = self.node.counters(tenant).log_entries as u64;
        if let Some(history) = self.reference.history_mut(tenant) {
            history.tail = history.tail.max(history.head().saturating_sub(ring));
        }
    }

    fn others(&self) -> Others {
        let log = |tenant| {
            let counters = self.node.counters(tenant);
            (counters.log_entries, counters.log_bytes)
        };
        let woken = |link: &&Link| link.served.as_ref().is_some_and(|served| served.flag.is_set());
        Others {
            logs: (0..self.config.tenants).map(log).collect(),
            woken: self.links.values().filter(woken).count(),
        }
    }

    /// After every step: who rests has had everything, unless it was woken.
    pub(crate) fn nobody_sleeps_through(&mut self) -> Check {
        let mut woken = Vec::new();
        for (&link, known) in &mut self.links {
            let Some(served) = &mut known.served else { continue };
            // One that is blocked or will go on anyway needs no waking.
            if !served.rests || served.is_pump_due {
                continue;
            }
            if served.flag.is_set() {
                served.is_pump_due = true;
                woken.push(link);
            } else if self.config.watches_sessions {
                served.check.caught_up(&self.reference)?;
            }
        }
        for link in woken {
            let later = self.rng.below(self.config.wake_ms + 1);
            self.after(later, Event::Pump { link });
        }
        Ok(())
    }

    /// The peer took something.
    pub(crate) fn room_in(&mut self, link: u64) {
        let Some(served) = self.links.get_mut(&link).and_then(|link| link.served.as_mut()) else { return };
        if served.blocked_since.take().is_some() && !served.is_pump_due {
            served.is_pump_due = true;
            self.after(0, Event::Pump { link });
        }
    }

    pub(crate) fn server_hears(&mut self, link: u64, message: Message) -> Check {
        let Some(served) = self.links.get_mut(&link).and_then(|link| link.served.as_mut()) else {
            return Ok(());
        };
        if matches!(message, Message::Close(_) | Message::Lost) {
            self.say(|| format!("link {link}: the server learns that it is over"));
            drop(self.take_served(link));
            self.send(link, Side::Peer, Message::Lost);
            return Ok(());
        }
        served.inbox.push_back(message);
        self.say(|| format!("link {link}: server hears"));
        let blocked = self.links.get(&link).is_some_and(Link::is_full);
        if blocked { Ok(()) } else { self.pump(link, 0) }
    }

    fn arm(&mut self, link: u64, served: &mut Served) {
        let Some(due) = served.session.poll_timeout() else { return };
        let due = u64::try_from(due.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX).max(self.now);
        if served.timer_at.is_none_or(|at| at > due) {
            served.timer_at = Some(due);
            self.at(due, Event::SessionTimer { link });
        }
    }

    pub(crate) fn session_timer(&mut self, link: u64) -> Check {
        let now = self.moment();
        let Some(served) = self.links.get_mut(&link).and_then(|link| link.served.as_mut()) else {
            return Ok(());
        };
        if served.timer_at.take().is_some_and(|at| at > self.now) {
            return Ok(());
        }
        if served.rests {
            served.check.asked(None);
            served.session.handle_timeout(now);
            return self.pump(link, 1);
        }
        Ok(())
    }

    pub(crate) fn write_deadline(&mut self, link: u64, since: u64) -> Check {
        let Some(mut served) = self.take_served(link) else { return Ok(()) };
        if served.blocked_since != Some(since) {
            self.put_back(link, served);
            return Ok(());
        }
        self.say(|| format!("link {link}: the peer takes nothing"));
        self.stats.count("slow consumer");
        served.session.handle_stalled();
        // What the session still had to say, and then why it ends.
        self.polled(link, &mut served, usize::MAX)?;
        Ok(())
    }

    pub(crate) fn hub_timer(&mut self) -> Check {
        self.node.handle_timeout(self.moment());
        let max_age = u64::try_from(self.config.log.max_age.as_millis()).unwrap_or(u64::MAX);
        for tenant in 0..self.config.tenants {
            self.look_at_ring(tenant);
            let counters = self.node.counters(tenant);
            let is_unused =
                counters.followers == 0 && counters.log_entries == 0 && counters.evicted_keys == 0;
            self.reference.swept(tenant, is_unused, self.now, max_age);
        }
        self.after(self.node.sweep_ms(), Event::HubTimer);
        Ok(())
    }

    /// An application that embeds the hub publishes.
    pub(crate) fn publish_at_hub(&mut self, tenant: usize, asked: Asked) -> Check {
        let position = self.node.publish(tenant, &asked);
        holds!(position.is_ok(), Acknowledged, "the hub refused {asked:?}: {position:?}");
        let position = position.map(|position| position.to_string()).unwrap_or_default();
        self.acknowledged(tenant, asked, &position)
    }
}

/// A text that a line of the trace has room for.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(230).collect()
}
