//! The codes of refusals: one table. PROTOCOL.md and the client take them from here.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($( $variant:ident $name:literal retry $retry:literal http $http:literal close $close:expr; $doc:literal )*) => {
        /// The reason of a refusal. A frame and an HTTP answer carry its snake_case name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Code { $( #[doc = $doc] $variant, )* }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Code] = &[ $( Code::$variant, )* ];

            /// Returns the name on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $( Code::$variant => $name, )* }
            }

            /// Returns whether the same request may succeed later.
            pub fn may_retry(self) -> bool {
                match self { $( Code::$variant => $retry, )* }
            }

            /// Returns the status of an HTTP answer with this code.
            pub fn http_status(self) -> u16 {
                match self { $( Code::$variant => $http, )* }
            }

            /// Returns the WebSocket close code, if this code ends a connection.
            pub fn close(self) -> Option<u16> {
                match self { $( Code::$variant => $close, )* }
            }

            /// Returns the meaning for people.
            pub fn meaning(self) -> &'static str {
                match self { $( Code::$variant => $doc.trim_ascii(), )* }
            }
        }
    };
}

codes! {
    InvalidFrame   "invalid_frame"    retry false http 400 close Some(close::INVALID_FRAME); " The message is not a frame of the protocol."
    UnknownOp      "unknown_op"       retry false http 400 close None;       " The server does not know the frame's `op`."
    HelloRequired  "hello_required"   retry false http 400 close Some(close::INVALID_FRAME); " Another frame came before the `hello` was accepted."
    HelloTimeout   "hello_timeout"    retry true  http 408 close Some(close::HELLO_TIMEOUT); " No `hello` came before the deadline."
    Unauthorized   "unauthorized"     retry false http 401 close Some(close::UNAUTHORIZED); " The token is missing or invalid."
    TokenExpired   "token_expired"    retry true  http 401 close Some(close::UNAUTHORIZED); " The token has expired, and is valid otherwise: come back with a fresh one."
    TokenNotYetValid "token_not_yet_valid" retry true http 401 close Some(close::TOKEN_NOT_YET_VALID); " The token is not valid yet, and is correct otherwise: try again later, and compare the clocks."
    Forbidden      "forbidden"        retry false http 403 close Some(close::FORBIDDEN); " The right is missing, or the target does not exist: the answer does not tell which. As a close code: the session was revoked."
    InvalidTopic   "invalid_topic"    retry false http 400 close None;       " The topic breaks the grammar, or its domain does not have it."
    InvalidEvent   "invalid_event"    retry false http 422 close None;       " The event's payload or its topics do not match what its domain declares."
    UnknownEvent   "unknown_event"    retry false http 422 close None;       " The server knows the domain, and the domain has no event of that name."
    TooLarge       "too_large"        retry false http 413 close Some(close::TOO_LARGE); " The message or body is larger than the limit."
    TooManyTopics  "too_many_topics"  retry false http 400 close None;       " A frame, a publication or a session has more topics than its limit."
    RateLimited    "rate_limited"     retry true  http 429 close Some(close::RATE_LIMITED); " The session sent more frames per second than its limit."
    SlowConsumer   "slow_consumer"    retry true  http 503 close Some(close::SLOW_CONSUMER); " The socket accepted no byte until the write timeout."
    Overloaded     "overloaded"       retry true  http 503 close Some(close::OVERLOADED); " The server is at one of its limits."
    GoingAway      "going_away"       retry true  http 503 close Some(close::RESTART); " The server is draining: come back after the time that it named."
    Internal       "internal"         retry true  http 500 close Some(close::INTERNAL); " The server has a fault."
}

/// All close codes of a WebSocket.
pub mod close {
    /// An ordinary close.
    pub const NORMAL: u16 = 1000;
    /// The peer did not answer a ping.
    pub const AWAY: u16 = 1001;
    /// The peer broke the WebSocket protocol.
    pub const PROTOCOL: u16 = 1002;
    /// A binary message. Tidings sends text only.
    pub const UNSUPPORTED: u16 = 1003;
    /// The connection was lost, or it never opened. Nobody sends this code; a browser reports it.
    pub const ABNORMAL: u16 = 1006;
    /// Text that is not UTF-8.
    pub const INVALID_TEXT: u16 = 1007;
    /// A message over the limit.
    pub const TOO_LARGE: u16 = 1009;
    /// The server has a fault.
    pub const INTERNAL: u16 = 1011;
    /// The server restarts: come back.
    pub const RESTART: u16 = 1012;
    /// A message that is not a frame of the protocol.
    pub const INVALID_FRAME: u16 = 4400;
    /// A missing, invalid or expired token.
    pub const UNAUTHORIZED: u16 = 4401;
    /// The session was revoked.
    pub const FORBIDDEN: u16 = 4403;
    /// No `hello` came before the deadline.
    pub const HELLO_TIMEOUT: u16 = 4408;
    /// The socket accepted no byte until the write timeout.
    pub const SLOW_CONSUMER: u16 = 4410;
    /// A token that is not valid yet.
    pub const TOKEN_NOT_YET_VALID: u16 = 4425;
    /// Too many frames per second.
    pub const RATE_LIMITED: u16 = 4429;
    /// The server is at one of its limits.
    pub const OVERLOADED: u16 = 4503;
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
