//! A publication: an event with its topics, its key and its position, as the log keeps it and as sessions get it.

use std::{
    fmt,
    io::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde_json::value::RawValue;
use tidings_shared::{Position, RawEvent, TopicName, limits::MAX_TOPICS_PER_PUBLICATION};
use uuid::Uuid;

use crate::{
    Moment,
    websocket::{Kind, MAX_HEADER_BYTES, header},
};

/// A publication before it has a position.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The idempotency key: the same key again is the same publication.
    pub key: Uuid,
    /// The publisher knows the key, so it may try again with it.
    pub may_come_again: bool,
    /// An opaque tag that names the cause of the event.
    pub origin: Option<String>,
    /// The topics, each once, at most [`MAX_TOPICS_PER_PUBLICATION`].
    pub topics: Vec<TopicName>,
    /// The event.
    pub event: RawEvent,
}

/// The answer to a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The position in the log.
    pub position: Position,
    /// The idempotency key.
    pub key: Uuid,
    /// All topics that the event reaches.
    pub topics: Vec<TopicName>,
}

/// A publication in the log. The same position means the same publication, for every session.
#[derive(Debug)]
pub struct Publication {
    /// The position in the log.
    pub position: Position,
    /// The idempotency key.
    pub key: Uuid,
    /// When it was published, in milliseconds since 1970.
    pub at: u64,
    /// The tag that its publisher gave it.
    pub origin: Option<String>,
    /// All topics that the event reaches.
    pub topics: Vec<TopicName>,
    /// The event.
    pub event: RawEvent,
    pub(crate) appended: Duration,
    pub(crate) may_come_again: bool,
    /// It is a gap: something was lost. The readers of its topics get a sync. Without topics, all readers of the tenant do.
    pub(crate) is_gap: bool,
    /// If there are many topics: their indices, sorted by the topics' names. Otherwise empty.
    by_name: Box<[u16]>,
    /// The beginning of the frame, up to the names of the topics.
    head: Vec<u8>,
    /// Encoded frames, by matched topics.
    frames: Mutex<Vec<(Matched, EncodedFrame)>>,
}

/// The topics of a publication that a session subscribes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched(Set);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Set {
    Few(Few),
    /// Indices of topics, ascending.
    Many(Arc<[u16]>),
}

/// A set of topics of a publication, as bits in the order of its topics. The fan-out copies one of these for each
/// delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Few(u128);

/// Topics of a publication that fit into the bits. Each session reads a publication with more topics from the log.
const MAX_FEW: usize = u128::BITS as usize;

const _: () = assert!(MAX_TOPICS_PER_PUBLICATION <= u16::MAX as usize);

/// An encoded frame. Cloning is cheap and gives the same bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    message: Bytes,
    /// The offset of the text in the message.
    start: usize,
}

impl EncodedFrame {
    /// Encodes the text that `write` appends.
    pub(crate) fn new(capacity: usize, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = Vec::with_capacity(MAX_HEADER_BYTES + capacity);
        bytes.extend_from_slice(&[0; MAX_HEADER_BYTES]);
        write(&mut bytes);
        let (header, unused) = header(Kind::Text, bytes.len() - MAX_HEADER_BYTES);
        bytes[..MAX_HEADER_BYTES].copy_from_slice(&header);
        let message = Bytes::from(bytes).slice(unused..);
        Self { message, start: MAX_HEADER_BYTES - unused }
    }

    /// Returns the JSON text.
    pub fn text(&self) -> &[u8] {
        &self.message[self.start..]
    }

    /// Returns the WebSocket message: a header and the text.
    pub fn message(&self) -> &[u8] {
        &self.message
    }
}

impl fmt::Debug for EncodedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.text()))
    }
}

/// Frames that a publication caches: most publications reach two topics, a list and a record. Beyond this bound, a
/// frame is encoded for each session.
const MAX_KEPT_FRAMES: usize = 2;

/// The usual size of the beginning of a frame, without an origin.
const HEAD_BYTES: usize = 160;

/// Bytes that an entry of the log costs beside its texts: the structure, and its entries in the ring buffer and among
/// the keys.
const ENTRY_OVERHEAD: usize = 768;

/// Bytes of each topic of an entry: the reference to its name, and an offset in the log's index. The log counts the
/// name.
const TOPIC_OVERHEAD: usize = 32;

/// From this many topics of a reader on, merging two sorted lists costs less than a search for each topic.
const MERGED_TOPICS: usize = 64;

impl Few {
    /// Adds the topic at this index.
    pub(crate) fn with(self, index: usize) -> Self {
        Self(self.0 | 1 << index)
    }
}

impl From<Few> for Matched {
    fn from(few: Few) -> Self {
        Self(Set::Few(few))
    }
}

impl Matched {
    /// Returns the topics that a reader wants. `topics` are all topics of the reader, sorted by name.
    pub(crate) fn of<'a>(
        publication: &'a Publication,
        topics: impl ExactSizeIterator<Item = &'a TopicName>,
        wants: impl Fn(&TopicName) -> bool,
    ) -> Self {
        if publication.reaches_many() {
            let mut indices: Vec<u16> = publication.indices_of(topics, wants).collect();
            indices.sort_unstable();
            return Self(Set::Many(indices.into()));
        }
        let indices = publication.topics.iter().enumerate().filter(|(_, topic)| wants(topic));
        indices.fold(Few::default(), |set, (index, _)| set.with(index)).into()
    }

    /// Returns whether no topic matches.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Set::Few(Few(bits)) => *bits == 0,
            Set::Many(indices) => indices.is_empty(),
        }
    }

    /// Returns the matched topics of that publication.
    pub fn topics<'a>(&'a self, publication: &'a Publication) -> impl Iterator<Item = &'a TopicName> {
        let (bits, few, indices) = match &self.0 {
            Set::Few(Few(bits)) => (*bits, &publication.topics[..], &[][..]),
            Set::Many(indices) => (0, &[][..], &indices[..]),
        };
        let few = few.iter().enumerate();
        let few = few.filter(move |(index, _)| bits & (1 << index) != 0).map(|(_, topic)| topic);
        few.chain(indices.iter().filter_map(|&index| publication.topics.get(usize::from(index))))
    }
}

impl Publication {
    pub(crate) fn new(draft: Draft, position: Position, at: u64, appended: Duration) -> Self {
        let Draft { key, may_come_again, origin, topics, event } = draft;
        let mut head = Vec::with_capacity(HEAD_BYTES);
        let _ = write!(head, r#"{{"op":"event","position":"{position}","key":"{key}","at":{at},"#);
        if let Some(origin) = &origin {
            head.extend_from_slice(br#""origin":"#);
            put_json(&mut head, origin);
            head.push(b',');
        }
        head.extend_from_slice(br#""topics":["#);
        let by_name = by_name(&topics);
        let (frames, is_gap) = (Mutex::default(), false);
        Self {
            position,
            key,
            at,
            origin,
            topics,
            event,
            appended,
            may_come_again,
            is_gap,
            by_name,
            head,
            frames,
        }
    }

    /// Returns a gap of these topics. Without topics, it is a gap of the whole tenant.
    pub(crate) fn gap(key: Uuid, topics: Vec<TopicName>, position: Position, now: Moment) -> Self {
        let (by_name, payload) = (by_name(&topics), Box::<RawValue>::default());
        Self {
            position,
            key,
            at: now.unix_ms,
            origin: None,
            topics,
            event: RawEvent { domain: String::new(), event: String::new(), payload },
            appended: now.since_start,
            may_come_again: false,
            is_gap: true,
            by_name,
            head: Vec::new(),
            frames: Mutex::default(),
        }
    }

    /// Returns whether it is a gap of the whole tenant.
    pub(crate) fn is_gap_of_all(&self) -> bool {
        self.is_gap && self.topics.is_empty()
    }

    /// Returns whether it has more topics than fit into the bits. Then each session reads it from the log.
    pub(crate) fn reaches_many(&self) -> bool {
        self.topics.len() > MAX_FEW
    }

    /// Returns whether it reaches a topic that a reader wants. `topics` are all topics of the reader, sorted by name.
    pub(crate) fn reaches<'a>(
        &'a self,
        topics: impl ExactSizeIterator<Item = &'a TopicName>,
        wants: impl Fn(&TopicName) -> bool,
    ) -> bool {
        if self.reaches_many() {
            self.indices_of(topics, wants).next().is_some()
        } else {
            self.topics.iter().any(wants)
        }
    }

    /// Returns the indices of the topics that are among `topics`, and wanted. Both lists are sorted by name.
    fn indices_of<'a>(
        &'a self,
        topics: impl ExactSizeIterator<Item = &'a TopicName>,
        wants: impl Fn(&TopicName) -> bool,
    ) -> impl Iterator<Item = u16> {
        let merges = topics.len() >= MERGED_TOPICS;
        let mut rest = &self.by_name[..];
        topics.filter(move |topic| wants(topic)).filter_map(move |topic| {
            let is_before = |index: &u16| self.topics[usize::from(*index)] < *topic;
            let passed = if merges {
                rest.iter().position(|index| !is_before(index)).unwrap_or(rest.len())
            } else {
                rest.partition_point(is_before)
            };
            rest = &rest[passed..];
            rest.first().copied().filter(|index| self.topics[usize::from(*index)] == *topic)
        })
    }

    /// Returns the answer to its publisher.
    pub(crate) fn published(&self) -> Published {
        Published { position: self.position, key: self.key, topics: self.topics.clone() }
    }

    /// Returns the `event` frame for a session with these matched topics. It is encoded once and cached, unless there
    /// are many topics.
    pub fn frame(&self, matched: &Matched) -> EncodedFrame {
        if self.reaches_many() {
            return self.encode(matched);
        }
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, frame)) = frames.iter().find(|(set, _)| set == matched) {
            return frame.clone();
        }
        let frame = self.encode(matched);
        if frames.len() < MAX_KEPT_FRAMES {
            if frames.is_empty() {
                frames.reserve_exact(MAX_KEPT_FRAMES);
            }
            frames.push((matched.clone(), frame.clone()));
        }
        frame
    }

    fn encode(&self, matched: &Matched) -> EncodedFrame {
        let names = matched.topics(self).map(|topic| topic.as_str().len() + 3).sum();
        EncodedFrame::new(self.frame_bytes(names), |frame| {
            frame.extend_from_slice(&self.head);
            for (index, topic) in matched.topics(self).enumerate() {
                // The grammar of topics has no character that JSON escapes.
                let comma = if index == 0 { "" } else { "," };
                let _ = write!(frame, "{comma}\"{topic}\"");
            }
            let RawEvent { domain, event, payload } = &self.event;
            frame.extend_from_slice(br#"],"event":{"domain":"#);
            put_json(frame, domain);
            frame.extend_from_slice(br#","event":"#);
            put_json(frame, event);
            let _ = write!(frame, r#","payload":{payload}}}}}"#);
        })
    }

    /// Returns the bytes of a frame whose topics take `topics` bytes, at most.
    fn frame_bytes(&self, topics: usize) -> usize {
        let names = self.event.domain.len() + self.event.event.len() + 64;
        self.head.len() + topics + names + self.event.payload.get().len()
    }

    /// Returns the bytes that this entry costs a log, at most: the event, the cached frames, and an index entry for
    /// each topic. The log counts the topics' own index and names once.
    pub(crate) fn cost(&self) -> usize {
        let topics = TOPIC_OVERHEAD * self.topics.len();
        let frames = if self.reaches_many() || self.is_gap {
            0
        } else {
            let names = self.topics.iter().map(|topic| topic.as_str().len() + 3).sum();
            MAX_KEPT_FRAMES * self.frame_bytes(names)
        };
        ENTRY_OVERHEAD + self.event.payload.get().len() + frames + topics
    }
}

/// Returns the least that an entry costs a log: without the names, which the log counts once.
pub(crate) fn least_cost(payload: usize, topics: usize, is_event: bool) -> usize {
    let frames = if is_event && topics <= MAX_FEW { MAX_KEPT_FRAMES } else { 0 };
    ENTRY_OVERHEAD + payload * (1 + frames) + TOPIC_OVERHEAD * topics
}

/// Returns the indices of many topics, sorted by the topics' names.
fn by_name(topics: &[TopicName]) -> Box<[u16]> {
    if topics.len() <= MAX_FEW {
        return Box::default();
    }
    let mut indices: Vec<u16> = (0..topics.len() as u16).collect();
    indices.sort_unstable_by_key(|&index| &topics[usize::from(index)]);
    indices.into()
}

fn put_json(bytes: &mut Vec<u8>, text: &str) {
    // A string is always valid JSON, and writing to a vector cannot fail.
    let _ = serde_json::to_writer(bytes, text);
}
