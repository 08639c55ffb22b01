//! The server: the real hub and shards, and the state that survives a restart.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Wake,
    time::Duration,
};

use tidings_hub::{Counters, Host, Hub, HubSettings, LogLimits, Moment, PublishOptions, Shard};
use tidings_shared::Position;
use uuid::Uuid;

use crate::{
    access::tenant,
    cluster::Drive,
    config::Config,
    invariant::{Check, holds},
    reference::Asked,
    revoked::Revoked,
    socket::Socket,
    world::{Event, World},
};

thread_local! {
    /// The next epoch that a hub of this thread draws.
    pub(crate) static EPOCH: Cell<u64> = const { Cell::new(0) };

    /// The moment of the next call of a hub of this thread.
    static MOMENT: Cell<Moment> = const { Cell::new(Moment { since_start: Duration::ZERO, unix_ms: 0 }) };
}

/// Sets the moment of the next call of a hub.
pub(crate) fn set_moment(moment: Moment) {
    MOMENT.set(moment);
}

/// A host. Its epochs follow from the seed. The simulation sets the moment before every call, and gives every
/// publication its key.
#[derive(Debug)]
pub(crate) struct SeededHost;

impl Host for SeededHost {
    fn now(&self) -> Moment {
        MOMENT.get()
    }

    fn new_key(&self) -> Uuid {
        Uuid::from_u64_pair(self.new_epoch(), self.new_epoch())
    }

    fn new_epoch(&self) -> u64 {
        EPOCH.replace(EPOCH.get().wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F))
    }
}

/// A server, and the state that survives its restarts.
pub(crate) struct Node {
    pub(crate) hub: Hub,
    /// The revocations of the hub.
    pub(crate) revoked: Revoked,
    pub(crate) log: LogLimits,
    pub(crate) is_up: bool,
    /// Its driver, if it has a journal and is up.
    pub(crate) drive: Option<Drive>,
    /// How slow its journal is.
    pub(crate) slow: Slow,
    /// The journal answered this node too late or not at all until this time.
    pub(crate) troubled_until: u64,
    /// When it heard its journal last.
    pub(crate) heard_at: u64,
    /// When its last silence ended that was long enough to be told.
    pub(crate) silent_until: Option<u64>,
}

/// A time during which each call of a journal takes up to so many milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slow {
    pub(crate) until: u64,
    pub(crate) ms: u64,
}

/// A shard with its waker, in place of a thread.
#[derive(Debug)]
pub(crate) struct Worker {
    /// The node of this shard.
    pub(crate) node: usize,
    pub(crate) shard: Shard<Socket>,
    pub(crate) flag: Arc<Flag>,
    /// Whether a turn is scheduled.
    pub(crate) is_due: bool,
}

/// A waker that notes a wake.
#[derive(Debug, Default)]
pub(crate) struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Worker {
    /// Returns a shard without connections.
    pub(crate) fn new(node: usize, config: &Config) -> Self {
        let shard = Shard::new().with_writes_per_turn(config.writes_per_turn);
        Self { node, shard, flag: Arc::default(), is_due: false }
    }
}

impl Flag {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn new_hub(log: LogLimits) -> Hub {
    Hub::new(HubSettings::new(tenant(0)).log(log), SeededHost)
}

/// Returns the newest position of a tenant's log. This does not count as a use of the tenant.
pub(crate) fn head(hub: &Hub, index: usize) -> Option<Position> {
    hub.tenant(&tenant(index)).position().now_or_never()
}

impl Node {
    pub(crate) fn new(config: &Config) -> Self {
        let (hub, log) = (new_hub(config.log), config.log);
        let is_up = config.cluster.is_none();
        Self {
            hub,
            revoked: Revoked::default(),
            log,
            is_up,
            drive: None,
            slow: Slow::default(),
            troubled_until: 0,
            heard_at: 0,
            silent_until: None,
        }
    }

    /// Returns the milliseconds between two calls of the hub's timer.
    pub(crate) fn sweep_ms(&self) -> u64 {
        1_000
    }

    /// Replaces the hub by a new one without logs and revocations.
    pub(crate) fn renew_hub(&mut self) {
        self.hub = new_hub(self.log);
        self.revoked = Revoked::default();
    }

    /// Returns the hub. Its next call is at this moment.
    pub(crate) fn at(&self, moment: Moment) -> &Hub {
        MOMENT.set(moment);
        &self.hub
    }

    pub(crate) fn counters(&self, index: usize) -> Counters {
        self.hub.tenant(&tenant(index)).counters()
    }

    pub(crate) fn tenant_count(&self) -> usize {
        self.hub.tenant_count()
    }

    pub(crate) fn handle_timeout(&self, now: Moment) {
        self.hub.handle_timeout(now);
    }

    /// Publishes as an application that embeds the hub does.
    pub(crate) fn publish(&self, index: usize, asked: &Asked) -> Result<Position, String> {
        let tenant = self.at(asked.moment).tenant(&tenant(index));
        if asked.is_sync {
            tenant.sync_raw(&asked.topics, Some(asked.key));
            let head = head(&self.hub, index);
            return head.ok_or_else(|| "nobody is let in".to_owned());
        }
        let options = PublishOptions::default().key(asked.key).origin(asked.origin.clone());
        let event = asked.event.clone();
        let published = tenant.publish_raw(event, Some(&asked.topics), options).now_or_never();
        let published = published.ok_or_else(|| "it was not published at once".to_owned())?;
        published.map(|published| published.position).map_err(|error| error.to_string())
    }
}

impl World {
    /// Returns the node that a load balancer gives a new connection to. It mostly knows which nodes are up.
    pub(crate) fn balance(&mut self) -> usize {
        if self.nodes.len() == 1 {
            return 0;
        }
        let up: Vec<usize> = (0..self.nodes.len()).filter(|&node| self.nodes[node].is_up).collect();
        if up.is_empty() || self.rng.percent(5) {
            self.rng.index(self.nodes.len())
        } else {
            *self.rng.pick(&up)
        }
    }

    /// Returns the shards of a node.
    pub(crate) fn shards_of(&self, node: usize) -> impl Iterator<Item = usize> + use<> {
        let shards = self.config.shards as usize;
        node * shards..(node + 1) * shards
    }

    /// Replaces the shards of a node by new ones without connections.
    pub(crate) fn start_shards(&mut self, node: usize) {
        for shard in self.shards_of(node) {
            self.workers[shard] = Worker::new(node, &self.config);
        }
    }

    pub(crate) fn hub_timer(&mut self) -> Check {
        if self.config.cluster.is_some() {
            return self.hub_timers();
        }
        self.nodes[0].handle_timeout(self.moment());
        let max_age = u64::try_from(self.config.log.max_age.as_millis()).unwrap_or(u64::MAX);
        for tenant in 0..self.config.tenants {
            self.look_at_ring(tenant);
            let counters = self.nodes[0].counters(tenant);
            let is_unused =
                counters.followers == 0 && counters.log_entries == 0 && counters.evicted_keys == 0;
            self.reference.swept(tenant, is_unused, self.now, max_age);
        }
        self.after(self.nodes[0].sweep_ms(), Event::HubTimer);
        Ok(())
    }

    /// The timers of nodes on a journal.
    fn hub_timers(&mut self) -> Check {
        let now = self.moment();
        for node in self.nodes.iter().filter(|node| node.is_up) {
            node.handle_timeout(now);
            for tenant in 0..self.config.tenants {
                let counters = node.counters(tenant);
                let bounds = &self.config.log;
                let is_within =
                    counters.log_entries <= bounds.max_entries && counters.log_bytes <= bounds.max_bytes;
                holds!(is_within, Bounds, "the log of tenant {tenant} has {counters:?}");
            }
        }
        (0..self.workers.len()).for_each(|shard| self.obey_later(shard));
        self.silence_is_told()?;
        self.after(self.nodes[0].sweep_ms(), Event::HubTimer);
        Ok(())
    }

    /// Publishes as an application that embeds the hub, and checks the answer.
    pub(crate) fn publish_at_hub(&mut self, tenant: usize, asked: Asked) -> Check {
        let position = self.nodes[0].publish(tenant, &asked);
        holds!(position.is_ok(), Acknowledged, "the hub refused {asked:?}: {position:?}");
        let position = position.unwrap_or(Position::new(0, 0, 0));
        let counters = self.nodes[0].counters(tenant);
        self.acknowledged(tenant, asked, position, counters)
    }

    /// Notes a publish that the hub has accepted. `counters` are the counters right after it.
    pub(crate) fn acknowledged(
        &mut self,
        tenant: usize,
        asked: Asked,
        position: Position,
        counters: Counters,
    ) -> Check {
        let Counters { log_bytes: bytes, evicted_key_bytes: key_bytes, .. } = counters;
        let ring = counters.log_entries as u64;
        let bounds = &self.config.log;
        holds!(ring <= bounds.max_entries as u64, Bounds, "the log has {ring} entries");
        holds!(bytes <= bounds.max_bytes, Bounds, "the log has {bytes} bytes");
        holds!(key_bytes <= bounds.keys.max_bytes, Bounds, "its keys have {key_bytes} bytes");
        let (key, topics, is_sync) = (asked.key, asked.topics.clone(), asked.is_sync);
        let is_new = self.reference.answered(tenant, asked, position, ring, self.config.keeps_keys())?;
        self.say(|| format!("tenant {tenant}: {key} is at {position} for {topics:?}, {is_new}"));
        let what = if is_sync { "announced as a sync" } else { "published" };
        self.stats.count(if is_new { what } else { "known key" });
        if topics.len() > 128 {
            self.stats.count("many topics");
        }
        Ok(())
    }

    /// Notes how much the log has evicted.
    pub(crate) fn look_at_ring(&mut self, tenant: usize) {
        let ring = self.nodes[0].counters(tenant).log_entries as u64;
        if let Some(history) = self.reference.history_mut(tenant) {
            history.tail = history.tail.max(history.head().saturating_sub(ring));
        }
    }
}
