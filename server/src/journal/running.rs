//! The thread of a hub's journal: it does the turns of the hub's driver, and sleeps between them.

use std::{
    future::pending,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use tidings_hub::{
    Driver, Hub, HubSettings, Turn,
    journal::{Journal, JournalError},
};
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

use crate::SystemHost;

/// The longest time of [`HubJournal::stop`] for what still waits for the journal.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// The time after it for the last call of the journal, and for closing its file.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// The journal of a hub that [`open_hub`](crate::open_hub) has opened.
///
/// Dropping it leaves the journal running: it stops when the last [`Hub`] and the last handle to one of its tenants are
/// dropped.
#[derive(Debug)]
pub struct HubJournal(Option<Running>);

#[derive(Debug)]
struct Running {
    thread: Thread,
    stops: Arc<AtomicBool>,
    /// The thread drops the sender when it ends.
    ended: watch::Receiver<()>,
}

impl HubJournal {
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Returns a future that completes when the journal's thread has ended. Without a journal it never completes. Before
    /// [`stop`](Self::stop), this is a fault: the thread has panicked, and the hub refuses everything from then on. End the
    /// process, so that a supervisor starts it again. `tidings serve` does so.
    ///
    /// ```no_run
    /// # async fn run(journal: tidings_server::HubJournal, server: impl Future<Output = ()>) -> Result<(), &'static str> {
    /// tokio::select! {
    ///     () = server => {}
    ///     () = journal.ended() => return Err("the journal has ended"),
    /// }
    /// journal.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let ended = self.0.as_ref().map(|running| running.ended.clone());
        async move {
            match ended {
                Some(mut ended) => while ended.changed().await.is_ok() {},
                None => pending().await,
            }
        }
    }

    /// Stops the journal. Publishes that were handed over get their answers, and then the journal is closed. The hub refuses
    /// everything that comes later. If the journal does not answer, this ends after six seconds.
    pub async fn stop(self) {
        let ended = self.ended();
        let Some(Running { thread, stops, .. }) = self.0 else { return };
        stops.store(true, Relaxed);
        thread.unpark();
        // A call of the journal may hang.
        let _ = timeout(STOP_TIMEOUT + STOP_GRACE, ended).await;
    }
}

/// Opens a hub, and its journal on a thread of its own.
pub(super) async fn start<J: Journal + 'static>(
    settings: HubSettings,
    open: impl FnOnce() -> Result<J, JournalError> + Send + 'static,
) -> Result<(Hub, HubJournal), JournalError> {
    let stops = Arc::new(AtomicBool::new(false));
    let (opened, is_open) = oneshot::channel();
    let (end, ended) = watch::channel(());
    let run = {
        let stops = Arc::clone(&stops);
        move || {
            let _end: watch::Sender<()> = end;
            let (mut driver, mut journal) = match open_both(settings, open) {
                Ok((hub, driver, journal)) => {
                    if opened.send(Ok(hub)).is_err() {
                        return; // nobody waits any more
                    }
                    (driver, journal)
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                    return;
                }
            };
            run(&mut driver, &mut journal, &stops);
            drop(driver);
        }
    };
    let no_thread = |error: io::Error| JournalError::new(format!("no thread for the journal: {error}"));
    let thread = thread::Builder::new().name("tidings-journal".to_owned()).spawn(run).map_err(no_thread)?;
    let running = Running { thread: thread.thread().clone(), stops, ended };
    let hub = is_open.await.unwrap_or_else(|_| Err(JournalError::new("the journal's thread has ended")))?;
    Ok((hub, HubJournal(Some(running))))
}

fn open_both<J: Journal>(
    settings: HubSettings,
    open: impl FnOnce() -> Result<J, JournalError>,
) -> Result<(Hub, Driver, J), JournalError> {
    let mut journal = open()?;
    let (hub, mut driver) = Hub::with_journal(settings, SystemHost::start());
    driver.open(&mut journal)?;
    Ok((hub, driver, journal))
}

fn run(driver: &mut Driver, journal: &mut dyn Journal, stops: &AtomicBool) {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut stop_until = None;
    loop {
        let turn = driver.turn(journal, &waker);
        if stops.load(Relaxed) || driver.is_abandoned() {
            let until = *stop_until.get_or_insert_with(|| Instant::now() + STOP_TIMEOUT);
            if driver.is_idle() || Instant::now() >= until {
                return;
            }
        }
        match turn {
            Turn::Busy => {}
            Turn::Idle(wait) | Turn::Pause(wait) => thread::park_timeout(wait),
        }
    }
}

/// Ends a thread's sleep.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tidings_hub::{
        Health, LogLimits, PublishError, TenantId,
        journal::{Appended, Followed, History, JournalDraft, JournalLimits, JournalRevocation},
    };
    use tidings_shared::{Position, domains::staff};
    use uuid::Uuid;

    use super::*;

    /// A journal that panics when something is appended.
    struct Panics;

    impl Journal for Panics {
        fn append(
            &mut self,
            _: &[JournalDraft],
            _: u64,
            _: &mut dyn FnMut() -> u64,
        ) -> Result<Vec<Appended>, JournalError> {
            panic!("a fault of the journal")
        }
        fn recent(
            &mut self,
            _: &TenantId,
            _: &LogLimits,
            _: u64,
            epoch: u64,
        ) -> Result<History, JournalError> {
            Ok(History { tail: Position::new(epoch, 0, 0), entries: Vec::new() })
        }
        fn follow(
            &mut self,
            _: &[(TenantId, Position)],
            _: usize,
        ) -> Result<Vec<(TenantId, Followed)>, JournalError> {
            Ok(Vec::new())
        }
        fn renew(&mut self, _: &TenantId, _: u64, _: u64) -> Result<(), JournalError> {
            Ok(())
        }
        fn tenants(&mut self, _: Option<&TenantId>, _: usize) -> Result<Vec<TenantId>, JournalError> {
            Ok(Vec::new())
        }
        fn revoke(&mut self, _: &[JournalRevocation]) -> Result<Vec<u64>, JournalError> {
            Ok(Vec::new())
        }
        fn revocations(
            &mut self,
            _: u64,
            _: usize,
            _: u64,
        ) -> Result<Vec<(u64, JournalRevocation)>, JournalError> {
            Ok(Vec::new())
        }
        fn trim(&mut self, _: &JournalLimits, _: u64) -> Result<bool, JournalError> {
            Ok(false)
        }
        fn probe(&mut self) -> Result<(), JournalError> {
            Ok(())
        }
        fn poll_interval(&self) -> Duration {
            Duration::from_millis(50)
        }
    }

    #[tokio::test]
    async fn a_panic_of_the_journal_ends_it_and_the_hub_says_so_at_once() {
        let settings = HubSettings::new("acme".parse().expect("a tenant's name"));
        let (hub, journal) = start(settings, || Ok(Panics)).await.expect("it opens");
        assert_eq!(journal.ended().now_or_never(), None);
        assert_eq!(hub.health(), Health::Good);
        let published = hub.publish(&staff::Event::PersonUpdated(staff::Person { uuid: Uuid::nil() })).await;
        assert_eq!(published, Err(PublishError::Overloaded));
        journal.ended().await;
        assert!(matches!(hub.health(), Health::Degraded { .. }));
        journal.ended().await;
        journal.stop().await;
    }
}
