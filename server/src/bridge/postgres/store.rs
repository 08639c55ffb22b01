//! The changes of a table, as the loops of the outbox read them.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::sleep;
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};
use uuid::{Builder, Uuid};

use super::{
    history::History,
    registration::{Registration, call},
};
use crate::{
    journal::Columns,
    outbox::{
        batches::Batch,
        postgres::{
            POLL,
            no_journal::NoJournal,
            queue::{Begin, Found, Queue, milliseconds, read_snapshot, snapshot},
            turn::Turn,
        },
        row::{Field, OutboxRow, RowId},
        sequencer::{Seen, Sequence, Sequenced},
        store::{
            Dead, Last, Look, MAX_EVENT_BYTES, READ_BYTES, READ_ROWS, Store, StoreError, Taken, Waiting,
        },
    },
    postgres::Session,
};

/// Time between two notes in the database that this node is there. A stop on another node ignores nodes
/// without a note in the last minute.
const RENEW_INTERVAL: Duration = Duration::from_secs(10);

/// The same while transactions are open that may have written without a record of it.
const UNSETTLED_INTERVAL: Duration = Duration::from_millis(200);

/// How often a record may have changed between its read and the append, one after the other. Then a gap stands for it.
const MAX_MISSES: u8 = 3;

/// Changes that other transactions hold, and that the loop passes over. With more of them, the loop comes to a stop until these
/// transactions have ended.
const MAX_LOCKED: usize = 4096;

/// Time between two gaps of records that change all the time: the subscribers load everything again.
const GAP_INTERVAL: Duration = Duration::from_secs(1);

/// The first number of the lock of a reader. The second one is the number of the bridge.
const TURN: i32 = 1_953_064_038;

const READ: &str = concat!(
    "SELECT r.id, r.key, r.ids, r.nonces, r.age, r.payload, r.is_deleted, r.bytes, r.fault, ",
    snapshot!("$7"),
    " FROM tidings.read_changes($1, $2, $3, $4, $5, $6) r ORDER BY r.id"
);

const SEQUENCE: &str = "SELECT published, gaps, buried, missed, locked FROM tidings.sequence_changes(\
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)";

/// The changes of a table for one bridge.
#[derive(Debug)]
pub(super) struct ChangesStore {
    registration: Registration,
    /// Whether the changes go into the journal of the same database.
    is_in_journal: bool,
    no_journal: NoJournal,
    registered: Registered,
    /// `None` after an error, until the database is opened again.
    open: Option<Open>,
    /// What was read and may still be in the table, by the id that the loop knows.
    read: BTreeMap<i64, Changes>,
    /// The nonces of changes that other transactions hold, by id. These transactions may keep the changes in the table. If the
    /// changes go into the journal of the database, they are not published yet. Otherwise they are done, and must be deleted.
    locked: BTreeMap<i64, Uuid>,
    /// How often each record was missed, one after the other. They are records of the last batch.
    misses: BTreeMap<String, u8>,
    /// When a gap last stood for such a record.
    gap_at: Option<Instant>,
    /// What a node that reads alone has seen of the database.
    history: History,
    /// Another node may have read the changes, while this one still published what it had read before. Or the database is an
    /// older copy.
    has_lost: bool,
}

/// The number of the bridge in the database. It changes when another node has ended the bridge.
#[derive(Debug, Clone)]
pub(super) struct Registered(Arc<AtomicI32>);

#[derive(Debug)]
struct Open {
    session: Session,
    bridge: i32,
    queue: Queue,
    turn: Option<Turn>,
    /// When to say again that this node is there.
    renew_at: Instant,
}

/// The changes of one record.
#[derive(Debug, Clone)]
struct Changes {
    /// `None`: they stand for a loss.
    key: Option<String>,
    ids: Vec<i64>,
    nonces: Vec<Uuid>,
}

impl Registered {
    pub(super) fn get(&self) -> i32 {
        self.0.load(Ordering::Acquire)
    }
}

impl ChangesStore {
    pub(super) fn new(registration: Registration, is_in_journal: bool, bridge: i32) -> Self {
        let registered = Registered(Arc::new(AtomicI32::new(bridge)));
        let (open, read, locked, misses, gap_at, history, has_lost) = Default::default();
        Self {
            registration,
            is_in_journal,
            no_journal: NoJournal::for_bridge(),
            registered,
            open,
            read,
            locked,
            misses,
            gap_at,
            history,
            has_lost,
        }
    }

    pub(super) fn registered(&self) -> Registered {
        self.registered.clone()
    }

    /// Connects and registers.
    ///
    /// # Errors
    /// The database can't be opened, or the table is gone.
    pub(super) async fn open(&mut self) -> Result<(), StoreError> {
        if self.open.take().and_then(|open| open.turn).is_some_and(|turn| turn.is_lost()) {
            self.has_lost = true;
        }
        let registered = self.registration.register().await;
        let (session, bridge) = registered.map_err(|error| StoreError::away(error.to_string()))?;
        self.registered.0.store(bridge, Ordering::Release);
        // A journal in the database finds this out for all of its events.
        if !self.is_in_journal && self.history.is_gone_from(&session, bridge).await? {
            self.has_lost = true;
        }
        let queue = Queue::new(
            &format!("tidings.changes WHERE bridge = {bridge}"),
            &format!("tidings.bridge_dead_letters WHERE bridge = {bridge}"),
            &format!("tidings.bridge_sequencers WHERE bridge = {bridge}"),
        );
        self.open = Some(Open { session, bridge, queue, turn: None, renew_at: Instant::now() });
        Ok(())
    }

    fn opened(&mut self) -> Result<&mut Open, StoreError> {
        let closed = self.closed();
        self.open.as_mut().ok_or(closed)
    }

    fn closed(&self) -> StoreError {
        StoreError::away(format!("{} is not connected", self.registration.database.name()))
    }

    /// Says now and then that this node is still there.
    async fn renew(&mut self) -> Result<(), StoreError> {
        let node = self.registration.node;
        let open = self.opened()?;
        if Instant::now() < open.renew_at {
            return Ok(());
        }
        let values: [(&(dyn ToSql + Sync), Type); 2] = [(&open.bridge, Type::INT4), (&node, Type::UUID)];
        let statement = "SELECT is_known, is_settled, has_triggers FROM tidings.renew_bridge($1, $2)";
        let row = open.session.query_one(statement, &values).await?;
        let interval = if row.get(1) { RENEW_INTERVAL } else { UNSETTLED_INTERVAL };
        open.renew_at = Instant::now() + interval;
        if !row.get::<_, bool>(0) {
            return Err(StoreError::away("another node has ended this bridge: it starts again"));
        }
        if !row.get::<_, bool>(2) {
            return Err(StoreError::away(format!(
                "{}: the table {} is gone, or its triggers are off, or not ENABLE ALWAYS: let its owner run `{}`",
                self.registration.database.name(),
                self.registration.table,
                call(&self.registration.table)
            )));
        }
        match self.is_in_journal {
            // They are read again, if they are still there.
            true => self.locked.clear(),
            false if self.locked.is_empty() => {}
            false => self.settle(&[], &[]).await?,
        }
        Ok(())
    }

    /// Reads the next changes that are not among these.
    async fn rows(&mut self, known: &[RowId]) -> Result<Vec<OutboxRow>, StoreError> {
        let kept: HashSet<i64> = known.iter().map(|row| row.id).collect();
        self.read.retain(|id, _| kept.contains(id));
        let known = self.known();
        let open = self.opened()?;
        let (session, bridge) = (&open.session, open.bridge);
        let found = open.queue.read(known, async |begin| read(session, bridge, begin).await).await?;
        let mut rows = Vec::with_capacity(found.len());
        for (row, changes) in found {
            let misses =
                changes.key.as_ref().and_then(|key| self.misses.get(key)).copied().unwrap_or_default();
            let is_due = self.gap_at.is_none_or(|at| at.elapsed() >= GAP_INTERVAL);
            let is_gap = row.is_gap || misses >= MAX_MISSES && is_due;
            if is_gap && !row.is_gap {
                self.gap_at = Some(Instant::now());
            }
            // The changes go with the append. So only a reader may publish them a second time.
            let key = match self.is_in_journal {
                true => Field::Null,
                false => Field::Text(changes.idempotency_key().to_string()),
            };
            self.history.read(row.id.id);
            self.read.insert(row.id.id, changes);
            let topics = serde_json::to_string(&[&self.registration.topic]).unwrap_or_default();
            let tenant = Field::Text(self.registration.tenant.clone());
            rows.push(OutboxRow { tenant, key, topics: Field::Text(topics), is_gap, ..row });
        }
        Ok(rows)
    }

    /// Returns the ids of all changes that were read and may still be in the table.
    fn known(&self) -> Vec<i64> {
        self.read.values().flat_map(|changes| &changes.ids).chain(self.locked.keys()).copied().collect()
    }
}

impl Changes {
    /// Returns the idempotency key of an event that stands for all of these changes.
    fn idempotency_key(&self) -> Uuid {
        let rows = self.ids.iter().zip(&self.nonces);
        let mixed =
            rows.fold(0, |mixed, (id, nonce)| mixed ^ nonce.as_u128() ^ u128::from(id.cast_unsigned()));
        Builder::from_custom_bytes(mixed.to_be_bytes()).into_uuid()
    }
}

impl Store for ChangesStore {
    async fn turn(&mut self) -> Result<Look, StoreError> {
        let open = self.open.as_ref().ok_or_else(|| self.closed())?;
        self.no_journal.expect(&open.session, self.registration.database.name()).await?;
        // Also while another node has the turn.
        self.renew().await?;
        let database = self.registration.database.clone();
        let open = self.opened()?;
        let lock = format!("{TURN}, {}", open.bridge);
        let turn = match &mut open.turn {
            Some(turn) => turn,
            none => none.insert(Turn::wait(&database, &lock).await.map_err(StoreError::away)?),
        };
        let taken = turn.take().await?;
        if taken == Taken::Before {
            return Ok(Look::Own);
        }
        let statement = "SELECT history, newest FROM tidings.last_reader($1)";
        let row = open.session.query_one(statement, &[(&open.bridge, Type::INT4)]).await?;
        let last = Last {
            history: row.get::<_, Option<i64>>(0).map(i64::unsigned_abs),
            newest: row.get::<_, Option<String>>(1).unwrap_or_default(),
            must_load: std::mem::take(&mut self.has_lost),
        };
        Ok(if taken == Taken::Now { Look::Begins(last) } else { Look::Others(last) })
    }

    async fn claim(&mut self, history: u64) -> Result<(), StoreError> {
        let history = i64::try_from(history).unwrap_or(i64::MAX);
        let open = self.opened()?;
        let values: [(&(dyn ToSql + Sync), Type); 2] = [(&open.bridge, Type::INT4), (&history, Type::INT8)];
        open.session.query("SELECT tidings.claim_bridge($1, $2)", &values).await?;
        Ok(())
    }

    async fn read(&mut self, unsettled: &[RowId]) -> Result<Vec<OutboxRow>, StoreError> {
        self.rows(unsettled).await
    }

    async fn settle(&mut self, done: &[RowId], dead: &[Dead]) -> Result<(), StoreError> {
        let done = done.iter().map(|row| (row.id, None));
        let mut settled: Vec<_> = done.chain(dead.iter().map(|dead| (dead.id.id, Some(dead)))).collect();
        // A record may have changed from one that no event can carry to one that an event can.
        settled.sort_by_key(|(id, _)| *id);
        let (mut ids, mut nonces): (Vec<i64>, Vec<Uuid>) = self.locked.iter().unzip();
        let (mut keys, mut codes, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
        for (id, refusal) in &settled {
            let Some(changes) = self.read.get(id) else { continue };
            ids.extend(&changes.ids);
            nonces.extend(&changes.nonces);
            keys.push(changes.key.as_deref());
            codes.push(refusal.map(|dead| dead.code.as_str()));
            reasons.push(refusal.map(reason));
        }
        let open = self.open.as_ref().ok_or_else(|| self.closed())?;
        let (bridge, node) = (open.bridge, (!self.is_in_journal).then_some(self.registration.node));
        let values: [(&(dyn ToSql + Sync), Type); 7] = [
            (&bridge, Type::INT4),
            (&ids, Type::INT8_ARRAY),
            (&nonces, Type::UUID_ARRAY),
            (&keys, Type::TEXT_ARRAY),
            (&codes, Type::TEXT_ARRAY),
            (&reasons, Type::TEXT_ARRAY),
            (&node, Type::UUID),
        ];
        let settle = "SELECT left_over, settled_at FROM tidings.settle_turn($1, $2, $3, $4, $5, $6, $7)";
        let row = open.session.query_one(settle, &values).await?;
        self.history.settled(row.get(1));
        let locked: HashSet<i64> = row.get::<_, Vec<i64>>(0).into_iter().collect();
        self.locked = ids.into_iter().zip(nonces).filter(|(id, _)| locked.contains(id)).collect();
        if self.locked.len() > MAX_LOCKED {
            return Err(StoreError::away(format!(
                "{}: other transactions hold {} changes of {} that are published: look at pg_locks, and end these transactions",
                self.registration.database.name(),
                self.locked.len(),
                self.registration.table
            )));
        }
        for (id, _) in settled {
            self.read.remove(&id);
        }
        Ok(())
    }

    async fn changed(&mut self) {
        loop {
            sleep(POLL).await;
            // The next read reports a fault.
            let Ok(open) = self.opened() else { return };
            if Instant::now() >= open.renew_at
                || !matches!(open.queue.has_no_new_row(&open.session).await, Ok(true))
            {
                return;
            }
        }
    }

    async fn reopen(&mut self) -> Result<(), StoreError> {
        self.open().await
    }

    async fn waiting(&mut self, after: Option<i64>) -> Result<Waiting, StoreError> {
        let open = self.opened()?;
        open.queue.waiting(&open.session, after).await
    }
}

impl Sequence for ChangesStore {
    async fn look(&mut self, waiting: &[RowId], node: Uuid) -> Result<Seen, StoreError> {
        self.renew().await?;
        let known: Vec<i64> = waiting
            .iter()
            .flat_map(|row| self.read.get(&row.id).map_or(&[][..], |changes| &changes.ids))
            .chain(self.locked.keys())
            .copied()
            .collect();
        let open = self.opened()?;
        open.queue.look(&open.session, &known, node).await
    }

    async fn next_rows(&mut self, waiting: &[RowId]) -> Result<Vec<OutboxRow>, StoreError> {
        self.rows(waiting).await
    }

    async fn sequence(
        &mut self,
        node: Uuid,
        batch: &Batch,
        new_epoch: &mut dyn FnMut() -> u64,
    ) -> Result<Sequenced, StoreError> {
        let (mut ids, mut nonces, mut places) = (Vec::<i64>::new(), Vec::<Uuid>::new(), Vec::<i32>::new());
        let (mut keys, mut codes, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
        for (place, row) in (1_i32..).zip(&batch.rows) {
            let changes = self.read.get(&row.id);
            let (changed, changed_nonces) =
                changes.map_or((&[][..], &[][..]), |changes| (&changes.ids, &changes.nonces));
            ids.extend(changed);
            nonces.extend(changed_nonces);
            places.extend(changed.iter().map(|_| place));
            let refusal = batch.dead.iter().find(|dead| dead.id == *row);
            keys.push(changes.and_then(|changes| changes.key.as_deref()));
            codes.push(refusal.map(|dead| dead.code.as_str()));
            reasons.push(refusal.map(reason));
        }
        let max_record = MAX_EVENT_BYTES as i64;
        let columns = Columns::new(&batch.drafts, new_epoch);
        let open = self.open.as_ref().ok_or_else(|| self.closed())?;
        let mut values: Vec<(&(dyn ToSql + Sync), Type)> = vec![
            (&open.bridge, Type::INT4),
            (&node, Type::UUID),
            (&ids, Type::INT8_ARRAY),
            (&nonces, Type::UUID_ARRAY),
            (&places, Type::INT4_ARRAY),
            (&keys, Type::TEXT_ARRAY),
            (&codes, Type::TEXT_ARRAY),
            (&reasons, Type::TEXT_ARRAY),
            (&max_record, Type::INT8),
        ];
        values.extend(columns.values());
        let row = open.session.query_one(SEQUENCE, &values).await?;
        let missed: Vec<i32> = row.get(3);
        let missed =
            missed.iter().filter_map(|place| keys.get(usize::try_from(*place).ok()?.checked_sub(1)?));
        let misses = missed.filter_map(|key| {
            let key = (*key)?;
            Some((key.to_owned(), self.misses.get(key).map_or(1, |misses| misses.saturating_add(1))))
        });
        self.misses = misses.collect();
        let locked: HashSet<i64> = row.get::<_, Vec<i64>>(4).into_iter().collect();
        let room = MAX_LOCKED.saturating_sub(self.locked.len());
        let locked = ids.iter().copied().zip(nonces).filter(|(id, _)| locked.contains(id)).take(room);
        self.locked.extend(locked);
        let number = |index| row.get::<_, i64>(index).unsigned_abs();
        let too_old = batch.too_old.min(number(1));
        Ok(Sequenced { published: number(0), too_old, buried: number(2), refused: Vec::new() })
    }

    async fn stop_sequencing(&self, node: Uuid) -> Result<(), StoreError> {
        let Some(open) = &self.open else { return Ok(()) };
        let values: [(&(dyn ToSql + Sync), Type); 2] = [(&open.bridge, Type::INT4), (&node, Type::UUID)];
        open.session.query("SELECT tidings.stop_sequencing_changes($1, $2)", &values).await?;
        Ok(())
    }
}

/// Reads the next changes of a bridge.
async fn read(
    session: &Session,
    bridge: i32,
    Begin { after, known, old }: Begin<'_>,
) -> Result<Found<(OutboxRow, Changes)>, StoreError> {
    let (max_rows, max_bytes, max_record) = (READ_ROWS as i64, READ_BYTES as i64, MAX_EVENT_BYTES as i64);
    let values: [(&(dyn ToSql + Sync), Type); 7] = [
        (&bridge, Type::INT4),
        (&after, Type::INT8),
        (&known, Type::INT8_ARRAY),
        (&max_rows, Type::INT8),
        (&max_bytes, Type::INT8),
        (&max_record, Type::INT8),
        (&old, Type::INT8),
    ];
    let found = session.query(READ, &values).await?;
    let rows: Vec<_> = found.iter().map(read_row).collect();
    let mut ids: Vec<i64> = rows.iter().flat_map(|(_, changes)| &changes.ids).copied().collect();
    ids.sort_unstable();
    Ok(Found { rows, ids, snapshot: found.first().map(|row| read_snapshot(row, 9)) })
}

fn read_row(row: &Row) -> (OutboxRow, Changes) {
    let changes = Changes { key: row.get(1), ids: row.get(2), nonces: row.get(3) };
    let event =
        match (row.get::<_, Option<&str>>(5), row.get::<_, Option<i64>>(7), row.get::<_, Option<&str>>(8)) {
            (Some(payload), ..) => {
                let name = if row.get(6) { "deleted" } else { "upserted" };
                Field::Text(format!(r#"{{"domain":"store","event":"{name}","payload":{payload}}}"#))
            }
            (None, _, Some(fault)) => {
                tracing::warn!(key = changes.key, fault, "a record can't be read as JSON");
                Field::NotText("a record that can't be read as JSON")
            }
            (None, bytes, None) => Field::TooLong(bytes.unwrap_or_default().unsigned_abs()),
        };
    let id = row.get(0);
    let nonce = changes.nonces.last().map_or(Vec::new(), |nonce| nonce.as_bytes().to_vec());
    let [tenant, key, origin, topics] = [const { Field::Null }; 4];
    let age = milliseconds(row.get(4));
    let is_gap = changes.key.is_none();
    (OutboxRow { id: RowId { id, nonce }, tenant, event, key, origin, topics, age, is_gap }, changes)
}

/// Returns the reason of a dead letter. PostgreSQL's texts can't hold U+0000.
fn reason(dead: &Dead) -> String {
    dead.reason.replace('\0', "\u{fffd}")
}
