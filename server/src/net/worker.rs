//! The threads of a gateway's shards: each runs one shard and all of its sockets, and shares nothing with the others but
//! the logs.
//!
//! A drain: each worker sends its sessions away in batches, so that their goaways do not block the thread.

use std::{
    hash::BuildHasher,
    io,
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
    task::Waker,
    time::Duration,
};

use tidings_hub::{Hub, shard::Protocol};
use tidings_shared::limits::{ARRIVALS, DRAIN_BATCH, DRAIN_PAUSE};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    task::{LocalSet, yield_now},
};

use super::{accept::Place, addresses::AddressPlace, echo, revoked::Revoked, socket};
use crate::host::Clock;

/// A connection that HTTP has handed over.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) stream: std::net::TcpStream,
    /// What the client of a WebSocket sent behind its handshake.
    pub(crate) head: Vec<u8>,
    pub(crate) serves: Serves,
    /// Held as long as the connection is there.
    pub(crate) permits: Permits,
}

/// The permits of a connection: under the caps, for its address, and among the sessions and event streams.
pub(crate) type Permits = (Place, Option<AddressPlace>, watch::Receiver<()>);

/// What a connection is for.
#[derive(Debug)]
pub(crate) enum Serves {
    /// A session, or a stream of events.
    Client(Protocol),
    Echo,
}

/// Settings of the shards' threads.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// How many threads.
    pub(crate) count: usize,
    /// Bytes of one message from a client.
    pub(crate) max_message_bytes: usize,
    pub(crate) write_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) drain_spread: Duration,
}

/// The shards' threads. They end when this goes, and their connections with them.
#[derive(Debug)]
pub(crate) struct Workers {
    arrivals: Vec<mpsc::Sender<Arrival>>,
    next: AtomicUsize,
}

impl Workers {
    /// Starts them.
    pub(crate) fn start(
        settings: &Settings,
        hub: &Hub,
        draining: &watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let clock = Clock::of(hub);
        let start = |index| {
            let (sender, arrivals) = mpsc::channel(ARRIVALS);
            let (settings, draining, revoked) =
                (settings.clone(), draining.clone(), Revoked::new(hub.revocations().watch()));
            std::thread::Builder::new().name(format!("tidings-shard-{index}")).spawn(move || {
                if let Err(error) = run(&settings, clock, arrivals, draining, revoked) {
                    tracing::error!(%error, "a shard could not start");
                }
            })?;
            Ok(sender)
        };
        let arrivals = (0..settings.count).map(start).collect::<io::Result<_>>()?;
        Ok(Self { arrivals, next: AtomicUsize::new(0) })
    }

    /// Hands a connection to one of the shards, in turn.
    pub(crate) async fn send(&self, mut arrival: Arrival) {
        for _ in 0..self.arrivals.len() {
            let next = self.next.fetch_add(1, Ordering::Relaxed) % self.arrivals.len();
            match self.arrivals[next].send(arrival).await {
                Ok(()) => return,
                Err(mpsc::error::SendError(refused)) => arrival = refused,
            }
        }
        tracing::error!("no shard is left that takes a connection");
    }
}

fn run(
    settings: &Settings,
    clock: Clock,
    mut arrivals: mpsc::Receiver<Arrival>,
    mut draining: watch::Receiver<bool>,
    mut revoked: Revoked,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = Rc::new(socket::Local::new(clock, settings.write_timeout));
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
                ended = &mut fan_out => {
                    // Its connections end with it: nobody stays who would wait in vain.
                    tracing::error!(?ended, "a shard has failed");
                    return;
                }
            };
            let Some(Arrival { stream, head, serves, permits }) = arrival else { return };
            let (local, mut draining) = (Rc::clone(&local), draining.clone());
            tokio::task::spawn_local(async move {
                // Held until the task ends. A binding of its own would be a second place for it in every connection's task.
                let _ = &permits;
                let Ok(stream) = TcpStream::from_std(stream) else { return };
                match serves {
                    Serves::Client(mut protocol) => {
                        // A drain or a revocation may have come on its way here, and found it nowhere.
                        if local.is_draining.get() {
                            protocol.handle_drain(random_part(spread));
                        }
                        protocol.handle_revocation(local.clock.now());
                        socket::run(&local, stream, head, protocol).await;
                    }
                    Serves::Echo => tokio::select! {
                        () = echo::run(stream, head, max, local.write_timeout) => {}
                        Ok(_) = draining.wait_for(|draining| *draining) => {}
                    },
                }
            });
        }
    });
    Ok(())
}

/// Delivers what is published, as long as the shard is there.
async fn fan_out(local: Rc<socket::Local>) {
    loop {
        std::future::poll_fn(|cx| poll_fan_out(&local, cx.waker())).await;
        // The sockets have their turn.
        yield_now().await;
    }
}

fn poll_fan_out(local: &socket::Local, waker: &Waker) -> std::task::Poll<()> {
    local.shard.borrow_mut().poll_fan_out(local.clock.now(), waker)
}

/// Sends away all who are there, in batches, so that those who wait for their turn are served meanwhile and neither this
/// machine nor what is in front of it has to end all connections in one moment.
async fn send_away(local: Rc<socket::Local>, spread: Duration, drain_timeout: Duration) {
    let keys = local.shard.borrow().keys();
    for (batch, pause) in batches(&keys, drain_timeout) {
        {
            let (mut shard, now) = (local.shard.borrow_mut(), local.clock.now());
            // One that came since at the place of another is sent away already.
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

/// What goes at a time, and the pause after it: all have gone before half of the time is over.
fn batches<T>(all: &[T], drain_timeout: Duration) -> impl Iterator<Item = (&[T], Duration)> {
    let batches = all.chunks(DRAIN_BATCH);
    let most = drain_timeout / 2 / u32::try_from(batches.len().max(1)).unwrap_or(u32::MAX);
    batches.map(move |batch| (batch, most.min(DRAIN_PAUSE)))
}

/// A different part of the whole for each session.
pub(crate) fn random_part(whole: Duration) -> Duration {
    let random = std::hash::RandomState::new().hash_one(0_u8);
    whole.mul_f64(random as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_sent_away_in_batches_that_leave_time_before_the_deadline() {
        let crowd: Vec<u32> = (0..3 * DRAIN_BATCH as u32 + 1).collect();
        for (drain_timeout, expected) in
            [(Duration::from_secs(30), DRAIN_PAUSE), (Duration::from_millis(8), Duration::from_millis(1))]
        {
            let batches: Vec<_> = batches(&crowd, drain_timeout).collect();
            assert_eq!(batches.iter().map(|(batch, _)| batch.len()).collect::<Vec<_>>(), [256, 256, 256, 1]);
            assert!(batches.iter().all(|(_, pause)| *pause == expected), "{batches:?}");
        }
        assert_eq!(batches::<u32>(&[], Duration::from_secs(30)).count(), 0);
    }
}
