//! Subscribes, in one frame or in several.
//!
//! A subscribe with `more` pauses the session: the session reads nothing from the log until the frame without `more`
//! comes, or [`SUBSCRIBE_PAUSE`] is over. So the session's position does not move, and the topics of all these frames
//! start at the same position. The pause also ends when the session has as many topics as it may have.
//!
//! A larger frame would be simpler. But an old server refuses such a frame as a whole, and a message must have a bound.

use std::{collections::HashSet, time::Duration};

use tidings_shared::{
    Code, TopicName,
    frame::{Outcome, ServerFrame, TopicOutcome},
    limits::SUBSCRIBE_PAUSE,
};

use super::{Session, SessionSettings, State};
use crate::{Authorize, Hub, Identity, Moment, metrics::SyncCause, reader::Start, tenant_log::Follower};

impl Session {
    pub(super) fn subscribe(
        &mut self,
        r#ref: u64,
        topics: &[String],
        since: Option<&str>,
        more: bool,
        now: Moment,
    ) {
        self.end_late_pause(now.since_start);
        let State::Open { admitted, follower } = &mut self.state else { return };
        let answer = self.settings.check_frame(topics).map(|()| {
            let identity = &admitted.identity;
            let topics =
                subscribe(&self.hub, &*self.access, self.settings, identity, follower, topics, since);
            let position = follower.reader().position().to_string();
            let unknown_domains = self.hub.unknown_domains().among(self.hub.domains(), &topics);
            ServerFrame::Subscribed { r#ref, position, topics, unknown_domains }
        });
        if !more || follower.reader().topic_count() >= self.settings.max_topics {
            self.end_pause();
        } else if self.paused_until.is_none() {
            follower.pause();
            self.paused_until = Some(now.since_start + SUBSCRIBE_PAUSE);
        }
        match answer {
            Ok(subscribed) => self.send(&subscribed),
            Err(problem) => self.refuse(Some(r#ref), problem),
        }
    }

    /// Ends the pause if the last frame of a subscribe takes too long.
    pub(super) fn end_late_pause(&mut self, now: Duration) {
        if self.paused_until.is_some_and(|until| until <= now) {
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

/// Adds topics to a session. Returns one outcome for each. The accepted topics start at the same position.
pub(crate) fn subscribe(
    hub: &Hub,
    access: &dyn Authorize,
    settings: SessionSettings,
    identity: &Identity,
    follower: &mut Follower,
    topics: &[String],
    since: Option<&str>,
) -> Vec<TopicOutcome> {
    let refused = |topic: String, code: Code| {
        hub.metrics().refused(code);
        TopicOutcome { topic, outcome: Outcome::Refused, code: Some(code.to_string()) }
    };
    let reader = follower.reader();
    // The topics, each once, in the client's order, and how many of them are new to the session.
    let (mut accepted, mut known, mut new) = (Vec::new(), HashSet::new(), 0);
    let mut judge = |text: &String| {
        let topic = TopicName::parse(text).map_err(|_| refused(text.clone(), Code::InvalidTopic))?;
        if hub.domains().check_topic(&topic).is_err() {
            return Err(refused(text.clone(), Code::InvalidTopic));
        }
        if !access.may_subscribe(identity, &topic) {
            return Err(refused(text.clone(), Code::Forbidden));
        }
        let name = topic.to_string();
        if !known.contains(&topic) {
            if !reader.is_subscribed(&topic) {
                if reader.topic_count() + new >= settings.max_topics {
                    return Err(refused(name, Code::TooManyTopics));
                }
                new += 1;
            }
            known.insert(topic.clone());
            accepted.push(topic);
        }
        Ok(TopicOutcome { topic: name, outcome: Outcome::Live, code: None })
    };
    let mut outcomes: Vec<_> =
        topics.iter().map(|topic| judge(topic).unwrap_or_else(|refused| refused)).collect();
    let (start, no_room) = follower.try_subscribe(accepted, since);
    let no_room: HashSet<&str> = no_room.iter().map(TopicName::as_str).collect();
    let start = match start {
        Start::Live => Outcome::Live,
        Start::Resumed => Outcome::Resumed,
        Start::Sync => {
            hub.metrics().synced(SyncCause::Resume);
            Outcome::Sync
        }
    };
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.outcome != Outcome::Refused) {
        if no_room.contains(outcome.topic.as_str()) {
            // A retry can help: there is room when other followers leave.
            *outcome = refused(std::mem::take(&mut outcome.topic), Code::Overloaded);
        } else {
            outcome.outcome = start;
        }
    }
    outcomes
}
