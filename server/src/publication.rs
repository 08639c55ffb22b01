//! A publication: an event with its place, its identity and its fan-out, as stored and delivered.

use std::{
    fmt,
    io::Write as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tidings_shared::{Position, RawEvent, TopicName, limits::MAX_TOPICS_PER_PUBLICATION};
use uuid::Uuid;

use crate::websocket::{Kind, MAX_HEADER_BYTES, header};

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
    /// Everything of the frame before the names of the topics.
    head: Vec<u8>,
    /// The frames that were asked for, by matched topics.
    frames: Mutex<Vec<(Matched, EncodedFrame)>>,
}

/// Which of a publication's topics a session subscribes to: one bit for each, in the order of its fan-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Matched(u128);

const _: () = assert!(MAX_TOPICS_PER_PUBLICATION <= u128::BITS as usize);

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
const ENTRY_OVERHEAD: usize = 512;

/// Bytes that a topic of an entry costs beside its name: its own index, its place among the topics.
const TOPIC_OVERHEAD: usize = 256;

impl Matched {
    /// The bits for which `is_subscribed` holds.
    pub(crate) fn of(publication: &Publication, is_subscribed: impl Fn(&TopicName) -> bool) -> Self {
        let bits = publication.topics.iter().enumerate().filter(|(_, topic)| is_subscribed(topic));
        Self(bits.fold(0, |set, (index, _)| set | 1 << index))
    }

    /// Adds the topic at this place of the fan-out.
    pub(crate) fn with(self, index: usize) -> Self {
        Self(self.0 | 1 << index)
    }

    /// Whether nothing matched.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The matched topics of that publication.
    pub fn topics(self, publication: &Publication) -> impl Iterator<Item = &TopicName> {
        publication
            .topics
            .iter()
            .enumerate()
            .filter(move |(index, _)| self.0 & (1 << index) != 0)
            .map(|(_, topic)| topic)
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
        let frames = Mutex::default();
        Self { position, key, at, origin, topics, event, appended, may_come_again, head, frames }
    }

    /// The answer to its publisher.
    pub(crate) fn published(&self) -> Published {
        Published { position: self.position, key: self.key, topics: self.topics.clone() }
    }

    /// The `event` frame for a session that matched these topics: encoded once, then shared.
    pub fn frame(&self, matched: Matched) -> EncodedFrame {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, frame)) = frames.iter().find(|(set, _)| *set == matched) {
            return frame.clone();
        }
        let frame = self.encode(matched);
        if frames.len() < MAX_KEPT_FRAMES {
            frames.push((matched, frame.clone()));
        }
        frame
    }

    fn encode(&self, matched: Matched) -> EncodedFrame {
        EncodedFrame::new(self.frame_bytes(), |frame| {
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

    /// The most bytes that a frame of this publication has.
    fn frame_bytes(&self) -> usize {
        let topics: usize = self.topics.iter().map(|topic| topic.as_str().len() + 3).sum();
        let names = self.event.domain.len() + self.event.event.len() + 64;
        self.head.len() + topics + names + self.event.payload.get().len()
    }

    /// What this entry costs a log at most, in bytes: the event, the frames that are kept, and what is known of each
    /// topic.
    pub(crate) fn cost(&self) -> usize {
        let topics: usize = self.topics.iter().map(|topic| topic.as_str().len() + TOPIC_OVERHEAD).sum();
        ENTRY_OVERHEAD + self.event.payload.get().len() + MAX_KEPT_FRAMES * self.frame_bytes() + topics
    }
}

fn put_json(bytes: &mut Vec<u8>, text: &str) {
    // A string is always JSON, and a vector takes everything.
    let _ = serde_json::to_writer(bytes, text);
}
