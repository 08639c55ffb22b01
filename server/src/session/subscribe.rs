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
    let mut accepted: Vec<TopicName> = Vec::new();
    let mut outcomes: Vec<TopicOutcome> = Vec::with_capacity(topics.len());
    for text in topics {
        let judged = match TopicName::parse(text) {
            Err(_) => Err(Code::InvalidTopic),
            Ok(topic) if hub.domains().check_topic(&topic).is_err() => Err(Code::InvalidTopic),
            Ok(topic) if !access.may_subscribe(identity, &topic) => Err(Code::Forbidden),
            Ok(topic) => Ok(topic),
        };
        let refused = |topic: String, code: Code| {
            hub.metrics().refused(code);
            TopicOutcome { topic, outcome: Outcome::Refused, code: Some(code.to_string()) }
        };
        outcomes.push(match judged {
            Err(code) => refused(text.clone(), code),
            Ok(topic) => {
                let is_new = !follower.reader().is_subscribed(&topic) && !accepted.contains(&topic);
                let new = accepted.iter().filter(|topic| !follower.reader().is_subscribed(topic)).count();
                let is_too_many = || follower.reader().topic_count() + new >= settings.max_topics;
                if is_new && (is_too_many() || !follower.tenant().has_room_for(&topic)) {
                    refused(topic.to_string(), Code::TooManyTopics)
                } else {
                    let outcome =
                        TopicOutcome { topic: topic.to_string(), outcome: Outcome::Live, code: None };
                    accepted.push(topic);
                    outcome
                }
            }
        });
    }
    let start = match follower.subscribe(&accepted, since) {
        Start::Live => Outcome::Live,
        Start::Resumed => Outcome::Resumed,
        Start::Sync => {
            hub.metrics().synced(SyncCause::Resume);
            Outcome::Sync
        }
    };
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.outcome != Outcome::Refused) {
        outcome.outcome = start;
    }
    Ok(outcomes)
}
