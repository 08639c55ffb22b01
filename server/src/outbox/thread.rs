//! The thread of one loop that reads a database.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::LocalBoxFuture;
use tokio::sync::{oneshot, watch};

use super::{
    control::{Control, Table},
    store::StoreError,
};

/// The longest time of [`Thread::stop`]: for answers that are on their way, and for the last deletion.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// The thread of a loop that reads a database. The thread has a runtime of its own. When this is dropped, the loop stops as
/// [`Thread::stop`] says, and nobody waits for it.
#[derive(Debug)]
pub(crate) struct Thread {
    control: Arc<Control>,
    /// Closes with the end of the thread.
    ended: watch::Receiver<()>,
}

impl Thread {
    /// Starts a thread, and waits until `open` has returned its loop. `name` is the database for the log, without secrets. The
    /// owner of the thread starts a loop of changes again if it panics.
    ///
    /// # Errors
    /// The error of `open`, or the system has no thread.
    pub(crate) async fn spawn(
        name: String,
        table: Table,
        open: impl AsyncFnOnce(Arc<Control>) -> Result<LocalBoxFuture<'static, ()>, StoreError> + Send + 'static,
    ) -> Result<Self, StoreError> {
        let control = Arc::new(Control::new());
        let (end, ended) = watch::channel(());
        let (opened, is_open) = oneshot::channel();
        let (running, for_reader) = (Running(name.clone(), table), Arc::clone(&control));
        let work = move || {
            let _end = end;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return drop(opened.send(Err(StoreError::away(error.to_string())))),
            };
            runtime.block_on(async {
                match open(for_reader).await {
                    Ok(reader) => {
                        let _ = opened.send(Ok(()));
                        let _running = running;
                        reader.await;
                    }
                    Err(error) => drop(opened.send(Err(error))),
                }
            });
        };
        let thread = std::thread::Builder::new().name("tidings-reader".to_owned()).spawn(work);
        thread
            .map_err(|error| StoreError::away(format!("the thread of {name} can't be started: {error}")))?;
        match is_open.await {
            Ok(Ok(())) => Ok(Self { control, ended }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StoreError::away(format!("{name} can't be opened"))),
        }
    }

    /// Lets the loop look at once.
    pub(crate) fn wake(&self) {
        self.control.wake.notify_one();
    }

    /// Waits until the loop has ended. Before a [`stop`](Self::stop), this is a fault of the loop.
    #[allow(dead_code, reason = "the sources of a bridge wait for it")]
    pub(crate) async fn ended(&self) {
        // The thread sends nothing: this ends with the channel.
        let _ = self.ended.clone().changed().await;
    }

    /// Stops: the loop reads no more rows, and waits for what the hub has not answered yet, for [`STOP_TIMEOUT`] at most.
    pub(crate) async fn stop(&self) {
        self.end(STOP_TIMEOUT);
        // A database that does not answer may hold the thread for longer.
        let _ = tokio::time::timeout(STOP_TIMEOUT, self.ended.clone().changed()).await;
    }

    fn end(&self, within: Duration) {
        let end = Instant::now() + within;
        self.control.stop.send_if_modified(|stop| {
            let is_first = stop.is_none();
            stop.get_or_insert(end);
            is_first
        });
    }
}

/// Says in the log if a loop ends by a fault of its own.
struct Running(String, Table);

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self(outbox, table) = self;
            let then = match table {
                Table::Outbox => "its events wait for a restart",
                Table::Changes => "the bridge reads it again",
            };
            tracing::error!(outbox, "the reader of the {table} has panicked: {then}");
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.end(STOP_TIMEOUT);
    }
}
