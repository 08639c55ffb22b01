//! What must hold for nodes on a journal, beyond what their clients see.

use tidings_shared::{
    Position,
    frame::{ClientFrame, Outcome, ServerFrame},
};

use crate::{
    access::{Decides, Token, tenant},
    invariant::{Check, holds},
    node::head,
    reference::same_bytes,
    served::Served,
    world::{Event, World},
};

/// A revocation that the journal has acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Obliged {
    pub(crate) subject: String,
    /// When it was revoked, in milliseconds since 1970.
    pub(crate) at: u64,
    /// The time from which it holds on each node.
    pub(crate) from: u64,
}

/// What the check knows of a session.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The token that the application has accepted last, and when.
    pub(crate) token: Option<(Token, u64)>,
    /// The subscribes without an answer: their `since`, and when they came.
    subscribes: Vec<(u64, Option<String>, u64)>,
    /// Whether any topic was ever in force.
    has_started: bool,
    /// The offset of the last event.
    last_event: u64,
    /// When it was let in.
    welcomed_at: Option<u64>,
    /// Whether its client knows that the node does not hear the journal.
    is_degraded: bool,
}

/// The silence of a journal after which clients are told, in milliseconds.
const DEGRADED_MS: u64 = 10_000;

/// The longest time by which a peer that reads slowly delays what it is told.
const LATE_MS: u64 = 60_000;

/// The time in which each node notices that its journal was set back or has revocations, in milliseconds.
const NOTICE_MS: u64 = 1_000;

impl Seen {
    /// Notes a frame that the session gets.
    pub(crate) fn hears(&mut self, frame: &ClientFrame, now: u64) {
        if let ClientFrame::Subscribe { r#ref, since, .. } = frame {
            self.subscribes.push((*r#ref, since.clone(), now));
        }
    }

    /// Returns the newest `since` of a first subscribe.
    pub(crate) fn newest_since(&self) -> Option<Position> {
        let (_, since, _) = self.subscribes.last().filter(|_| !self.has_started)?;
        since.as_ref()?.parse().ok()
    }
}

impl World {
    /// The time that a turn of a driver, and of a session or a shard, may be late.
    fn slack_ms(&self) -> u64 {
        let cluster = self.config.cluster.map_or(0, |cluster| cluster.poll_ms + 2 * cluster.turn_ms);
        cluster + 4 * self.config.wake_ms + 200
    }

    /// Whether a node has been well since that time, and for some time before.
    fn was_well(&self, node: usize, since: u64) -> bool {
        self.nodes[node].is_up && self.nodes[node].troubled_until < since
    }

    /// Notes whether a client comes from a node that is ahead of this one.
    pub(crate) fn notes_since(&mut self, served: &Served, since: Position) {
        let Some((token, _)) = &served.seen.token else { return };
        let (tenant, node) = (token.tenant, self.workers[served.shard].node);
        let head = self.head_in_use(node, tenant);
        let is_ahead = head.is_some_and(|head| head.epoch == since.epoch && head.offset < since.offset);
        if is_ahead && self.reference.has(tenant, since) {
            self.stats.count("is ahead of its node");
        }
    }

    /// Checks a frame of a session.
    pub(crate) fn journal_said(
        &mut self,
        link: u64,
        served: &mut Served,
        frame: &ServerFrame,
        text: &str,
    ) -> Check {
        let Some((token, _)) = &served.seen.token else { return Ok(()) };
        let tenant = token.tenant;
        match frame {
            ServerFrame::Welcome { .. } => {
                served.seen.welcomed_at = Some(self.now);
                self.may_enter(link, served)?;
            }
            ServerFrame::Degraded { .. } => {
                let node = &self.nodes[self.workers[served.shard].node];
                let is_silent = self.now + self.slack_ms() >= node.heard_at + DEGRADED_MS
                    || node.silent_until.is_some_and(|until| self.now <= until + LATE_MS);
                let is_true = is_silent && !std::mem::replace(&mut served.seen.is_degraded, true);
                holds!(
                    is_true,
                    Degraded,
                    "link {link} is degraded, and its node heard the journal at {}",
                    node.heard_at
                );
            }
            ServerFrame::Restored { position } => {
                let was_degraded = std::mem::take(&mut served.seen.is_degraded);
                holds!(was_degraded, Degraded, "link {link} is restored, and was not degraded");
                // It has had everything up to this position. A session that never had a topic can still go back.
                if let (true, Ok(position)) = (served.seen.has_started, position.parse::<Position>()) {
                    served.seen.last_event = served.seen.last_event.max(position.offset);
                }
            }
            ServerFrame::Subscribed { r#ref, topics, .. } => {
                let asked = served.seen.subscribes.iter().find(|(its, ..)| its == r#ref).cloned();
                served.seen.subscribes.retain(|(its, ..)| its != r#ref);
                let was_started = served.seen.has_started;
                let is_in_force =
                    |outcome| matches!(outcome, Outcome::Live | Outcome::Resumed | Outcome::Sync);
                served.seen.has_started |= topics.iter().any(|topic| is_in_force(topic.outcome));
                let Some((_, Some(since), asked_at)) = asked else { return Ok(()) };
                let synced = topics.iter().find(|topic| topic.outcome == Outcome::Sync);
                if let (false, Some(topic)) = (was_started, synced) {
                    let could_resume = self.could_resume(served, tenant, &since, asked_at);
                    holds!(
                        !could_resume,
                        SyncHasReason,
                        "{}: sync after {since}, which the journal holds",
                        topic.topic
                    );
                }
            }
            ServerFrame::Event { position, .. } => {
                let id = self.reference.find(tenant, position);
                holds!(id.is_some(), NothingInvented, "an event at {position}, where nothing was published");
                let id = id.unwrap_or_default();
                let entry = &self.reference.entries[id];
                let offset = entry.position.offset;
                holds!(!entry.asked.is_sync, NothingInvented, "an event at {position}, where a gap is");
                holds!(
                    offset > served.seen.last_event,
                    InOrderOnce,
                    "{position} after {}",
                    served.seen.last_event
                );
                served.seen.last_event = offset;
                same_bytes(text, &mut self.reference, id)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether the journal and the node hold all that follows on a position.
    fn could_resume(&mut self, served: &Served, index: usize, since: &str, asked_at: u64) -> bool {
        let node = self.workers[served.shard].node;
        let Ok(since) = since.parse::<Position>() else { return false };
        let Some(rows) = self.database.rows(&tenant(index)) else { return false };
        let log = &self.config.log;
        let now = self.moment().unix_ms;
        let missed: Vec<_> =
            rows.entries.iter().filter(|entry| entry.position.offset > since.offset).collect();
        let max_age = log.max_age.as_millis() as u64;
        // A log counts more than texts, and topics that many entries share once.
        let fits = missed.len() < log.max_entries
            && log.max_bytes
                >= missed.len() * 2_500 + missed.iter().map(|entry| entry.topics.len() * 250).sum::<usize>()
            && missed.iter().all(|entry| now.saturating_sub(entry.at) + 2_000 < max_age);
        let is_held = self.reference.has(index, since) && since.offset >= rows.tail.offset;
        // The journal may have lost what this node still has, and may have another epoch by now: the node has not noticed.
        let newest = rows.entries.back().map_or(rows.tail, |entry| entry.position);
        let is_elsewhere = |head: Position| head.epoch != newest.epoch || head.offset > newest.offset;
        let is_current = !self.head_in_use(node, index).is_some_and(is_elsewhere);
        let could = fits
            && is_held
            && is_current
            && self.was_well(node, asked_at.saturating_sub(1))
            && !self.config.is_old;
        if could {
            self.stats.count("could resume");
        }
        could
    }

    /// Notes that a node hears its journal.
    pub(crate) fn hears_journal(&mut self, node: usize) {
        // A node need not hear the journal in each turn.
        let (now, slack, node) = (self.now, self.slack_ms(), &mut self.nodes[node]);
        if now + slack >= node.heard_at + DEGRADED_MS {
            node.silent_until = Some(now);
        }
        node.heard_at = now;
    }

    /// Checks that no session believes for long that all is well, while its node does not hear the journal.
    pub(crate) fn silence_is_told(&self) -> Check {
        // The hub looks once a second.
        let late = 2_000 + self.slack_ms();
        for (link, known) in &self.links {
            let Some(served) = &known.served else { continue };
            let worker = &self.workers[served.shard];
            let heard_at = self.nodes[worker.node].heard_at;
            let is_in = served.seen.welcomed_at.is_some_and(|at| self.now > at + late);
            let is_well =
                is_in && served.blocked_since.is_none() && !worker.shard.protocol(served.key).is_closed();
            if is_well && self.now > heard_at + DEGRADED_MS + late {
                holds!(
                    served.seen.is_degraded,
                    Degraded,
                    "link {link} was not told of a silence since {heard_at}"
                );
            }
        }
        Ok(())
    }

    /// Checks that a client who was revoked is not let in.
    fn may_enter(&self, link: u64, served: &Served) -> Check {
        let Some((token, at)) = &served.seen.token else { return Ok(()) };
        let is_rows = self.application.decides == Decides::Rows;
        let node = self.workers[served.shard].node;
        let is_kept_out = |obliged: &&Obliged| {
            obliged.subject == token.owner()
                && (is_rows || token.issued <= obliged.at)
                && obliged.from <= *at
                && self.was_well(node, obliged.from.saturating_sub(NOTICE_MS))
        };
        let broken = self.obliged.iter().find(is_kept_out);
        holds!(broken.is_none(), Rights, "link {link} is let in, although {broken:?}");
        Ok(())
    }

    /// Notes a revocation that the journal has.
    pub(crate) fn revocation_holds(&mut self, subject: String, at: u64) {
        let from = self.now + NOTICE_MS + self.slack_ms();
        self.obliged.push(Obliged { subject, at, from });
        self.at(from, Event::Holds);
    }

    /// Checks that the sessions that were revoked have ended on every node.
    pub(crate) fn revocations_hold(&mut self) -> Check {
        for obliged in self.obliged.iter().filter(|obliged| obliged.from == self.now) {
            for (link, known) in &self.links {
                let Some(served) = &known.served else { continue };
                let worker = &self.workers[served.shard];
                let Some((token, at)) = &served.seen.token else { continue };
                let is_its = token.owner() == obliged.subject && 1_700_000_000_000 + at <= obliged.at;
                // A session that waits for its first answer is judged when it is let in.
                let is_in = served.seen.welcomed_at.is_some();
                if is_its && is_in && self.was_well(worker.node, obliged.from - NOTICE_MS) {
                    let is_closed = worker.shard.protocol(served.key).is_closed();
                    holds!(
                        is_closed,
                        Rights,
                        "link {link} goes on at node {}, although {obliged:?}",
                        worker.node
                    );
                }
            }
        }
        Ok(())
    }

    /// Each node must notice soon that its journal was set back.
    pub(crate) fn will_be_noticed(&mut self) {
        self.replaced_at = self.now;
        self.after(NOTICE_MS + self.slack_ms(), Event::Noticed);
    }

    /// Checks that the logs of nodes that are well are parts of the journal's history.
    pub(crate) fn rollback_is_noticed(&mut self) -> Check {
        let since = self.now.saturating_sub(NOTICE_MS + self.slack_ms());
        if self.replaced_at > since {
            return Ok(());
        }
        for node in 0..self.nodes.len() {
            for index in 0..self.config.tenants {
                if !self.was_well(node, since) {
                    continue;
                }
                let Some(head) = self.head_in_use(node, index) else { continue };
                holds!(
                    self.reference.has(index, head),
                    Noticed,
                    "node {node} goes on after {head}, which the journal does not have any more"
                );
            }
        }
        Ok(())
    }

    /// Returns the head of a log that somebody follows.
    fn head_in_use(&self, node: usize, index: usize) -> Option<Position> {
        let is_used = self.nodes[node].counters(index).followers > 0;
        is_used.then(|| head(&self.nodes[node].hub, index)).flatten()
    }

    /// Checks at the end of a run that each log in use is as far as the journal.
    pub(crate) fn nodes_equal_the_journal(&mut self) -> Check {
        if self.config.cluster.is_none() {
            return Ok(());
        }
        let degraded = self
            .links
            .iter()
            .find(|(_, link)| link.served.as_ref().is_some_and(|served| served.seen.is_degraded));
        holds!(degraded.is_none(), Degraded, "link {:?} was never restored", degraded.map(|(link, _)| link));
        for node in 0..self.nodes.len() {
            for index in 0..self.config.tenants {
                let Some(head) = self.head_in_use(node, index) else { continue };
                let rows = self.database.rows(&tenant(index)).map(|rows| rows.head());
                holds!(rows == Some(head), CaughtUp, "node {node} is at {head}, and the journal at {rows:?}");
            }
        }
        Ok(())
    }
}
