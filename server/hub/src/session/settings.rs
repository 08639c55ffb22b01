//! The bounds of a session.

use std::time::Duration;

use tidings_shared::{Code, limits};

use crate::problem::Problem;

/// The bounds of a session.
#[derive(Debug, Clone, Copy)]
pub struct SessionSettings {
    /// From the connection to the hello. On a connection that had other requests: from the request. At the request, at
    /// least half of it is left.
    pub hello_timeout: Duration,
    /// The server sends a ping after so long without a message from the client, or without telling it a position.
    pub heartbeat: Duration,
    /// After a ping, the client must send something within this time.
    pub ping_timeout: Duration,
    /// Bytes of one message from a client.
    pub max_message_bytes: usize,
    /// Bytes of a message before the hello.
    pub max_message_bytes_before_hello: usize,
    /// Topics of one session.
    pub max_topics: usize,
    /// Topics of one frame. The client learns the number. Only tests of clients use another one than the protocol's.
    pub max_topics_per_frame: usize,
    /// Frames per second from a client, with bursts of twice as many.
    pub frames_per_second: u32,
    /// From the token's expiry to the end of its session.
    pub expiry_grace: Duration,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            hello_timeout: limits::HELLO_TIMEOUT,
            heartbeat: limits::HEARTBEAT,
            ping_timeout: limits::PING_TIMEOUT,
            max_message_bytes: limits::MAX_MESSAGE_BYTES,
            max_message_bytes_before_hello: limits::MAX_MESSAGE_BYTES_BEFORE_HELLO,
            max_topics: limits::MAX_TOPICS_PER_SESSION,
            max_topics_per_frame: limits::MAX_TOPICS_PER_FRAME,
            frames_per_second: limits::FRAMES_PER_SECOND,
            expiry_grace: limits::EXPIRY_GRACE,
        }
    }
}

impl SessionSettings {
    /// Checks whether a frame may name so many topics.
    pub(super) fn check_frame(&self, topics: &[String]) -> Result<(), Problem> {
        let (max, count) = (self.max_topics_per_frame, topics.len());
        if count <= max {
            return Ok(());
        }
        let message =
            format!("a frame names at most {max} topics, and this names {count}: send several frames");
        Err(Problem::new(Code::TooManyTopics, message))
    }
}
