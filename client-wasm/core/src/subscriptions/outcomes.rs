//! The server's answers about topics, and the outputs for their subscriptions.

use tidings_shared::{
    Code,
    frame::{Outcome, TopicOutcome},
};

use super::{Holder, State, Subscriptions, find, settle, settle_topic};
use crate::{
    Error, Now, Output, Payload,
    output::{Outputs, deliver},
};

impl Subscriptions {
    /// Handles the outcomes of the subscribe with this `ref`.
    pub(crate) fn subscribed<P: Payload>(
        &mut self,
        r#ref: u64,
        position: &str,
        outcomes: Vec<TopicOutcome>,
        now: Now,
        out: &mut Outputs<P>,
    ) {
        let mut lost = Vec::new();
        for TopicOutcome { topic, outcome, code } in outcomes {
            let Some(index) = self.find(&topic).filter(|&index| self.is_its(index, r#ref)) else { continue };
            if outcome == Outcome::Refused {
                self.refuse(index, code, now, out);
                continue;
            }
            let topic = &mut self.topics[index];
            topic.state = State::InForce;
            for holder in &mut topic.holders {
                let Some(subscription) = find(&mut self.subscriptions, holder.id) else { continue };
                let Holder { live, has_missed, waits, .. } = *holder;
                *holder = Holder { live: true, has_missed: false, waits: false, ..*holder };
                subscription.waiting -= usize::from(waits);
                let misses = live && outcome != Outcome::Resumed;
                if has_missed || waits || misses {
                    subscription.resumed = Some(false);
                    deliver(&mut lost, holder.id, &topic.name);
                } else if live {
                    subscription.resumed.get_or_insert(true);
                }
                if waits {
                    self.retries = 0;
                    settle(&mut self.subscriptions, &mut self.views, holder.id, out);
                } else if !live {
                    settle_topic(&mut self.subscriptions, &mut self.views, holder.id, out);
                }
            }
        }
        self.pass_room_on();
        if !self.any_asked() {
            self.report_resumed(out);
        }
        self.sync(lost, position, out);
    }

    fn is_its(&self, index: usize, r#ref: u64) -> bool {
        self.topics[index].state == State::Asked(r#ref)
    }

    /// After the last answer: reports the subscriptions that have missed nothing.
    fn report_resumed<P: Payload>(&mut self, out: &mut Outputs<P>) {
        for subscription in &mut self.subscriptions {
            if subscription.resumed.take() == Some(true) {
                out.push(Output::Resumed { subscription: subscription.id });
            }
        }
    }

    /// Handles the refusal of the whole subscribe with this `ref`. If the frame was filled by another server's limit, the
    /// client subscribes again in smaller frames.
    pub(crate) fn refused<P: Payload>(&mut self, r#ref: u64, error: &Error, out: &mut Outputs<P>) {
        let is_its =
            |(index, topic): (usize, &super::Topic)| (topic.state == State::Asked(r#ref)).then_some(index);
        let its: Vec<usize> = self.topics.iter().enumerate().filter_map(is_its).collect();
        let is_too_long = error.code == Code::TooManyTopics.as_str() && r#ref <= self.last_long_ref;
        for index in its {
            if is_too_long {
                (self.topics[index].state, self.changed) = (State::Wanted, true);
            } else {
                self.lose(index, error, out);
            }
        }
        self.pass_room_on();
    }

    /// Returns whether a subscribe waits for its answer, or a topic still has to be resumed.
    pub(crate) fn any_asked(&self) -> bool {
        self.topics.iter().any(|topic| match topic.state {
            State::Asked(_) => true,
            State::Wanted => topic.holders.iter().any(|holder| holder.live),
            State::InForce | State::NoRoom => false,
        })
    }

    /// Returns whether the subscribe with this `ref` waits for its answer.
    pub(crate) fn is_asked(&self, r#ref: u64) -> bool {
        self.topics.iter().any(|topic| topic.state == State::Asked(r#ref))
    }

    /// Handles the loss of the right to these topics. If the client has subscribed to one again, the answer to that counts.
    pub(crate) fn revoked<P: Payload>(&mut self, topics: &[String], error: &Error, out: &mut Outputs<P>) {
        for name in topics {
            if let Some(index) = self.find(name).filter(|&index| self.topics[index].state == State::InForce) {
                self.lose(index, error, out);
            }
        }
        self.pass_room_on();
    }

    /// Lets waiting topics use the room of topics that were lost for good.
    fn pass_room_on(&mut self) {
        if self.may_have_room {
            self.look_for_room();
        }
    }

    /// Handles the refusal of a topic: for good, or until there is room.
    fn refuse<P: Payload>(&mut self, index: usize, code: Option<String>, now: Now, out: &mut Outputs<P>) {
        let is_too_many = code.as_deref() == Some(Code::TooManyTopics.as_str());
        let error = if is_too_many { self.no_room() } else { Error::of_code(code) };
        if is_too_many || error.may_retry() {
            self.wait_for_room(index, &error, out);
            self.retry_later(now);
        } else {
            self.lose(index, &error, out);
        }
    }

    pub(super) fn no_room(&self) -> Error {
        let message = format!(
            "the session has all {} topics that it may have (the server's --max-topics-per-session). The client subscribes \
             to it when you unsubscribe from another.",
            self.max_topics
        );
        Error::new(Code::TooManyTopics.as_str(), message)
    }

    /// Lets a topic wait for room, and reports it to its holders once.
    pub(super) fn wait_for_room<P: Payload>(&mut self, index: usize, error: &Error, out: &mut Outputs<P>) {
        let topic = &mut self.topics[index];
        topic.state = State::NoRoom;
        for holder in topic.holders.iter_mut().filter(|holder| !holder.waits) {
            let Some(subscription) = find(&mut self.subscriptions, holder.id) else { continue };
            holder.waits = true;
            subscription.waiting += 1;
            let (name, error) = (Some(topic.name.clone()), error.about(&topic.name));
            out.push(Output::Failed { subscription: holder.id, topic: name, error, waits: true });
            if !holder.live {
                settle_topic(&mut self.subscriptions, &mut self.views, holder.id, out);
            }
        }
    }

    /// Takes a topic from its holders for good. A later subscription may try it again.
    fn lose<P: Payload>(&mut self, index: usize, error: &Error, out: &mut Outputs<P>) {
        let topic = &mut self.topics[index];
        // The next change removes it, without a frame.
        (topic.state, self.may_have_room) = (State::Wanted, true);
        let name = topic.name.clone();
        for Holder { id, live, waits, .. } in std::mem::take(&mut topic.holders) {
            let (topic, error) = (Some(name.clone()), error.about(&name));
            out.push(Output::Failed { subscription: id, topic, error, waits: false });
            let Some(subscription) = find(&mut self.subscriptions, id) else { continue };
            subscription.kept -= 1;
            subscription.failed = true;
            subscription.waiting -= usize::from(waits);
            if subscription.kept == 0 {
                self.forget(id);
            } else if !live && !waits {
                settle_topic(&mut self.subscriptions, &mut self.views, id, out);
            }
        }
    }
}
