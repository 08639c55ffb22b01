//! The registration of a node for the changes of a table.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::schema;
use crate::{
    bridge::error::SourceError,
    postgres::{Database, Fault, READ_ONLY, Session},
};

/// The longest wait for the transactions that write to a table, until its triggers can be made. Meanwhile, other writers are
/// held up for [`LOCK_TIMEOUT`] at a time at most.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(8);

/// The longest wait of one try, as PostgreSQL writes it.
const LOCK_TIMEOUT: &str = "300ms";

/// The pause between two tries.
const INSTALL_PAUSE: Duration = Duration::from_millis(200);

/// The longest time for a connection, and for an answer, at a stop. A [stop](crate::bridge::Bridge::stop) has 12 s in all.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// What a node registers for.
#[derive(Debug, Clone)]
pub(super) struct Registration {
    pub(super) database: Database,
    /// The name of the table, as SQL has it.
    pub(super) table: String,
    pub(super) tenant: String,
    pub(super) schema: String,
    pub(super) topic: String,
    pub(super) node: Uuid,
    /// How long changes wait at most.
    pub(super) max_age: Duration,
}

impl Registration {
    /// Connects and registers. Makes the triggers if there are none, and the user has the rights of the table's owner. Returns
    /// the number of the bridge.
    ///
    /// # Errors
    /// The database does not answer, or the table can't have a bridge.
    pub(super) async fn register(&self) -> Result<(Session, i32), SourceError> {
        let session = self.connect().await?;
        let bridge = self.register_on(&session).await?;
        Ok((session, bridge))
    }

    /// Does the same on a connection.
    ///
    /// # Errors
    /// The same errors.
    pub(super) async fn register_on(&self, session: &Session) -> Result<i32, SourceError> {
        self.check(session).await?;
        let mut found = self.find(session).await?;
        if found.source.is_none() {
            self.install(session, &found).await?;
            found = self.find(session).await?;
        }
        if found.source.is_none() {
            return Err(SourceError::NotSupported(format!(
                "{}: somebody has changed the triggers or the functions of the bridge of {}: let its owner run \
                 `SELECT tidings.unbridge('{}')`, and start again",
                self.database.name(),
                found.table,
                found.table.replace('\'', "''")
            )));
        }
        let max_age = i64::try_from(self.max_age.as_millis()).unwrap_or(i64::MAX);
        let values: [(&(dyn ToSql + Sync), Type); 6] = [
            (&found.source, Type::INT4),
            (&self.tenant, Type::TEXT),
            (&self.schema, Type::TEXT),
            (&self.topic, Type::TEXT),
            (&self.node, Type::UUID),
            (&max_age, Type::INT8),
        ];
        let start = "SELECT tidings.start_bridge($1, $2, $3, $4, $5, $6)";
        let row = session.query_one(start, &values).await.map_err(|fault| self.refused(fault))?;
        Ok(row.get(0))
    }

    /// Ends the registration of this node.
    ///
    /// # Errors
    /// The database does not answer.
    pub(super) async fn stop(&self, bridge: i32) -> Result<(), String> {
        let session = self.database.clone().timeouts(STOP_TIMEOUT, STOP_TIMEOUT).connect().await?;
        let values: [(&(dyn ToSql + Sync), Type); 2] = [(&bridge, Type::INT4), (&self.node, Type::UUID)];
        let stopped = session.query("SELECT tidings.stop_bridge($1, $2)", &values).await;
        stopped.map(drop).map_err(|fault| fault.message)
    }

    pub(super) async fn connect(&self) -> Result<Session, SourceError> {
        self.database.connect().await.map_err(|message| match message.contains(READ_ONLY) {
            // A standby has no triggers of its own.
            true => SourceError::NotSupported(message),
            false => SourceError::Failed(message),
        })
    }

    /// Checks that the database has texts that the events can carry, and the part `bridge` in a version that this server knows.
    async fn check(&self, session: &Session) -> Result<(), SourceError> {
        let encoding = session.query_one("SELECT current_setting('server_encoding')", &[]).await;
        let encoding: String = encoding.map_err(|fault| self.refused(fault))?.get(0);
        if encoding != "UTF8" {
            return Err(SourceError::NotSupported(format!(
                "{}: it has the encoding {encoding}; a bridge needs a database with the encoding UTF8",
                self.database.name()
            )));
        }
        let statement = "SELECT version, oldest FROM tidings.versions WHERE part = 'bridge'";
        let rows = match session.query(statement, &[]).await {
            Err(fault) if fault.is_missing() => Vec::new(),
            rows => rows.map_err(|fault| self.refused(fault))?,
        };
        let name = self.database.name();
        match rows.first() {
            Some(row) if row.get::<_, i32>(1) <= schema::VERSION => Ok(()),
            Some(row) => Err(SourceError::NotSupported(format!(
                "{name}: the part `bridge` has version {}, and this server knows version {}: use a newer tidings",
                row.get::<_, i32>(0),
                schema::VERSION
            ))),
            None => Err(SourceError::NotSupported(format!(
                "{name} has no part `bridge`: run `tidings journal init --outbox postgres://…` as the owner of the database"
            ))),
        }
    }

    async fn find(&self, session: &Session) -> Result<Found, SourceError> {
        let statement = "SELECT (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c \
                JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = r.name), f.source, f.is_owner \
            FROM (SELECT to_regclass($1) AS name) r LEFT JOIN LATERAL tidings.find_table(r.name) f ON true";
        let values: [(&(dyn ToSql + Sync), Type); 1] = [(&self.table, Type::TEXT)];
        let row = session.query_one(statement, &values).await.map_err(|fault| self.refused(fault))?;
        let Some(table) = row.get(0) else {
            return Err(SourceError::NotSupported(format!(
                "{}: there is no table {}: check its name, and the schema before it",
                self.database.name(),
                self.table
            )));
        };
        Ok(Found { table, source: row.get(1), is_owner: row.get(2) })
    }

    /// Makes the triggers of the table.
    async fn install(&self, session: &Session, found: &Found) -> Result<(), SourceError> {
        let call = call(&found.table);
        if !found.is_owner {
            return Err(SourceError::NotSupported(format!(
                "{}: the table {} has no triggers of a bridge: let its owner run `{call}`",
                self.database.name(),
                found.table
            )));
        }
        let start = Instant::now();
        loop {
            let statements = format!("BEGIN; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; {call}; COMMIT");
            let Err(fault) = session.batch(&statements).await else { return Ok(()) };
            session.batch("ROLLBACK").await.map_err(|fault| self.refused(fault))?;
            if !fault.is_locked() || start.elapsed() > INSTALL_TIMEOUT {
                return Err(self.refused(fault));
            }
            sleep(INSTALL_PAUSE).await;
        }
    }

    fn refused(&self, fault: Fault) -> SourceError {
        let user = self.database.user();
        match fault {
            fault if fault.is_forbidden() => SourceError::NotSupported(format!(
                "{}; the user {user} needs the role tidings_node: let the owner run `GRANT tidings_node TO {user}`",
                fault.message
            )),
            fault if fault.is_unsupported() => SourceError::NotSupported(fault.message),
            fault => SourceError::Failed(fault.message),
        }
    }
}

/// Returns the statement by which the owner makes the triggers of a table.
pub(super) fn call(table: &str) -> String {
    format!("SELECT tidings.bridge('{}')", table.replace('\'', "''"))
}

/// What the database says of a table.
#[derive(Debug)]
struct Found {
    /// Its name, with quotation marks where SQL needs them.
    table: String,
    /// Its number. `None`: `tidings.bridge` was not called for it, or somebody has changed what it has made.
    source: Option<i32>,
    /// The user has the rights of the table's owner.
    is_owner: bool,
}
