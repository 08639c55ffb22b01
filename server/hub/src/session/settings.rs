//! Settings of a session: its timeouts and its bounds.

use std::time::Duration;

use tidings_shared::{Code, limits};

use crate::problem::Problem;

/// Timeouts and bounds of a session.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SessionSettings {
    /// Time from the first byte of the upgrade request to the hello. Without a hello, the session then ends. After the
    /// last byte of the request, at least half of the time is left.
    pub hello_timeout: Duration,
    /// The server sends a ping when the client has sent nothing, or was told no position, for this time.
    pub heartbeat: Duration,
    /// After a ping, the client must send something within this time. Otherwise the session ends.
    pub ping_timeout: Duration,
    /// Bytes of one message from a client. A larger message ends the session.
    pub max_message_bytes: usize,
    /// Bytes of a message before the hello. A larger message ends the session.
    pub max_message_bytes_before_hello: usize,
    /// Topics of one session. The session refuses more topics, each on its own.
    pub max_topics: usize,
    /// Topics of one frame. The session refuses a frame with more. The welcome tells the client this bound. Only tests
    /// of clients change it.
    pub max_topics_per_frame: usize,
    /// Frames per second from a client, with bursts of twice as many. More frames end the session.
    pub frames_per_second: u32,
    /// Time from the token's expiry to the end of its session.
    pub expiry_grace: Duration,
    /// The time for the answer to a [question](crate::access::Question) about the client or its rights. After it, the
    /// session refuses the frame with `overloaded`, and a hello ends the session with it.
    pub answer_timeout: Duration,
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
            answer_timeout: limits::ANSWER_TIMEOUT,
        }
    }
}

crate::setters!(SessionSettings {
    hello_timeout: Duration,
    heartbeat: Duration,
    ping_timeout: Duration,
    max_message_bytes: usize,
    max_message_bytes_before_hello: usize,
    max_topics: usize,
    max_topics_per_frame: usize,
    frames_per_second: u32,
    expiry_grace: Duration,
    answer_timeout: Duration,
});

impl SessionSettings {
    /// Checks the number of topics in a frame.
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
