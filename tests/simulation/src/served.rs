//! The server's side of a connection. It drives a real shard over a simulated socket, by the same rules as the gateway's
//! own socket loop.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    task::Waker,
    time::Duration,
};

use serde_json::value::RawValue;
use tidings_hub::{Answer, ConnectionKey, Counters, Hub, Pumped, Question, Session, shard::Protocol};
use tidings_shared::{
    Position, TopicName,
    frame::{ClientFrame, Publish},
    limits::{CLOSE_TIMEOUT, WRITE_TIMEOUT},
};
use uuid::Uuid;

use crate::{
    access::{self, Token},
    answers,
    invariant::{Check, holds},
    link::{Message, Side},
    node::{Flag, head},
    reference::Asked,
    session_check::SessionCheck,
    socket::{Frames, Socket},
    world::{Event, World},
};

#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) shard: usize,
    pub(crate) key: ConnectionKey,
    pub(crate) socket: Socket,
    /// The messages that were written.
    pub(crate) frames: Frames,
    pub(crate) flag: Arc<Flag>,
    pub(crate) check: SessionCheck,
    /// The questions without an answer, by their numbers.
    pub(crate) asked: BTreeMap<u64, answers::Asked>,
    /// Messages that have arrived and were not read.
    inbox: VecDeque<Message>,
    pub(crate) is_pump_due: bool,
    /// Whether the server reads from it before it writes more.
    is_heard_first: bool,
    timer_at: Option<u64>,
    /// The time since which the peer has read nothing.
    pub(crate) blocked_since: Option<u64>,
    /// Whether its last pump did not end at rest.
    is_behind: bool,
    /// Whether its session was ended because the peer reads nothing.
    has_given_up: bool,
}

/// The state that garbage must not change: the logs, and the number of woken sessions and shards.
#[derive(Debug, PartialEq, Eq)]
struct Others {
    logs: Vec<(usize, usize)>,
    woken: usize,
}

/// A publish of a session: its arguments, its position, and the counters right after it.
type Accepted = (usize, (Asked, Position, Counters));

/// The tenant of a session, and the head of its log before a call.
pub(crate) type Head = (usize, Position);

impl World {
    /// Accepts a connection, or refuses it.
    pub(crate) fn accept(&mut self, link: u64) -> Check {
        if !self.links.contains_key(&link) {
            return Ok(());
        }
        if !self.node.is_up || !self.heals && self.rng.percent(5) {
            self.say(|| format!("link {link}: refused"));
            self.send(link, Side::Peer, Message::Lost);
            return Ok(());
        }
        if !self.heals && self.rng.percent(2) {
            self.silence(link, Side::Peer);
        }
        let socket = Socket::new(self.config.window, self.config.short_percent, self.rng.fork());
        let (id, now) = (Uuid::from_u128(link.into()), self.moment());
        let shard = self.rng.index(self.node.workers.len());
        let node = &mut self.node;
        let session = Session::new(id, node.hub.clone(), node.settings, now);
        let served = Served {
            shard,
            key: node.workers[shard].shard.insert(Box::new(session), socket.clone()),
            socket,
            frames: Frames::default(),
            flag: Arc::default(),
            check: SessionCheck::new(node.settings, node.application.decides),
            asked: BTreeMap::new(),
            inbox: VecDeque::new(),
            is_pump_due: false,
            is_heard_first: false,
            timer_at: None,
            blocked_since: None,
            is_behind: false,
            has_given_up: false,
        };
        self.say(|| format!("link {link}: {:?} of shard {shard}", served.key));
        self.send(link, Side::Peer, Message::Open);
        self.put_back(link, served);
        self.pump(link)
    }

    pub(crate) fn served(&mut self, link: u64) -> Option<&mut Served> {
        self.links.get_mut(&link)?.served.as_mut()
    }

    pub(crate) fn put_back(&mut self, link: u64, served: Served) {
        if let Some(known) = self.links.get_mut(&link) {
            known.served = Some(served);
        }
    }

    /// Calls a session.
    pub(crate) fn act(&mut self, link: u64, act: impl FnOnce(&mut Session)) {
        let now = self.moment();
        let Some(served) = self.links.get(&link).and_then(|link| link.served.as_ref()) else { return };
        self.node.workers[served.shard].shard.handle_session(served.key, now, act);
    }

    /// Lets a session write for as long as its socket has room, and then read the messages that have arrived.
    pub(crate) fn pump(&mut self, link: u64) -> Check {
        let Some(served) = self.served(link) else { return Ok(()) };
        served.is_pump_due = false;
        if std::mem::take(&mut served.is_heard_first) && !self.hear(link)? {
            return Ok(());
        }
        loop {
            let now = self.moment();
            let Some(served) = self.links.get_mut(&link).and_then(|link| link.served.as_mut()) else {
                return Ok(());
            };
            let shard = &mut self.node.workers[served.shard].shard;
            if shard.protocol(served.key).poll_timeout().is_some_and(|at| at <= now.since_start) {
                let handle =
                    if served.is_behind { Protocol::handle_expiry } else { Protocol::handle_timeout };
                shard.handle(served.key, now, |protocol| handle(protocol, now));
                self.follows_timeout(link)?;
            }
            let Some(served) = self.links.get_mut(&link).and_then(|link| link.served.as_mut()) else {
                return Ok(());
            };
            let shard = &mut self.node.workers[served.shard].shard;
            let pumped = shard.pump(served.key, now);
            served.is_behind = !matches!(pumped, Ok(Pumped::Idle));
            shard.set_waker(served.key, &Waker::from(Arc::clone(&served.flag)));
            let (hears, expires) =
                (shard.protocol(served.key).hears(), shard.protocol(served.key).poll_expiry());
            self.collect(link)?;
            match pumped {
                Ok(Pumped::Idle) => {
                    let due = self.rests(link);
                    let Some(served) = self.served(link) else { return Ok(()) };
                    if served.inbox.is_empty() || !hears {
                        self.arm(link, due);
                        return Ok(());
                    }
                    if self.rng.percent(30) {
                        self.pump_later(link, true);
                        return Ok(());
                    }
                    if !self.hear(link)? {
                        return Ok(());
                    }
                }
                Ok(Pumped::More) => {
                    self.stats.count("more than a write");
                    self.rests(link);
                    self.pump_later(link, true);
                    return Ok(());
                }
                Ok(Pumped::Blocked { has_taken }) => {
                    self.is_blocked(link, has_taken);
                    self.arm(link, expires);
                    return Ok(());
                }
                Ok(Pumped::Closed) => {
                    self.leaves_shard(link);
                    self.send(link, Side::Peer, Message::Lost);
                    return Ok(());
                }
                Err(_) => {
                    self.stats.count("broken socket");
                    self.breaks_off(link);
                    return Ok(());
                }
            }
        }
    }

    /// Notes that the session does not wait for its peer. Returns the time of its next timeout.
    fn rests(&mut self, link: u64) -> Option<Duration> {
        let served = self.links.get_mut(&link)?.served.as_mut()?;
        served.blocked_since = None;
        self.node.workers[served.shard].shard.protocol(served.key).poll_timeout()
    }

    pub(crate) fn pump_later(&mut self, link: u64, is_heard_first: bool) {
        let later = self.rng.below(self.config.wake_ms + 1);
        let Some(served) = self.served(link) else { return };
        served.is_heard_first |= is_heard_first;
        if !std::mem::replace(&mut served.is_pump_due, true) {
            self.after(later, Event::Pump { link });
        }
    }

    fn is_blocked(&mut self, link: u64, has_taken: bool) {
        let now = self.now;
        let later = *self.rng.pick(&[1, 20, 300]);
        let Some(served) = self.served(link) else { return };
        let (is_choked, has_given_up) = (served.socket.is_choked(), served.has_given_up);
        if has_taken || served.blocked_since.is_none() {
            served.blocked_since = Some(now);
            let deadline = if has_given_up { CLOSE_TIMEOUT } else { WRITE_TIMEOUT };
            let deadline = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
            self.after(deadline, Event::WriteDeadline { link, since: now });
            self.stats.count("blocked");
        }
        if is_choked {
            self.after(later, Event::Writable { link });
        }
    }

    /// Reads once, and returns whether the connection goes on.
    fn hear(&mut self, link: u64) -> Check<bool> {
        let Some(mut served) = self.links.get_mut(&link).and_then(|link| link.served.take()) else {
            return Ok(false);
        };
        let hears = self.node.workers[served.shard].shard.protocol(served.key).hears();
        if !hears {
            self.put_back(link, served);
            return Ok(true);
        }
        let most = if self.rng.percent(50) { 1 } else { served.inbox.len() };
        let mut messages = Vec::new();
        while messages.len() < most
            && let Some(message) = served.inbox.pop_front()
        {
            let is_alone = matches!(message, Message::Lost) || is_garbage(&message);
            // So that each call of the session publishes at most one event.
            let is_second =
                is_publish(&message) && messages.iter().any(is_publish) && messages.iter().any(is_hello);
            if is_alone && !messages.is_empty() || is_second {
                served.inbox.push_front(message);
                break;
            }
            let is_last = is_alone || is_token(&message);
            messages.push(message);
            if is_last {
                break;
            }
        }
        let is_asking = served.check.ledger.is_asking();
        holds!(!is_asking, Bounds, "link {link} reads more, although it waits for an answer");
        if let Some(Message::Lost) = messages.first() {
            self.put_back(link, served);
            self.breaks_off(link);
            return Ok(false);
        }
        let before = messages.first().is_some_and(is_garbage).then(|| self.others());
        let accepted = self.hand_in(link, &mut served, &messages)?;
        // Before `put_back`, so that the sender does not count.
        let after = self.others();
        self.put_back(link, served);
        if let Some(before) = before {
            self.stats.count("garbage");
            holds!(before == after, FaultsStayAlone, "garbage turned {before:?} into {after:?}");
        }
        for (tenant, (asked, position, counters)) in accepted {
            self.acknowledged(tenant, asked, position, counters)?;
        }
        Ok(true)
    }

    /// Gives the messages of one read to the session, and returns the publishes that it accepted.
    fn hand_in(&mut self, link: u64, served: &mut Served, messages: &[Message]) -> Check<Vec<Accepted>> {
        let now = self.moment();
        let (mut accepted, mut known, mut followed, mut question) = (Vec::new(), 0, Ok(()), None);
        let Self { node, reference, .. } = self;
        let (hub, revoked) = (&node.hub, &node.revoked);
        let ledger = &mut served.check.ledger;
        node.workers[served.shard].shard.handle_session(served.key, now, |session| {
            for message in messages {
                let text = match message {
                    Message::Text(text) => text,
                    Message::Close(code) => {
                        session.handle_close(Some(*code));
                        break;
                    }
                    Message::Ping => {
                        session.handle_ping(b"are you there?", now);
                        continue;
                    }
                    _ => {
                        session.handle_control(now);
                        continue;
                    }
                };
                if session.is_closed() {
                    break;
                }
                let frame = ClientFrame::parse(text).ok();
                let publish = frame
                    .as_ref()
                    .filter(|frame| matches!(frame, ClientFrame::Publish { .. }) && !ledger.is_asking());
                let before = publish.and(ledger.tenant()).and_then(|its| Some((its, head(hub, its, now)?)));
                let asked = asked(publish, now);
                session.handle_text(text, now);
                ledger.hears(frame);
                let next = session.poll_question();
                let scene = revoked.scene(reference, self.now, session.is_closed());
                followed = ledger.follow(next.as_ref().map(|(_, question)| question), &scene);
                question = question.take().or(next);
                if followed.is_err() {
                    break;
                }
                match (before, asked) {
                    (Some(before), Some(asked)) => {
                        known += u64::from(reference.knows(before.0, asked.key));
                        accepted.extend(appended(hub, before, asked, now));
                    }
                    _ => {}
                }
            }
        });
        followed?;
        (0..known).for_each(|_| self.stats.count("known key"));
        if let Some(question) = question {
            self.ask(link, served, question);
        }
        Ok(accepted)
    }

    /// Returns the head of the log that an answer may change.
    pub(crate) fn before_answer(
        &self,
        served: &Served,
        question: &Question,
        answer: &Answer,
    ) -> Option<Head> {
        let ledger = &served.check.ledger;
        let named = match (question, answer) {
            (Question::Authenticate { token }, Answer::Identity(Ok(_))) => Token::parse(token.as_deref()),
            _ => None,
        };
        let tenant = ledger.tenant().or(named.map(|token| token.tenant))?;
        Some((tenant, head(&self.node.hub, tenant, self.moment())?))
    }

    /// Notes a session that was let in, and returns the publish that an answer has led to.
    pub(crate) fn after_answer(
        &mut self,
        served: &mut Served,
        before: Option<Head>,
        publish: Option<ClientFrame>,
    ) -> Check<Option<Accepted>> {
        let Some(before) = before else { return Ok(None) };
        if served.check.ledger.tenant().is_some() {
            let history = self.reference.current(before.0, before.1)?;
            served.check.begins(history);
        }
        let now = self.moment();
        let asked = asked(publish.as_ref(), now);
        if asked.as_ref().is_some_and(|asked| self.reference.knows(before.0, asked.key)) {
            self.stats.count("known key");
        }
        Ok(asked.and_then(|asked| appended(&self.node.hub, before, asked, now)))
    }

    /// Follows a session through a timeout that it has handled.
    fn follows_timeout(&mut self, link: u64) -> Check {
        let Some(mut served) = self.links.get_mut(&link).and_then(|link| link.served.take()) else {
            return Ok(());
        };
        let shard = &mut self.node.workers[served.shard].shard;
        let next = shard.poll_question(served.key);
        let protocol = shard.protocol(served.key);
        let still_awaits = served.asked.values().any(|asked| protocol.awaits(asked.id));
        let scene = self.node.revoked.scene(&self.reference, self.now, protocol.is_closed());
        let question = next.as_ref().map(|(_, question)| question);
        if served.check.ledger.timed_out(still_awaits, question, &scene)? {
            self.stats.count("question given up");
        }
        if let Some(next) = next {
            self.ask(link, &mut served, next);
        }
        self.put_back(link, served);
        Ok(())
    }

    fn others(&self) -> Others {
        let log = |tenant| {
            let counters = self.node.counters(tenant);
            (counters.log_entries, counters.log_bytes)
        };
        // The sender is not among the links at this time.
        let flags = self.links.values().filter_map(|link| Some(&link.served.as_ref()?.flag));
        let flags = flags.chain(self.node.workers.iter().map(|worker| &worker.flag));
        Others {
            logs: (0..self.config.tenants).map(log).collect(),
            woken: flags.filter(|flag| flag.is_set()).count(),
        }
    }

    /// The peer has read some bytes.
    pub(crate) fn room_in(&mut self, link: u64, bytes: usize) {
        let Some(served) = self.served(link) else { return };
        served.socket.make_room(bytes);
        let is_writable = !served.socket.is_choked();
        if is_writable && served.blocked_since.is_some() && !served.is_pump_due {
            served.is_pump_due = true;
            self.after(0, Event::Pump { link });
        }
    }

    pub(crate) fn writable(&mut self, link: u64) -> Check {
        let Some(served) = self.served(link) else { return Ok(()) };
        served.socket.unchoke();
        if served.blocked_since.is_some() { self.pump(link) } else { Ok(()) }
    }

    pub(crate) fn server_hears(&mut self, link: u64, message: Message) -> Check {
        let message = if self.config.is_old { without_more(message) } else { message };
        let resets = matches!(message, Message::Lost) && self.rng.percent(50);
        let Some(served) = self.served(link) else { return Ok(()) };
        served.inbox.push_back(message);
        if resets {
            served.socket.break_off();
        }
        let (is_blocked, is_due) = (served.blocked_since.is_some(), served.is_pump_due);
        self.say(|| format!("link {link}: server hears"));
        if resets || !is_blocked && !is_due { self.pump(link) } else { Ok(()) }
    }

    fn arm(&mut self, link: u64, due: Option<Duration>) {
        let now = self.now;
        let (Some(due), Some(served)) = (due, self.served(link)) else { return };
        let due = u64::try_from(due.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX).max(now);
        if served.timer_at.is_none_or(|at| at > due) {
            served.timer_at = Some(due);
            self.at(due, Event::SessionTimer { link });
        }
    }

    pub(crate) fn session_timer(&mut self, link: u64) -> Check {
        let now = self.now;
        let Some(served) = self.served(link) else { return Ok(()) };
        if served.timer_at.is_none_or(|at| at > now) {
            return Ok(());
        }
        served.timer_at = None;
        if served.is_pump_due { Ok(()) } else { self.pump(link) }
    }

    pub(crate) fn write_deadline(&mut self, link: u64, since: u64) -> Check {
        let Some(served) = self.served(link) else { return Ok(()) };
        if served.blocked_since != Some(since) {
            return Ok(());
        }
        if std::mem::replace(&mut served.has_given_up, true) {
            self.breaks_off(link);
            return Ok(());
        }
        served.blocked_since = None;
        self.say(|| format!("link {link}: the peer reads nothing"));
        self.stats.count("slow consumer");
        self.act(link, Session::handle_stalled);
        self.pump(link)
    }

    /// The server resets a connection.
    fn breaks_off(&mut self, link: u64) {
        self.say(|| format!("link {link}: the server resets it"));
        self.leaves_shard(link);
        self.tear(link, Side::Peer, 0);
    }

    pub(crate) fn leaves_shard(&mut self, link: u64) {
        if let Some(served) = self.links.get_mut(&link).and_then(|link| link.served.take()) {
            self.node.workers[served.shard].shard.remove(served.key);
        }
    }
}

/// Returns the publish if it was appended: the head of the log is another one.
fn appended(hub: &Hub, before: Head, asked: Asked, now: tidings_hub::Moment) -> Option<Accepted> {
    let (tenant, before) = before;
    let after = head(hub, tenant, now).filter(|after| *after != before)?;
    Some((tenant, (asked, after, hub.tenant(&access::tenant(tenant)).counters())))
}

fn is_garbage(message: &Message) -> bool {
    matches!(message, Message::Text(text) if ClientFrame::parse(text).is_err())
}

fn is_publish(message: &Message) -> bool {
    matches!(message, Message::Text(text) if matches!(ClientFrame::parse(text), Ok(ClientFrame::Publish { .. })))
}

fn is_hello(message: &Message) -> bool {
    matches!(message, Message::Text(text) if matches!(ClientFrame::parse(text), Ok(ClientFrame::Hello { .. })))
}

fn is_token(message: &Message) -> bool {
    matches!(message, Message::Text(text) if matches!(ClientFrame::parse(text), Ok(ClientFrame::Token { .. })))
}

fn asked(frame: Option<&ClientFrame>, moment: tidings_hub::Moment) -> Option<Asked> {
    let Some(ClientFrame::Publish { publish, .. }) = frame else { return None };
    let Publish { event, topics, key: Some(key), origin } = publish else { return None };
    let topics: Vec<TopicName> = topics.iter().flatten().filter_map(|topic| topic.parse().ok()).collect();
    let (origin, event) = (origin.clone(), event.clone());
    Some(Asked { key: *key, origin, topics, event, moment, is_sync: false })
}

/// Shortens a text for a line of the trace.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(230).collect()
}

/// Returns the message as a server reads it that does not know the member `more`.
fn without_more(message: Message) -> Message {
    match &message {
        Message::Text(text) => match ClientFrame::parse(text) {
            Ok(ClientFrame::Subscribe { r#ref, topics, since, more: true }) => {
                let known = ClientFrame::<Box<RawValue>>::Subscribe { r#ref, topics, since, more: false };
                Message::Text(serde_json::to_string(&known).unwrap_or_default())
            }
            _ => message,
        },
        _ => message,
    }
}
