//! One thread owns the SQLite connection, so that no async thread waits for the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{
    Arc,
    mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tidings_server::Outbox;
use tokio::sync::oneshot;

use crate::{events::Events, fault::Fault};

/// How many requests may wait for the database. Each takes well under a millisecond, so the wait is short. Beyond it a
/// request gets 503.
const MAX_WAITING: usize = 256;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle to the database thread, which ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    jobs: SyncSender<Job>,
    outbox: Arc<Outbox>,
}

impl Database {
    /// Starts the thread. The outbox publishes the events that the thread writes.
    ///
    /// # Errors
    /// The system can't start a thread.
    pub(crate) fn start(connection: Connection, outbox: Arc<Outbox>) -> std::io::Result<Self> {
        let (jobs, waiting) = sync_channel(MAX_WAITING);
        std::thread::Builder::new().name("database".to_owned()).spawn(move || run(connection, &waiting))?;
        Ok(Self { jobs, outbox })
    }

    /// Reads in one transaction, so that the queries of an answer see the same state.
    pub(crate) async fn read<T, F>(&self, query: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            query(&transaction)
        })
        .await
    }

    /// Writes the data and its events in one transaction. It runs to its end even if the caller has gone.
    pub(crate) async fn write<T, F>(&self, origin: Option<String>, write: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>, &Events<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let outbox = Arc::clone(&self.outbox);
        self.call(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // Any fault drops the transaction. That rolls it back, and its events with it.
            let answer = write(&transaction, &Events::new(&transaction, origin))?;
            transaction.commit()?;
            // Otherwise the outbox notices the commit a few milliseconds later.
            outbox.wake();
            Ok(answer)
        })
        .await
    }

    async fn call<T, F>(&self, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // The caller may have gone.
            let _ = answer.send(work(connection));
        });
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Fault::overloaded(),
            TrySendError::Disconnected(_) => Fault::internal(),
        })?;
        answered.await.unwrap_or_else(|_| Err(Fault::internal()))
    }
}

fn run(mut connection: Connection, jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        // Unwinding drops the job's transaction and so rolls it back. The connection can be used further.
        if catch_unwind(AssertUnwindSafe(|| job(&mut connection))).is_err() {
            tracing::error!(
                "a request to the database panicked; its caller got an error, and the next request is served"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Folder, new_hub, open};

    #[tokio::test]
    async fn a_panic_in_one_request_is_an_error_for_its_caller_only() {
        let folder = Folder::new();
        let (database, _outbox, _covered) = open(&folder, &new_hub()).await;
        let fault = database.write::<(), _>(None, |_, _| panic!("on purpose")).await.unwrap_err();
        assert_eq!(fault.status, 500);
        assert_eq!(database.read(|_| Ok(json!(1))).await.unwrap(), json!(1));
    }

    #[tokio::test]
    async fn a_request_beyond_the_bound_is_refused_while_those_before_it_are_served() {
        let folder = Folder::new();
        let (database, _outbox, _covered) = open(&folder, &new_hub()).await;
        let (start, started) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let slow: Job = Box::new(move |_| {
            start.send(()).unwrap();
            released.recv().unwrap();
        });
        database.jobs.send(slow).unwrap();
        started.recv().unwrap();
        let (done, all_done) = oneshot::channel();
        for _ in 1..MAX_WAITING {
            database.jobs.try_send(Box::new(|_| ())).unwrap();
        }
        database.jobs.try_send(Box::new(|_| done.send(()).unwrap())).unwrap();

        assert_eq!(database.read(|_| Ok(json!(1))).await.unwrap_err(), Fault::overloaded());

        release.send(()).unwrap();
        all_done.await.unwrap();
        assert_eq!(database.read(|_| Ok(json!(1))).await.unwrap(), json!(1));
    }
}
