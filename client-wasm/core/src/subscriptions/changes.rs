//! The frames that bring the session to the wanted topics, one at a time.

use super::{State, Subscriptions};
use crate::{
    Now, Payload,
    limits::{FRAME_OVERHEAD_BYTES, RETRY_FIRST_MS, RETRY_MAX_MS},
    output::Outputs,
};

/// A frame that changes the topics of the session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Unsubscribe { topics: Vec<String> },
    Subscribe { topics: Vec<String>, since: Option<String>, more: bool },
}

impl Subscriptions {
    /// Returns how many more topics the session may have, beyond those that it has or will have.
    pub(super) fn room(&self) -> usize {
        let is_taken = |topic: &&super::Topic| topic.state != State::NoRoom && !topic.holders.is_empty();
        self.max_topics.saturating_sub(self.topics.iter().filter(is_taken).count())
    }

    /// Makes the next change subscribe to topics that wait for room.
    pub(super) fn look_for_room(&mut self) {
        if self.topics.iter().any(|topic| topic.state == State::NoRoom) {
            (self.may_have_room, self.changed) = (true, true);
        }
    }

    /// Returns the next frame, which gets this `ref`. Topics for which there is no room wait for room.
    ///
    /// Topics that were in force before are resumed from `position`. If they need several frames, these are one resume: the
    /// session reads on when it has the last frame.
    pub(crate) fn next_change<P: Payload>(
        &mut self,
        r#ref: u64,
        position: Option<&String>,
        max_bytes: u64,
        out: &mut Outputs<P>,
    ) -> Option<Change> {
        let frame = || Frame {
            topics: Vec::new(),
            max_topics: self.max_topics_per_frame,
            bytes: FRAME_OVERHEAD_BYTES,
            max_bytes,
        };
        let (unsubscribe, subscribe) = (frame(), frame());
        self.next_unsubscribe(unsubscribe).or_else(|| self.next_subscribe(subscribe, r#ref, position, out))
    }

    /// Removes topics without holders. Returns the frame for those that the session has, if there are any.
    fn next_unsubscribe(&mut self, mut frame: Frame) -> Option<Change> {
        let mut has_more = false;
        self.topics.retain(|topic| {
            if !topic.holders.is_empty() {
                return true;
            }
            if matches!(topic.state, State::Wanted | State::NoRoom) {
                return false;
            }
            let fits = frame.add(topic.name.as_str());
            has_more |= !fits;
            !fits
        });
        if frame.topics.is_empty() {
            return None;
        }
        self.look_for_room();
        self.changed |= has_more;
        Some(Change::Unsubscribe { topics: frame.topics })
    }

    /// Returns the next frame of wanted topics, or the frame without topics that ends a resume.
    fn next_subscribe<P: Payload>(
        &mut self,
        mut frame: Frame,
        r#ref: u64,
        position: Option<&String>,
        out: &mut Outputs<P>,
    ) -> Option<Change> {
        self.share_room(out);
        self.last_ref = r#ref;
        let resumes = self.resume_from.is_some() || self.any_resumes();
        let mut has_more = false;
        for topic in self.topics.iter_mut().filter(|topic| topic.state == State::Wanted) {
            if !frame.add(topic.name.as_str()) {
                has_more = true;
                break;
            }
            topic.state = State::Asked(r#ref);
        }
        self.changed = has_more;
        let since = self.resume_from.take().or_else(|| position.filter(|_| resumes).cloned());
        let Frame { topics, .. } = frame;
        if topics.is_empty() {
            // The rest of a resume was unsubscribed: a frame without topics tells the session to read on.
            return since.map(|_| Change::Subscribe { topics, since: None, more: false });
        }
        let more = has_more && since.is_some();
        if more {
            self.resume_from.clone_from(&since);
        }
        Some(Change::Subscribe { topics, since, more })
    }

    /// Returns whether a wanted topic was in force before and may be resumed.
    fn any_resumes(&self) -> bool {
        let wanted = self.topics.iter().filter(|topic| topic.state == State::Wanted);
        wanted
            .flat_map(|topic| &topic.holders)
            .any(|holder| holder.live && !holder.has_missed && !holder.waits)
    }

    /// Gives the room of the session to wanted topics first, and then to topics that wait for room. Wanted topics without
    /// room wait.
    fn share_room<P: Payload>(&mut self, out: &mut Outputs<P>) {
        let has_room = std::mem::take(&mut self.may_have_room);
        let is_there = |topic: &&super::Topic| matches!(topic.state, State::Asked(_) | State::InForce);
        let mut room = self.max_topics.saturating_sub(self.topics.iter().filter(is_there).count());
        let wanted = self.topics.iter().enumerate().filter(|(_, topic)| topic.state == State::Wanted);
        let wanted: Vec<usize> = wanted.map(|(index, _)| index).collect();
        let beyond = &wanted[room.min(wanted.len())..];
        room = room.saturating_sub(wanted.len());
        let error = self.no_room();
        for &index in beyond {
            self.wait_for_room(index, &error, out);
        }
        if has_room {
            let waiting = self.topics.iter_mut().filter(|topic| topic.state == State::NoRoom);
            waiting.take(room).for_each(|topic| topic.state = State::Wanted);
        }
    }

    /// Returns when [`Self::handle_retry`] has something to do.
    pub(crate) fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// Tries the topics again for which the server had no room, if it is time.
    pub(crate) fn handle_retry(&mut self, now: Now) {
        if self.retry_ms.is_some_and(|due| due <= now.ms) {
            self.retry_ms = None;
            self.look_for_room();
        }
    }

    /// Plans a retry of topics for which the server had no room. The waits grow, and are random.
    pub(super) fn retry_later(&mut self, now: Now) {
        if self.retry_ms.is_none() {
            let most = RETRY_FIRST_MS.saturating_mul(1 << self.retries.min(16)).min(RETRY_MAX_MS);
            self.retries = self.retries.saturating_add(1);
            let wait = most / 2 + ((most / 2 * u64::from(now.random)) >> u32::BITS);
            self.retry_ms = Some(now.ms.saturating_add(wait));
        }
    }
}

/// A frame that is being filled.
struct Frame {
    topics: Vec<String>,
    max_topics: usize,
    bytes: u64,
    max_bytes: u64,
}

impl Frame {
    /// Adds a topic, unless the frame is full. Returns whether it did. The first topic always fits.
    fn add(&mut self, topic: &str) -> bool {
        // With its quotes and comma.
        let bytes = self.bytes + topic.len() as u64 + 3;
        let is_full = self.topics.len() >= self.max_topics || bytes > self.max_bytes;
        if is_full && !self.topics.is_empty() {
            return false;
        }
        self.bytes = bytes;
        self.topics.push(topic.to_owned());
        true
    }
}
