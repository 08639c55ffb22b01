//! Every bound of the protocol, with its unit and its reason. Settings of the server start from these.

use std::time::Duration;

/// Bytes of a topic name. Long enough for a domain, two words and two UUIDs; short enough to log and index.
pub const MAX_TOPIC_BYTES: usize = 255;

/// Bytes of a domain's or an event's name: the longest of the shipped ones has 22.
pub const MAX_NAME_BYTES: usize = 64;

/// Domains that are told to be unknown: by a `subscribed`, and by a client to its user. They are enough to show a typo,
/// and few enough not to flood whoever has many domains of their own.
pub const MAX_UNKNOWN_DOMAINS: usize = 8;

/// Letters of a misspelt name that differ from the one that was meant, at the most.
pub const MAX_NEAREST_EDITS: usize = 2;

/// Bytes of an `origin` tag, which is an opaque mark of who caused a publication.
pub const MAX_ORIGIN_BYTES: usize = 64;

/// Bytes of the `client` member of a hello, `name/version`.
pub const MAX_CLIENT_BYTES: usize = 128;

/// Bytes of the `schema` member of a hello: a fingerprint has 16.
pub const MAX_SCHEMA_BYTES: usize = 64;

/// Domains of a server for which it looks whether a client's are some of them: it tries all sums of so many fingerprints,
/// which takes a tenth of a millisecond at most. A server with more compares the whole sets.
pub const MAX_COMPARED_DOMAINS: usize = 16;

/// Topics that one session may subscribe to: a page that shows a table of 200 rows, several times over. Each costs the
/// server 65 bytes, and some 250 where nobody else subscribes to it, see tests/bench/README.md.
pub const MAX_TOPICS_PER_SESSION: usize = 1_024;

/// Topics in one subscribe or unsubscribe frame: the longest that there are fit in a message. More topics are several
/// frames.
pub const MAX_TOPICS_PER_FRAME: usize = 128;

/// From the first frame of a subscribe that says `more` to the moment from which the session reads on, whether the last
/// one has come or not: a slow network has time for eight frames, and a peer that never sends the last one waits for its
/// events no longer than this.
pub const SUBSCRIBE_PAUSE: Duration = Duration::from_secs(5);

/// Topics that one publication may reach: those of a large table's page, or of all who took part in something. It bounds
/// the cost of one publish, some 200 KB of the log where all of them are new. An announcement beyond it becomes a sync.
pub const MAX_TOPICS_PER_PUBLICATION: usize = 1_024;

/// Bytes of one frame that a client sends.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Bytes of a frame before a hello was accepted (so also of the token): strangers get less.
pub const MAX_MESSAGE_BYTES_BEFORE_HELLO: usize = 4 * 1024;

/// Bytes of a token, whichever way it comes: what fits in a hello.
pub const MAX_TOKEN_BYTES: usize = MAX_MESSAGE_BYTES_BEFORE_HELLO;

/// Bytes of a token's subject.
pub const MAX_SUBJECT_BYTES: usize = 255;

/// How far the clock that a token was issued by may be ahead of the server's. A token with an `nbf` or `iat` beyond it is
/// `token_not_yet_valid`: it would outlive the revocations until then.
pub const MAX_TOKEN_CLOCK_AHEAD: Duration = Duration::from_secs(60);

/// Bytes of an HTTP request's first line and header.
pub const MAX_HEADER_BYTES: usize = 16 * 1024;

/// The least that [`MAX_HEADER_BYTES`] may be set to: hyper reads into a buffer of so many.
pub const LEAST_HEADER_BYTES: usize = 8 * 1024;

/// Bytes of an HTTP request body.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// Publishes of one `POST /v1/publish/batch`.
pub const MAX_BATCH: usize = 64;

/// Containers within containers in one frame, the frame itself included.
pub const MAX_JSON_DEPTH: usize = 32;

/// The largest `ref`: the largest integer that JavaScript holds exactly, 2^53 − 1.
pub const MAX_REF: u64 = (1 << 53) - 1;

/// Frames a session may send per second; a burst may be twice that.
pub const FRAMES_PER_SECOND: u32 = 100;

/// From the connection to a hello; on one that was used before, from the request.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// From the accepted TCP connection to the last byte of the request's header.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Time between two requests after which the server closes the connection. Proxies keep idle connections for 60 s (nginx),
/// and must close them first: a request that meets the server's close is lost.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(75);

/// From the begin of a drain to the close of idle HTTP connections. A request that arrives in this time is answered, and its
/// answer says `Connection: close`.
pub const DRAIN_LINGER: Duration = Duration::from_secs(1);

/// For the whole body of an HTTP request.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Revocations of one tenant that are remembered, some 200 bytes each: what its administrators can fill is theirs.
pub const MAX_REVOCATIONS_PER_TENANT: usize = 16_384;

/// Revocations of all tenants that are remembered.
pub const MAX_REVOCATIONS: usize = 16 * MAX_REVOCATIONS_PER_TENANT;

/// Time for which a revocation is remembered, where the token does not end before: longer than tokens should live.
pub const REVOCATION_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Between two looks of a shard or a stream for what was revoked: far below the second within which it is to end, and
/// seldom enough that a tenant which revokes without pause costs the others nothing.
pub const REVOCATION_INTERVAL: Duration = Duration::from_millis(100);

/// From a token's expiry to the end of its session: time for a refresh that is on its way.
pub const EXPIRY_GRACE: Duration = Duration::from_secs(5);

/// Silence of the server after which it sends a ping.
pub const HEARTBEAT: Duration = Duration::from_secs(25);

/// After a ping, the time in which anything at all must arrive.
pub const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// A socket that accepts no byte for so long is a slow consumer.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// From a drain's start to the end of the process, at the latest.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The time over which clients are told to spread their return from a drain.
pub const DRAIN_SPREAD: Duration = Duration::from_secs(5);

/// The shortest pause before an event stream comes back. Each stream is told a random one between this and twice this, because
/// the client keeps it for as long as nobody answers. The mean is the default of browsers, 3 s.
pub const STREAM_RETRY: Duration = Duration::from_secs(2);

/// The same for a stream that was refused because the server is full.
pub const STREAM_RETRY_OVERLOADED: Duration = Duration::from_secs(5);

/// Sessions of a shard that a drain sends away at a time: about a millisecond of work.
pub const DRAIN_BATCH: usize = 256;

/// Between two such batches. The sessions of a node that is full have all had their goaway after four seconds, on one
/// shard.
pub const DRAIN_PAUSE: Duration = Duration::from_millis(20);

/// Connections per node.
pub const MAX_CONNECTIONS: usize = 50_000;

/// Connections from one client address: a whole office behind one router.
pub const MAX_CONNECTIONS_PER_ADDRESS: usize = 1_024;

/// Sessions and streams of events of one tenant: as many as a node has connections.
pub const MAX_SESSIONS_PER_TENANT: usize = MAX_CONNECTIONS;

/// Topics of one tenant that somebody subscribes to at a time: two for each of its sessions.
pub const MAX_TOPICS_PER_TENANT: usize = 100_000;

/// Bytes of all tenants' logs, with the keys of publications that have left them.
pub const LOGS_MAX_BYTES: usize = 1024 * 1024 * 1024;

/// Bytes of a tenant's log, as encoded frames with their bookkeeping.
pub const LOG_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Publications in a tenant's log.
pub const LOG_MAX_ENTRIES: usize = 100_000;

/// Age of the oldest publication in a tenant's log.
pub const LOG_MAX_AGE: Duration = Duration::from_secs(600);

/// Time from a publication for which its idempotency key is remembered when it has left the log: longer than a client
/// that lost the answer needs to come back.
pub const KEYS_MAX_AGE: Duration = Duration::from_secs(600);

/// Bytes of the keys, with their topics, of publications that have left a tenant's log: some 30,000 of those that reach
/// three topics, 50 of the largest.
pub const KEYS_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Publications that a session takes from the log in one turn, so that a long catch-up does not hold the log's lock.
pub const READ_BATCH: usize = 256;

/// Bytes of payloads and of matched topics' names after which such a turn ends: what a peer that takes nothing keeps alive
/// when the log has moved on. Ordinary events are far below it.
pub const READ_BATCH_BYTES: usize = 64 * 1024;

/// Bytes that are gathered for one write to one socket, beside the last frame, which has some 256 KB where it names 1,024
/// long topics: what a peer that takes nothing keeps alive until the write timeout.
pub const WRITE_BYTES: usize = 16 * 1024;

/// Bytes that are read from a socket in one turn.
pub const READ_BYTES: usize = 16 * 1024;

/// Deliveries after which a shard takes no further publication into a batch: they are noted in one go, which takes
/// about two milliseconds (`cargo xtask bench micro`). Fewer would mean more writes: a batch of 32 is one write to each of
/// 16,000 sockets.
pub const FAN_OUT_DELIVERIES: usize = 512 * 1024;

/// Bytes of payloads after which a shard takes no further publication into a batch: what it gathers for one write. Sockets
/// seldom take more at once.
pub const FAN_OUT_BYTES: usize = 1024 * 1024;

/// Writes of a fan-out after which others have a turn: what connections say, and other tenants. They take about a
/// third of a millisecond (`cargo xtask bench single`).
pub const FAN_OUT_WRITES: usize = 64;

/// Connections that were upgraded and that their shard has not taken over yet.
pub const ARRIVALS: usize = 1024;

/// Threads of shards: more than any machine has processors, fewer than a process may have threads.
pub const MAX_SHARDS: usize = 1024;

/// From a session's end to its last byte in the socket, however slowly that takes it; and from our Close to the end of the
/// connection: time for the peer's Close and what it was still sending.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The server has closed its side of an HTTP connection, and the peer has not: after this silence the connection ends.
pub const LINGER_SILENCE: Duration = Duration::from_secs(1);

/// Bytes that the peer may send meanwhile; they are thrown away. A proxy sends the whole body before it reads the answer that
/// refuses it, so this is several bodies.
pub const LINGER_BYTES: usize = 4 * MAX_BODY_BYTES;

/// From our Close to the end of the connection, for those who never said a good hello: they hold their place no longer
/// than their deadlines say.
pub const CLOSE_TIMEOUT_BEFORE_HELLO: Duration = Duration::from_secs(1);

/// Lines of the log that wait for standard error, of a kilobyte at most: a second or so of the busiest log. When
/// the queue is full, further lines are lost: a slow reader of the log holds nobody up.
pub const LOG_LINES: usize = 4096;

/// Refusals of one kind (origins, hosts, tokens) that are logged in a [period](REFUSALS_PERIOD), each reason once: enough
/// for whoever sets up a server; too few for a crowd to fill the log.
pub const REFUSALS_LOGGED: usize = 10;

/// The time in which so many refusals are logged; what was left out is counted in the next line.
pub const REFUSALS_PERIOD: Duration = Duration::from_secs(60);
