//! The server's side of a connection. It drives a real shard over a simulated socket, by the same rules as the gateway's
//! own socket loop.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    task::Waker,
    time::Duration,
};

use serde_json::value::RawValue;
use tidings_hub::{ConnectionKey, Pumped, Session, shard::Protocol};
use tidings_shared::{
    frame::ClientFrame,
    limits::{CLOSE_TIMEOUT, WRITE_TIMEOUT},
};
use uuid::Uuid;

use crate::{
    answers,
    invariant::Check,
    journal_check::Seen,
    link::{Message, Side},
    node::Flag,
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
    /// What the checks of nodes on a journal know of it.
    pub(crate) seen: Seen,
    /// The number of the newest question.
    pub(crate) open: Option<u64>,
    /// The questions without an answer, by their numbers.
    pub(crate) asked: BTreeMap<u64, answers::Asked>,
    /// Messages that have arrived and were not read.
    pub(crate) inbox: VecDeque<Message>,
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

impl World {
    /// Accepts a connection, or refuses it.
    pub(crate) fn accept(&mut self, link: u64) -> Check {
        if !self.links.contains_key(&link) {
            return Ok(());
        }
        let node = self.balance();
        if !self.nodes[node].is_up || !self.heals && self.rng.percent(5) {
            self.say(|| format!("link {link}: refused"));
            self.send(link, Side::Peer, Message::Lost);
            return Ok(());
        }
        if !self.heals && self.rng.percent(2) {
            self.silence(link, Side::Peer);
        }
        let socket = Socket::new(self.config.window, self.config.short_percent, self.rng.fork());
        let (id, now) = (Uuid::from_u128(link.into()), self.moment());
        let shards: Vec<usize> = self.shards_of(node).collect();
        let shard = *self.rng.pick(&shards);
        let session = Session::new(id, self.nodes[node].hub.clone(), self.config.session, now);
        let served = Served {
            shard,
            key: self.workers[shard].shard.insert(Box::new(session), socket.clone()),
            socket,
            frames: Frames::default(),
            flag: Arc::default(),
            check: SessionCheck::new(self.config.session, self.application.decides),
            seen: Seen::default(),
            open: None,
            asked: BTreeMap::new(),
            inbox: VecDeque::new(),
            is_pump_due: false,
            is_heard_first: false,
            timer_at: None,
            blocked_since: None,
            is_behind: false,
            has_given_up: false,
        };
        self.say(|| format!("link {link}: {:?} of shard {shard}, node {node}", served.key));
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
        self.workers[served.shard].shard.handle_session(served.key, now, act);
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
            let shard = &mut self.workers[served.shard].shard;
            if shard.protocol(served.key).poll_timeout().is_some_and(|at| at <= now.since_start) {
                let handle =
                    if served.is_behind { Protocol::handle_expiry } else { Protocol::handle_timeout };
                shard.handle(served.key, now, |protocol| handle(protocol, now));
                self.follows_timeout(link)?;
            }
            let Some(served) = self.links.get_mut(&link).and_then(|link| link.served.as_mut()) else {
                return Ok(());
            };
            let shard = &mut self.workers[served.shard].shard;
            if self.config.cluster.is_some() {
                let waker = Waker::from(Arc::clone(&served.flag));
                while shard.poll_journal(served.key, now, &waker) {}
                if let Some(question) = shard.poll_question(served.key) {
                    self.ask_later(link, question);
                }
            }
            let Some(served) = self.links.get_mut(&link).and_then(|link| link.served.as_mut()) else {
                return Ok(());
            };
            let shard = &mut self.workers[served.shard].shard;
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
        self.workers[served.shard].shard.protocol(served.key).poll_timeout()
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
    pub(crate) fn breaks_off(&mut self, link: u64) {
        self.say(|| format!("link {link}: the server resets it"));
        self.leaves_shard(link);
        self.tear(link, Side::Peer, 0);
    }

    pub(crate) fn leaves_shard(&mut self, link: u64) {
        if let Some(served) = self.links.get_mut(&link).and_then(|link| link.served.take()) {
            self.workers[served.shard].shard.remove(served.key);
        }
    }
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
