//! The outbox in an application's PostgreSQL database.
//!
//! Writers call `tidings.publish` in the transaction of their data. The server reads the table every few milliseconds, in
//! the order of the ids. It keeps no position: a transaction that commits late has a smaller id than rows that are already
//! published, and its rows are found all the same.

mod dead_letters;
pub(crate) mod no_journal;
pub(crate) mod queue;
mod recent;
mod schema;
mod sequence;
pub(crate) mod turn;
mod write;

use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};
use uuid::Uuid;

pub(crate) use self::sequence::journal_id;
use self::{
    no_journal::NoJournal,
    queue::{Begin, Found, Queue, age, columns_of, milliseconds, read_snapshot, snapshot},
    turn::Turn,
};
pub use self::{
    schema::SCHEMA,
    write::{InsertError, insert, insert_to},
};
use super::{
    row::{Field, OutboxRow, RowId},
    store::{
        Dead, DeadLetter, DeadLetters, Last, Look, MAX_EVENT_BYTES, MAX_SHORT_BYTES, MAX_TOPICS_BYTES,
        READ_BYTES, READ_ROWS, Store, StoreError, Taken, Waiting, Which,
    },
};
use crate::postgres::{Database, Fault, Session};

/// Time between two reads of a table without new rows.
pub(crate) const POLL: Duration = Duration::from_millis(40);

/// The outbox of a PostgreSQL database.
#[derive(Debug)]
pub(crate) struct PostgresStore {
    database: Database,
    /// `None` after an error, until the database is opened again.
    open: Option<Open>,
    queue: Queue,
    no_journal: NoJournal,
}

#[derive(Debug)]
struct Open {
    session: Session,
    /// Opened by the first read: the command line reads no rows.
    turn: Option<Turn>,
}

impl PostgresStore {
    /// Connects to a database that has an outbox. `name` is the outbox for messages, without secrets.
    ///
    /// # Errors
    /// The URL is not valid, the database can't be reached, or it has no outbox that this server knows and may use.
    pub(crate) async fn open(url: &str, name: String) -> Result<Self, StoreError> {
        let database = Database::parse(url, name).map_err(StoreError::away)?;
        let open = Open::new(&database).await?;
        let queue = Queue::new(
            "tidings.outbox WHERE true",
            "tidings.dead_letters WHERE true",
            "tidings.sequencer WHERE true",
        );
        Ok(Self { database, open: Some(open), queue, no_journal: NoJournal::for_outbox() })
    }

    /// Makes the outbox. One that is there stays as it is. Returns what the owner has to know.
    ///
    /// # Errors
    /// The database can't be reached, the user may not do it, or a newer server has made the outbox.
    pub(crate) async fn init(url: &str, name: String) -> Result<Vec<String>, StoreError> {
        let database = Database::parse(url, name).map_err(StoreError::away)?;
        let session = database.connect().await.map_err(StoreError::away)?;
        match version(&session).await {
            Ok(version) => version.check(database.name())?,
            Err(fault) if fault.is_missing() => {}
            Err(fault) => return Err(cannot_init(fault)),
        }
        check_encoding(database.name(), &session).await?;
        session.batch(SCHEMA).await.map_err(cannot_init)?;
        check(&database, &session).await?;
        let roles = "SELECT count(*) FROM pg_roles WHERE rolname IN ('tidings_publisher', 'tidings_node')";
        let count: i64 = session.query_one(roles, &[]).await?.get(0);
        let mut notes = Vec::new();
        if count < 2 {
            notes.push(format!(
                "{}: the user may not create roles, so only the owner may use the outbox: for `tidings_publisher` and \
                 `tidings_node`, run this again as a user with CREATEROLE",
                database.name()
            ));
        }
        Ok(notes)
    }

    fn session(&self) -> Result<&Session, StoreError> {
        session(&self.open, &self.database)
    }

    /// Reads the next rows as [`Store::read`] does. It asks for no turn.
    async fn rows(&mut self, unsettled: &[RowId]) -> Result<Vec<OutboxRow>, StoreError> {
        let session = session(&self.open, &self.database)?;
        let known = unsettled.iter().map(|row| row.id).collect();
        self.queue.read(known, async |begin| read(session, begin).await).await
    }

    /// Succeeds while the database has no journal. Looks once in a while.
    ///
    /// # Errors
    /// There is a journal, so the rows are for the servers that have it. Or the database does not answer.
    pub(super) async fn expect_no_journal(&mut self) -> Result<(), StoreError> {
        let session = session(&self.open, &self.database)?;
        self.no_journal.expect(session, self.database.name()).await
    }
}

impl Store for PostgresStore {
    async fn turn(&mut self) -> Result<Look, StoreError> {
        self.expect_no_journal().await?;
        let closed = closed(&self.database);
        let open = self.open.as_mut().ok_or(closed)?;
        let turn = match &mut open.turn {
            Some(turn) => turn,
            none => none.insert(Turn::wait(&self.database, turn::OUTBOX).await.map_err(StoreError::away)?),
        };
        Ok(match turn.take().await? {
            Taken::Before => Look::Own,
            Taken::Now => Look::Begins(Last::default()),
            Taken::Not => Look::Others(Last::default()),
        })
    }

    async fn read(&mut self, unsettled: &[RowId]) -> Result<Vec<OutboxRow>, StoreError> {
        self.rows(unsettled).await
    }

    async fn settle(&mut self, done: &[RowId], dead: &[Dead]) -> Result<(), StoreError> {
        let (ids, nonces) = columns_of(done.iter());
        let (dead_ids, dead_nonces) = columns_of(dead.iter().map(|dead| &dead.id));
        let (codes, reasons) = refusals_of(dead);
        let values: [(&(dyn ToSql + Sync), Type); 6] = [
            (&ids, Type::INT8_ARRAY),
            (&nonces, Type::UUID_ARRAY),
            (&dead_ids, Type::INT8_ARRAY),
            (&dead_nonces, Type::UUID_ARRAY),
            (&codes, Type::TEXT_ARRAY),
            (&reasons, Type::TEXT_ARRAY),
        ];
        self.session()?.query(SETTLE, &values).await?;
        Ok(())
    }

    async fn changed(&mut self) {
        loop {
            sleep(POLL).await;
            // The next read reports a fault, and a journal.
            if self.expect_no_journal().await.is_err() {
                return;
            }
            let Ok(session) = session(&self.open, &self.database) else { return };
            if !matches!(self.queue.has_no_new_row(session).await, Ok(true)) {
                return;
            }
        }
    }

    async fn reopen(&mut self) -> Result<(), StoreError> {
        self.open = None;
        self.no_journal.forget();
        self.queue.forget();
        self.open = Some(Open::new(&self.database).await?);
        Ok(())
    }

    async fn waiting(&mut self, after: Option<i64>) -> Result<Waiting, StoreError> {
        self.queue.waiting(self.session()?, after).await
    }
}

impl DeadLetters for PostgresStore {
    async fn dead_letters(&mut self, after: i64, max: usize) -> Result<Vec<DeadLetter>, StoreError> {
        Ok(dead_letters::list(self.session()?, after, max).await?)
    }

    async fn retry(&mut self, which: &Which) -> Result<u64, StoreError> {
        dead_letters::retry(self.session()?, which).await.map_err(StoreError::away)
    }

    async fn delete_dead_letters(&mut self, which: &Which) -> Result<u64, StoreError> {
        dead_letters::delete(self.session()?, which).await.map_err(StoreError::away)
    }
}

fn session<'a>(open: &'a Option<Open>, database: &Database) -> Result<&'a Session, StoreError> {
    open.as_ref().map(|open| &open.session).ok_or_else(|| closed(database))
}

fn closed(database: &Database) -> StoreError {
    StoreError::away(format!("{} is not connected", database.name()))
}

/// Reads the next rows.
async fn read(
    session: &Session,
    Begin { after, known, old }: Begin<'_>,
) -> Result<Found<OutboxRow>, StoreError> {
    let [short, event, topics] = column_limits();
    let (max_rows, max_bytes) = (READ_ROWS as i64, READ_BYTES as i64);
    let values: [(&(dyn ToSql + Sync), Type); 8] = [
        (&short, Type::INT8),
        (&event, Type::INT8),
        (&topics, Type::INT8),
        (&after, Type::INT8),
        (&known, Type::INT8_ARRAY),
        (&max_rows, Type::INT8),
        (&max_bytes, Type::INT8),
        (&old, Type::INT8),
    ];
    let found = session.query(READ, &values).await?;
    let rows: Vec<_> =
        found.iter().map(|row| OutboxRow { age: milliseconds(row.get(11)), ..read_row(row) }).collect();
    let ids = rows.iter().map(|row| row.id.id).collect();
    Ok(Found { rows, ids, snapshot: found.first().map(|row| read_snapshot(row, 12)) })
}

impl Open {
    async fn new(database: &Database) -> Result<Self, StoreError> {
        let session = database.connect().await.map_err(StoreError::away)?;
        check(database, &session).await?;
        Ok(Self { session, turn: None })
    }
}

/// The columns of [`read_row`] behind the id, of rows with their [`sizes`]. A value that is too long is not read. Texts come
/// as bytes: in a database with the encoding `SQL_ASCII`, a text that is no UTF-8 would fail each read.
macro_rules! columns {
    () => {
        "nonce, key, \
         tenant_bytes, CASE WHEN tenant_bytes <= $1 THEN convert_to(tenant, 'SQL_ASCII') END, \
         event_bytes, CASE WHEN event_bytes <= $2 THEN convert_to(event, 'SQL_ASCII') END, \
         origin_bytes, CASE WHEN origin_bytes <= $1 THEN convert_to(origin, 'SQL_ASCII') END, \
         topics_bytes, CASE WHEN topics_bytes <= $3 THEN convert_to(array_to_json(topics)::text, 'SQL_ASCII') END"
    };
}
use columns;

/// The sizes of a row's columns. They need no value that is stored apart from its row, apart from topics that may be short
/// enough: a stored list may be compressed.
macro_rules! sizes {
    () => {
        "octet_length(tenant)::bigint AS tenant_bytes, octet_length(event)::bigint AS event_bytes, \
         octet_length(origin)::bigint AS origin_bytes, \
         (CASE WHEN pg_column_size(topics) <= $3 THEN octet_length(array_to_json(topics)::text) \
         ELSE pg_column_size(topics) END)::bigint AS topics_bytes"
    };
}
use sizes;

/// Reads rows until they have enough bytes.
const READ: &str = concat!(
    "SELECT id, ",
    columns!(),
    ", ",
    age!(),
    ", ",
    snapshot!("$8"),
    " FROM (SELECT *, sum(coalesce(tenant_bytes, 0) + event_bytes + coalesce(origin_bytes, 0) + coalesce(topics_bytes, 0)) \
        OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before \
        FROM (SELECT *, ",
    sizes!(),
    " FROM tidings.outbox WHERE id > $4 AND NOT (id = ANY($5)) ORDER BY id LIMIT $6) AS rows) AS sums \
     WHERE coalesce(bytes_before, 0) < $7 ORDER BY id"
);

/// Deletes published rows, and moves dead letters. It is one statement, so it is one transaction.
const SETTLE: &str = "WITH \
    published AS (DELETE FROM tidings.outbox AS o USING unnest($1, $2) AS p(id, nonce) \
        WHERE o.id = p.id AND o.nonce = p.nonce), \
    dead AS (DELETE FROM tidings.outbox AS o USING unnest($3, $4, $5, $6) AS d(id, nonce, code, reason) \
        WHERE o.id = d.id AND o.nonce = d.nonce RETURNING o.*, d.code, d.reason) \
    INSERT INTO tidings.dead_letters(outbox_id, tenant, event, key, origin, topics, nonce, at, code, reason) \
        SELECT id, tenant, event, key, origin, topics, nonce, at, code, reason FROM dead ORDER BY id";

/// The bounds of the columns, in the order of the parameters 1 to 3.
fn column_limits() -> [i64; 3] {
    [MAX_SHORT_BYTES, MAX_EVENT_BYTES, MAX_TOPICS_BYTES].map(|limit| limit as i64)
}

/// Reads a row that begins with its id and goes on with [`columns`].
fn read_row(row: &Row) -> OutboxRow {
    let field =
        |index: usize| match (row.get::<_, Option<i64>>(index), row.get::<_, Option<&[u8]>>(index + 1)) {
            (None, _) => Field::Null,
            (Some(bytes), None) => Field::TooLong(bytes.unsigned_abs()),
            (Some(_), Some(text)) => Field::from_bytes(text),
        };
    OutboxRow {
        id: RowId { id: row.get(0), nonce: row.get::<_, Uuid>(1).as_bytes().to_vec() },
        key: row.get::<_, Option<Uuid>>(2).map_or(Field::Null, |key| Field::Text(key.to_string())),
        tenant: field(3),
        event: field(5),
        origin: field(7),
        topics: field(9),
        age: Duration::ZERO,
        is_gap: false,
    }
}

/// Returns codes and reasons as two columns.
pub(crate) fn refusals_of(dead: &[Dead]) -> (Vec<&'static str>, Vec<String>) {
    // PostgreSQL's texts can't hold this character. A reason may quote one from the JSON of an event.
    dead.iter().map(|dead| (dead.code.as_str(), dead.reason.replace('\0', "\u{fffd}"))).unzip()
}

/// The version of the outbox in a database.
#[derive(Debug)]
struct Version {
    version: i32,
    oldest: i32,
}

impl Version {
    fn check(&self, name: &str) -> Result<(), StoreError> {
        if self.oldest <= schema::VERSION {
            return Ok(());
        }
        Err(StoreError::away(format!(
            "{name}: the outbox has version {}, and this server knows version {}: use a newer tidings",
            self.version,
            schema::VERSION
        )))
    }
}

async fn version(session: &Session) -> Result<Version, Fault> {
    let statement = "SELECT version, oldest FROM tidings.versions WHERE part = 'outbox'";
    let rows = session.query(statement, &[]).await?;
    // Without the row, the schema is that of a journal, or of another program.
    Ok(rows
        .first()
        .map_or(Version { version: 0, oldest: 0 }, |row| Version { version: row.get(0), oldest: row.get(1) }))
}

/// Checks that this user can read, delete and bury rows.
async fn check(database: &Database, session: &Session) -> Result<(), StoreError> {
    let name = database.name();
    let missing = || {
        StoreError::away(format!(
            "{name} has no outbox: run `tidings journal init --outbox postgres://…` as the owner of the database"
        ))
    };
    let forbidden = || {
        let user = database.user();
        StoreError::away(format!(
            "{name}: the user {user} may not read the outbox: let the owner run `GRANT tidings_node TO {user}`"
        ))
    };
    let refused = |fault: Fault| match fault {
        fault if fault.is_missing() => missing(),
        fault if fault.is_forbidden() => forbidden(),
        fault => fault.into(),
    };
    let version = version(session).await.map_err(refused)?;
    if version.version == 0 {
        return Err(missing());
    }
    version.check(name)?;
    let row = session.query_one(CHECK, &[]).await.map_err(refused)?;
    if !row.get::<_, bool>(0) {
        return Err(forbidden());
    }
    check_encoding(name, session).await
}

/// Refuses a database that converts its texts on the way here: a text that can't be converted would fail each read.
async fn check_encoding(name: &str, session: &Session) -> Result<(), StoreError> {
    let encoding: String = session.query_one("SELECT current_setting('server_encoding')", &[]).await?.get(0);
    if ["UTF8", "SQL_ASCII"].contains(&encoding.as_str()) {
        return Ok(());
    }
    Err(StoreError::away(format!(
        "{name} has the encoding {encoding}: an outbox needs a database with the encoding UTF8"
    )))
}

const CHECK: &str = "SELECT bool_and(has_table_privilege(name, kind)) \
    FROM unnest(ARRAY['tidings.outbox', 'tidings.dead_letters']) AS name, \
    unnest(ARRAY['SELECT', 'INSERT', 'DELETE']) AS kind";

fn cannot_init(fault: Fault) -> StoreError {
    if !fault.is_forbidden() {
        return fault.into();
    }
    StoreError::away(format!(
        "{}: run this as the owner of the database, or let the owner run the SQL that `--print` prints",
        fault.message
    ))
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        Self::away(fault.message)
    }
}
