//! From a tenant's log to the sockets of those that are live.

use std::{collections::HashMap, io, task::Waker, time::Duration};

use tidings_shared::{
    Position, TopicName,
    limits::{FAN_OUT_BYTES, FAN_OUT_DELIVERIES, WRITE_BYTES},
};

use slab::Slab;

use super::{BEHIND, Connection, Mark, NONE, Scratch, Shard, Sink};
use crate::{
    Moment, Publication,
    publication::{EncodedFrame, Few},
    shrink::Shrink,
    tenant::{After, Follower, Interest, Tenant},
};

/// A tenant whose log the shard follows, because connections of it are here.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) tenant: Tenant,
    /// Wakes the shard for this tenant.
    waker: Waker,
    /// Everything up to here is delivered, or in the batch.
    passed: Position,
    /// Whether it is among those that are ready.
    pub(super) is_ready: bool,
    pub(super) connections: usize,
    topics: HashMap<TopicName, Vec<u32>>,
    batch: Batch,
}

/// Publications on their way to sockets.
#[derive(Debug, Default)]
struct Batch {
    /// The place in the log after which it begins.
    after: Option<Position>,
    /// When its first publication was appended.
    since: Duration,
    /// The frames, in the log's order; one for each publication and set of matched topics.
    frames: Vec<(EncodedFrame, Position)>,
    /// What connections get: each is a list from its last frame to its first. Connections that get the same share it.
    lists: Vec<List>,
    /// The list that was made longer last, and what it became: most go the same way.
    longer: Option<(u32, u32)>,
    deliveries: usize,
    /// The connections that get any, and how many of these were served.
    due: Vec<u32>,
    served: usize,
}

#[derive(Debug, Clone, Copy)]
struct List {
    frame: u32,
    /// The list of the frames before.
    before: u32,
}

impl Followed {
    pub(super) fn new(tenant: Tenant, waker: Waker) -> Self {
        let passed = tenant.head();
        let (topics, batch) = (HashMap::new(), Batch::default());
        Self { tenant, waker, passed, is_ready: false, connections: 0, topics, batch }
    }

    pub(super) fn add(&mut self, topic: TopicName, connection: usize) {
        self.topics.entry(topic).or_default().push(connection as u32);
    }

    pub(super) fn remove(&mut self, topic: &TopicName, connection: usize) {
        let Some(connections) = self.topics.get_mut(topic) else { return };
        // From the end: those who come and go often are there.
        if let Some(place) = connections.iter().rposition(|&known| known as usize == connection) {
            connections.swap_remove(place);
        }
        if connections.is_empty() {
            self.topics.remove(topic);
            self.topics.shrink();
        } else if connections.len() * 4 < connections.capacity() {
            connections.shrink_to(connections.len() * 2);
        }
    }

    pub(super) fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Takes account of what a follower has begun or ceased to follow.
    pub(super) fn take_account(&mut self, follower: &mut Follower, connection: usize) {
        while let Some(change) = follower.poll_interest() {
            match change {
                Interest::Added(topic) => self.add(topic, connection),
                Interest::Removed(topic) => self.remove(&topic, connection),
            }
        }
    }

    /// Removes all topics of a follower.
    pub(super) fn leave(&mut self, follower: &mut Follower, connection: usize) {
        self.take_account(follower, connection);
        follower.reader().topics().for_each(|topic| self.remove(topic, connection));
    }

    /// Leaves it to each live connection that a publication reaches to read it from the log, after all that came before it.
    fn leave_to_log<S: Sink>(
        &self,
        publication: &Publication,
        connections: &mut Slab<Connection<S>>,
        marks: &mut [Mark],
    ) {
        let reached = publication.topics.iter().filter_map(|topic| self.topics.get(topic)).flatten();
        for &key in reached {
            let mark = &mut marks[key as usize];
            if mark.wants(publication.position.offset) {
                mark.passed = BEHIND;
                let connection = &mut connections[key as usize];
                connection.session.advance(self.passed);
                connection.wake();
            }
        }
    }

    /// Puts a publication into the batch, for each live connection that it reaches.
    fn enlist(&mut self, publication: &Publication, marks: &mut [Mark], scratch: &mut Scratch) {
        let Self { topics, batch, .. } = self;
        let offset = publication.position.offset;
        let reached = |(index, topic)| topics.get(topic).map(|connections| (index, connections));
        let mut lists = publication.topics.iter().enumerate().filter_map(reached);
        let Some((index, connections)) = lists.next() else { return };
        let matched = Few::default().with(index);
        let Some((next_index, next_connections)) = lists.next() else {
            let frame = batch.frame(publication, matched);
            for &connection in connections {
                if marks[connection as usize].wants(offset) {
                    batch.deliver(connection, frame, marks);
                }
            }
            return;
        };
        let hits = &mut scratch.hits;
        hits.clear();
        let lists = [(index, connections), (next_index, next_connections)].into_iter().chain(lists);
        for (index, connections) in lists {
            for &connection in connections {
                let mark = &mut marks[connection as usize];
                if !mark.wants(offset) {
                    continue;
                }
                match hits.get_mut(mark.hit as usize) {
                    Some((known, matched)) if *known == connection => *matched = matched.with(index),
                    _ => {
                        mark.hit = hits.len() as u32;
                        hits.push((connection, Few::default().with(index)));
                    }
                }
            }
        }
        let first = batch.frames.len();
        let mut sets: Vec<Few> = Vec::new();
        for &(connection, matched) in &*hits {
            let known = sets.iter().take(MAX_SETS).position(|&set| set == matched);
            let frame = known.map_or_else(
                || {
                    sets.push(matched);
                    batch.frame(publication, matched)
                },
                |known| (first + known) as u32,
            );
            batch.deliver(connection, frame, marks);
        }
    }
}

/// Sets of matched topics that are looked through for one that is encoded already.
const MAX_SETS: usize = 8;

impl Batch {
    fn frame(&mut self, publication: &Publication, matched: Few) -> u32 {
        self.frames.push((publication.frame(&matched.into()), publication.position));
        (self.frames.len() - 1) as u32
    }

    /// Adds the newest frame, or one of the same publication, to what a connection gets.
    fn deliver(&mut self, connection: u32, frame: u32, marks: &mut [Mark]) {
        let mark = &mut marks[connection as usize];
        let before = mark.list;
        if before == NONE {
            self.due.push(connection);
        }
        self.deliveries += 1;
        mark.list = match self.longer {
            Some((known, longer)) if known == before && self.lists[longer as usize].frame == frame => longer,
            _ => {
                let longer = self.lists.len() as u32;
                self.lists.push(List { frame, before });
                self.longer = Some((before, longer));
                longer
            }
        };
    }

    /// The frames of a list, in the log's order.
    fn frames_of(&self, mut list: u32, frames: &mut Vec<u32>) {
        frames.clear();
        while let Some(&List { frame, before }) = self.lists.get(list as usize) {
            frames.push(frame);
            list = before;
        }
        frames.reverse();
    }

    fn clear(&mut self) {
        self.frames.clear();
        self.lists.clear();
        self.longer = None;
        self.due.clear();
        (self.deliveries, self.served) = (0, 0);
    }
}

impl<S: Sink> Shard<S> {
    /// One turn for a tenant: takes a batch from its log, or writes a part of the one that there is. Says whether there
    /// may be more.
    pub(super) fn fan_out(&mut self, tenant: usize, now: Moment) -> bool {
        let Some(followed) = self.tenants.get(tenant) else { return false };
        if followed.batch.served == followed.batch.due.len() && !self.take_batch(tenant) {
            return false;
        }
        self.scratch.gathered_of = NONE;
        for _ in 0..self.writes_per_turn {
            let Some(followed) = self.tenants.get_mut(tenant) else { return false };
            let Some(&connection) = followed.batch.due.get(followed.batch.served) else { break };
            followed.batch.served += 1;
            self.flush(connection as usize, now);
        }
        let delivered = std::mem::take(&mut self.scratch.delivered);
        if let (1.., Some(followed)) = (delivered, self.tenants.get(tenant)) {
            let metrics = followed.tenant.metrics();
            metrics.deliveries.inc_by(delivered);
            metrics.took(now.since_start.saturating_sub(followed.batch.since));
        }
        true
    }

    fn take_batch(&mut self, tenant: usize) -> bool {
        let Self { connections, marks, tenants, scratch, .. } = self;
        let followed = &mut tenants[tenant];
        followed.batch.clear();
        match followed.tenant.read_after(followed.passed.offset, &followed.waker) {
            After::Nothing => {
                // What is kept while nothing happens is little.
                followed.batch = Batch::default();
                if scratch.gathered.capacity() > WRITE_BYTES {
                    (scratch.gathered, scratch.gathered_of) = (Vec::new(), NONE);
                }
                return false;
            }
            After::Lost(head) => {
                let before = std::mem::replace(&mut followed.passed, head);
                // Each sees for itself what it has missed.
                for (key, connection) in connections.iter_mut().filter(|(_, one)| one.tenant == Some(tenant))
                {
                    if marks[key].is_live() {
                        marks[key].passed = BEHIND;
                        connection.session.advance(before);
                        connection.wake();
                    }
                }
            }
            After::Publications(publications) => {
                followed.batch.after = Some(followed.passed);
                followed.batch.since = publications.first().map_or(Duration::ZERO, |first| first.appended);
                let mut bytes = 0;
                for publication in publications {
                    if publication.reaches_many() || publication.is_sync {
                        // Those whom it reaches must have what came before.
                        if followed.batch.deliveries > 0 {
                            break;
                        }
                        followed.leave_to_log(&publication, connections, marks);
                        followed.passed = publication.position;
                        continue;
                    }
                    followed.enlist(&publication, marks, scratch);
                    followed.passed = publication.position;
                    bytes += publication.event.payload.get().len();
                    if followed.batch.deliveries >= FAN_OUT_DELIVERIES || bytes >= FAN_OUT_BYTES {
                        break;
                    }
                }
            }
        }
        true
    }

    /// Sees to it that everything up to the shard's place is written to a live connection, or that it is live no more.
    pub(super) fn settle(&mut self, key: usize, now: Moment) {
        if !self.marks[key].is_live() {
            return;
        }
        self.scratch.gathered_of = NONE;
        self.flush(key, now);
        let connection = &mut self.connections[key];
        if let Some(written) = connection.written.take() {
            connection.session.handle_told(written);
        }
        if let (true, Some(tenant)) = (self.marks[key].is_live(), connection.tenant) {
            connection.session.advance(self.tenants[tenant].passed);
        }
    }

    /// Writes what the batch has for a connection.
    fn flush(&mut self, key: usize, now: Moment) {
        let Self { connections, marks, tenants, scratch, .. } = self;
        let mark = &mut marks[key];
        let list = std::mem::replace(&mut mark.list, NONE);
        if list == NONE {
            // It has had it, or has left.
            return;
        }
        let connection = &mut connections[key];
        let Some(tenant) = connection.tenant else { return };
        let batch = &tenants[tenant].batch;
        let Scratch { gathered, gathered_of, frames, delivered, .. } = scratch;
        if *gathered_of != list {
            *gathered_of = list;
            batch.frames_of(list, frames);
            gathered.clear();
            if frames.len() > 1 {
                frames
                    .iter()
                    .for_each(|&frame| gathered.extend_from_slice(batch.frames[frame as usize].0.message()));
            }
        }
        let bytes = match frames[..] {
            [only] => batch.frames[only as usize].0.message(),
            _ => &gathered[..],
        };
        let Ok(taken) = taken(connection.sink.try_write(bytes)) else {
            mark.passed = BEHIND;
            connection.has_failed = true;
            return connection.wake();
        };
        if taken == bytes.len() {
            *delivered += frames.len() as u64;
            connection.written = Some(now);
            return;
        }
        connection.session.handle_told(now);
        connection.set_slow(true);
        // It goes on by itself, after the frame that was begun.
        let mut position = batch.after;
        let mut end = 0;
        for &frame in &*frames {
            if end >= taken {
                break;
            }
            let (frame, at) = &batch.frames[frame as usize];
            end += frame.message().len();
            position = Some(*at);
            *delivered += 1;
        }
        connection.rest = bytes[taken..end.max(taken)].to_vec();
        if let Some(position) = position {
            connection.session.advance(position);
        }
        mark.passed = BEHIND;
        connection.wake();
    }
}

/// How many bytes a sink took.
pub(super) fn taken(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.tenant.forget(&self.waker);
    }
}
