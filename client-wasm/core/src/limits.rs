//! Every bound of the client, with its unit and its reason. The protocol's bounds are in [`tidings_shared::limits`].

/// Publishes that wait for an answer, sent or not. One more fails at once with `offline_full`. So a long time offline costs
/// a bounded amount of memory, and the application learns of it.
pub const MAX_PUBLISHES: usize = 256;

/// Subscriptions of a client. One more fails at once with `too_many_topics`. A page has dozens; a leak of subscriptions
/// should become an error and not a slow page.
pub const MAX_SUBSCRIPTIONS: usize = 4096;

/// Topics of a client, also those that wait for room: four times the default limit of a session. A subscription that would
/// exceed it fails at once with `too_many_topics`, so a leak stays bounded.
pub const MAX_TOPICS: usize = 4096;

/// Milliseconds of the first wait before the client subscribes again to topics for which the server had no room. The wait is
/// between half of it and all of it. Each further wait is twice as long.
pub const RETRY_FIRST_MS: u64 = 5_000;

/// Milliseconds of the longest such wait. Then even as many clients as a server can have cost it few frames.
pub const RETRY_MAX_MS: u64 = 160_000;

/// Bytes that a subscribe or unsubscribe frame has beside its topics: the names of its members, a `ref` and a position.
pub const FRAME_OVERHEAD_BYTES: u64 = 256;

/// Milliseconds that the user may take to give a token. After that the client reports `token_failed` and tries again later.
pub const TOKEN_TIMEOUT_MS: u64 = 30_000;

/// Milliseconds before the end of a token. The client asks for a fresh one between twice this time and this time before the
/// end, if the token lives long enough. Timers of hidden pages fire once a minute, and a slow callback takes half a minute;
/// after that, there must be time for more attempts.
pub const REFRESH_MARGIN_MS: u64 = 300_000;

/// Milliseconds that a token must still live for the client to ask for a fresh one. With less time left, the client lets
/// the session end and reconnects, which costs no more.
pub const REFRESH_MIN_MS: u64 = 1_000;

/// Milliseconds from the start of a connection to the server's welcome. After that the attempt has failed.
pub const CONNECT_TIMEOUT_MS: u64 = 10_000;

/// Failed attempts to connect before the user hears of them (`connect_failed`, once until there is a session). They take
/// about a second. Attempts for whose failure the server gives a reason do not count. One attempt that takes
/// [`CONNECT_TIMEOUT_MS`] is enough. A client that never had a session is probably configured wrongly.
pub const QUIET_ATTEMPTS: u32 = 3;

/// The same for a client that had a session before. These attempts take about 4 seconds: a server that restarts is not an
/// error.
pub const QUIET_ATTEMPTS_OF_A_KNOWN_SERVER: u32 = 6;

/// Milliseconds of the ceiling of the first wait before a reconnect. The wait is a random part of it. Each failure doubles
/// the ceiling.
pub const BACKOFF_FIRST_MS: u64 = 250;

/// Milliseconds of the lowest ceiling after the loss of a session, for a client with tokens. After a crash of a server, all
/// its pages ask one backend for tokens. Over two seconds, 1,000 pages are 500 requests a second instead of 4,000. A page
/// that resumes misses nothing by waiting a second longer. A page that somebody looks at does not wait for it:
/// it reconnects within [`BACKOFF_FIRST_MS`].
pub const BACKOFF_SPREAD_MS: u64 = 2_000;

/// Milliseconds of the highest ceiling.
pub const BACKOFF_MAX_MS: u64 = 20_000;

/// Milliseconds that a session must last for the next wait to be short again.
pub const HEALTHY_MS: u64 = 5_000;

/// Milliseconds that a server may be late with its heartbeat. After that the connection counts as dead.
pub const WATCHDOG_GRACE_MS: u64 = 10_000;

/// Milliseconds of the longest heartbeat. If a server announces a longer one, the client expects this one.
pub const MAX_HEARTBEAT_MS: u64 = 300_000;

/// Milliseconds of the longest time that a server which goes away can keep a client away.
pub const MAX_RETRY_AFTER_MS: u64 = 300_000;

/// Milliseconds in which the server must answer after a page became visible or its network came back. After that the
/// connection counts as dead.
pub const PROBE_TIMEOUT_MS: u64 = 5_000;

/// Milliseconds that a connection stays open after nobody needs it any more. So a page that goes from one view to the next
/// keeps its connection, and an idle page closes it.
pub const LINGER_MS: u64 = 30_000;

/// Milliseconds that a watched subscription waits for its topics to be in force. After that it loads anyway, so that a page
/// does not stay empty when it cannot reach the server.
pub const PATIENCE_MS: u64 = 3_000;

/// Milliseconds from the start of one load of a view to the start of the next, unless the user sets another interval. An
/// import causes dozens of events a second, and a page needs no more than four loads.
pub const MIN_LOAD_INTERVAL_MS: u64 = 250;

/// Milliseconds that a load may take. After that the client begins another and ignores the result of the first.
pub const LOAD_TIMEOUT_MS: u64 = 30_000;

/// Bytes that a publish frame has beside its event and its topics: the names of its members, the key, and the longest
/// origin, escaped.
pub const PUBLISH_OVERHEAD_BYTES: u64 = 1024;
