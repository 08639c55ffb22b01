//! The threads of a gateway's shards. Each thread runs one shard and all of its sockets. The threads share only the
//! logs.
//!
//! At a drain, each thread sends its sessions and event streams away in batches, so that this does not block the
//! thread.

use std::{
    future::poll_fn,
    hash::BuildHasher,
    io,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
    time::Duration,
};

use tidings_hub::{Hub, Watch, shard::Protocol};
use tidings_shared::limits::{ARRIVALS, DRAIN_BATCH, DRAIN_PAUSE, HEALTH_BATCH};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    task::{LocalSet, yield_now},
};

use super::{
    accept::Permit,
    addresses::AddressPermit,
    echo,
    revoked::Revoked,
    socket,
    transport::{Socket, Transport},
};
use crate::{
    host::Clock,
    questions::{Caller, Questions},
};

/// A connection that HTTP has handed over.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) transport: Transport,
    /// The bytes that the client of a WebSocket sent behind its handshake.
    pub(crate) early: Vec<u8>,
    pub(crate) purpose: Purpose,
    /// Held until the connection ends.
    pub(crate) permits: Permits,
}

/// The guards of a connection: its permit, the permit of the client's address behind a proxy, and its presence. The
/// server of an application gives no permits.
pub(crate) type Permits = (Option<Permit>, Option<AddressPermit>, watch::Receiver<()>);

/// The purpose of a connection.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// A session, or an event stream. A session needs the caller for the questions about it.
    Client { protocol: Protocol, caller: Option<Arc<Caller>> },
    /// A WebSocket echo, for conformance suites.
    Echo,
}

/// Settings of the shards' threads.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The number of threads.
    pub(crate) count: usize,
    /// The most bytes of one message from a client.
    pub(crate) max_message_bytes: usize,
    pub(crate) write_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) drain_spread: Duration,
}

/// The shards' threads. Dropping this ends them and their connections.
#[derive(Debug)]
pub(crate) struct Workers {
    arrivals: Vec<mpsc::Sender<Arrival>>,
    next: AtomicUsize,
}

impl Workers {
    /// Starts the threads. The application answers questions on the current runtime.
    pub(crate) fn start(
        settings: &Settings,
        hub: &Hub,
        questions: &Questions,
        draining: &watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let runtime = Handle::current();
        let clock = Clock::of(hub);
        let start = |index| {
            let (sender, arrivals) = mpsc::channel(ARRIVALS);
            let (settings, draining) = (settings.clone(), draining.clone());
            let (revoked, health) = (Revoked::new(hub.revocations().watch()), hub.watch_health());
            let asker = (questions.clone(), runtime.clone());
            std::thread::Builder::new().name(format!("tidings-shard-{index}")).spawn(move || {
                if let Err(error) = run(&settings, clock, asker, arrivals, draining, (revoked, health)) {
                    tracing::error!(%error, "a shard could not start");
                }
            })?;
            Ok(sender)
        };
        let arrivals = (0..settings.count).map(start).collect::<io::Result<_>>()?;
        Ok(Self { arrivals, next: AtomicUsize::new(0) })
    }

    /// Hands a connection to the shards in turn. It waits while the shard's queue is full, and skips shards that have
    /// failed.
    pub(crate) async fn send(&self, mut arrival: Arrival) {
        for _ in 0..self.arrivals.len() {
            let next = self.next.fetch_add(1, Ordering::Relaxed) % self.arrivals.len();
            match self.arrivals[next].send(arrival).await {
                Ok(()) => return,
                Err(mpsc::error::SendError(refused)) => arrival = refused,
            }
        }
        tracing::error!("no shard takes connections any more");
    }
}

fn run(
    settings: &Settings,
    clock: Clock,
    asker: (Questions, Handle),
    mut arrivals: mpsc::Receiver<Arrival>,
    mut draining: watch::Receiver<bool>,
    (mut revoked, mut health): (Revoked, Watch),
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = Rc::new(socket::Local::new(clock, asker, settings.write_timeout));
    let max = settings.max_message_bytes;
    let (spread, drain_timeout) = (settings.drain_spread, settings.drain_timeout);
    LocalSet::new().block_on(&runtime, async move {
        let mut fan_out = tokio::task::spawn_local(fan_out(Rc::clone(&local)));
        loop {
            let arrival = tokio::select! {
                arrival = arrivals.recv() => arrival,
                Ok(_) = draining.wait_for(|draining| *draining), if !local.is_draining.get() => {
                    local.is_draining.set(true);
                    tokio::task::spawn_local(send_away(Rc::clone(&local), spread, drain_timeout));
                    continue;
                }
                () = revoked.changed() => {
                    local.shard.borrow_mut().handle_revocation(local.clock.now());
                    continue;
                }
                () = poll_fn(|cx| health.poll_changed(cx)) => {
                    tokio::task::spawn_local(tell_health(Rc::clone(&local)));
                    continue;
                }
                ended = &mut fan_out => {
                    // The connections of the shard end too. Otherwise they would wait for deliveries for ever.
                    tracing::error!(?ended, "a shard has failed");
                    return;
                }
            };
            let Some(Arrival { transport, early, purpose, permits }) = arrival else { return };
            let (local, mut draining) = (Rc::clone(&local), draining.clone());
            tokio::task::spawn_local(async move {
                // The task holds the permits until it ends. A `let` binding would store them in the task a second time.
                let _ = &permits;
                let Ok(socket) = Socket::open(transport).await else { return };
                match purpose {
                    Purpose::Client { mut protocol, caller } => {
                        // These may have come while the connection was between HTTP and the shard.
                        if local.is_draining.get() {
                            protocol.handle_drain(random_part(spread));
                        }
                        protocol.handle_revocation(local.clock.now());
                        protocol.handle_health();
                        socket::run(&local, socket, early, protocol, caller).await;
                    }
                    Purpose::Echo => tokio::select! {
                        () = echo::run(socket, early, max, local.write_timeout) => {}
                        Ok(_) = draining.wait_for(|draining| *draining) => {}
                    },
                }
            });
        }
    });
    Ok(())
}

/// Delivers publications to the connections of a shard, as long as the shard lives.
async fn fan_out(local: Rc<socket::Local>) {
    loop {
        poll_fn(|cx| poll_fan_out(&local, cx.waker())).await;
        // Now the tasks of the connections have their turn.
        yield_now().await;
    }
}

fn poll_fan_out(local: &socket::Local, waker: &Waker) -> std::task::Poll<()> {
    local.shard.borrow_mut().poll_fan_out(local.clock.now(), waker)
}

/// Tells all connections of a shard of the hub's health, in batches. Between two batches, the other tasks have a turn.
async fn tell_health(local: Rc<socket::Local>) {
    let keys = local.shard.borrow().keys();
    for batch in keys.chunks(HEALTH_BATCH) {
        local.shard.borrow_mut().handle_health(batch, local.clock.now());
        yield_now().await;
    }
}

/// Sends all connections of a shard away, in batches. Between two batches, the other connections are served. The pauses
/// also spread the closes over time, for this machine and for a proxy.
async fn send_away(local: Rc<socket::Local>, spread: Duration, drain_timeout: Duration) {
    let keys = local.shard.borrow().keys();
    for (batch, pause) in batches(&keys, drain_timeout) {
        {
            let (mut shard, now) = (local.shard.borrow_mut(), local.clock.now());
            // A key may now belong to a newer connection. That one was already sent away on arrival.
            for &key in batch {
                if shard.contains(key) {
                    shard.handle(key, now, |protocol| protocol.handle_drain(random_part(spread)));
                    shard.wake(key);
                }
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Returns the batches, each with the pause after it. All pauses together take at most half of the drain's time.
fn batches<T>(all: &[T], drain_timeout: Duration) -> impl Iterator<Item = (&[T], Duration)> {
    let batches = all.chunks(DRAIN_BATCH);
    let most = drain_timeout / 2 / u32::try_from(batches.len().max(1)).unwrap_or(u32::MAX);
    batches.map(move |batch| (batch, most.min(DRAIN_PAUSE)))
}

/// Returns a random part of a duration, another one at each call.
pub(crate) fn random_part(whole: Duration) -> Duration {
    let random = std::hash::RandomState::new().hash_one(0_u8);
    whole.mul_f64(random as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_connections_are_sent_away_in_batches_that_leave_time_before_the_deadline() {
        let keys: Vec<u32> = (0..3 * DRAIN_BATCH as u32 + 1).collect();
        for (drain_timeout, expected) in
            [(Duration::from_secs(30), DRAIN_PAUSE), (Duration::from_millis(8), Duration::from_millis(1))]
        {
            let batches: Vec<_> = batches(&keys, drain_timeout).collect();
            assert_eq!(batches.iter().map(|(batch, _)| batch.len()).collect::<Vec<_>>(), [256, 256, 256, 1]);
            assert!(batches.iter().all(|(_, pause)| *pause == expected), "{batches:?}");
        }
        assert_eq!(batches::<u32>(&[], Duration::from_secs(30)).count(), 0);
    }
}
