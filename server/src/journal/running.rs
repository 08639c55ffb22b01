//! The thread of a hub's journal: it does the turns of the hub's driver, and sleeps between them.

use std::{
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
use tokio::{sync::oneshot, time::timeout};

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
    ended: oneshot::Receiver<()>,
}

impl HubJournal {
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Stops the journal. Publishes that were handed over get their answers, and then the journal is closed. The hub refuses
    /// everything that comes later. If the journal does not answer, this ends after six seconds.
    pub async fn stop(self) {
        let Some(Running { thread, stops, ended }) = self.0 else { return };
        stops.store(true, Relaxed);
        thread.unpark();
        // The thread drops its end of the channel, unless a call of the journal hangs.
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
    let (end, ended) = oneshot::channel();
    let run = {
        let stops = Arc::clone(&stops);
        move || {
            let _end: oneshot::Sender<()> = end;
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
