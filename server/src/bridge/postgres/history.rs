//! What a node that reads alone has seen of its database. A database that does not have it is an older copy: a backup, or a
//! standby that did not have everything.

use std::time::SystemTime;

use tokio_postgres::types::{ToSql, Type};

use crate::postgres::{Fault, Session};

/// Whether a database has nothing of a settlement, or of a change.
const IS_GONE: &str = "SELECT $2 IS NOT NULL AND NOT EXISTS \
        (SELECT FROM tidings.bridge_sequencers WHERE bridge = $1 AND at >= $2) \
    OR (SELECT last_value FROM tidings.changes_id_seq) < $3";

#[derive(Debug, Default)]
pub(super) struct History {
    /// The bridge that this node had.
    bridge: Option<i32>,
    /// The time of the last settlement, by the database's clock.
    settled_at: Option<SystemTime>,
    /// The largest id that was read.
    newest: i64,
}

impl History {
    /// Notes the id of a change that was read.
    pub(super) fn read(&mut self, id: i64) {
        self.newest = self.newest.max(id);
    }

    /// Notes the time of a settlement.
    pub(super) fn settled(&mut self, at: Option<SystemTime>) {
        self.settled_at = at;
    }

    /// Returns whether a database that was opened again does not have all of this. Then the history begins again.
    ///
    /// # Errors
    /// The database does not answer.
    pub(super) async fn is_gone_from(&mut self, session: &Session, bridge: i32) -> Result<bool, Fault> {
        let values: [(&(dyn ToSql + Sync), Type); 3] =
            [(&bridge, Type::INT4), (&self.settled_at, Type::TIMESTAMPTZ), (&self.newest, Type::INT8)];
        let is_gone = session.query_one(IS_GONE, &values).await?.get(0)
            || self.bridge.is_some_and(|before| before != bridge);
        if is_gone {
            *self = Self::default();
        }
        self.bridge = Some(bridge);
        Ok(is_gone)
    }
}
