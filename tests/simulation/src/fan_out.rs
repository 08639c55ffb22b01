//! The turns of shards, and the checks of the frames that shards and sessions write.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    task::Waker,
    time::Duration,
};

use tidings_hub::ShardCounters;
use tidings_shared::{
    TopicName,
    code::close,
    frame::{ClientFrame, ServerFrame},
    limits::WRITE_BYTES,
};

use crate::{
    invariant::{Check, holds},
    link::{Message, Side},
    owed::Reply,
    served::{Served, short},
    socket::Said,
    world::{Event, World},
};

/// More bytes than any frame of a server has here.
const FRAME_BYTES: usize = 2_048;

impl World {
    /// Lets the shards of a node begin.
    pub(crate) fn start_fan_outs(&mut self, node: usize) {
        let shards: Vec<usize> = self.shards_of(node).collect();
        shards.into_iter().for_each(|shard| self.fan_out_later(shard));
    }

    fn fan_out_later(&mut self, shard: usize) {
        let later = self.rng.below(self.config.wake_ms + 1);
        if !std::mem::replace(&mut self.workers[shard].is_due, true) {
            self.after(later, Event::FanOut { shard });
        }
    }

    /// A shard has a turn.
    pub(crate) fn fan_out(&mut self, shard: usize) -> Check {
        let now = self.moment();
        let worker = &mut self.workers[shard];
        worker.is_due = false;
        worker.flag.clear();
        let has_more = worker.shard.poll_fan_out(now, &Waker::from(Arc::clone(&worker.flag))).is_ready();
        let is_of_it = |served: &Served| served.shard == shard;
        let of_it = |(link, known): (&u64, &crate::link::Link)| {
            known.served.as_ref().is_some_and(is_of_it).then_some(*link)
        };
        let links: Vec<u64> = self.links.iter().filter_map(of_it).collect();
        links.into_iter().try_for_each(|link| self.collect(link))?;
        if has_more {
            self.fan_out_later(shard);
        }
        Ok(())
    }

    /// Checks the bytes that were written to a socket, and sends them to the peer.
    pub(crate) fn collect(&mut self, link: u64) -> Check {
        let Some(mut served) = self.links.get_mut(&link).and_then(|link| link.served.take()) else {
            return Ok(());
        };
        let written = served.socket.take_written();
        served.frames.push(&written);
        while let Some(said) = served.frames.next()? {
            match said {
                Said::Text(text) => self.session_said(link, &mut served, &text)?,
                Said::Close(close::AWAY) => self.had_time(&served)?,
                said => self.say(|| format!("link {link}: server says {said:?}")),
            }
        }
        self.put_back(link, served);
        let mut rest = &written[..];
        while !rest.is_empty() {
            let (chunk, later) = rest.split_at(rest.len().min(1 + self.rng.index(600)));
            self.send(link, Side::Peer, Message::Bytes(chunk.to_vec()));
            rest = later;
        }
        Ok(())
    }

    fn session_said(&mut self, link: u64, served: &mut Served, text: &str) -> Check {
        let frame = ServerFrame::parse(text);
        holds!(frame.is_ok(), SameBytes, "the server said {text}: {frame:?}");
        let Ok(frame) = frame else { return Ok(()) };
        self.say(|| format!("link {link}: server says {}", short(text)));
        if self.config.cluster.is_some() {
            self.stats.seen(&frame);
            return self.journal_said(link, served, &frame, text);
        }
        if let Some(token) = served.check.token() {
            self.look_at_ring(token.tenant);
        }
        if let ServerFrame::Published { key, position, .. } = &frame
            && let Some(ClientFrame::Publish { publish, .. }) =
                served.check.next_reply().and_then(Reply::frame)
            && let Some(asked) = publish.key
        {
            let tenant = served.check.token().map_or(usize::MAX, |token| token.tenant);
            let known = self.reference.find(tenant, position);
            let known = known.map(|id| self.reference.entries[id].asked.key);
            let is_right = known == Some(asked) && asked.to_string() == *key;
            holds!(is_right, Acknowledged, "{asked} was answered {key} at {position}, where {known:?} is");
        }
        self.stats.seen(&frame);
        if matches!(frame, ServerFrame::Event { .. }) && served.check.has_waited_in_vain(self.now) {
            self.stats.count("paused for too long");
        }
        let is_in_time = self.comes_in_time(served, &frame);
        let said = served.check.said(&frame, text, &mut self.reference, self.now);
        if self.config.watches_sessions { is_in_time.and(said) } else { Ok(()) }
    }

    /// Checks that a session which got no answer to its ping could read one. It can't while it waits for the application.
    fn had_time(&self, served: &Served) -> Check {
        let since = served.check.ledger.last_asked().unwrap_or_default();
        let least = u64::try_from(self.config.session.ping_timeout.as_millis()).unwrap_or(u64::MAX);
        let had_time = !served.check.ledger.is_asking() && self.now >= since + least;
        holds!(
            had_time || !self.config.watches_sessions,
            PeerHasTime,
            "no ping could be answered since {since} ms"
        );
        Ok(())
    }

    /// Checks that nothing is delivered after the token has expired. A session may notice that late while its socket
    /// takes nothing. A session that has ended in time still writes what it had put out before.
    fn comes_in_time(&self, served: &Served, frame: &ServerFrame) -> Check {
        let is_delivery = matches!(frame, ServerFrame::Event { .. } | ServerFrame::Sync { .. });
        let Some(expires_at) = served.check.expires_at().filter(|_| is_delivery) else { return Ok(()) };
        let grace = self.config.session.expiry_grace + Duration::from_millis(2 * self.config.wake_ms + 1);
        let latest = expires_at + u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        let now = self.moment().unix_ms;
        let has_ended = self.workers[served.shard].shard.protocol(served.key).is_closed();
        let is_in_time = now <= latest || served.blocked_since.is_some() || has_ended;
        holds!(is_in_time, Rights, "a delivery at {now}, although the token expired at {expires_at}");
        Ok(())
    }

    /// Checks after every step that no session sleeps while there is something for it. A live session has had
    /// everything, or its shard was woken. Any other waits for its peer, or was woken.
    pub(crate) fn nobody_sleeps_through(&mut self) -> Check {
        for shard in 0..self.workers.len() {
            let worker = &self.workers[shard];
            if self.nodes[worker.node].is_up && worker.flag.is_set() {
                self.fan_out_later(shard);
            }
        }
        let mut woken = Vec::new();
        let slack = 2 * self.config.wake_ms + 1;
        for (&link, known) in &mut self.links {
            let Some(served) = &mut known.served else { continue };
            let worker = &self.workers[served.shard];
            let is_idle = worker.shard.is_idle(served.key);
            if self.config.watches_sessions && served.check.is_paused(self.now) {
                let is_live = worker.shard.is_live(served.key);
                holds!(!is_live, OneResume, "link {link} is live in the middle of a subscribe");
            }
            if served.is_pump_due {
                continue;
            }
            if served.flag.is_set() {
                woken.push((link, is_idle));
            } else if served.blocked_since.is_none() {
                holds!(is_idle, CaughtUp, "link {link} fell behind and was not woken");
                holds!(served.frames.is_empty(), WholeFrames, "link {link} stops in the middle of a frame");
                if self.config.watches_sessions {
                    served.check.has_answered(self.now, slack)?;
                }
                if self.config.watches_sessions && !worker.is_due {
                    served.check.caught_up(&self.reference, self.now)?;
                }
            }
        }
        for (link, is_idle) in woken {
            if !is_idle {
                self.stats.count("fell behind");
            }
            if let Some(served) = self.served(link) {
                served.flag.clear();
            }
            self.pump_later(link, false);
        }
        Ok(())
    }

    /// Checks that a shard holds only what its connections need, and that it keeps its bound on unwritten bytes.
    pub(crate) fn shards_hold_no_more(&self) -> Check {
        for (shard, worker) in self.workers.iter().enumerate() {
            let counters = worker.shard.counters();
            let served = || {
                let all = self.links.values().filter_map(|link| link.served.as_ref());
                all.filter(|served| served.shard == shard)
            };
            let count = served().count();
            holds!(counters.connections == count, NothingLeft, "shard {shard}: {count}, but {counters:?}");
            let most = count * (WRITE_BYTES + FRAME_BYTES);
            holds!(counters.unwritten_bytes <= most, Bounds, "shard {shard}: {counters:?}");
            // A session that is not idle may follow topics that it has not told its peer of.
            if !served().all(|served| worker.shard.is_idle(served.key)) {
                continue;
            }
            let mut topics: BTreeMap<usize, BTreeSet<&TopicName>> = BTreeMap::new();
            for (tenant, its) in served().filter_map(|served| served.check.follows()) {
                topics.entry(tenant).or_default().extend(its);
            }
            let expected = (topics.len(), topics.values().map(BTreeSet::len).sum());
            let held = (counters.tenants, counters.topics);
            holds!(
                held == expected || !self.config.watches_sessions,
                NothingLeft,
                "shard {shard}: tenants and topics are {held:?}, {expected:?} are needed"
            );
        }
        Ok(())
    }

    /// Checks that the shards of a node, which have no connections, hold nothing.
    pub(crate) fn shards_are_empty(&self, node: usize) -> Check {
        for worker in self.workers.iter().filter(|worker| worker.node == node) {
            let counters = worker.shard.counters();
            holds!(
                counters == ShardCounters::default(),
                NothingLeft,
                "after the last connection: {counters:?}"
            );
        }
        Ok(())
    }
}
