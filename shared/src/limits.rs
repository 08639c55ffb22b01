//! Every bound of the protocol and of the server that a peer can meet.
//!
//! Each doc comment says the unit, the reason, and what happens at the bound. The first paragraph of a limit in
//! [`FIXED`] or [`SETTINGS`] is its text in PROTOCOL.md: run `cargo xtask gen` after a change.

use std::time::Duration;

#[macro_use]
mod table;

pub use table::{Limit, LimitValue};

limits! {
    /// The limits that have no setting: clients are compiled with them.
    pub const FIXED;

    /// Bytes of a topic. A longer one is `invalid_topic`.
    ///
    /// Long enough for a domain, two words and two UUIDs; short enough to log and index.
    pub const MAX_TOPIC_BYTES: usize = 255;

    /// Topics in one `subscribe` or `unsubscribe`. A frame with more is `too_many_topics`; a client sends several frames.
    ///
    /// So many of the longest topics fit in a message.
    pub const MAX_TOPICS_PER_FRAME: usize = 128;

    /// Time from the first frame of a subscribe in several frames to the last. After it the session goes on without the rest.
    ///
    /// A slow network has time for eight frames. A peer that never sends the last frame waits no longer for its events.
    pub const SUBSCRIBE_PAUSE: Duration = Duration::from_secs(5);

    /// Topics that one publication may reach. A publish to more is `too_many_topics`; an announcement to more becomes a `sync`.
    ///
    /// Enough for all rows of a large table's page. It bounds the cost of one publish: some 200 KB of the log if all topics
    /// are new.
    pub const MAX_TOPICS_PER_PUBLICATION: usize = 1_024;

    /// Publishes in one `POST /v1/publish/batch`. A longer list is `too_large`.
    pub const MAX_BATCH: usize = 64;

    /// Bytes of the name of a domain or an event.
    ///
    /// The longest name in the shipped domains has 22.
    pub const MAX_NAME_BYTES: usize = 64;

    /// Bytes of an `origin`, the opaque tag of who caused a publication.
    pub const MAX_ORIGIN_BYTES: usize = 64;

    /// Bytes of the member `client` of a `hello`.
    pub const MAX_CLIENT_BYTES: usize = 128;

    /// Domains in the member `domains` of a `hello`. A hello with more is `invalid_frame`.
    ///
    /// Far more than one page uses. It bounds what a stranger lets the server compare.
    pub const MAX_COMPARED_DOMAINS: usize = 64;

    /// Bytes of a domain's fingerprint. A hello with a longer one is `invalid_frame`.
    ///
    /// Today's fingerprints have 16.
    pub const MAX_FINGERPRINT_BYTES: usize = 64;

    /// The largest `ref`: 2^53 − 1, the largest integer that JavaScript holds exactly.
    pub const MAX_REF: u64 = (1 << 53) - 1;

    /// Containers within containers in one frame; the frame itself counts. A deeper frame is `invalid_frame`.
    pub const MAX_JSON_DEPTH: usize = 32;

    /// Bytes of a token, in a `hello`, a `token` frame or an HTTP header.
    ///
    /// Tokens with many claims have 3 KiB.
    pub const MAX_TOKEN_BYTES: usize = 4 * 1024;

    /// Bytes of a token's subject.
    pub const MAX_SUBJECT_BYTES: usize = 255;

    /// How far the clock of a token's issuer may be ahead of the server's clock. A token with a later `nbf` or `iat` is
    /// `token_not_yet_valid`.
    ///
    /// Such a token would outlive every revocation until then.
    pub const MAX_TOKEN_CLOCK_AHEAD: Duration = Duration::from_secs(60);

    /// Revocations of one tenant that the server remembers. Beyond it a revocation is `overloaded`, and nothing is revoked.
    ///
    /// Each has some 200 bytes. A tenant's administrators can fill their own share only.
    pub const MAX_REVOCATIONS_PER_TENANT: usize = 16_384;

    /// Revocations of all tenants that the server remembers. Beyond it a revocation is `overloaded`, too.
    pub const MAX_REVOCATIONS: usize = 16 * MAX_REVOCATIONS_PER_TENANT;

    /// Time for which the server remembers a revocation, unless the token ends earlier.
    ///
    /// Longer than tokens should live.
    pub const REVOCATION_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// Bytes of the remembered keys, with their topics, of publications that have left a tenant's log. The oldest keys go
    /// first.
    ///
    /// Some 30,000 keys of publications to three topics, or 50 of the largest.
    pub const KEYS_MAX_BYTES: usize = 16 * 1024 * 1024;

    /// Entries that wait for the journal, of all tenants together. A further publish is `overloaded`. A further announcement
    /// becomes a `sync` for its topics.
    pub const JOURNAL_QUEUE_ENTRIES: usize = 16 * 1024;

    /// Bytes of the entries that wait for the journal.
    pub const JOURNAL_QUEUE_BYTES: usize = 64 * 1024 * 1024;

    /// Time for which a publish waits for the journal. After it the publish is `overloaded`. It may still be published: try
    /// again with the same key.
    ///
    /// A restart of a database takes a few seconds.
    pub const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);

    /// Time for which a session or event stream waits for its tenant's history. After it the answer is `overloaded`.
    pub const LOAD_TIMEOUT: Duration = Duration::from_secs(5);

    /// Publishes of one session that wait for the journal. The session reads no further frame while there are as many.
    pub const MAX_WAITING_PUBLISHES: usize = 64;

    /// Unknown domains that one `subscribed` names.
    ///
    /// A client tells its user of as many. Enough to show a typo, and few enough not to flood a user who has many domains of
    /// their own.
    pub const MAX_UNKNOWN_DOMAINS: usize = 8;

    /// Time without anything from the journal after which a session or an event stream gets `degraded`.
    ///
    /// Longer than a database takes to restart or to change its leader. Short enough that nobody works with old data for long.
    pub const DEGRADED_AFTER: Duration = Duration::from_secs(10);

    /// The shortest pause before an event stream comes back. Each stream gets a random one between this and twice this.
    ///
    /// The spread is there because the client keeps its pause for as long as nobody answers. The mean is the default of browsers,
    /// 3 s.
    pub const STREAM_RETRY: Duration = Duration::from_secs(2);

    /// The shortest pause before an event stream comes back after a temporary refusal (`overloaded`, for example). Each stream
    /// gets a random one between this and twice this.
    pub const STREAM_RETRY_OVERLOADED: Duration = Duration::from_secs(5);

    /// Time from the end of a session to its last byte in the socket, and from the server's Close to the end of the
    /// connection. Then the server cuts the connection.
    ///
    /// Time for a slow socket, for the peer's Close, and for the bytes that the peer was still sending.
    pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

    /// Time from the server's Close to the end of the connection if the client never sent a good `hello`.
    ///
    /// Strangers keep their permit no longer than their deadlines say.
    pub const CLOSE_TIMEOUT_BEFORE_HELLO: Duration = Duration::from_secs(1);

    /// Bytes that the server reads and drops: of a request's body after it has answered early, and of a client's input on
    /// an event stream. Beyond it the connection is cut.
    ///
    /// A proxy sends the whole body before it reads the answer that refuses it, so this is several bodies.
    pub const LINGER_BYTES: usize = 4 * MAX_BODY_BYTES;

    /// Time from the start of a drain to the close of idle HTTP connections. A request that arrives in this time gets its
    /// answer, with `Connection: close`.
    pub const DRAIN_LINGER: Duration = Duration::from_secs(1);
}

limits! {
    /// The defaults of the settings.
    pub const SETTINGS;

    /// Time from the first byte of the upgrade request to the `hello`, and at least half of it from the last byte. Then the
    /// session ends with `hello_timeout`.
    ///
    /// A stranger can send the request slowly, and then nothing. The server closes this connection after 7.5 s at most.
    #[setting("--hello-timeout")]
    pub const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

    /// Time from the first byte of a request's header to its last. Then the server closes the connection.
    #[setting("--header-timeout")]
    pub const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

    /// Time without a request, between two requests or before the first, after which the server closes the connection. When
    /// less than a quarter of the connections is free, the header timeout counts instead.
    ///
    /// Proxies keep idle connections for 60 s (nginx) and must close them first: a request that meets the server's close is
    /// lost. Some proxies also keep connections that they have not used yet (Caddy). Before its first request, a connection
    /// has at least the header timeout.
    #[setting("--keep-alive-timeout")]
    pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(75);

    /// Silence after which the server sends a ping.
    #[setting("--heartbeat")]
    pub const HEARTBEAT: Duration = Duration::from_secs(25);

    /// Time after a ping in which anything at all must arrive. Then the server closes with 1001.
    #[setting("--ping-timeout")]
    pub const PING_TIMEOUT: Duration = Duration::from_secs(10);

    /// Time in which a socket must accept a byte. Then the session ends with `slow_consumer`.
    #[setting("--write-timeout")]
    pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

    /// Time for the whole body of a request. Then the answer is 408.
    #[setting("--body-timeout")]
    pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

    /// Time from a token's end to the end of its session.
    ///
    /// Time for a fresh token that is on its way.
    #[setting("--expiry-grace")]
    pub const EXPIRY_GRACE: Duration = Duration::from_secs(5);

    /// Time over which a drain spreads the return of its clients.
    #[setting("--drain-spread")]
    pub const DRAIN_SPREAD: Duration = Duration::from_secs(5);

    /// Time from the start of a drain to the end of the process, at the latest.
    #[setting("--drain-timeout")]
    pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

    /// Bytes of one message from a client. A longer one is `too_large`.
    #[setting("--max-message-bytes")]
    pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

    /// Bytes of a message before the server has accepted a `hello`.
    ///
    /// Strangers get less: the longest token, and the fingerprints of 64 domains with the longest names and today's
    /// fingerprints.
    #[setting("--max-hello-bytes")]
    pub const MAX_MESSAGE_BYTES_BEFORE_HELLO: usize = 10 * 1024;

    /// Frames that a session may send per second; a burst may have twice as many. WebSocket pings count. More is
    /// `rate_limited`.
    #[setting("--frames-per-second")]
    pub const FRAMES_PER_SECOND: u32 = 100;

    /// Topics of one session or event stream. Further topics are refused with `too_many_topics`.
    ///
    /// Enough for a page that shows a table of 200 rows, several times over. Each topic costs the server 65 bytes, or some 250
    /// if nobody else subscribes to it (tests/bench/README.md).
    #[setting("--max-topics-per-session")]
    pub const MAX_TOPICS_PER_SESSION: usize = 1_024;

    /// Bytes of a request's first line and header fields. The answer to more is 431.
    #[setting("--max-header-bytes")]
    pub const MAX_HEADER_BYTES: usize = 16 * 1024;

    /// Bytes of a request's body. A larger one is `too_large`.
    #[setting("--max-body-bytes")]
    pub const MAX_BODY_BYTES: usize = 256 * 1024;

    /// Connections of the server, but at least 32 below the limit of open files. Beyond it the server answers `/health`,
    /// `/ready` and `/metrics`; everything else is 503 with `Retry-After`.
    #[setting("--max-connections")]
    pub const MAX_CONNECTIONS: usize = 50_000;

    /// Connections from one client address (in IPv6 from one /64). Beyond it the answer is 503 with `Retry-After`; a flood of
    /// them is closed without an answer. Connections from this machine and from a `--trusted-proxy` don't count. For such a
    /// proxy's clients, WebSockets and event streams count.
    ///
    /// Enough for a whole office behind one router.
    #[setting("--max-connections-per-address")]
    pub const MAX_CONNECTIONS_PER_ADDRESS: usize = 1_024;

    /// Sessions and event streams of one tenant. Further ones are `overloaded`.
    ///
    /// As many as a server has connections, because a server may have one tenant only.
    #[setting("--max-sessions-per-tenant")]
    pub const MAX_SESSIONS_PER_TENANT: usize = MAX_CONNECTIONS;

    /// Topics of one tenant that somebody subscribes to. Further ones are refused with `overloaded`.
    ///
    /// Two for each session of the tenant.
    #[setting("--max-topics-per-tenant")]
    pub const MAX_TOPICS_PER_TENANT: usize = 100_000;

    /// Bytes of a tenant's log. The oldest publications go first. A publication counts about three times its payload and 1 KB.
    /// One that reaches more than 128 topics counts its payload and 32 bytes for each topic. A topic counts 128 bytes and its
    /// name, once, while the log has an entry of it.
    #[setting("--log-max-bytes")]
    pub const LOG_MAX_BYTES: usize = 16 * 1024 * 1024;

    /// Publications in a tenant's log. The oldest go first.
    #[setting("--log-max-entries")]
    pub const LOG_MAX_ENTRIES: usize = 100_000;

    /// Age of the oldest publication in a tenant's log.
    #[setting("--log-max-age")]
    pub const LOG_MAX_AGE: Duration = Duration::from_secs(600);

    /// For how long after a publication the server remembers its key, also when the publication has left the log.
    ///
    /// Longer than a client that lost the answer needs to come back.
    #[setting("--key-max-age")]
    pub const KEYS_MAX_AGE: Duration = Duration::from_secs(600);

    /// Bytes of all tenants' logs and remembered keys. Beyond it the server evicts from the largest log first, a little at a
    /// time.
    #[setting("--logs-max-bytes")]
    pub const LOGS_MAX_BYTES: usize = 1024 * 1024 * 1024;
}

/// Letters by which a misspelt name may differ from a known one that the server suggests.
pub const MAX_NEAREST_EDITS: usize = 2;

/// The least that [`MAX_HEADER_BYTES`] may be set to: hyper reads into a buffer of so many bytes.
pub const LEAST_HEADER_BYTES: usize = 8 * 1024;

/// The time for the answer to a question about a client's rights. After it, the request is refused with `overloaded`.
///
/// Long for a look-up in a database. A client waits no longer for an application that does not answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Questions about clients and their rights that an application answers at the same time. More questions wait in order,
/// and their time runs on.
///
/// More than a pool of database connections answers at once. It bounds the tasks that a slow application holds.
pub const MAX_QUESTIONS: usize = 256;

/// Time between two looks of a shard or an event stream for new revocations. Far below the second within which a revoked
/// session ends. Rare enough that a tenant which revokes without pause costs the others nothing.
pub const REVOCATION_INTERVAL: Duration = Duration::from_millis(100);

/// Sessions that a drain closes in one batch: about a millisecond of work.
pub const DRAIN_BATCH: usize = 256;

/// Pause between two batches of a drain. On a full node with one shard, all sessions have their goaway after four seconds.
pub const DRAIN_PAUSE: Duration = Duration::from_millis(20);

/// Connections that a shard tells of the hub's health in one turn: about a millisecond of work.
pub const HEALTH_BATCH: usize = 256;

/// Publications that a session takes from the log in one turn, so that a long catch-up does not hold the log's lock.
pub const READ_BATCH: usize = 256;

/// Bytes of payloads and of matched topics' names after which such a turn ends. If the peer reads nothing, the session keeps
/// so many bytes in memory after the log has moved on. Ordinary events are far below it.
pub const READ_BATCH_BYTES: usize = 64 * 1024;

/// Bytes that the server gathers for one write to one socket, besides the last frame. That frame has some 256 KB if it names
/// 1,024 long topics. If the peer reads nothing, the session keeps so many bytes in memory until the write timeout.
pub const WRITE_BYTES: usize = 16 * 1024;

/// Bytes that the server reads from a socket in one turn.
pub const READ_BYTES: usize = 16 * 1024;

/// Deliveries after which a shard takes no further publication into a batch. It notes them in one go, which takes about two
/// milliseconds (`cargo xtask bench micro`). Fewer would mean more writes: a batch of 32 publications is one write to each
/// of 16,000 sockets.
pub const FAN_OUT_DELIVERIES: usize = 512 * 1024;

/// Bytes of payloads after which a shard takes no further publication into a batch, because it gathers the batch for one
/// write. Sockets seldom take more at once.
pub const FAN_OUT_BYTES: usize = 1024 * 1024;

/// Writes of a fan-out after which a shard serves its connections and its other tenants. They take about a third of a
/// millisecond (`cargo xtask bench single`).
pub const FAN_OUT_WRITES: usize = 64;

/// Upgraded connections that wait for their shard to take them over.
pub const ARRIVALS: usize = 1024;

/// Threads of shards: more than any machine has processors, fewer than a process may have threads.
pub const MAX_SHARDS: usize = 1024;

/// Silence of the peer after which a lingering close of an HTTP connection ends.
pub const LINGER_SILENCE: Duration = Duration::from_secs(1);

/// Lines of the server's own log that wait for standard error, of a kilobyte at most: about a second of the busiest log. When the
/// queue is full, further lines are lost: a slow reader of the log delays nobody.
pub const LOG_LINES: usize = 4096;

/// Refusals of one kind (origins, hosts, tokens) that the server logs in a [period](REFUSALS_PERIOD), each reason once. Enough
/// for an operator who sets up a server; too few for many strangers to fill the log.
pub const REFUSALS_LOGGED: usize = 10;

/// The period for [`REFUSALS_LOGGED`]. The next line after it counts the refusals that were not logged.
pub const REFUSALS_PERIOD: Duration = Duration::from_secs(60);
