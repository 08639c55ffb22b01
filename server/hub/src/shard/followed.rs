//! A tenant, as a shard sees it. The shard follows the tenant's log, and knows which connections subscribe to each topic.

use std::{collections::HashMap, task::Waker};

use slab::Slab;
use tidings_shared::{Position, TopicName};

use super::{
    Scratch, Sink,
    batch::Batch,
    connection::{Connection, Mark},
    index::{ConnectionKey, FrameIndex, HitIndex},
};
use crate::{
    publication::{Few, Publication},
    shrink::Shrink,
    tenant_log::{Follower, Interest, TenantLog},
};

/// A tenant that has connections in the shard.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) tenant: TenantLog,
    /// Makes the tenant dirty.
    pub(super) waker: Waker,
    /// Every publication up to here is delivered, or in the batch.
    pub(super) passed: Position,
    /// It waits for a turn of the fan-out.
    pub(super) is_ready: bool,
    /// How many connections of the shard belong to it.
    pub(super) connections: usize,
    topics: HashMap<TopicName, Vec<ConnectionKey>>,
    pub(super) batch: Batch,
}

/// Frames of one publication that the shard compares with a connection's matched topics. The search is linear, so it is
/// short. Beyond this bound, each connection gets a frame of its own.
const MAX_SETS: usize = 8;

impl Followed {
    pub(super) fn new(tenant: TenantLog, waker: Waker) -> Self {
        let passed = tenant.head();
        let (topics, batch) = (HashMap::new(), Batch::default());
        Self { tenant, waker, passed, is_ready: false, connections: 0, topics, batch }
    }

    pub(super) fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Applies the changes of a follower's topics.
    pub(super) fn apply_changes(&mut self, follower: &mut Follower, connection: ConnectionKey) {
        while let Some(change) = follower.poll_interest() {
            match change {
                Interest::Added(topic) => self.topics.entry(topic).or_default().push(connection),
                Interest::Removed(topic) => self.remove(&topic, connection),
            }
        }
    }

    /// Removes all topics of a follower.
    pub(super) fn leave(&mut self, follower: &mut Follower, connection: ConnectionKey) {
        self.apply_changes(follower, connection);
        follower.reader().topics().for_each(|topic| self.remove(topic, connection));
    }

    fn remove(&mut self, topic: &TopicName, connection: ConnectionKey) {
        let Some(connections) = self.topics.get_mut(topic) else { return };
        // Searches from the end: connections that come and go often are there.
        if let Some(at) = connections.iter().rposition(|&known| known == connection) {
            connections.swap_remove(at);
        }
        if connections.is_empty() {
            self.topics.remove(topic);
            self.topics.shrink();
        } else if connections.len() * 4 < connections.capacity() {
            connections.shrink_to(connections.len() * 2);
        }
    }

    /// Makes each live connection that a publication reaches read it from the log, after everything before it.
    pub(super) fn leave_to_log<S: Sink>(
        &self,
        publication: &Publication,
        connections: &mut Slab<Connection<S>>,
        marks: &mut [Mark],
    ) {
        let of_all = publication.is_gap_of_all().then_some(self.topics.values());
        let named = publication.topics.iter().filter_map(|topic| self.topics.get(topic));
        for &key in named.chain(of_all.into_iter().flatten()).flatten() {
            let mark = &mut marks[key.slot()];
            if mark.wants(publication.position.offset) {
                mark.fall_behind();
                let connection = &mut connections[key.slot()];
                connection.protocol.advance(self.passed);
                connection.wake();
            }
        }
    }

    /// Puts a publication into the batch, for each live connection that it reaches.
    pub(super) fn enlist(&mut self, publication: &Publication, marks: &mut [Mark], scratch: &mut Scratch) {
        let Self { topics, batch, .. } = self;
        let offset = publication.position.offset;
        let reached = |(index, topic)| topics.get(topic).map(|connections| (index, connections));
        let mut reached = publication.topics.iter().enumerate().filter_map(reached);
        let Some((index, connections)) = reached.next() else { return };
        let matched = Few::default().with(index);
        let Some((next_index, next_connections)) = reached.next() else {
            // All connections match the same one topic, and get the same frame.
            let frame = batch.add(publication, matched);
            for &connection in connections {
                let mark = &mut marks[connection.slot()];
                if mark.wants(offset) {
                    batch.deliver(connection, frame, mark);
                }
            }
            return;
        };
        let hits = &mut scratch.hits;
        hits.clear();
        let reached = [(index, connections), (next_index, next_connections)].into_iter().chain(reached);
        for (index, connections) in reached {
            for &connection in connections {
                let mark = &mut marks[connection.slot()];
                if !mark.wants(offset) {
                    continue;
                }
                match hits.get_mut(mark.hit.slot()) {
                    Some((known, matched)) if *known == connection => *matched = matched.with(index),
                    // The mark's hit is of an earlier publication.
                    _ => {
                        mark.hit = HitIndex::new(hits.len());
                        hits.push((connection, Few::default().with(index)));
                    }
                }
            }
        }
        let mut sets: Vec<(Few, FrameIndex)> = Vec::new();
        for &(connection, matched) in &*hits {
            let known = sets.iter().take(MAX_SETS).find(|(set, _)| *set == matched).map(|&(_, frame)| frame);
            let frame = known.unwrap_or_else(|| {
                let frame = batch.add(publication, matched);
                sets.push((matched, frame));
                frame
            });
            batch.deliver(connection, frame, &mut marks[connection.slot()]);
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.tenant.forget(&self.waker);
    }
}
