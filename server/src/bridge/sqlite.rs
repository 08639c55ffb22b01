//! A source for the tables of an application's SQLite file. It tells of the changes of each writer.
//!
//! The application needs no change. It may have any number of processes, in any language, and a person may write with a
//! shell: the triggers of the bridge are in the file, and so each writer runs them in its own transaction.
//!
//! ```no_run
//! use serde::Deserialize;
//! use tidings_server::{Bridge, Hub, HubSettings, SystemHost, bridge::SqliteSource};
//! use tidings_shared::domains::store;
//!
//! /// A row of `CREATE TABLE links(id INTEGER PRIMARY KEY, url TEXT NOT NULL, is_read BOOLEAN)`.
//! #[derive(Deserialize)]
//! struct Link {
//!     id: i64,
//!     url: String,
//!     is_read: Option<bool>,
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::new(HubSettings::new("acme".parse()?), SystemHost::start());
//! let source = SqliteSource::new("app.db");
//! let topic = store::Topic::schema("links")?;
//! Bridge::<Link>::start(&hub.tenant(hub.home()), source, "links", &topic).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is published
//!
//! A trigger notes the **key** of a row that changes, in the transaction of the change. So what is rolled back is not noted.
//! The bridge notices the commit within some 10 ms, and reads the record **as it is then**. Several changes of one record in a
//! short time may be one event. The last event of a key always has the record as it is.
//!
//! | in the table | in the event |
//! |---|---|
//! | the key: one column | its text. A blob is in lower-case hex |
//! | the key: several columns | their JSON list, `["a",1]` |
//! | a row that changes its key | `deleted` with the old key, `upserted` with the new one |
//! | an integer, a text, `NULL` | the JSON value, with all 64 bits of an integer |
//! | a real number | the JSON number; infinities are the texts `Infinity` and `-Infinity` |
//! | a blob | a text in lower-case hex |
//! | a column declared `JSON` or `JSONB` | the JSON value of its text, or of SQLite's binary JSON |
//! | a column declared `BOOLEAN` or `BOOL` | `false` and `true` for 0 and 1 |
//! | a generated column | its value |
//!
//! `REPLACE` and `UPDATE OR REPLACE` remove rows, and SQLite runs no trigger for that. Triggers of the bridge look for such rows
//! before the statement. So an `INSERT OR IGNORE` that does nothing also publishes the row that is there.
//!
//! # What subscribers load again for
//!
//! A `sync` of the topic takes the place of what a trigger or the bridge can't tell: a key that is `NULL` or longer than 1024
//! bytes, or a key value of another type than its column (two such keys could have the same text); changes that have waited for
//! longer than the log keeps events; more than 100,000 changes that wait; and `ALTER TABLE`, a table that was dropped and made
//! again, or a restored copy of the file. The bridge notices these by itself, and makes its triggers again. A `VACUUM` may
//! look like this. A `REPLACE` is a `sync`, too, if a unique index has a generated column, and the `REPLACE` takes the default of a
//! `NOT NULL` column for a `NULL`.
//!
//! A record that can't be published is a `sync`, too. Its key and the reason are in the table `tidings_bridge_dead_letters`, until
//! the record changes and can be published.
//!
//! # What can't be told
//!
//! The start answers [`SourceError::NotSupported`] for:
//!
//! - a view, and a virtual table;
//! - a table without a `PRIMARY KEY`: rowids change with `VACUUM`;
//! - a key column without a type, or with a collation that only the application knows;
//! - a file or a folder that this program may not write.
//!
//! A writer that has switched triggers off (`SQLITE_DBCONFIG_ENABLE_TRIGGER`) is not heard, and neither is one that changes the
//! file past SQLite.
//!
//! # What it leaves in the file
//!
//! A bridge is registered in `tidings_bridges`, and has the table `tidings_changes_N` and triggers `tidings_bridge_N_…`. They stay
//! when the program ends or crashes: the changes wait, and the next start goes on without a `sync`.
//! [`Bridge::stop`](super::Bridge::stop) removes them. If several programs have the same bridge, one of them reads the changes. The
//! subscribers of the others get a `sync` after changes, at most one a second, unless the programs share a journal. Another one
//! takes over when the first ends, and the last one that stops removes the bridge. If the program never comes back, remove the
//! bridge by hand: drop its triggers, then its table, then its row in `tidings_bridges`.
//!
//! Three small files are beside the database, `PATH-bridge-HASH-…`: two locks, and the file `…-reader`, which says how far the
//! bridge has read. By `…-reader`, the next start knows a restored copy of the database. So **restore the database without this
//! file**, and leave the present one in its place. If an old `…-reader` was restored, too, or if the file is gone, the next start
//! takes the copy for the present state. A hub without a journal does no harm then: its subscribers load again after a restart. But
//! if the history is in a journal elsewhere, they may keep records that the copy does not have. Then empty the file before the
//! start, and do not delete it: an empty file is a `sync`. No change is lost with this file.
//!
//! SQLite drops no column that a trigger names. A trigger names the columns of the key and of unique indexes, which can't be
//! dropped either while the index is there. Two cases are left: a transaction that drops the index and the column together, and
//! a column with `NOT NULL DEFAULT` beside a unique index of a generated column. The transaction may drop the trigger that SQLite's
//! error names, too. The bridge makes its triggers again.

mod bookmark;
mod index;
mod locks;
mod record;
mod registration;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod triggers;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{sync::oneshot, time::timeout};

use self::{
    locks::User,
    registration::{Flow, Registration},
    store::ChangeStore,
    table::Fault,
};
use super::{
    alarm::Alarm,
    error::SourceError,
    source::{Feed, Request, Source},
};
use crate::outbox::{
    admin::patiently,
    control::Table,
    reader::Reader,
    sqlite::file::{self, File},
    store::StoreError,
    thread::Thread,
};

/// The longest wait of a start for its first `sync`. A journal that does not answer delays only the `sync`.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest wait of a stop for the removal of the triggers, after the reader has stopped. If somebody locks the file for longer,
/// the bridge stays registered.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The tables of an application's SQLite file. See the [module](self) for what it tells.
#[derive(Debug, Clone)]
pub struct SqliteSource {
    path: PathBuf,
    /// The tables of schemas with another name.
    tables: BTreeMap<String, String>,
}

impl SqliteSource {
    /// Names the file. It is opened when a bridge starts.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), tables: BTreeMap::new() }
    }

    /// Names the table that has the records of a schema. Without this, it has the name of the schema. A table may have any name,
    /// but a schema's name is a segment of a topic.
    ///
    /// ```
    /// # use tidings_server::bridge::SqliteSource;
    /// let source = SqliteSource::new("app.db").table("orders", "Order Items");
    /// ```
    #[must_use]
    pub fn table(mut self, schema: impl Into<String>, table: impl Into<String>) -> Self {
        self.tables.insert(schema.into(), table.into());
        self
    }
}

impl Source for SqliteSource {
    /// Returns `sqlite:` and the path of the file, without links.
    fn name(&self) -> String {
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        format!("sqlite:{}", path.display())
    }

    fn subscribe(&self, request: Request) -> BoxFuture<'_, Result<Feed, SourceError>> {
        let table = self.tables.get(request.schema()).map_or(request.schema(), String::as_str).to_owned();
        let flow = Flow {
            tenant: request.tenant().as_str().to_owned(),
            schema: request.schema().to_owned(),
            topic: request.topic().as_str().to_owned(),
            table,
        };
        let name = format!("{} {}", self.name(), flow.topic);
        start(self.path.clone(), name, flow, request).boxed()
    }
}

/// Starts the thread that reads the changes.
async fn start(path: PathBuf, name: String, flow: Flow, request: Request) -> Result<Feed, SourceError> {
    let Some(hub) = request.hub() else {
        return Err(SourceError::Failed("the hub has ended".to_owned()));
    };
    // Whether the bridge ends with the feed. Otherwise it waits in the file for the next start.
    let is_stopped = Arc::new(AtomicBool::new(false));
    let refused = Arc::new(Mutex::new(None));
    let (begin, begun) = oneshot::channel();
    let (is_over, refusal) = (Arc::clone(&is_stopped), Arc::clone(&refused));
    let thread = Thread::spawn(name.clone(), Table::Changes, async move |control| {
        let opened = patiently(async || open(&path, &flow)).await?;
        let Opened { file, user, registration } = opened.map_err(|fault| {
            let error = fault.to_store_error(&path);
            *refusal.lock().unwrap_or_else(PoisonError::into_inner) = fault.refusal(&path);
            error
        })?;
        let (tenant, topic, check) =
            (request.tenant().clone(), request.topic().clone(), request.check_events());
        let alarm = Alarm::new(request.changes());
        let store = ChangeStore::new(file, request, flow.clone(), registration, begin);
        let reader = Reader::new(store, &hub, Some(tenant), name, control).of_changes(topic, check);
        drop(hub);
        let work = async move {
            let _alarm = alarm;
            reader.run().await;
            if is_over.load(Relaxed) {
                remove(&path, &flow, user).await;
            }
        };
        Ok(work.boxed_local())
    });
    let thread = thread.await.map_err(|error| {
        let refused = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        refused.map_or(SourceError::Failed(error.message), SourceError::NotSupported)
    })?;
    let _ = timeout(BEGIN_TIMEOUT, begun).await;
    let stop = async move {
        is_stopped.store(true, Relaxed);
        thread.stop().await;
        let _ = timeout(REMOVE_TIMEOUT, thread.ended()).await;
    };
    // The first row of changes is a gap, if the bridge was not registered.
    Ok(Feed::new(stop).resumed())
}

struct Opened {
    file: File,
    user: User,
    registration: Registration,
}

/// Opens the file and registers the bridge.
fn open(path: &Path, flow: &Flow) -> Result<Result<Opened, Fault>, StoreError> {
    if file::is_read_only(path) {
        return Ok(Err(Fault::ReadOnly));
    }
    let user = match fs::canonicalize(path).and_then(|main| User::join(&main, flow)) {
        Ok(Some(user)) => user,
        Ok(None) => {
            let path = path.display();
            return Err(StoreError::busy(format!("sqlite:{path}: another program just removes the bridge")));
        }
        // Another user may have made the file of the lock.
        Err(error) if is_forbidden(&error) => {
            return Ok(Err(match locks::users(path, flow).filter(|lock| lock.exists()) {
                Some(lock) => Fault::Refused(format!(
                    "the lock {} can't be taken: {error}: give this user the right to write it",
                    lock.display()
                )),
                None => Fault::ReadOnly,
            }));
        }
        Err(error) => {
            // SQLite says what is wrong with the path.
            File::open(path)?;
            let lock = locks::users(path, flow).unwrap_or_else(|| path.to_owned());
            return Err(StoreError::away(format!(
                "sqlite:{}: the lock {} can't be taken: {error}",
                path.display(),
                lock.display()
            )));
        }
    };
    let mut file = File::open(path)?;
    let installed = file.with(|connection| match Registration::install(connection, flow) {
        // A lock is waited out.
        Err(Fault::Database(error)) if file::is_busy(&error) => Err(error),
        installed => Ok(installed),
    })?;
    match installed {
        Ok(registration) => Ok(Ok(Opened { file, user, registration })),
        Err(fault) => {
            if let Some(last) = user.leave() {
                last.remove();
            }
            Ok(Err(fault))
        }
    }
}

fn is_forbidden(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Removes the bridge from the file, if no other program has it.
async fn remove(path: &Path, flow: &Flow, user: User) {
    let Some(last) = user.leave() else { return };
    let removed = patiently(async || {
        let mut file = File::open(path)?;
        file.with(|connection| Registration::remove(connection, flow))
    });
    match removed.await {
        Ok(()) => last.remove(),
        Err(error) => tracing::error!(
            %error,
            schema = flow.schema,
            "a bridge that was stopped can't be removed from its file: its changes wait there for the next start"
        ),
    }
}
