//! Every bound of the client, with its unit and its reason. Those of the protocol are in [`tidings_shared::limits`].

/// Publishes that were not answered yet, sent or not. Beyond it a publish fails at once, so that a long time offline
/// costs a bounded amount of memory and the application hears of it.
pub const MAX_PUBLISHES: usize = 256;

/// Subscriptions that may exist at a time. A page has dozens; a leak of them shall be an error, not a slow page.
pub const MAX_SUBSCRIPTIONS: usize = 4096;

/// Topics that may be wanted at a time, those that wait for room among them: four times as many as a session has by
/// default. What a leak takes stays bounded; beyond it a subscription fails at once.
pub const MAX_TOPICS: usize = 4096;

/// Milliseconds after which topics that the server refused for want of room are asked for again, at the most; each further
/// wait is twice as long.
pub const RETRY_FIRST_MS: u64 = 5_000;

/// Milliseconds of such a wait, at the most: as many clients as a server can have ask for little then.
pub const RETRY_MAX_MS: u64 = 160_000;

/// Bytes of a subscribe or unsubscribe frame beside its topics: the members' names, a `ref` and a position.
pub const FRAME_OVERHEAD_BYTES: u64 = 256;

/// Milliseconds that the user's token callback may take.
pub const TOKEN_TIMEOUT_MS: u64 = 30_000;

/// Milliseconds before a token's end at which a fresh one is asked for, at the latest and if the token lives long enough;
/// at the earliest it is twice that. Timers of hidden pages run once a minute, a slow callback takes half a minute, and
/// there shall be time for more attempts.
pub const REFRESH_MARGIN_MS: u64 = 300_000;

/// Milliseconds that a token still lives, at the least, for a fresh one to be asked for: the last attempt is not worth
/// more than coming back is.
pub const REFRESH_MIN_MS: u64 = 1_000;

/// Milliseconds from the start of a connection to the server's welcome.
pub const CONNECT_TIMEOUT_MS: u64 = 10_000;

/// Attempts to connect that fail, without a word of the server, before the user hears of it (`connect_failed`, once until
/// there is a session): about a second. A client that never had a session is probably set up wrong. An attempt that takes
/// [`CONNECT_TIMEOUT_MS`] is enough.
pub const QUIET_ATTEMPTS: u32 = 3;

/// The same for a client that had a session: some 4 seconds, because a server that restarts is no error.
pub const QUIET_ATTEMPTS_OF_A_KNOWN_SERVER: u32 = 6;

/// Milliseconds within which the first wait before a reconnect is drawn; each further one doubles it.
pub const BACKOFF_FIRST_MS: u64 = 250;

/// The same after a session was lost where the page gives tokens, and not below it later: the backend that makes them is asked by all pages of a server
/// that crashed. Over two seconds 1,000 pages are 500 requests a second instead of 4,000, and a page that resumes misses
/// nothing by a second of waiting. Who is looked at does not wait for it: a page that is shown comes back within
/// [`BACKOFF_FIRST_MS`].
pub const BACKOFF_SPREAD_MS: u64 = 2_000;

/// Milliseconds within which any wait before a reconnect is drawn, at the most.
pub const BACKOFF_MAX_MS: u64 = 20_000;

/// Milliseconds that a session must have lasted for the next wait to be short again.
pub const HEALTHY_MS: u64 = 5_000;

/// Milliseconds that a server may be late with its heartbeat before the connection counts as dead.
pub const WATCHDOG_GRACE_MS: u64 = 10_000;

/// Milliseconds between heartbeats, at the most: a server that announces more is taken at this word.
pub const MAX_HEARTBEAT_MS: u64 = 300_000;

/// Milliseconds that a server which goes away can ask a client to stay away, at the most.
pub const MAX_RETRY_AFTER_MS: u64 = 300_000;

/// Milliseconds in which a page that became visible, or a network that came back, must hear from the server.
pub const PROBE_TIMEOUT_MS: u64 = 5_000;

/// Milliseconds that a connection stays open when nobody wants anything of it any more. A page that goes from one view to
/// the next keeps its connection, and one that is done lets go of it.
pub const LINGER_MS: u64 = 30_000;

/// Milliseconds after which a watched subscription is loaded although its topics are not in force yet.
pub const PATIENCE_MS: u64 = 3_000;

/// Milliseconds from the begin of one load of a view to that of the next, unless the user sets another pause: during an
/// import there are dozens of events a second, and a page needs no more than four loads.
pub const MIN_LOAD_INTERVAL_MS: u64 = 250;

/// Milliseconds that a load may take before another takes its place.
pub const LOAD_TIMEOUT_MS: u64 = 30_000;

/// Bytes of a publish frame beside its event: the members' names, the key, an origin at its longest and escaped, and
/// some topics.
pub const PUBLISH_OVERHEAD_BYTES: u64 = 1024;

/// What a user is told whose event is nested too deep: the frame around it is one container of the protocol's.
pub(crate) const TOO_DEEP: &str = "An event's containers are nested at most 31 deep.";
const _: () = assert!(tidings_shared::limits::MAX_JSON_DEPTH == 32, "TOO_DEEP names one less");
