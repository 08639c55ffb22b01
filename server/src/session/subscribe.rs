//! What becomes of the topics of a subscribe.

use tidings_shared::{
    Code, TopicName,
    frame::{Outcome, TopicOutcome},
    limits,
};

use super::{SessionSettings, too_many_topics};
use crate::{
    Authorize, Hub, Identity, metrics::SyncCause, problem::Problem, reader::Start, tenant::Follower,
};

/// Adds topics to a session: one outcome for each, those that are let in start together.
pub(crate) fn subscribe(
    hub: &Hub,
    access: &dyn Authorize,
    settings: SessionSettings,
    identity: &Identity,
    follower: &mut Follower,
    topics: &[String],
    since: Option<&str>,
) -> Result<Vec<TopicOutcome>, Problem> {
    if topics.len() > limits::MAX_TOPICS_PER_FRAME {
        return Err(too_many_topics());
    }
    let refused = |topic: String, code: Code| {
        hub.metrics().refused(code);
        TopicOutcome { topic, outcome: Outcome::Refused, code: Some(code.to_string()) }
    };
    let reader = follower.reader();
    // Each once, and how many of them the session does not have.
    let (mut accepted, mut new) = (Vec::new(), 0);
    let mut judge = |text: &String| {
        let topic = TopicName::parse(text).map_err(|_| refused(text.clone(), Code::InvalidTopic))?;
        if hub.domains().check_topic(&topic).is_err() {
            return Err(refused(text.clone(), Code::InvalidTopic));
        }
        if !access.may_subscribe(identity, &topic) {
            return Err(refused(text.clone(), Code::Forbidden));
        }
        let name = topic.to_string();
        if !accepted.contains(&topic) {
            if !reader.is_subscribed(&topic) {
                if reader.topic_count() + new >= settings.max_topics {
                    return Err(refused(name, Code::TooManyTopics));
                }
                new += 1;
            }
            accepted.push(topic);
        }
        Ok(TopicOutcome { topic: name, outcome: Outcome::Live, code: None })
    };
    let mut outcomes: Vec<_> =
        topics.iter().map(|topic| judge(topic).unwrap_or_else(|refused| refused)).collect();
    let (start, no_room) = follower.try_subscribe(accepted, since);
    let start = match start {
        Start::Live => Outcome::Live,
        Start::Resumed => Outcome::Resumed,
        Start::Sync => {
            hub.metrics().synced(SyncCause::Resume);
            Outcome::Sync
        }
    };
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.outcome != Outcome::Refused) {
        if no_room.iter().any(|topic| topic.as_str() == outcome.topic) {
            // It passes when somebody leaves.
            *outcome = refused(std::mem::take(&mut outcome.topic), Code::Overloaded);
        } else {
            outcome.outcome = start;
        }
    }
    Ok(outcomes)
}
