//! The frames that make the session have what is wanted, one at a time.

use super::{State, Subscriptions};
use crate::{
    Now,
    limits::{FRAME_OVERHEAD_BYTES, RETRY_FIRST_MS, RETRY_MAX_MS},
    output::Outputs,
};

/// A frame that brings the session nearer to what is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Unsubscribe { topics: Vec<String> },
    Subscribe { topics: Vec<String>, since: Option<String>, more: bool },
}

impl Subscriptions {
    /// Topics beyond those that the session has or is to have.
    pub(super) fn room(&self) -> usize {
        let is_taken = |topic: &&super::Topic| topic.state != State::Refused && !topic.holders.is_empty();
        self.max_topics.saturating_sub(self.topics.iter().filter(is_taken).count())
    }

    /// Topics that were refused are looked at with the next change.
    pub(super) fn look_for_room(&mut self) {
        if self.topics.iter().any(|topic| topic.state == State::Refused) {
            (self.has_room, self.changed) = (true, true);
        }
    }

    /// The next frame; what it subscribes to is from now on asked for with this `ref`. Topics for which there is no room
    /// wait.
    ///
    /// What somebody has something to miss on is resumed from `position`. If that takes several frames, these are one
    /// resume: the session reads on when it has the last one.
    pub(crate) fn next_change<P>(
        &mut self,
        r#ref: u64,
        position: Option<&String>,
        max_bytes: u64,
        out: &mut Outputs<P>,
    ) -> Option<Change> {
        let mut frame = Frame { topics: Vec::new(), bytes: FRAME_OVERHEAD_BYTES, max_bytes };
        let max_frame = self.max_frame;
        let mut has_more = false;
        self.topics.retain(|topic| {
            if !topic.holders.is_empty() {
                return true;
            }
            if matches!(topic.state, State::Wanted | State::Refused) {
                return false;
            }
            let is_full = frame.is_full(max_frame, topic.name.as_str());
            has_more |= is_full;
            if !is_full {
                frame.add(topic.name.as_str());
            }
            is_full
        });
        if !frame.topics.is_empty() {
            self.look_for_room();
            self.changed |= has_more;
            return Some(Change::Unsubscribe { topics: frame.topics });
        }
        self.share_room(out);
        self.last_ref = r#ref;
        let resumes = self.resume.is_some() || self.anybody_resumes();
        for topic in self.topics.iter_mut().filter(|topic| topic.state == State::Wanted) {
            if frame.is_full(max_frame, topic.name.as_str()) {
                has_more = true;
                break;
            }
            topic.state = State::Asked(r#ref);
            frame.add(topic.name.as_str());
        }
        self.changed = has_more;
        let since = self.resume.take().or_else(|| position.filter(|_| resumes).cloned());
        let more = has_more && since.is_some();
        let is_last = resumes && frame.topics.is_empty() && since.is_some();
        if more {
            self.resume.clone_from(&since);
        }
        if frame.topics.is_empty() && !is_last {
            return None;
        }
        Some(Change::Subscribe { topics: frame.topics, since: since.filter(|_| !is_last), more })
    }

    /// Whether somebody has something to miss on a topic that is to be asked for.
    fn anybody_resumes(&self) -> bool {
        let wanted = self.topics.iter().filter(|topic| topic.state == State::Wanted);
        wanted.flat_map(|topic| &topic.holders).any(|holder| holder.live && !holder.behind && !holder.told)
    }

    /// Gives what room there is to those that wait for it, and lets those wait for which there is none.
    fn share_room<P>(&mut self, out: &mut Outputs<P>) {
        let has_room = std::mem::take(&mut self.has_room);
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
            let waiting = self.topics.iter_mut().filter(|topic| topic.state == State::Refused);
            waiting.take(room).for_each(|topic| topic.state = State::Wanted);
        }
    }

    /// When [`Self::handle_retry`] has something to do.
    pub(crate) fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// Topics that the server refused are asked for again, if it is time for that.
    pub(crate) fn handle_retry(&mut self, now: Now) {
        if self.retry_ms.is_some_and(|due| due <= now.ms) {
            self.retry_ms = None;
            self.look_for_room();
        }
    }

    /// Sees to it that what the server has refused is asked for again. The waits grow, and differ from client to client.
    pub(super) fn retry_later(&mut self, now: Now) {
        if self.retry_ms.is_none() {
            let most = RETRY_FIRST_MS.saturating_mul(1 << self.retries.min(16)).min(RETRY_MAX_MS);
            self.retries = self.retries.saturating_add(1);
            let wait = most / 2 + ((most / 2 * u64::from(now.random)) >> u32::BITS);
            self.retry_ms = Some(now.ms.saturating_add(wait));
        }
    }
}

/// A frame that is filled.
struct Frame {
    topics: Vec<String>,
    bytes: u64,
    max_bytes: u64,
}

impl Frame {
    /// Whether a topic has no place in it. The first has in any case.
    fn is_full(&self, max_topics: usize, topic: &str) -> bool {
        let is_too_long = self.bytes + bytes_of(topic) > self.max_bytes;
        self.topics.len() >= max_topics || is_too_long && !self.topics.is_empty()
    }

    fn add(&mut self, topic: &str) {
        self.bytes += bytes_of(topic);
        self.topics.push(topic.to_owned());
    }
}

/// With its quotes and its comma.
fn bytes_of(topic: &str) -> u64 {
    topic.len() as u64 + 3
}
