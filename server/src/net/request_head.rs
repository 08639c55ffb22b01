//! How long a connection may wait for the head of a request. The first head has the header timeout. Every further head has
//! it from its first byte on. Between two requests the connection may be idle for longer: a proxy keeps it for the next
//! request, and must be the one that closes it.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::rt;
use tokio::time::{Instant, Sleep, sleep_until};

/// What a connection does just now, as its stream, its timer and its service note it.
#[derive(Debug)]
pub(crate) struct Phase(AtomicU8);

/// Waits for its first head.
const FIRST: u8 = 0;
/// A request is under way.
const ANSWERS: u8 = 1;
/// Waits for the first byte of the next head.
const IDLE: u8 = 2;
/// A part of a further head has come.
const BEGUN: u8 = 3;
/// The head of an answer is to be written, and a shard writes its body.
const LEAVES: u8 = 4;
/// That head is written.
const LEFT: u8 = 5;

impl Default for Phase {
    fn default() -> Self {
        Self(AtomicU8::new(FIRST))
    }
}

impl Phase {
    /// A byte came.
    pub(crate) fn heard(&self) {
        let _ = self.0.compare_exchange(IDLE, BEGUN, Relaxed, Relaxed);
    }

    /// A head is complete.
    pub(crate) fn answers(&self) {
        self.0.store(ANSWERS, Relaxed);
    }

    fn waits(&self) {
        let _ = self.0.compare_exchange(ANSWERS, IDLE, Relaxed, Relaxed);
    }

    /// A shard takes the connection when the head of this answer is flushed, and everything before it.
    pub(crate) fn leaves(&self) {
        self.0.store(LEAVES, Relaxed);
    }

    /// Everything that was written is flushed.
    pub(crate) fn flushed(&self) {
        let _ = self.0.compare_exchange(LEAVES, LEFT, Relaxed, Relaxed);
    }

    /// Whether a shard takes the connection now.
    pub(crate) fn has_left(&self) -> bool {
        self.0.load(Relaxed) == LEFT
    }

    /// Whether a request is under way.
    pub(crate) fn is_answering(&self) -> bool {
        matches!(self.0.load(Relaxed), ANSWERS | LEAVES)
    }

    fn is_idle(&self) -> bool {
        self.0.load(Relaxed) == IDLE
    }

    /// Whether a part of a further request has come, which is still to be answered.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.load(Relaxed) == BEGUN
    }
}

/// Whether places for connections are scarce, so that idle ones make room.
pub(crate) type IsCrowded = Arc<dyn Fn() -> bool + Send + Sync>;

/// The timer of one connection. hyper asks it when it begins to wait for a head, and for nothing else.
#[derive(Clone)]
pub(crate) struct HeadTimer {
    pub(crate) phase: Arc<Phase>,
    pub(crate) header_timeout: Duration,
    pub(crate) keep_alive_timeout: Duration,
    pub(crate) is_crowded: IsCrowded,
}

impl rt::Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn rt::Sleep>> {
        self.phase.waits();
        let idle_until = self.phase.is_idle().then(|| Instant::now() + self.keep_alive_timeout);
        let first = idle_until.map_or(deadline.into(), |until| until.min(deadline.into()));
        Box::pin(HeadDeadline { sleep: Box::pin(sleep_until(first)), idle_until, timer: self.clone() })
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into()
    }
}

/// Done when a head has not come in time.
struct HeadDeadline {
    sleep: Pin<Box<Sleep>>,
    /// Until when the connection may be idle, until the first byte of the head has come.
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
            let Some(until) = idle_until.filter(|until| now < *until && !(timer.is_crowded)()) else {
                return Poll::Ready(());
            };
            // It looks again later whether places have become scarce.
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
        let crowded = Arc::new(AtomicBool::new(false));
        let is_crowded = {
            let crowded = Arc::clone(&crowded);
            Arc::new(move || crowded.load(Relaxed))
        };
        let phase = Arc::default();
        let (header_timeout, keep_alive_timeout) = (HEADER_TIMEOUT, KEEP_ALIVE_TIMEOUT);
        (HeadTimer { phase, header_timeout, keep_alive_timeout, is_crowded }, crowded)
    }

    /// As hyper does when it begins to wait for a head.
    fn wait(timer: &HeadTimer) -> Pin<Box<dyn rt::Sleep>> {
        timer.sleep_until(timer.now() + HEADER_TIMEOUT)
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_head_has_the_header_timeout_and_what_comes_of_it_changes_nothing() {
        let (timer, _) = timer();
        let start = Instant::now();
        let deadline = wait(&timer);
        timer.phase.heard();
        deadline.await;
        assert_eq!(start.elapsed(), HEADER_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_kept_and_a_further_head_has_the_header_timeout_from_its_first_byte() {
        let (timer, _) = timer();
        timer.phase.answers();
        let start = Instant::now();
        wait(&timer).await;
        assert_eq!(start.elapsed(), KEEP_ALIVE_TIMEOUT);
        let start = Instant::now();
        let mut deadline = wait(&timer);
        let idle = Duration::from_secs(70);
        assert!(tokio::time::timeout(idle, &mut deadline).await.is_err(), "it is kept");
        timer.phase.heard();
        assert!(timer.phase.has_begun());
        deadline.await;
        assert_eq!(start.elapsed(), idle + HEADER_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_may_have_less_time_than_a_head() {
        let (mut timer, _) = timer();
        timer.keep_alive_timeout = HEADER_TIMEOUT / 5;
        timer.phase.answers();
        let start = Instant::now();
        wait(&timer).await;
        assert_eq!(start.elapsed(), HEADER_TIMEOUT / 5);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_makes_room_where_places_are_scarce() {
        let (timer, crowded) = timer();
        timer.phase.answers();
        let start = Instant::now();
        let mut deadline = wait(&timer);
        let idle = Duration::from_secs(12);
        assert!(tokio::time::timeout(idle, &mut deadline).await.is_err(), "it is kept");
        crowded.store(true, Relaxed);
        deadline.await;
        assert_eq!(start.elapsed(), Duration::from_secs(15));
    }
}
