//! Publishes: what is accepted, and when it is sent.

use tidings_shared::{
    Code, TopicName,
    limits::{MAX_JSON_DEPTH, MAX_ORIGIN_BYTES},
};

use super::{Client, Now};
use crate::{
    Error, Publish, PublishId,
    limits::{PUBLISH_OVERHEAD_BYTES, TOO_DEEP},
    publishes::depth,
};

impl<P: Clone> Client<P> {
    /// Checks the JSON text of an event, and the topics that are named with it, for what would cost the connection.
    ///
    /// # Errors
    /// The bound that it breaks.
    pub fn check_event(&self, text: &str, topics: &[String]) -> Result<(), Error> {
        let room = self.max_message_bytes.saturating_sub(PUBLISH_OVERHEAD_BYTES);
        let bytes = topics.iter().fold(text.len(), |bytes, topic| bytes + topic.len() + 3);
        if bytes as u64 > room {
            let message = format!(
                "An event and its topics have at most {room} bytes (--max-message-bytes), these {bytes}: POST /v1/publish \
                 takes more."
            );
            return Err(Error::new(Code::TooLarge.as_str(), message));
        }
        for topic in topics {
            TopicName::parse(topic).map_err(|error| Error::of_topic(topic, &error))?;
        }
        // The frame is one container more.
        if depth(text) >= MAX_JSON_DEPTH {
            return Err(Error::invalid_event(TOO_DEEP));
        }
        Ok(())
    }

    /// The user publishes an event, which [`Self::check_event`] accepts. It is sent with every connection until it is
    /// answered.
    ///
    /// # Errors
    /// When its origin is too long, when too many wait for an answer, or when the client is closed.
    pub fn handle_publish(&mut self, publish: Publish<P>, now: Now) -> Result<PublishId, Error> {
        self.check_not_closed()?;
        if publish.origin.as_ref().is_some_and(|origin| origin.len() > MAX_ORIGIN_BYTES) {
            let message = format!("`origin` has at most {MAX_ORIGIN_BYTES} bytes.");
            return Err(Error::new(Code::TooLarge.as_str(), message));
        }
        let id = self.publishes.add(publish)?;
        self.wanted(now);
        self.send_publishes(now);
        Ok(id)
    }

    /// The user no longer waits for a publish. If it was sent, it may be published all the same.
    pub fn handle_cancel(&mut self, id: PublishId) {
        self.publishes.remove(id);
    }

    pub(super) fn send_publishes(&mut self, now: Now) {
        while self.connection.sendable().is_some() && self.pace.ready_ms() <= now.ms {
            let r#ref = self.next_ref();
            let Some(frame) = self.publishes.send_next(r#ref) else { break };
            self.send(frame, now);
        }
    }
}
