//! The table of changes of one bridge, as its reader uses it. Each record is read when its change is published.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    time::Duration,
};

use rusqlite::{
    Connection, OptionalExtension, Row, params, params_from_iter,
    types::{Value, ValueRef},
};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::{
    bookmark::Bookmark,
    locks, record,
    registration::{Flow, Registration},
    table::{Fault, Table},
    triggers::{DONE, changes},
};
use crate::{
    bridge::source::Request,
    outbox::{
        row::{Field, OutboxRow, RowId},
        sqlite::{
            file::{File, age, immediate, unix_time},
            turn::Turn,
        },
        store::{
            Dead, Last, Look, MAX_COUNTED, MAX_EVENT_BYTES, READ_BYTES, READ_ROWS, Store, StoreError, Taken,
            Waiting,
        },
    },
};

/// Changes that a later change of the same key stands for, and that are still in the table. Beyond it, they are deleted before
/// the next read. Each has some 100 bytes.
const MAX_PASSED_OVER: usize = 8 * 1024;

/// The changes of one bridge.
#[derive(Debug)]
pub(super) struct ChangeStore {
    file: File,
    request: Request,
    flow: Flow,
    turn: Turn,
    /// Whether this reader has taken over from the one before.
    has_begun: bool,
    registration: Registration,
    /// The version of the schema for which the registration was found to be right.
    verified: Option<i64>,
    /// What this reader has written into its file, or found there.
    bookmark: Bookmark,
    leftovers: Leftovers,
    begun: Begun,
}

/// What the next deletion takes along.
#[derive(Debug, Default)]
struct Leftovers {
    /// Changes that a later change of the same key stands for, with their nonces.
    passed_over: BTreeMap<i64, Vec<u8>>,
    /// The keys of dead letters that can be published now.
    healed: Vec<String>,
}

/// Tells the start of a bridge that its first gap is announced, or that there is none, or that it has to wait.
#[derive(Debug)]
struct Begun {
    tell: Option<oneshot::Sender<()>>,
    /// The reader has a gap. It announces it before it reads again.
    has_gap: bool,
}

/// A row of the table of changes.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) id: RowId,
    age: Duration,
    /// The text of the key, and its values. `None`: nobody knows what has changed.
    pub(super) key: Option<(String, Vec<Value>)>,
}

impl ChangeStore {
    /// Returns the changes of a registered bridge. `begin` hears when the subscribers have its first gap.
    pub(super) fn new(
        file: File,
        request: Request,
        flow: Flow,
        registration: Registration,
        begin: oneshot::Sender<()>,
    ) -> Self {
        let turn = Turn::wait(locks::turn(file.main(), &flow), "the changes of a bridge");
        let (has_begun, verified, bookmark, leftovers) = Default::default();
        let begun = Begun { tell: Some(begin), has_gap: false };
        Self { file, request, flow, turn, has_begun, registration, verified, bookmark, leftovers, begun }
    }

    fn bookmark_file(&self) -> PathBuf {
        locks::bookmark(self.file.main(), &self.flow)
    }

    /// Takes over from the reader before.
    fn begin(&mut self) -> Result<Look, StoreError> {
        let found = Bookmark::read(&self.bookmark_file());
        let mut last = self.last(found.as_ref())?;
        let (must_load, mut bookmark) = (found.is_none(), found.unwrap_or_default());
        last.must_load = must_load;
        if let Some(row) = &bookmark.row
            && !self.has_row(row)?
        {
            bookmark.row = None;
            last.must_load = true;
        }
        self.bookmark = bookmark;
        self.has_begun = true;
        Ok(Look::Begins(last))
    }

    /// What the file of the reader before says, and what is in the table now.
    fn last(&mut self, found: Option<&Bookmark>) -> Result<Last, StoreError> {
        let newest = format!(
            "SELECT id || ' ' || hex(nonce) FROM {} ORDER BY id DESC LIMIT 1",
            changes(self.registration.id)
        );
        let newest = self.file.with(|connection| {
            connection.prepare_cached(&newest)?.query_row([], |row| row.get(0)).optional()
        })?;
        Ok(Last {
            history: found.and_then(|bookmark| bookmark.history),
            newest: newest.unwrap_or_default(),
            must_load: false,
        })
    }

    fn has_row(&mut self, row: &RowId) -> Result<bool, StoreError> {
        let registration = &self.registration;
        self.file.with(|connection| has_row(connection, registration, row))
    }

    fn install(&mut self) -> Result<(), StoreError> {
        let flow = &self.flow;
        let installed = self.file.with(|connection| Ok(Registration::install(connection, flow)))?;
        self.registration = installed.map_err(|fault| fault.to_store_error(self.file.path()))?;
        tracing::info!(
            file = %self.file.path().display(),
            table = self.registration.table.name,
            "the triggers of a bridge are there again"
        );
        Ok(())
    }

    /// Reads the next changes. Returns nothing if the triggers are not as they must be.
    fn look(&mut self, after: i64) -> Result<Option<Vec<OutboxRow>>, StoreError> {
        let Self { file, request, flow, registration, verified, bookmark, leftovers, .. } = self;
        let found = file.read(|connection| {
            // One snapshot for the changes and their records.
            let snapshot = connection.transaction()?;
            let version =
                snapshot.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))?;
            if *verified != Some(version) {
                match Registration::find(&snapshot, flow) {
                    Ok(Some(found)) => (*registration, *verified) = (found, Some(version)),
                    Ok(None) => return Ok(Ok(None)),
                    Err(Fault::Database(error)) => return Err(error),
                    Err(fault) => return Ok(Err(fault)),
                }
            }
            let batch = Batch { snapshot: &snapshot, registration, request };
            let mut rows = batch.read(after, leftovers)?;
            if let Some(row) = &bookmark.row
                && !has_row(&snapshot, registration, row)?
            {
                // Somebody has put an old copy back. The subscribers may have more than the table.
                bookmark.row = None;
                rows.insert(0, OutboxRow::loss());
            }
            Ok(Ok(Some(rows)))
        });
        found?.map_err(|fault| fault.to_store_error(self.file.path()))
    }
}

impl Begun {
    fn tell(&mut self) {
        if let Some(tell) = self.tell.take() {
            let _ = tell.send(());
        }
    }
}

impl Store for ChangeStore {
    async fn turn(&mut self) -> Result<Look, StoreError> {
        if self.begun.has_gap {
            self.begun.tell();
        }
        match self.turn.take() {
            Ok(Taken::Before) if self.has_begun => Ok(Look::Own),
            Ok(Taken::Before | Taken::Now) => {
                self.has_begun = false;
                self.begin()
            }
            Ok(Taken::Not) => {
                // The subscribers have their gap before the next look.
                self.begun.has_gap = true;
                let found = Bookmark::read(&self.bookmark_file());
                self.last(found.as_ref()).map(Look::Others)
            }
            Err(fault) => {
                self.begun.tell();
                let (file, table) = (self.file.path().display(), &self.flow.table);
                Err(StoreError::away(format!("sqlite:{file}: the changes of {table}: {fault}")))
            }
        }
    }

    async fn claim(&mut self, history: u64) -> Result<(), StoreError> {
        let bookmark = Bookmark { history: Some(history), ..self.bookmark.clone() };
        let path = self.bookmark_file();
        bookmark.write(&path).map_err(|error| {
            let path = path.display();
            StoreError::away(format!(
                "the file {path} can't be written: {error}: make room on the disk, and give this user the right to write it"
            ))
        })?;
        self.bookmark = bookmark;
        Ok(())
    }

    async fn read(&mut self, unsettled: &[RowId]) -> Result<Vec<OutboxRow>, StoreError> {
        if self.leftovers.passed_over.len() + self.leftovers.healed.len() > MAX_PASSED_OVER {
            self.settle(&[], &[]).await?;
        }
        let after = unsettled.last().map_or(i64::MIN, |row| row.id);
        let rows = match self.look(after)? {
            Some(rows) => rows,
            None => {
                self.install()?;
                self.look(after)?.unwrap_or_default()
            }
        };
        let is_lost = rows.iter().any(|row| row.id.id == i64::MIN);
        if let Some(row) = rows.iter().max_by_key(|row| row.id.id).filter(|row| row.id.id > i64::MIN) {
            self.bookmark.row = Some(row.id.clone());
            // If this fails, the file names an older row, which does no harm: after a crash, that row is gone, and the
            // subscribers get a `sync`. After a loss, the file stays as it is: if the program crashes before the subscribers hear
            // of the loss, the next start finds no such row, and tells them.
            if !is_lost {
                let _ = self.bookmark.write(&self.bookmark_file());
            }
        }
        self.begun.has_gap = rows.iter().any(|row| row.is_gap);
        if !self.begun.has_gap {
            self.begun.tell();
        }
        Ok(rows)
    }

    async fn settle(&mut self, done: &[RowId], dead: &[Dead]) -> Result<(), StoreError> {
        let Self { file, registration, bookmark, leftovers, .. } = self;
        let kept = bookmark.row.as_ref();
        let Registration { id: bridge, table, sql } = &*registration;
        file.with(|connection| {
            let transaction = immediate(connection)?;
            {
                let heal = "DELETE FROM tidings_bridge_dead_letters WHERE bridge = ?1 AND key = ?2";
                let mut heal = transaction.prepare_cached(heal)?;
                for key in &leftovers.healed {
                    heal.execute(params![bridge, key])?;
                }
                let bury = "INSERT OR REPLACE INTO tidings_bridge_dead_letters(bridge, key, code, reason) \
                    VALUES (?1, ?2, ?3, ?4)";
                let mut bury = transaction.prepare_cached(bury)?;
                let mut find = transaction.prepare_cached(&sql.change)?;
                for Dead { id: RowId { id, nonce }, code, reason } in dead {
                    let mut found = find.query(params![id, nonce])?;
                    if let Some(row) = found.next()?
                        && let Some((key, _)) = read_change(row, table, 0)?.key
                    {
                        bury.execute(params![bridge, key, code.as_str(), reason])?;
                    }
                }
                let changes = changes(*bridge);
                let delete = format!("DELETE FROM {changes} WHERE id = ?1 AND nonce = ?2");
                let mut delete = transaction.prepare_cached(&delete)?;
                for row in
                    done.iter().chain(dead.iter().map(|dead| &dead.id)).filter(|row| Some(*row) != kept)
                {
                    delete.execute(params![row.id, row.nonce])?;
                }
                for (id, nonce) in &leftovers.passed_over {
                    delete.execute(params![id, nonce])?;
                }
                if let Some(row) = kept {
                    let before = format!("DELETE FROM {changes} WHERE id < ?1 AND gap = {DONE}");
                    transaction.prepare_cached(&before)?.execute([row.id])?;
                    if done.contains(row) || dead.iter().any(|dead| dead.id == *row) {
                        let keep = format!("UPDATE {changes} SET gap = {DONE} WHERE id = ?1 AND nonce = ?2");
                        transaction.prepare_cached(&keep)?.execute(params![row.id, row.nonce])?;
                    }
                }
            }
            transaction.commit()
        })?;
        self.leftovers = Leftovers::default();
        Ok(())
    }

    async fn changed(&mut self) {
        self.file.changed().await;
    }

    async fn reopen(&mut self) -> Result<(), StoreError> {
        self.verified = None;
        self.file.reopen()?;
        self.turn.wait_for(locks::turn(self.file.main(), &self.flow));
        self.install()
    }

    async fn waiting(&mut self, after: Option<i64>) -> Result<Waiting, StoreError> {
        let after = after.unwrap_or(i64::MIN);
        let now = unix_time();
        let bridge = self.registration.id;
        self.file.with(|connection| {
            let changes = changes(bridge);
            let mut count = connection.prepare_cached(&format!(
                "SELECT (SELECT count(*) FROM (SELECT 1 FROM {changes} WHERE id > ?1 AND gap IS NOT {DONE} LIMIT ?2)), \
                 (SELECT at FROM {changes} WHERE id > ?1 AND gap IS NOT {DONE} ORDER BY id LIMIT 1), \
                 (SELECT count(*) FROM (SELECT 1 FROM tidings_bridge_dead_letters WHERE bridge = ?3 LIMIT ?2))"
            ))?;
            let (rows, oldest, dead): (i64, Option<i64>, i64) = count
                .query_row(params![after, MAX_COUNTED as i64, bridge], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?;
            let number = |count: i64| usize::try_from(count).unwrap_or_default();
            Ok(Waiting { rows: number(rows), oldest: age(now, oldest), dead: number(dead) })
        })
    }
}

/// Reads changes with their records, in one snapshot.
struct Batch<'a> {
    snapshot: &'a Connection,
    registration: &'a Registration,
    request: &'a Request,
}

impl Batch<'_> {
    fn read(&self, after: i64, leftovers: &mut Leftovers) -> rusqlite::Result<Vec<OutboxRow>> {
        let (last, passed_over) =
            last_of_each_key(read_changes(self.snapshot, self.registration, after, READ_ROWS)?);
        let has_dead = !last.is_empty() && self.has_dead_letters()?;
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for change in last {
            if bytes >= READ_BYTES {
                break;
            }
            let event = match &change.key {
                Some((key, values)) => self.event(key, values)?,
                None => Field::Null,
            };
            if let (true, Some((key, _))) = (has_dead, &change.key) {
                self.heal(key, &event, leftovers)?;
            }
            let row = OutboxRow {
                tenant: Field::Text(self.request.tenant().as_str().to_owned()),
                event,
                key: Field::Null,
                origin: Field::Null,
                topics: Field::Text(format!("[{}]", record::string(self.request.topic().as_str()))),
                age: change.age,
                is_gap: change.key.is_none(),
                id: change.id,
            };
            bytes += row.bytes();
            rows.push(row);
        }
        // The later change of the key stays in the table until its own event is published. So these may go at any time.
        leftovers.passed_over.extend(passed_over.into_iter().map(|row| (row.id, row.nonce)));
        Ok(rows)
    }

    /// Returns the event of a key, as its record is now.
    fn event(&self, key: &str, values: &[Value]) -> rusqlite::Result<Field> {
        let Registration { table, sql, .. } = self.registration;
        let mut sizes = self.snapshot.prepare_cached(&sql.sizes)?;
        let mut found = sizes.query(params_from_iter(values))?;
        let event = match found.next()? {
            None => self.request.event(key, None),
            Some(row) => {
                let mut bytes = 0;
                for column in 0..table.columns.len() {
                    bytes += row.get::<_, Option<i64>>(column)?.unwrap_or_default();
                }
                if bytes > MAX_EVENT_BYTES as i64 {
                    return Ok(Field::TooLong(bytes.unsigned_abs()));
                }
                let mut record = self.snapshot.prepare_cached(&sql.record)?;
                let record = record.query_row(params_from_iter(values), |row| record::json(row, table))?;
                let record =
                    record.and_then(|json| RawValue::from_string(json).map_err(|error| error.to_string()));
                record.and_then(|record| self.request.event(key, Some(&record)))
            }
        };
        Ok(match event.and_then(|event| serde_json::to_string(&event).map_err(|error| error.to_string())) {
            Ok(event) => Field::Text(event),
            Err(reason) => Field::Refused(reason),
        })
    }

    fn has_dead_letters(&self) -> rusqlite::Result<bool> {
        let sql = "SELECT EXISTS(SELECT 1 FROM tidings_bridge_dead_letters WHERE bridge = ?1)";
        self.snapshot.prepare_cached(sql)?.query_row([self.registration.id], |row| row.get(0))
    }

    /// Notes that a dead letter has become an event.
    fn heal(&self, key: &str, event: &Field, leftovers: &mut Leftovers) -> rusqlite::Result<()> {
        let sql = "SELECT EXISTS(SELECT 1 FROM tidings_bridge_dead_letters WHERE bridge = ?1 AND key = ?2)";
        let mut statement = self.snapshot.prepare_cached(sql)?;
        let is_dead = statement.query_row(params![self.registration.id, key], |row| row.get(0))?;
        let Field::Text(event) = event else { return Ok(()) };
        if is_dead
            && let Ok(event) = tidings_shared::RawEvent::parse(event)
            && self.request.check_events().check(&event).is_ok()
        {
            leftovers.healed.push(key.to_owned());
        }
        Ok(())
    }
}

fn has_row(connection: &Connection, registration: &Registration, row: &RowId) -> rusqlite::Result<bool> {
    connection.prepare_cached(&registration.sql.change)?.exists(params![row.id, row.nonce])
}

/// Reads changes in the order of their numbers, at most `max`.
pub(super) fn read_changes(
    connection: &Connection,
    registration: &Registration,
    after: i64,
    max: usize,
) -> rusqlite::Result<Vec<Change>> {
    let now = unix_time();
    let mut statement = connection.prepare_cached(&registration.sql.changes)?;
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let changes =
        statement.query_map(params![after, max], |row| read_change(row, &registration.table, now))?;
    changes.collect()
}

/// Splits changes into the last one of each key, and those before it. All gaps are one.
fn last_of_each_key(changes: Vec<Change>) -> (Vec<Change>, Vec<RowId>) {
    let mut last = HashMap::new();
    for (place, change) in changes.iter().enumerate() {
        last.insert(change.key.as_ref().map(|(text, _)| text.clone()), place);
    }
    let (mut kept, mut passed_over) = (Vec::new(), Vec::new());
    for (place, change) in changes.into_iter().enumerate() {
        if last[&change.key.as_ref().map(|(text, _)| text.clone())] == place {
            kept.push(change);
        } else {
            passed_over.push(change.id);
        }
    }
    (kept, passed_over)
}

fn read_change(row: &Row<'_>, table: &Table, now: i64) -> rusqlite::Result<Change> {
    let id = RowId { id: row.get(0)?, nonce: row.get(1)? };
    let mut values = Vec::with_capacity(table.key.len());
    let is_gap = row.get::<_, Option<bool>>(3)?.unwrap_or_default();
    for column in 0..table.key.len() {
        values.extend(owned(row.get_ref(4 + column)?));
    }
    let key = record::key(&values, table).filter(|_| !is_gap);
    Ok(Change { id, age: age(now, row.get(2)?), key: key.map(|key| (key, values)) })
}

/// Returns a value, unless it is a text that is not UTF-8.
fn owned(value: ValueRef<'_>) -> Option<Value> {
    Some(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(str::from_utf8(text).ok()?.to_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    })
}
