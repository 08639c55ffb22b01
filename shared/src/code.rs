//! What can go wrong, as it stands on the wire: one table, from which everything else is made or checked.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($( $variant:ident $name:literal retry $retry:literal http $http:literal close $close:expr; $doc:literal )*) => {
        /// Why the server refuses something. In a frame or an HTTP answer it is its snake_case name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Code { $( #[doc = $doc] $variant, )* }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Code] = &[ $( Code::$variant, )* ];

            /// The name on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $( Code::$variant => $name, )* }
            }

            /// Whether the same request may succeed later, unchanged.
            pub fn may_retry(self) -> bool {
                match self { $( Code::$variant => $retry, )* }
            }

            /// The status of an HTTP answer with this code.
            pub fn http_status(self) -> u16 {
                match self { $( Code::$variant => $http, )* }
            }

            /// The WebSocket close code, for those codes that end the connection.
            pub fn close(self) -> Option<u16> {
                match self { $( Code::$variant => $close, )* }
            }

            /// One sentence for people.
            pub fn meaning(self) -> &'static str {
                match self { $( Code::$variant => $doc.trim_ascii(), )* }
            }
        }
    };
}

codes! {
    InvalidFrame   "invalid_frame"    retry false http 400 close Some(4400); " What was sent is not a frame of the protocol."
    UnknownOp      "unknown_op"       retry false http 400 close None;       " The frame's `op` is not one that this server knows."
    HelloRequired  "hello_required"   retry false http 400 close Some(4400); " Something else came before an accepted `hello`."
    HelloTimeout   "hello_timeout"    retry true  http 408 close Some(4408); " No `hello` came in time."
    Unauthorized   "unauthorized"     retry false http 401 close Some(4401); " The token is missing or does not hold."
    TokenExpired   "token_expired"    retry true  http 401 close Some(4401); " The token holds in everything but its expiry: come back with a fresh one."
    TokenNotYetValid "token_not_yet_valid" retry true http 401 close Some(4425); " The token holds in everything but its time, which is still to come: try again later, and compare the clocks."
    Forbidden      "forbidden"        retry false http 403 close Some(4403); " Not allowed, or it does not exist: the answer is the same. As a close code: the session was revoked."
    InvalidTopic   "invalid_topic"    retry false http 400 close None;       " Not a topic: it breaks the grammar or is none of its domain's."
    InvalidEvent   "invalid_event"    retry false http 422 close None;       " The event's payload or its topics are not what its domain declares."
    UnknownEvent   "unknown_event"    retry false http 422 close None;       " The domain is known and has no event of that name."
    TooLarge       "too_large"        retry false http 413 close Some(1009); " The message or body is over the limit."
    TooManyTopics  "too_many_topics"  retry false http 400 close None;       " More topics than a frame, a publication or a session may have."
    RateLimited    "rate_limited"     retry true  http 429 close Some(4429); " More frames per second than a session may send."
    SlowConsumer   "slow_consumer"    retry true  http 503 close Some(4410); " The socket accepted nothing for too long."
    Overloaded     "overloaded"       retry true  http 503 close Some(4503); " The server is at one of its limits."
    GoingAway      "going_away"       retry true  http 503 close Some(1012); " The server is draining: come back after the time it named."
    Internal       "internal"         retry true  http 500 close Some(1011); " The server's own fault."
}

/// Close codes that are not the consequence of a [`Code`].
pub mod close {
    /// An ordinary end.
    pub const NORMAL: u16 = 1000;
    /// The peer is gone: it answered no ping.
    pub const AWAY: u16 = 1001;
    /// The peer broke the WebSocket protocol.
    pub const PROTOCOL: u16 = 1002;
    /// A binary message, where all is text.
    pub const UNSUPPORTED: u16 = 1003;
    /// Text that is not UTF-8.
    pub const INVALID_TEXT: u16 = 1007;
    /// A message over the limit.
    pub const TOO_LARGE: u16 = 1009;
    /// The server is being restarted: come back.
    pub const RESTART: u16 = 1012;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_the_table_is_the_name_that_serde_writes() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
        }
    }
}
