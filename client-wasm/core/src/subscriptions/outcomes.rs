//! What the server says of topics, and what their subscriptions hear of it.

use tidings_shared::{
    Code,
    frame::{Outcome, TopicOutcome},
};

use super::{Holder, State, Subscriptions, find, one_more, settle};
use crate::{
    Error, Now, Output,
    output::{Outputs, deliver},
};

impl Subscriptions {
    /// The outcomes of the subscribe with this `ref`.
    pub(crate) fn subscribed<P>(
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
                let Holder { live, behind, told, .. } = *holder;
                *holder = Holder { live: true, behind: false, told: false, ..*holder };
                subscription.refused -= usize::from(told);
                let misses = live && outcome != Outcome::Resumed;
                if behind || told || misses {
                    subscription.resumed = Some(false);
                    deliver(&mut lost, holder.id, &topic.name);
                } else if live {
                    subscription.resumed.get_or_insert(true);
                }
                if told {
                    self.retries = 0;
                    settle(&mut self.subscriptions, &mut self.views, holder.id, out);
                } else if !live {
                    one_more(&mut self.subscriptions, &mut self.views, holder.id, out);
                }
            }
        }
        self.pass_room_on();
        if !self.any_asked() {
            self.tell_resumed(out);
        }
        self.sync(lost, position, out);
    }

    fn is_its(&self, index: usize, r#ref: u64) -> bool {
        let state = self.topics[index].state;
        state == State::Asked(r#ref)
    }

    /// All is answered: who has missed nothing hears so.
    fn tell_resumed<P>(&mut self, out: &mut Outputs<P>) {
        for subscription in &mut self.subscriptions {
            if subscription.resumed.take() == Some(true) {
                out.push(Output::Resumed { subscription: subscription.id });
            }
        }
    }

    /// The subscribe with this `ref` was refused as a whole. If it was sent before this server said how many topics a frame
    /// has, they are asked for again in several.
    pub(crate) fn refused<P>(&mut self, r#ref: u64, error: &Error, out: &mut Outputs<P>) {
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

    /// Whether anything that was asked for, or is to be resumed, waits for its answer.
    pub(crate) fn any_asked(&self) -> bool {
        self.topics.iter().any(|topic| match topic.state {
            State::Asked(_) => true,
            State::Wanted => topic.holders.iter().any(|holder| holder.live),
            State::InForce | State::Refused => false,
        })
    }

    /// Whether the subscribe with this `ref` waits for its answer.
    pub(crate) fn is_asked(&self, r#ref: u64) -> bool {
        self.topics.iter().any(|topic| topic.state == State::Asked(r#ref))
    }

    /// The right to these topics is gone. A topic that was asked for again since then has its own answer to come.
    pub(crate) fn revoked<P>(&mut self, topics: &[String], error: &Error, out: &mut Outputs<P>) {
        for name in topics {
            if let Some(index) = self.find(name).filter(|&index| self.topics[index].state == State::InForce) {
                self.lose(index, error, out);
            }
        }
        self.pass_room_on();
    }

    /// What was lost for good has left room.
    fn pass_room_on(&mut self) {
        if self.has_room {
            self.look_for_room();
        }
    }

    /// A topic was refused: for good, or until there is room.
    fn refuse<P>(&mut self, index: usize, code: Option<String>, now: Now, out: &mut Outputs<P>) {
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
            "the session has all the {} topics that it may have (the server's --max-topics-per-session). It is subscribed \
             to when another is unsubscribed from.",
            self.max_topics
        );
        Error::new(Code::TooManyTopics.as_str(), message)
    }

    /// A topic waits for room; its holders hear of it once.
    pub(super) fn wait_for_room<P>(&mut self, index: usize, error: &Error, out: &mut Outputs<P>) {
        let topic = &mut self.topics[index];
        topic.state = State::Refused;
        for holder in topic.holders.iter_mut().filter(|holder| !holder.told) {
            let Some(subscription) = find(&mut self.subscriptions, holder.id) else { continue };
            holder.told = true;
            subscription.refused += 1;
            let (name, error) = (Some(topic.name.clone()), error.about(&topic.name));
            out.push(Output::Failed { subscription: holder.id, topic: name, error, waits: true });
            if !holder.live {
                one_more(&mut self.subscriptions, &mut self.views, holder.id, out);
            }
        }
    }

    /// Takes a topic from its holders; later subscriptions to it ask anew.
    fn lose<P>(&mut self, index: usize, error: &Error, out: &mut Outputs<P>) {
        let topic = &mut self.topics[index];
        // It goes with the next change, without a frame.
        (topic.state, self.has_room) = (State::Wanted, true);
        let name = topic.name.clone();
        for Holder { id, live, told, .. } in std::mem::take(&mut topic.holders) {
            let (topic, error) = (Some(name.clone()), error.about(&name));
            out.push(Output::Failed { subscription: id, topic, error, waits: false });
            let Some(subscription) = find(&mut self.subscriptions, id) else { continue };
            subscription.held -= 1;
            subscription.failed = true;
            subscription.refused -= usize::from(told);
            if subscription.held == 0 {
                self.forget(id);
            } else if !live && !told {
                one_more(&mut self.subscriptions, &mut self.views, id, out);
            }
        }
    }
}
