//! The world of a run: its clock, its schedule, and the trace of the last events.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use tidings_hub::Moment;
use tidings_shared::TopicName;

use crate::{
    access::{Application, topic},
    actor::Actor,
    cluster::HandedOver,
    config::Config,
    invariant::{Broken, Check, Invariant, holds},
    journal::Database,
    journal_check::Obliged,
    link::{Link, Side},
    node::{EPOCH, Node, Worker, set_moment},
    raw::Raw,
    reference::{Asked, Reference},
    restart::Restart,
    rng::Rng,
    stats::Stats,
    store::Store,
    trouble::Trouble,
};

/// An event on the schedule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// A message arrives.
    Arrival {
        link: u64,
        side: Side,
    },
    /// A connection reaches the server.
    Accept {
        link: u64,
    },
    /// The server's side of a connection writes and reads.
    Pump {
        link: u64,
    },
    /// A socket takes bytes again.
    Writable {
        link: u64,
    },
    /// A shard has a turn.
    FanOut {
        shard: usize,
    },
    SessionTimer {
        link: u64,
    },
    /// The application reads its rows for an answer.
    Judge {
        link: u64,
        number: u64,
    },
    Answer {
        link: u64,
        number: u64,
    },
    /// Rights are revoked.
    Revoke,
    /// A shard looks for revocations.
    Obey {
        shard: usize,
    },
    WriteDeadline {
        link: u64,
        since: u64,
    },
    HubTimer,
    /// The driver of a node has a turn.
    Turn {
        node: usize,
    },
    /// Something that a journal has lost is published again.
    Again,
    ClientTimer {
        client: usize,
        life: u64,
    },
    Token {
        client: usize,
        life: u64,
        connection: u64,
    },
    User {
        client: usize,
    },
    LoadReads {
        client: usize,
        life: u64,
        view: u64,
        load: u64,
    },
    LoadEnds {
        client: usize,
        life: u64,
        view: u64,
        load: u64,
    },
    /// The computer of a user wakes up, or its network is back.
    Wake {
        client: usize,
        life: u64,
    },
    Raw {
        raw: usize,
    },
    Write,
    /// A write is announced.
    Announce {
        write: usize,
    },
    Disturb,
    /// The server crashes, and loses its logs.
    Crash,
    /// A node is up again.
    Up {
        node: usize,
    },
    /// All nodes are cut off from their journal for longer than anybody waits.
    CutOff,
    /// A trouble of the journal ends.
    Relief {
        node: usize,
        trouble: Trouble,
    },
    /// Whatever was revoked by now must hold on each node.
    Holds,
    /// By now, each node has noticed that the journal was set back.
    Noticed,
}

/// The time of an event, its number, and the event. Events of the same time keep the order of their numbers.
type Due = Reverse<(u64, u64, Event)>;

/// The steps after which a run counts as endless.
const MAX_STEPS: u64 = 400_000;

/// The time after the last disturbance until everything must be right, in milliseconds. It is the time for a stalled
/// direction (40 s), a watchdog (25 and 10 s), a back-off (20 s) and a connection that never opens (10 s), twice.
const HEAL_MS: u64 = 240_000;

/// The steps between two checks of the shards' contents. A leak stays for longer than that.
const LOOK_EVERY: u64 = 8;

/// The number of trace lines that a failure shows.
const TRACE_LINES: usize = 40;

pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) rng: Rng,
    /// Milliseconds since the world began.
    pub(crate) now: u64,
    step: u64,
    queue: BinaryHeap<Due>,
    /// The number of questions to the application so far.
    pub(crate) questions: u64,
    /// The number of events that were scheduled.
    scheduled: u64,
    trace: VecDeque<String>,
    /// Whether the trace is printed too.
    prints: bool,
    pub(crate) topics: Vec<TopicName>,
    pub(crate) reference: Reference,
    pub(crate) store: Store,
    pub(crate) application: Application,
    pub(crate) nodes: Vec<Node>,
    /// The shards of all nodes, one node after the other.
    pub(crate) workers: Vec<Worker>,
    pub(crate) links: BTreeMap<u64, Link>,
    pub(crate) last_link: u64,
    pub(crate) clients: Vec<Actor>,
    pub(crate) raws: Vec<Raw>,
    /// Whether there are no more users, writes and disturbances.
    pub(crate) heals: bool,
    /// The journal of all nodes, if they have one.
    pub(crate) database: Database,
    pub(crate) handed_over: HandedOver,
    /// What the journal has lost, and is not published again yet.
    pub(crate) again: Vec<(usize, Asked)>,
    /// Whether this run says nothing more, because a publication came to its old position again after it was lost.
    pub(crate) is_void: bool,
    pub(crate) obliged: Vec<Obliged>,
    /// When a history of the journal was last replaced by another.
    pub(crate) replaced_at: u64,
    pub(crate) stats: Stats,
}

/// A run that broke an invariant.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) seed: u64,
    pub(crate) step: u64,
    pub(crate) broken: Broken,
    trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, step, broken, trace } = self;
        writeln!(f, "{:?} does not hold: {}", broken.invariant, broken.how)?;
        writeln!(f, "seed {seed}, step {step}; TIDINGS_SEED={seed} repeats it. The last events:")?;
        trace.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Runs a seed to its end.
pub(crate) fn run(seed: u64, draw: fn(&mut Rng) -> Config, prints: bool) -> Result<Stats, Box<Failure>> {
    let mut world = World::new(seed, draw, prints);
    let ended = catch_unwind(AssertUnwindSafe(|| world.live())).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        Err(Broken { invariant: Invariant::NoPanic, how: text.to_owned() })
    });
    match ended {
        Ok(()) => Ok(world.stats),
        Err(broken) => Err(Box::new(Failure { seed, step: world.step, broken, trace: world.trace.into() })),
    }
}

impl World {
    fn new(seed: u64, draw: fn(&mut Rng) -> Config, prints: bool) -> Self {
        let mut rng = Rng::new(seed);
        let config = draw(&mut rng);
        let topics: Vec<TopicName> = (0..config.topics).map(topic).collect();
        EPOCH.set(rng.next());
        let count = config.cluster.map_or(1, |cluster| cluster.nodes);
        let nodes: Vec<Node> = (0..count).map(|_| Node::new(&config)).collect();
        let of_node = |node| (0..config.shards).map(move |_| node);
        let workers = (0..nodes.len()).flat_map(of_node).map(|node| Worker::new(node, &config)).collect();
        let clients = (0..config.clients).map(|index| Actor::new(index, &config, &mut rng)).collect();
        let raws = (0..config.raws).map(|_| Raw::default()).collect();
        Self {
            rng,
            now: 0,
            step: 0,
            queue: BinaryHeap::new(),
            scheduled: 0,
            questions: 0,
            trace: VecDeque::new(),
            prints,
            topics,
            reference: Reference::new(config.tenants),
            store: Store::default(),
            application: Application::new(config.decides, config.token_ms),
            nodes,
            workers,
            links: BTreeMap::new(),
            last_link: 0,
            clients,
            raws,
            heals: false,
            database: config
                .cluster
                .map_or_else(Database::default, |cluster| Database::new(cluster.poll_ms, cluster.ahead_ms)),
            handed_over: HandedOver::new(),
            again: Vec::new(),
            is_void: false,
            obliged: Vec::new(),
            replaced_at: 0,
            stats: Stats::default(),
            config,
        }
    }

    fn live(&mut self) -> Check {
        let config = self.config.clone();
        self.say(|| format!("{config:?}"));
        self.after(self.nodes[0].sweep_ms(), Event::HubTimer);
        if self.config.cluster.is_some() {
            (0..self.nodes.len()).try_for_each(|node| self.start(node))?;
        } else {
            self.start_fan_outs(0);
        }
        (0..self.clients.len()).for_each(|client| self.after(0, Event::User { client }));
        (0..self.raws.len()).for_each(|raw| self.after(0, Event::Raw { raw }));
        self.after(0, Event::Write);
        self.after(self.config.disturb_ms, Event::Disturb);
        if let Some(revoke_ms) = self.config.revoke_ms {
            self.after(revoke_ms, Event::Revoke);
        }
        if self.config.cluster.is_some_and(|cluster| cluster.ends_cut_off) {
            self.after(self.config.busy_ms.saturating_sub(1_500), Event::CutOff);
        }
        self.run_until(self.config.busy_ms)?;
        self.heals = true;
        self.relieve_all();
        self.say(|| "-- the network heals, and nobody writes any more".to_owned());
        self.run_until(self.config.busy_ms + HEAL_MS)?;
        if self.is_void {
            self.stats.count("came to its old position again");
            return Ok(());
        }
        self.nodes_equal_the_journal()?;
        (0..self.clients.len()).try_for_each(|client| self.client_ends_well(client))?;
        self.all_leave()
    }

    fn run_until(&mut self, end: u64) -> Check {
        while let Some(Reverse((at, _, _))) = self.queue.peek()
            && *at <= end
            && !self.is_void
        {
            let Some(Reverse((at, _, event))) = self.queue.pop() else { break };
            self.now = self.now.max(at);
            self.step += 1;
            set_moment(self.moment());
            holds!(self.step < MAX_STEPS, Answered, "the run does not end");
            self.take(event)?;
            self.nobody_sleeps_through()?;
            self.wake_drivers();
            if self.step.is_multiple_of(LOOK_EVERY) {
                self.shards_hold_no_more()?;
            }
        }
        self.now = end;
        Ok(())
    }

    fn take(&mut self, event: Event) -> Check {
        match event {
            Event::Arrival { link, side } => self.arrives(link, side),
            Event::Accept { link } => self.accept(link),
            Event::Pump { link } => self.pump(link),
            Event::Writable { link } => self.writable(link),
            Event::FanOut { shard } => self.fan_out(shard),
            Event::SessionTimer { link } => self.session_timer(link),
            Event::Judge { link, number } => self.judge(link, number),
            Event::Answer { link, number } => self.answer(link, number),
            Event::Revoke => self.revoke(),
            Event::Obey { shard } => self.obey(shard),
            Event::WriteDeadline { link, since } => self.write_deadline(link, since),
            Event::HubTimer => self.hub_timer(),
            Event::ClientTimer { client, life } => self.client_timer(client, life),
            Event::Token { client, life, connection } => self.token(client, life, connection),
            Event::User { client } => self.user(client),
            Event::LoadReads { client, life, view, load } => self.load_reads(client, life, view, load),
            Event::LoadEnds { client, life, view, load } => self.load_ends(client, life, view, load),
            Event::Wake { client, life } => self.wake(client, life),
            Event::Raw { raw } => self.raw(raw),
            Event::Write => self.write(),
            Event::Announce { write } => self.announce(write),
            Event::Disturb => self.disturb(),
            Event::Crash if self.heals || !self.nodes[0].is_up => Ok(()),
            Event::Crash => self.restart(Restart::Lost),
            Event::Up { node } if self.config.cluster.is_some() => self.start(node),
            Event::Up { .. } => self.up(),
            Event::Turn { node } => self.turn(node),
            Event::Again => self.again(),
            Event::CutOff => self.cut_all_off(),
            Event::Relief { node, trouble } => self.relieve(node, trouble),
            Event::Holds => self.revocations_hold(),
            Event::Noticed => self.rollback_is_noticed(),
        }
    }

    /// Schedules an event after a delay.
    pub(crate) fn after(&mut self, ms: u64, event: Event) {
        self.at(self.now + ms, event);
    }

    pub(crate) fn at(&mut self, ms: u64, event: Event) {
        self.scheduled += 1;
        self.queue.push(Reverse((ms, self.scheduled, event)));
    }

    /// Returns a random time with this mean.
    pub(crate) fn around(&mut self, mean: u64) -> u64 {
        self.rng.below(2 * mean + 1)
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment { since_start: Duration::from_millis(self.now), unix_ms: 1_700_000_000_000 + self.now }
    }

    /// Adds a line to the trace.
    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        let line = format!("{:>6} {:>8} ms  {}", self.step, self.now, line());
        if self.prints {
            eprintln!("{line}");
        }
        if self.trace.len() == TRACE_LINES {
            self.trace.pop_front();
        }
        self.trace.push_back(line);
    }

    /// Ends all sessions, lets the logs age out, and checks that the hub holds nothing.
    fn all_leave(&mut self) -> Check {
        let links: Vec<u64> = self.links.keys().copied().collect();
        links.into_iter().for_each(|link| self.leaves_shard(link));
        (0..self.nodes.len()).try_for_each(|node| self.shards_are_empty(node))?;
        self.links.clear();
        for (node, tenant) in
            self.nodes.iter().flat_map(|node| (0..self.config.tenants).map(move |t| (node, t)))
        {
            let counters = node.counters(tenant);
            let held = (counters.followers, counters.followed_topics, counters.waiting);
            holds!(held == (0, 0, 0), NothingLeft, "tenant {tenant} after the last session: {counters:?}");
        }
        let longest = self.config.log.max_age.max(self.config.log.keys.max_age);
        for _ in 0..2 {
            self.now += u64::try_from(longest.as_millis()).unwrap_or(u64::MAX) + 1;
            set_moment(self.moment());
            self.nodes.iter().for_each(|node| node.handle_timeout(self.moment()));
        }
        let count: usize = self.nodes.iter().map(Node::tenant_count).sum();
        holds!(count == 0, NothingLeft, "{count} tenants are left long after their logs aged out");
        Ok(())
    }
}
