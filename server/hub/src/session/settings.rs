//! What a session allows.

use std::time::Duration;

use tidings_shared::{Code, limits};

use crate::problem::Problem;

/// The bounds of a session.
#[derive(Debug, Clone, Copy)]
pub struct SessionSettings {
    /// From the connection to a hello; on one that was used before, from the request. Half of it is always left at the
    /// request.
    pub hello_timeout: Duration,
    /// After so long without a sign from the client, or without telling it a position, the server sends a ping.
    pub heartbeat: Duration,
    /// After a ping, the time in which anything at all must arrive.
    pub ping_timeout: Duration,
    /// Bytes of one frame from a client.
    pub max_message_bytes: usize,
    /// Bytes of a frame before the hello.
    pub max_message_bytes_before_hello: usize,
    /// Topics of one session.
    pub max_topics: usize,
    /// Topics of one frame, which clients are told. It is the protocol's number but in tests of clients.
    pub max_topics_per_frame: usize,
    /// Frames per second from a client, with bursts of twice as many.
    pub frames_per_second: u32,
    /// From a token's expiry to the end of its session.
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
    /// Whether a frame may name so many topics.
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
