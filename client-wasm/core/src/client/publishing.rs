//! Publishes: which are accepted, and when they are sent.

use tidings_shared::{
    Code, TopicName,
    json::is_deeper_than,
    limits::{MAX_JSON_DEPTH, MAX_ORIGIN_BYTES},
};

use super::{Client, Now};
use crate::{Error, Payload, Publish, PublishId, limits::PUBLISH_OVERHEAD_BYTES};

/// Containers within containers in an event. The frame around it is one more.
const MAX_EVENT_DEPTH: usize = MAX_JSON_DEPTH - 1;
const TOO_DEEP: &str = "An event's containers are nested at most 31 deep.";
const _: () = assert!(MAX_EVENT_DEPTH == 31, "TOO_DEEP names the number");

impl<P: Payload> Client<P> {
    /// Checks the JSON text of an event, and the topics that are named with it. The server would close the connection, or
    /// refuse the frame, because of the faults that this finds.
    ///
    /// # Errors
    /// When the event is too large or nested too deep, or when a text is not a topic.
    pub fn check_event(&self, text: &str, topics: &[String]) -> Result<(), Error> {
        let room = self.max_message_bytes.saturating_sub(PUBLISH_OVERHEAD_BYTES);
        let bytes = topics.iter().fold(text.len(), |bytes, topic| bytes + topic.len() + 3);
        if bytes as u64 > room {
            let message = format!(
                "An event and its topics may have {room} bytes (--max-message-bytes). These have {bytes}. POST /v1/publish \
                 takes more."
            );
            return Err(Error::new(Code::TooLarge.as_str(), message));
        }
        for topic in topics {
            TopicName::parse(topic).map_err(|error| Error::of_topic(topic, &error))?;
        }
        if is_deeper_than(text, MAX_EVENT_DEPTH) {
            return Err(Error::invalid_event(TOO_DEEP));
        }
        Ok(())
    }

    /// Publishes an event that [`Self::check_event`] accepts. The client sends it again with each new connection until the
    /// server answers.
    ///
    /// # Errors
    /// When its origin is too long, when too many publishes wait for an answer, or when the client is closed.
    pub fn handle_publish(&mut self, publish: Publish<P>, now: Now) -> Result<PublishId, Error> {
        self.check_not_closed()?;
        if publish.origin.as_ref().is_some_and(|origin| origin.len() > MAX_ORIGIN_BYTES) {
            let message = format!("`origin` has at most {MAX_ORIGIN_BYTES} bytes.");
            return Err(Error::new(Code::TooLarge.as_str(), message));
        }
        let id = self.publishes.add(publish)?;
        self.ensure_connection(now);
        self.send_publishes(now);
        Ok(id)
    }

    /// Cancels a publish. If it was sent already, the server may publish it nevertheless.
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
