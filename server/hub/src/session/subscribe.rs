//! Subscribes, in one frame or in several.
//!
//! A subscribe with `more` pauses the session: the session reads nothing from the log until the frame without `more`
//! comes, or [`SUBSCRIBE_PAUSE`] is over. So the session's position does not move, and the topics of all these frames
//! start at the same position. The pause also ends when the session has as many topics as it may have.
//!
//! A larger frame would be simpler. But an old server refuses such a frame as a whole, and a message must have a bound.

use std::{task::Waker, time::Duration};

use tidings_shared::{Code, frame::ServerFrame, limits::SUBSCRIBE_PAUSE};

use super::{
    Session, State,
    named_topics::NamedTopics,
    pending::{Pending, Subscribe},
};
use crate::Moment;

impl Session {
    /// Asks for the rights of a subscribe.
    pub(super) fn subscribe(
        &mut self,
        r#ref: u64,
        topics: &[String],
        since: Option<String>,
        more: bool,
        now: Moment,
    ) {
        if let Err(problem) = self.settings.check_frame(topics) {
            self.end_late_pause(now.since_start);
            self.set_pause(more, now);
            return self.refuse(Some(r#ref), problem);
        }
        let topics = NamedTopics::parse(&self.hub, topics);
        self.ask(Pending::Subscribe(Subscribe { r#ref, topics, since, more }), now);
    }

    /// Adds the topics that the client has the right to. If the client's position is ahead of this node, the session waits
    /// until the node has read what the journal has. It does so until it has waited in vain once: a client must not make the
    /// node read its journal without end.
    pub(super) fn resume(&mut self, subscribe: Subscribe, allowed: Result<Vec<bool>, Code>, now: Moment) {
        let State::Open { admitted, .. } = &self.state else { return };
        if let (Some(since), Ok(_), false) = (&subscribe.since, &allowed, self.has_waited_in_vain) {
            let mut wait = self.hub.tenant(&admitted.identity.tenant).catch_up(Some(since));
            if wait.poll_ready(Waker::noop()).is_pending() {
                return self.wait_for_journal(wait, Pending::Resume { subscribe, allowed }, now);
            }
        }
        self.subscribe_allowed(subscribe, allowed, now);
    }

    /// Adds the topics that the client has the right to.
    pub(super) fn subscribe_allowed(
        &mut self,
        subscribe: Subscribe,
        allowed: Result<Vec<bool>, Code>,
        now: Moment,
    ) {
        self.end_late_pause(now.since_start);
        let Subscribe { r#ref, topics, since, more } = subscribe;
        let State::Open { follower, .. } = &mut self.state else { return };
        let topics = topics.subscribe(&self.hub, self.settings, follower, allowed, since.as_deref());
        let position = follower.reader().position().to_string();
        let unknown_domains = self.hub.unknown_domains().among(self.hub.domains(), &topics);
        self.set_pause(more, now);
        self.send(&ServerFrame::Subscribed { r#ref, position, topics, unknown_domains });
    }

    /// Begins or ends a pause after a frame of a subscribe.
    fn set_pause(&mut self, more: bool, now: Moment) {
        let State::Open { follower, .. } = &mut self.state else { return };
        if !more || follower.reader().topic_count() >= self.settings.max_topics {
            self.end_pause();
        } else if self.paused_until.is_none() {
            follower.pause();
            self.paused_until = Some(now.since_start + SUBSCRIBE_PAUSE);
        }
    }

    /// Ends the pause if the last frame of a subscribe takes too long.
    pub(super) fn end_late_pause(&mut self, now: Duration) {
        // The time of an open question does not count.
        if self.asking.is_none() && self.paused_until.is_some_and(|until| until <= now) {
            self.end_pause();
        }
    }

    fn end_pause(&mut self) {
        self.paused_until = None;
        if let State::Open { follower, .. } = &mut self.state {
            follower.go_on();
        }
    }
}
