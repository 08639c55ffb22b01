//! The deadline for request heads. A head must arrive within the header timeout from its first byte on. Before this
//! byte the connection is idle, and it may be idle for longer: a proxy keeps it for its next request. The proxy should
//! close it first: if the server closes it, a request may already be on its way.
//!
//! A fresh connection is idle, too. For example, Caddy opens a second connection while the first is busy. Then the first
//! becomes free and takes the request. Caddy keeps the second one, which has not sent a byte, for a later request.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::rt;
use tokio::time::{Instant, Sleep, sleep_until};

/// The current phase of a connection. Its stream, its timer and its service note the changes.
///
/// ```text
/// FIRST ─▶ BEGUN ─▶ ANSWERS ─▶ IDLE ─▶ BEGUN …
///                      └─▶ LEAVES ─▶ LEFT
/// ```
#[derive(Debug)]
pub(crate) struct Phase {
    current: AtomicU8,
    /// The time of the last change to `BEGUN`.
    begun: Mutex<Instant>,
}

/// The connection is fresh. It waits for the first byte of its first request head.
const FIRST: u8 = 0;
/// A request head is complete, and its answer is not.
const ANSWERS: u8 = 1;
/// The connection waits for the first byte of the next request head.
const IDLE: u8 = 2;
/// A part of a request head has arrived.
const BEGUN: u8 = 3;
/// hyper still has to write the head of an answer. Then a shard writes the body.
const LEAVES: u8 = 4;
/// hyper has written this head.
const LEFT: u8 = 5;

impl Default for Phase {
    fn default() -> Self {
        Self { current: AtomicU8::new(FIRST), begun: Mutex::new(Instant::now()) }
    }
}

impl Phase {
    /// Notes that a byte has arrived.
    pub(crate) fn heard(&self) {
        if self.is_idle() {
            *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            self.current.store(BEGUN, Relaxed);
        }
    }

    /// Returns when the first byte of the latest request head arrived.
    pub(crate) fn begun(&self) -> Instant {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a request head is complete.
    pub(crate) fn answers(&self) {
        self.current.store(ANSWERS, Relaxed);
    }

    fn waits(&self) {
        let _ = self.current.compare_exchange(ANSWERS, IDLE, Relaxed, Relaxed);
    }

    /// Notes that the connection goes to a shard when hyper has flushed everything.
    pub(crate) fn leaves(&self) {
        self.current.store(LEAVES, Relaxed);
    }

    /// Notes that hyper has flushed everything.
    pub(crate) fn flushed(&self) {
        let _ = self.current.compare_exchange(LEAVES, LEFT, Relaxed, Relaxed);
    }

    /// Returns whether the connection goes to a shard now.
    pub(crate) fn has_left(&self) -> bool {
        self.current.load(Relaxed) == LEFT
    }

    /// Returns whether a request is being answered.
    pub(crate) fn is_answering(&self) -> bool {
        matches!(self.current.load(Relaxed), ANSWERS | LEAVES)
    }

    fn is_fresh(&self) -> bool {
        self.current.load(Relaxed) == FIRST
    }

    /// Returns whether no byte of the next request head has arrived.
    fn is_idle(&self) -> bool {
        matches!(self.current.load(Relaxed), FIRST | IDLE)
    }

    /// Returns whether a part of a request head has arrived. This request is still answered.
    pub(crate) fn has_begun(&self) -> bool {
        self.current.load(Relaxed) == BEGUN
    }
}

/// Returns whether permits are scarce. Then idle connections end early and make room.
pub(crate) type IsScarce = Arc<dyn Fn() -> bool + Send + Sync>;

/// The timer of one connection. hyper asks for a timer only when it begins to wait for a request head.
#[derive(Clone)]
pub(crate) struct HeadTimer {
    pub(crate) phase: Arc<Phase>,
    pub(crate) header_timeout: Duration,
    pub(crate) keep_alive_timeout: Duration,
    pub(crate) is_scarce: IsScarce,
}

impl rt::Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn rt::Sleep>> {
        self.phase.waits();
        // With a short keep-alive timeout, a fresh connection still has the time for a head.
        let least = if self.phase.is_fresh() { self.header_timeout } else { Duration::ZERO };
        let idle_until = self.phase.is_idle().then(|| Instant::now() + self.keep_alive_timeout.max(least));
        let first = idle_until.map_or(deadline.into(), |until| until.min(deadline.into()));
        Box::pin(HeadDeadline { sleep: Box::pin(sleep_until(first)), idle_until, timer: self.clone() })
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into()
    }
}

/// Completes if a request head has not arrived in time.
struct HeadDeadline {
    sleep: Pin<Box<Sleep>>,
    /// The end of the idle time. It is `None` after the first byte of the head.
    idle_until: Option<Instant>,
    timer: HeadTimer,
}

impl rt::Sleep for HeadDeadline {}

impl Future for HeadDeadline {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { sleep, idle_until, timer } = self.get_mut();
        if idle_until.is_some() && !timer.phase.is_idle() {
            *idle_until = None;
            sleep.as_mut().reset(Instant::now() + timer.header_timeout);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            let now = Instant::now();
            let Some(until) = idle_until.filter(|until| now < *until && !(timer.is_scarce)()) else {
                return Poll::Ready(());
            };
            // It wakes up again later to see whether permits have become scarce.
            sleep.as_mut().reset(until.min(now + timer.header_timeout));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use hyper::rt::Timer;

    use super::*;

    const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
    const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(75);

    fn timer() -> (HeadTimer, Arc<AtomicBool>) {
        let scarce = Arc::new(AtomicBool::new(false));
        let is_scarce = {
            let scarce = Arc::clone(&scarce);
            Arc::new(move || scarce.load(Relaxed))
        };
        let phase = Arc::default();
        let (header_timeout, keep_alive_timeout) = (HEADER_TIMEOUT, KEEP_ALIVE_TIMEOUT);
        (HeadTimer { phase, header_timeout, keep_alive_timeout, is_scarce }, scarce)
    }

    /// Asks the timer as hyper does, when it begins to wait for a request head.
    fn wait(timer: &HeadTimer) -> Pin<Box<dyn rt::Sleep>> {
        timer.sleep_until(timer.now() + HEADER_TIMEOUT)
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_kept_and_a_head_has_the_header_timeout_from_its_first_byte() {
        for is_fresh in [true, false] {
            let (timer, _) = timer();
            if !is_fresh {
                timer.phase.answers();
            }
            let start = Instant::now();
            wait(&timer).await;
            assert_eq!(start.elapsed(), KEEP_ALIVE_TIMEOUT);
            let start = Instant::now();
            let mut deadline = wait(&timer);
            let idle = Duration::from_secs(70);
            assert!(tokio::time::timeout(idle, &mut deadline).await.is_err(), "it is kept");
            timer.phase.heard();
            assert!(timer.phase.has_begun());
            assert_eq!(timer.phase.begun(), start + idle);
            let drips = HEADER_TIMEOUT * 9 / 10;
            assert!(tokio::time::timeout(drips, &mut deadline).await.is_err(), "it has time");
            timer.phase.heard();
            assert_eq!(timer.phase.begun(), start + idle, "the first byte counts");
            deadline.await;
            assert_eq!(start.elapsed(), idle + HEADER_TIMEOUT);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_used_connection_may_have_less_time_than_a_head_and_a_fresh_one_has_as_much() {
        let (mut timer, _) = timer();
        timer.keep_alive_timeout = HEADER_TIMEOUT / 5;
        for time in [HEADER_TIMEOUT, HEADER_TIMEOUT / 5] {
            let start = Instant::now();
            wait(&timer).await;
            assert_eq!(start.elapsed(), time);
            timer.phase.answers();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_makes_room_when_permits_are_scarce() {
        for is_fresh in [true, false] {
            let (timer, scarce) = timer();
            if !is_fresh {
                timer.phase.answers();
            }
            let start = Instant::now();
            let mut deadline = wait(&timer);
            let idle = Duration::from_secs(12);
            assert!(tokio::time::timeout(idle, &mut deadline).await.is_err(), "it is kept");
            scarce.store(true, Relaxed);
            deadline.await;
            assert_eq!(start.elapsed(), Duration::from_secs(15));
            let start = Instant::now();
            wait(&timer).await;
            assert_eq!(start.elapsed(), HEADER_TIMEOUT, "no more than a head");
        }
    }
}
