//! A journal in a PostgreSQL database, for any number of processes.
//!
//! ```text
//! append ─▶ tidings.append: lock, number, insert, commit ─▶ NOTIFY ─▶ other nodes: tidings.news
//! ```
//!
//! - `schema` has the tables and the functions, `admin` makes and checks them, `connection` calls the functions. `refusal`
//!   says why a user can't.
//! - `append`, `entries` (rows that are read), `recent`, `revocations` and `limits` are what a journal does.
//! - `cursor` follows all tenants with one query. `stranger` looks at the tenants that the cursor does not know yet.
//! - `notices` hears of news while the driver sleeps.
//!
//! All checks, and the order of the entries, are the functions' work: they run in the database, each in one statement that
//! commits by itself. So a node that stops, dies or is frozen holds nothing.

mod admin;
mod append;
mod column;
mod connection;
mod cursor;
mod entries;
mod limits;
mod notices;
mod recent;
mod refusal;
mod revocations;
mod schema;
mod stranger;

use std::time::Duration;

use tidings_hub::{
    LogLimits, TenantId,
    journal::{
        Appended, Followed, History, Journal, JournalDraft, JournalError, JournalLimits, JournalRevocation,
    },
};
use tidings_shared::Position;
use tokio_postgres::types::Type;
use uuid::Uuid;

pub(crate) use self::append::Columns;
pub use self::schema::SCHEMA;
use self::{
    connection::Connection, cursor::Cursor, notices::Notices, recent::Reading, revocations::Revocations,
};

/// Time between two looks at the database. Notices come sooner. But a pool in front of the database may lose all notices
/// without an error.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A journal in a PostgreSQL database. Any number of processes have it open at the same time.
///
/// Each call that needs the database waits for it: at most two seconds for a connection, and three for an answer.
/// [`open`](Self::open) waits for eight seconds and ten.
#[derive(Debug)]
pub struct PostgresJournal {
    id: Uuid,
    connection: Connection,
    cursor: Cursor,
    /// A long history that is read in parts.
    reading: Option<Reading>,
    revocations: Revocations,
    notices: Notices,
    /// The tenant after which the next trimming goes on.
    trimmed: i64,
}

impl PostgresJournal {
    /// Opens a journal from a URL, for example `postgres://USER:PASSWORD@HOST/DATABASE`. The thread that calls this is woken
    /// when other processes have appended something.
    ///
    /// # Errors
    /// The URL is not valid, the database can't be reached, or it has no journal that this version knows and that this user
    /// may use. The message says so, and what to do. It has no secret.
    ///
    /// # Panics
    /// A journal waits by itself, so a task of tokio must not call it. [`open_hub`](crate::open_hub) gives it a thread.
    pub fn open(url: &str) -> Result<Self, JournalError> {
        let mut connection = Connection::new(url)?;
        let id = connection.run(admin::check)?;
        let mut cursor = Cursor::default();
        cursor.start(&mut connection)?;
        connection.hasten();
        let notices = Notices::start(connection.database().clone())?;
        let revocations = Revocations::default();
        Ok(Self { id, connection, cursor, reading: None, revocations, notices, trimmed: 0 })
    }

    /// Checks that there is a journal.
    #[cfg(feature = "cli")]
    pub(super) fn check(url: &str) -> Result<(), JournalError> {
        Connection::new(url)?.run(admin::check).map(drop)
    }

    /// Makes the tables and the functions of a journal. The caller has made those of the outbox.
    #[cfg(feature = "cli")]
    pub(super) fn init(url: &str) -> Result<(), JournalError> {
        Connection::new(url)?.run(admin::init)
    }

    /// Returns what is in the journal.
    #[cfg(feature = "cli")]
    pub(super) fn status(url: &str) -> Result<super::Status, JournalError> {
        let mut connection = Connection::new(url)?;
        connection.run(admin::check)?;
        connection.run(admin::status)
    }
}

impl PostgresJournal {
    /// Goes on to the newest row of the journal.
    fn advance(&mut self, held: &[(TenantId, Position)], max: usize) -> Result<(), JournalError> {
        if self.cursor.advance(&mut self.connection, held, max)? {
            self.revocations.read_again();
        }
        self.revocations.newest_is(self.cursor.newest_revocation().min(self.cursor.number()));
        Ok(())
    }
}

impl Journal for PostgresJournal {
    fn append(
        &mut self,
        drafts: &[JournalDraft],
        _now_unix_ms: u64,
        new_epoch: &mut dyn FnMut() -> u64,
    ) -> Result<Vec<Appended>, JournalError> {
        append::append(&mut self.connection, drafts, new_epoch)
    }

    fn recent(
        &mut self,
        tenant: &TenantId,
        limits: &LogLimits,
        now_unix_ms: u64,
        new_epoch: u64,
    ) -> Result<History, JournalError> {
        let tenants = std::slice::from_ref(tenant);
        loop {
            let answer = self.recent_of(tenants, limits, now_unix_ms, &mut || new_epoch)?.pop();
            if let Some(history) = answer.flatten() {
                return Ok(history);
            }
        }
    }

    fn recent_of(
        &mut self,
        tenants: &[TenantId],
        limits: &LogLimits,
        _now_unix_ms: u64,
        new_epoch: &mut dyn FnMut() -> u64,
    ) -> Result<Vec<Option<History>>, JournalError> {
        let answers = recent::recent(&mut self.connection, &mut self.reading, tenants, limits, new_epoch)?;
        let answers = tenants.iter().zip(answers).map(|(tenant, answer)| {
            answer.map(|(history, current)| {
                self.cursor.insert(tenant, current);
                history
            })
        });
        Ok(answers.collect())
    }

    fn follow(
        &mut self,
        held: &[(TenantId, Position)],
        max: usize,
    ) -> Result<Vec<(TenantId, Followed)>, JournalError> {
        self.advance(held, max)?;
        let (mut left, mut all, mut strangers) = (max, Vec::new(), Vec::new());
        for (tenant, position) in held {
            match self.cursor.take(tenant, *position, left) {
                Some(entries) if entries.is_empty() => {}
                Some(entries) => {
                    left -= entries.len();
                    all.push((tenant.clone(), Followed::Entries(entries)));
                }
                None => strangers.push((tenant, *position)),
            }
        }
        self.cursor.has_met_strangers();
        stranger::follow(&mut self.connection, &strangers, left, &mut self.cursor, &mut all)?;
        Ok(all)
    }

    fn follow_changed(
        &mut self,
        held: &mut dyn FnMut(&TenantId) -> Option<Position>,
        max: usize,
    ) -> Result<Option<Vec<(TenantId, Followed)>>, JournalError> {
        self.advance(&[], usize::MAX)?;
        Ok(self.cursor.take_changed(held, max))
    }

    fn renew(&mut self, tenant: &TenantId, old: u64, new: u64) -> Result<(), JournalError> {
        let [old, new] = [old, new].map(connection::epoch);
        let values = [(&tenant.as_str() as _, Type::TEXT), (&old as _, Type::INT8), (&new as _, Type::INT8)];
        self.connection.query("SELECT tidings.renew($1, $2, $3)", &values).map(drop)
    }

    fn tenants(&mut self, after: Option<&TenantId>, max: usize) -> Result<Vec<TenantId>, JournalError> {
        entries::tenants(&mut self.connection, after, max)
    }

    fn revoke(&mut self, revocations: &[JournalRevocation]) -> Result<Vec<u64>, JournalError> {
        revocations::revoke(&mut self.connection, revocations)
    }

    fn revocations(
        &mut self,
        after: u64,
        max: usize,
        now_unix_ms: u64,
    ) -> Result<Vec<(u64, JournalRevocation)>, JournalError> {
        if self.revocations.must_look() {
            self.advance(&[], usize::MAX)?;
        }
        self.revocations.read(&mut self.connection, after, max, now_unix_ms)
    }

    fn trim(&mut self, limits: &JournalLimits, _now_unix_ms: u64) -> Result<bool, JournalError> {
        let next = limits::trim(&mut self.connection, self.trimmed, limits)?;
        self.trimmed = next.unwrap_or_default();
        Ok(next.is_some())
    }

    fn probe(&mut self) -> Result<(), JournalError> {
        if self.connection.has_answered() {
            return Ok(());
        }
        self.connection.query("SELECT", &[]).map(drop)
    }

    fn id(&self) -> Option<Uuid> {
        Some(self.id)
    }

    fn poll_interval(&self) -> Duration {
        POLL_INTERVAL
    }

    fn has_news(&mut self) -> bool {
        self.notices.take() > self.cursor.number() || self.cursor.has_pending()
    }
}
