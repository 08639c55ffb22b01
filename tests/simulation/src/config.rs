//! The settings of a run. Its seed draws them, so that seeds differ in kind and not only in detail.

use std::time::Duration;

use tidings_hub::{KeyLimits, LogLimits, SessionSettings};
use tidings_shared::limits::HEARTBEAT;

use crate::{access::Decides, answers::Pace, rng::Rng};

#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) tenants: usize,
    pub(crate) topics: u64,
    pub(crate) clients: usize,
    /// The number of peers that send any frames in any order.
    pub(crate) raws: usize,
    pub(crate) log: LogLimits,
    pub(crate) session: SessionSettings,
    /// Whether the servers ignore `more`, as old ones do. They then take each frame of a resume for a resume of its own.
    pub(crate) is_old: bool,
    /// The lifetime of a token in milliseconds.
    pub(crate) token_ms: Option<u64>,
    /// Who decides about rights.
    pub(crate) decides: Decides,
    pub(crate) pace: Pace,
    /// The mean time between two revocations.
    pub(crate) revoke_ms: Option<u64>,
    /// The longest time that a message travels.
    pub(crate) delay_ms: u64,
    /// The number of shards of a server.
    pub(crate) shards: u64,
    /// The writes of a fan-out in one turn of a shard.
    pub(crate) writes_per_turn: usize,
    /// The bytes that a socket holds until its peer reads some.
    pub(crate) window: usize,
    /// The percentage of writes that a socket takes in part although it has room.
    pub(crate) short_percent: u64,
    /// The longest time from a wake to the poll of a session or a shard.
    pub(crate) wake_ms: u64,
    /// The mean time between two things that a user does.
    pub(crate) user_ms: u64,
    /// The percentage of writes that reach very many topics, and also of writes that cannot be published.
    pub(crate) extra_percent: u64,
    /// The mean time between two writes.
    pub(crate) write_ms: u64,
    /// The mean time between two disturbances.
    pub(crate) disturb_ms: u64,
    /// The percentage of disturbances that are a restart. The others concern a connection.
    pub(crate) restarts_percent: u64,
    /// The longest time that a load takes.
    pub(crate) load_ms: u64,
    /// The time during which there are users, writes and disturbances.
    pub(crate) busy_ms: u64,
    /// Whether users have only views, at least one each, and the right to all topics.
    pub(crate) only_views: bool,
    /// Whether sessions are checked too, and not only the deliveries of clients.
    pub(crate) watches_sessions: bool,
    /// The nodes that share a journal. Without a journal there is one node, and its history is in memory.
    pub(crate) cluster: Option<Cluster>,
}

/// Nodes that share a journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cluster {
    pub(crate) nodes: usize,
    /// The time between two looks of a node at the journal.
    pub(crate) poll_ms: u64,
    /// The milliseconds by which the journal's clock is ahead of that of the nodes.
    pub(crate) ahead_ms: u64,
    /// The longest time from a wake to the turn of a driver.
    pub(crate) turn_ms: u64,
    /// The most entries that one call of the journal returns.
    pub(crate) most_entries: Option<usize>,
    /// Whether nodes and journal are apart when the users go.
    pub(crate) ends_cut_off: bool,
    /// The percentage of disturbances of the journal that set its history back.
    pub(crate) rollback_percent: u64,
}

fn forgets_keys() -> KeyLimits {
    KeyLimits::default().max_age(Duration::from_secs(3)).max_bytes(4_000)
}

impl Config {
    /// Whether a log knows all of its keys until the end of the run.
    pub(crate) fn keeps_keys(&self) -> bool {
        self.log.keys.max_age == KeyLimits::default().max_age
    }

    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let log = LogLimits::default()
            .max_entries(*rng.pick(&[1, 2, 3, 5, 10, 50, 1000]))
            .max_bytes(*rng.pick(&[1_500, 8_000, 40_000, 16 << 20, 16 << 20, 16 << 20]))
            .max_age(Duration::from_secs(*rng.pick(&[2, 15, 600, 600])))
            .keys(if rng.percent(50) { forgets_keys() } else { KeyLimits::default() });
        let session = SessionSettings::default()
            .heartbeat(Duration::from_millis(*rng.pick(&[500, 2_000, 5_000, 25_000])))
            .ping_timeout(Duration::from_secs(*rng.pick(&[2, 10])))
            .frames_per_second(*rng.pick(&[10, 100, 100]))
            .max_topics(*rng.pick(&[1, 2, 3, 1_024, 1_024, 1_024]))
            .max_topics_per_frame(*rng.pick(&[1, 1, 2, 3, 128]))
            .answer_timeout(Duration::from_millis(*rng.pick(&[300, 3_000, 5_000, 5_000])));
        let decides = *rng.pick(&[Decides::Rows, Decides::Rows, Decides::Login, Decides::Token]);
        let takes_time = Pace {
            at_once_percent: *rng.pick(&[0, 50, 90]),
            most_ms: *rng.pick(&[20, 200, 400, 400, 8_000]),
            never_percent: *rng.pick(&[0, 0, 0, 2]),
            fault_percent: *rng.pick(&[0, 0, 1]),
        };
        Self {
            tenants: rng.between(1, 2) as usize,
            topics: rng.between(1, 6),
            clients: rng.between(1, 4) as usize,
            raws: rng.between(0, 2) as usize,
            log,
            session,
            is_old: rng.percent(15),
            decides,
            pace: if rng.percent(60) { takes_time } else { Pace::AT_ONCE },
            revoke_ms: *rng.pick(&[None, Some(1_000), Some(5_000)]),
            token_ms: rng.percent(30).then(|| rng.between(5_000, 30_000)),
            delay_ms: *rng.pick(&[1, 20, 200, 1_500]),
            shards: rng.between(1, 3),
            writes_per_turn: *rng.pick(&[1, 2, 64]),
            window: *rng.pick(&[250, 1_000, 5_000, 40_000]),
            short_percent: *rng.pick(&[0, 3, 30]),
            wake_ms: *rng.pick(&[0, 2, 100]),
            user_ms: *rng.pick(&[100, 500, 2_000]),
            extra_percent: *rng.pick(&[0, 5, 30]),
            write_ms: *rng.pick(&[30, 200, 1_000, 5_000]),
            disturb_ms: *rng.pick(&[300, 1_500, 5_000, 60_000]),
            restarts_percent: *rng.pick(&[2, 10, 40, 90]),
            load_ms: *rng.pick(&[1, 50, 1_000]),
            busy_ms: rng.between(5_000, 40_000),
            only_views: false,
            watches_sessions: true,
            cluster: None,
        }
    }

    /// Runs of one to three nodes on a journal.
    pub(crate) fn on_journal(rng: &mut Rng) -> Self {
        let draw = Self::draw(rng);
        let cluster = Cluster {
            nodes: *rng.pick(&[1, 2, 2, 3]),
            poll_ms: *rng.pick(&[50, 300, 2_000]),
            ahead_ms: *rng.pick(&[0, 0, 700]),
            turn_ms: *rng.pick(&[0, 5, 50]),
            most_entries: *rng.pick(&[None, None, Some(1), Some(3)]),
            ends_cut_off: rng.percent(20),
            rollback_percent: *rng.pick(&[0, 10, 30]),
        };
        let entries = draw.log.max_entries(*rng.pick(&[3, 20, 1000, 1000]));
        let log = if rng.percent(60) {
            entries.max_bytes(16 << 20).max_age(Duration::from_secs(600))
        } else {
            entries
        };
        // Most of a run heals. More pings would check nothing.
        let session = draw.session.heartbeat(Duration::from_millis(*rng.pick(&[5_000, 25_000])));
        Self {
            log,
            session,
            clients: rng.between(2, 4) as usize,
            write_ms: *rng.pick(&[30, 100, 300]),
            disturb_ms: *rng.pick(&[200, 500, 1_500]),
            restarts_percent: *rng.pick(&[30, 50, 80]),
            busy_ms: rng.between(5_000, 20_000),
            watches_sessions: false,
            cluster: Some(cluster),
            ..draw
        }
    }

    /// The runs of `draw`, without the checks of what an application cannot see.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn black_box(rng: &mut Rng) -> Self {
        Self { watches_sessions: false, ..Self::draw(rng) }
    }

    /// Runs with very many pings, over connections that break very often, with the checks of `black_box`.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn pings(rng: &mut Rng) -> Self {
        let draw = Self::black_box(rng);
        let heartbeat = Duration::from_millis(100);
        // The answer to a ping costs two frames.
        let frames_per_second = 100;
        let ping_timeout = Duration::from_secs(10);
        let session =
            draw.session.heartbeat(heartbeat).ping_timeout(ping_timeout).frames_per_second(frames_per_second);
        let log = LogLimits::default().max_entries(1_000);
        let busy = Self { session, log, delay_ms: 200, wake_ms: 100, write_ms: 30, ..draw };
        let quiet = Self { pace: Pace::AT_ONCE, revoke_ms: None, ..busy };
        Self { disturb_ms: 300, restarts_percent: 2, ..quiet }
    }

    /// Runs with very many resumes of several frames, at servers that ignore `more`, with the checks of `black_box`.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn old_servers(rng: &mut Rng) -> Self {
        let draw = Self::pings(rng);
        let session = draw.session.heartbeat(HEARTBEAT).max_topics(6).max_topics_per_frame(1);
        Self { is_old: true, topics: 6, session, raws: 0, user_ms: 500, token_ms: None, ..draw }
    }

    /// Runs of three nodes that are behind each other, with clients that move between them.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn movers(rng: &mut Rng) -> Self {
        let draw = Self::on_journal(rng);
        let cluster = draw.cluster.map(|cluster| Cluster { nodes: 3, poll_ms: 2_000, turn_ms: 0, ..cluster });
        let session = draw.session.answer_timeout(Duration::from_secs(5));
        let quick = Self { delay_ms: 5, wake_ms: 2, pace: Pace::AT_ONCE, is_old: false, session, ..draw };
        let log = LogLimits::default().max_entries(1_000);
        Self {
            cluster,
            log,
            topics: 1,
            tenants: 1,
            disturb_ms: 200,
            restarts_percent: 0,
            write_ms: 50,
            ..quick
        }
    }

    /// Runs with one kind of trouble: the nodes lose their journal when the users go.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn cut_off(rng: &mut Rng) -> Self {
        let draw = Self::on_journal(rng);
        let cluster = draw.cluster.map(|cluster| Cluster { ends_cut_off: true, ..cluster });
        // Few writes: a later one of the same topic would hide one that is lost.
        Self {
            cluster,
            busy_ms: 4_000,
            topics: 6,
            write_ms: 500,
            user_ms: 1_000,
            restarts_percent: 0,
            ..draw
        }
    }

    /// Runs of slow readers of short logs, with many gaps.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn short_logs(rng: &mut Rng) -> Self {
        let draw = Self::on_journal(rng);
        let log = LogLimits::default().max_entries(2);
        Self { log, extra_percent: 60, window: 250, write_ms: 30, delay_ms: 200, disturb_ms: 1_000, ..draw }
    }

    /// Short runs with a view and a writer, in which little goes wrong.
    pub(crate) fn around_load(rng: &mut Rng) -> Self {
        let draw = Self::draw(rng);
        Self {
            session: draw.session.heartbeat(HEARTBEAT),
            tenants: 1,
            topics: 1,
            clients: 1,
            raws: 0,
            pace: Pace::AT_ONCE,
            revoke_ms: None,
            token_ms: None,
            delay_ms: 40,
            window: 40_000,
            user_ms: 60,
            write_ms: 60,
            disturb_ms: 1_000_000,
            load_ms: 60,
            busy_ms: 250,
            only_views: true,
            ..draw
        }
    }
}
