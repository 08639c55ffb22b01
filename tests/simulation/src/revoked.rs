//! Revocations: what the hub must remember of them, and the disturbance that makes them.

use std::collections::{BTreeMap, BTreeSet};

use tidings_hub::Revoke;
use tidings_shared::TopicName;

use crate::{
    access::{Decides, Token, bits, tenant},
    invariant::{Check, holds},
    ledger::Scene,
    reference::Reference,
    world::{Event, World},
};

/// The longest time from a revocation to the look of a shard.
const LOOK_MS: u64 = 100;

/// The revocations of a hub.
#[derive(Debug, Default)]
pub(crate) struct Revoked {
    /// The number of revocations so far.
    pub(crate) count: u64,
    subjects: BTreeMap<String, Entry>,
    topics: BTreeMap<(String, TopicName), Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    number: u64,
    /// Milliseconds since 1970.
    at: u64,
}

/// The client of a session, as the application's answer named it.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) token: Token,
    pub(crate) decides: Decides,
    /// The number of revocations when the answer came.
    pub(crate) number: u64,
}

impl Grant {
    pub(crate) fn subject(&self) -> String {
        self.token.owner()
    }
}

impl Revoked {
    /// Returns the world around a session that was called.
    pub(crate) fn scene<'a>(&'a self, reference: &'a Reference, now: u64, is_closed: bool) -> Scene<'a> {
        Scene { revoked: self, reference, now, is_closed }
    }

    /// Returns whether the subject was revoked after the revocation with this number.
    pub(crate) fn has_revoked(&self, subject: &str, after: u64) -> bool {
        self.subjects.get(subject).is_some_and(|entry| entry.number > after)
    }

    /// Returns whether a token is as old as the revocation of its owner. Rows have no time: they stay revoked.
    pub(crate) fn keeps_out(&self, token: &Token, decides: Decides) -> bool {
        let is_older = |entry: &Entry| decides == Decides::Rows || token.issued <= entry.at;
        self.subjects.get(&token.owner()).is_some_and(is_older)
    }

    /// Returns the topics that the subject lost after the revocation with this number.
    pub(crate) fn lost(&self, subject: &str, after: u64) -> BTreeSet<TopicName> {
        let of_it = self.topics.iter().filter(|((owner, _), entry)| owner == subject && entry.number > after);
        of_it.map(|((_, topic), _)| topic.clone()).collect()
    }

    /// Returns whether the right that a token gives to a topic was taken back.
    pub(crate) fn takes_back(&self, grant: &Grant, topic: &TopicName) -> bool {
        let is_older = |entry: &Entry| grant.token.issued <= entry.at || entry.number > grant.number;
        let entry = self.topics.get(&(grant.subject(), topic.clone()));
        grant.decides == Decides::Token && entry.is_some_and(is_older)
    }
}

impl World {
    /// Somebody loses the rights to some topics, or all rights.
    pub(crate) fn revoke(&mut self) -> Check {
        let Some(mean) = self.config.revoke_ms.filter(|_| !self.heals) else { return Ok(()) };
        let next = self.around(mean);
        self.after(next, Event::Revoke);
        let clients = 0..self.clients.len();
        let raws = self.raws.iter().enumerate().filter_map(|(raw, peer)| Some((raw, peer.token.as_ref()?)));
        let raws: Vec<(usize, Token)> = raws.map(|(raw, token)| (raw, token.clone())).collect();
        let index = self.rng.index(clients.len() + raws.len());
        let (client, token) = match index.checked_sub(clients.len()) {
            None => (Some(index), self.clients[index].token.clone()),
            Some(raw) => (None, raws[raw].1.clone()),
        };
        let decides = self.application.decides;
        // Whose rights are rows would never be let in again.
        let may_end = client.is_none() || decides != Decides::Rows;
        let (subject, at) = (token.owner(), self.moment().unix_ms);
        let number = self.nodes[0].revoked.count + 1;
        if may_end && self.rng.percent(20) {
            self.say(|| format!("{subject} is revoked"));
            self.stats.count("subject revoked");
            self.nodes[0].revoked.subjects.insert(subject.clone(), Entry { number, at });
            if let Some(client) = client {
                self.clients[client].was_revoked = true;
            }
            self.node_revokes(token.tenant, &Revoke::Subject(subject))?;
        } else {
            let topics = self.rng.some(&self.topics, 2);
            let changes = decides == Decides::Rows && self.rng.percent(70);
            self.say(|| format!("{subject} loses {topics:?}; the application changes its rows: {changes}"));
            self.stats.count(if changes { "topics revoked and forbidden" } else { "topics revoked" });
            if changes {
                self.application.forbid(&subject, &topics);
            }
            if let Some(client) = client {
                let actor = &mut self.clients[client];
                actor.lost_rights |= bits(&topics);
                if changes {
                    actor.token.rights &= !bits(&topics);
                }
            }
            let entries = topics.iter().map(|topic| ((subject.clone(), topic.clone()), Entry { number, at }));
            self.nodes[0].revoked.topics.extend(entries);
            self.node_revokes(token.tenant, &Revoke::Topics { subject, topics })?;
        }
        self.nodes[0].revoked.count = number;
        (0..self.workers.len()).for_each(|shard| self.obey_later(shard));
        Ok(())
    }

    /// A shard looks for revocations soon.
    pub(crate) fn obey_later(&mut self, shard: usize) {
        let later = self.rng.below(LOOK_MS + self.config.wake_ms + 1);
        self.after(later, Event::Obey { shard });
    }

    /// Tells the shards of a node if there are new revocations.
    pub(crate) fn tell_shards(&mut self, node: usize) {
        let newest = self.nodes[node].hub.revocations().newest();
        let Some(drive) = &mut self.nodes[node].drive else { return };
        if std::mem::replace(&mut drive.told, newest) != newest {
            self.shards_of(node).for_each(|shard| self.obey_later(shard));
        }
    }

    fn node_revokes(&mut self, index: usize, revoke: &Revoke) -> Check {
        if self.config.cluster.is_some() {
            return self.revoke_on_journal(index, revoke);
        }
        let revoked = self.nodes[0].at(self.moment()).tenant(&tenant(index)).revoke(revoke).now_or_never();
        holds!(matches!(revoked, Some(Ok(()))), Answered, "{revoke:?}: {revoked:?}");
        Ok(())
    }

    /// A shard looks for revocations.
    pub(crate) fn obey(&mut self, shard: usize) -> Check {
        let now = self.moment();
        let Self { nodes, workers, links, reference, .. } = self;
        let worker = &mut workers[shard];
        worker.shard.handle_revocation(now);
        if self.config.cluster.is_some() {
            worker.shard.handle_health(&worker.shard.keys(), now);
            return Ok(());
        }
        for (link, known) in links {
            let Some(served) = known.served.as_mut().filter(|served| served.shard == shard) else { continue };
            let protocol = worker.shard.protocol(served.key);
            let scene = nodes[worker.node].revoked.scene(reference, self.now, protocol.is_closed());
            let was_revoked = served.check.ledger.obey(&scene);
            holds!(!was_revoked || protocol.is_closed(), Rights, "link {link} goes on, but it was revoked");
        }
        Ok(())
    }
}
