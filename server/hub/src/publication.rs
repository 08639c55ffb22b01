//! A publication: an event with its place, its identity and its fan-out, as stored and delivered.

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

/// What a publisher hands to the log.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The identity: the same key again is the same publication.
    pub key: Uuid,
    /// Whether the publisher knows the key, and so may try again with it.
    pub may_come_again: bool,
    /// An opaque mark of who caused this.
    pub origin: Option<String>,
    /// The fan-out, each topic once, at most [`MAX_TOPICS_PER_PUBLICATION`].
    pub topics: Vec<TopicName>,
    /// The event.
    pub event: RawEvent,
}

/// The answer to a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its place in the log.
    pub position: Position,
    /// Its identity.
    pub key: Uuid,
    /// The whole fan-out.
    pub topics: Vec<TopicName>,
}

/// A publication in the log. The same position means the same bytes, for every session.
#[derive(Debug)]
pub struct Publication {
    /// Its place in the log.
    pub position: Position,
    /// Its identity.
    pub key: Uuid,
    /// When it was published, in milliseconds since 1970.
    pub at: u64,
    /// The mark that its publisher gave it.
    pub origin: Option<String>,
    /// The whole fan-out.
    pub topics: Vec<TopicName>,
    /// The event.
    pub event: RawEvent,
    pub(crate) appended: Duration,
    pub(crate) may_come_again: bool,
    /// It stands for something that was not published: its readers load again.
    pub(crate) is_sync: bool,
    /// The places of the topics in the order of their names, where they are many.
    by_name: Box<[u16]>,
    /// Everything of the frame before the names of the topics.
    head: Vec<u8>,
    /// The frames that were asked for, by matched topics.
    frames: Mutex<Vec<(Matched, EncodedFrame)>>,
}

/// Which of a publication's topics a session subscribes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched(Set);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Set {
    Few(Few),
    /// Places in the fan-out, in its order.
    Many(Arc<[u16]>),
}

/// Which of few topics: one bit for each, in the order of the fan-out. What a fan-out does for each delivery, it does with
/// these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Few(u128);

/// Topics of a publication that are few enough for a bit each. One that reaches more is read from the log by each session
/// that it concerns.
const MAX_FEW: usize = u128::BITS as usize;

const _: () = assert!(MAX_TOPICS_PER_PUBLICATION <= u16::MAX as usize);

/// A frame as it is sent. Cloning is cheap and gives the same bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    message: Bytes,
    /// Where the text begins.
    start: usize,
}

impl EncodedFrame {
    /// Encodes what `write` appends.
    pub(crate) fn new(capacity: usize, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = Vec::with_capacity(MAX_HEADER_BYTES + capacity);
        bytes.extend_from_slice(&[0; MAX_HEADER_BYTES]);
        write(&mut bytes);
        let (header, unused) = header(Kind::Text, bytes.len() - MAX_HEADER_BYTES);
        bytes[..MAX_HEADER_BYTES].copy_from_slice(&header);
        let message = Bytes::from(bytes).slice(unused..);
        Self { message, start: MAX_HEADER_BYTES - unused }
    }

    /// The JSON text.
    pub fn text(&self) -> &[u8] {
        &self.message[self.start..]
    }

    /// The whole WebSocket message: a header and the text.
    pub fn message(&self) -> &[u8] {
        &self.message
    }
}

impl fmt::Debug for EncodedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.text()))
    }
}

/// Frames that a publication keeps encoded; other sets of matched topics are encoded for each session. Two, because a
/// list and a record are what most publications reach.
const MAX_KEPT_FRAMES: usize = 2;

/// What the head of a frame has mostly: one without an origin.
const HEAD_BYTES: usize = 160;

/// Bytes that an entry of the log costs beside its texts: the structure, its places in the ring and among the keys.
const ENTRY_OVERHEAD: usize = 768;

/// Bytes for each topic of an entry: the reference to its name, and a place in the log's index. The log counts the name.
const TOPIC_OVERHEAD: usize = 32;

/// From so many topics of a reader on, going through both lists is less than looking for each.
const MERGED_TOPICS: usize = 64;

impl Few {
    /// Adds the topic at this place of the fan-out.
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
    /// Those that a reader wants, which has `topics`, in the order of their names.
    pub(crate) fn of<'a>(
        publication: &'a Publication,
        topics: impl ExactSizeIterator<Item = &'a TopicName>,
        wants: impl Fn(&TopicName) -> bool,
    ) -> Self {
        if publication.reaches_many() {
            let mut places: Vec<u16> = publication.places_of(topics, wants).collect();
            places.sort_unstable();
            return Self(Set::Many(places.into()));
        }
        let places = publication.topics.iter().enumerate().filter(|(_, topic)| wants(topic));
        places.fold(Few::default(), |set, (place, _)| set.with(place)).into()
    }

    /// Whether nothing matched.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Set::Few(Few(bits)) => *bits == 0,
            Set::Many(places) => places.is_empty(),
        }
    }

    /// The matched topics of that publication.
    pub fn topics<'a>(&'a self, publication: &'a Publication) -> impl Iterator<Item = &'a TopicName> {
        let (bits, few, places) = match &self.0 {
            Set::Few(Few(bits)) => (*bits, &publication.topics[..], &[][..]),
            Set::Many(places) => (0, &[][..], &places[..]),
        };
        let few = few.iter().enumerate();
        let few = few.filter(move |(place, _)| bits & (1 << place) != 0).map(|(_, topic)| topic);
        few.chain(places.iter().filter_map(|&place| publication.topics.get(usize::from(place))))
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
        let (frames, is_sync) = (Mutex::default(), false);
        Self {
            position,
            key,
            at,
            origin,
            topics,
            event,
            appended,
            may_come_again,
            is_sync,
            by_name,
            head,
            frames,
        }
    }

    /// A place in the log whose readers load again.
    pub(crate) fn sync(key: Uuid, topics: Vec<TopicName>, position: Position, now: Moment) -> Self {
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
            is_sync: true,
            by_name,
            head: Vec::new(),
            frames: Mutex::default(),
        }
    }

    /// Whether each session reads it from the log: no bits tell which of its topics that has.
    pub(crate) fn reaches_many(&self) -> bool {
        self.topics.len() > MAX_FEW
    }

    /// Whether it reaches a topic that a reader wants, which has `topics`, in the order of their names.
    pub(crate) fn reaches<'a>(
        &'a self,
        topics: impl ExactSizeIterator<Item = &'a TopicName>,
        wants: impl Fn(&TopicName) -> bool,
    ) -> bool {
        if self.reaches_many() {
            self.places_of(topics, wants).next().is_some()
        } else {
            self.topics.iter().any(wants)
        }
    }

    /// Of many topics, the places of those that are among `topics`, which come in the order of their names, and wanted.
    fn places_of<'a>(
        &'a self,
        topics: impl ExactSizeIterator<Item = &'a TopicName>,
        wants: impl Fn(&TopicName) -> bool,
    ) -> impl Iterator<Item = u16> {
        let merges = topics.len() >= MERGED_TOPICS;
        let mut rest = &self.by_name[..];
        topics.filter(move |topic| wants(topic)).filter_map(move |topic| {
            let is_before = |place: &u16| self.topics[usize::from(*place)] < *topic;
            let passed = if merges {
                rest.iter().position(|place| !is_before(place)).unwrap_or(rest.len())
            } else {
                rest.partition_point(is_before)
            };
            rest = &rest[passed..];
            rest.first().copied().filter(|place| self.topics[usize::from(*place)] == *topic)
        })
    }

    /// The answer to its publisher.
    pub(crate) fn published(&self) -> Published {
        Published { position: self.position, key: self.key, topics: self.topics.clone() }
    }

    /// The `event` frame for a session that matched these topics: encoded once, then shared, unless they may be many.
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
                // A topic's grammar has nothing that JSON would escape.
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

    /// The bytes of a frame of this publication with topics of so many bytes, at most.
    fn frame_bytes(&self, topics: usize) -> usize {
        let names = self.event.domain.len() + self.event.event.len() + 64;
        self.head.len() + topics + names + self.event.payload.get().len()
    }

    /// What this entry costs a log at most, in bytes: the event, the frames that are kept, and a place for each topic. What
    /// the log knows of a topic, its name among it, is not an entry's alone.
    pub(crate) fn cost(&self) -> usize {
        let topics = TOPIC_OVERHEAD * self.topics.len();
        let frames = if self.reaches_many() || self.is_sync {
            0
        } else {
            let names = self.topics.iter().map(|topic| topic.as_str().len() + 3).sum();
            MAX_KEPT_FRAMES * self.frame_bytes(names)
        };
        ENTRY_OVERHEAD + self.event.payload.get().len() + frames + topics
    }
}

/// The places of topics in the order of their names, where they are many.
fn by_name(topics: &[TopicName]) -> Box<[u16]> {
    if topics.len() <= MAX_FEW {
        return Box::default();
    }
    let mut places: Vec<u16> = (0..topics.len() as u16).collect();
    places.sort_unstable_by_key(|&place| &topics[usize::from(place)]);
    places.into()
}

fn put_json(bytes: &mut Vec<u8>, text: &str) {
    // A string is always JSON, and a vector takes everything.
    let _ = serde_json::to_writer(bytes, text);
}
