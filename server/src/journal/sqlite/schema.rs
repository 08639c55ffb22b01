//! The tables of a journal's file.

use rusqlite::{Connection, Transaction};

/// What `PRAGMA application_id` says of a journal: `tdng`.
pub(super) const APPLICATION: u32 = 0x7464_6e67;

/// What `PRAGMA user_version` says: the version of the tables. A newer file is refused.
pub(super) const VERSION: u32 = 1;

/// An offset counts in its tenant. A gap has no event. The topics are names, joined by spaces: no name has a space.
///
/// `key` has the keys that publishers know, of entries that were trimmed. The key of an entry is in the index `entry_key`.
///
/// `paired` says which state of the database file the write-ahead log belongs to: see `pairing`.
const TABLES: &str = "
CREATE TABLE tenant (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    head INTEGER NOT NULL, head_tag INTEGER NOT NULL,
    tail INTEGER NOT NULL, tail_tag INTEGER NOT NULL,
    bytes INTEGER NOT NULL, oldest_at INTEGER,
    key_bytes INTEGER NOT NULL, oldest_key_at INTEGER
);
CREATE TABLE entry (
    tenant INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    at INTEGER NOT NULL,
    key BLOB NOT NULL,
    may_come_again INTEGER NOT NULL,
    origin TEXT,
    topics TEXT NOT NULL,
    domain TEXT, event TEXT, payload TEXT,
    cost INTEGER NOT NULL,
    PRIMARY KEY (tenant, offset)
) WITHOUT ROWID;
CREATE UNIQUE INDEX entry_key ON entry (tenant, key);
CREATE TABLE key (
    tenant INTEGER NOT NULL,
    key BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    at INTEGER NOT NULL,
    topics TEXT NOT NULL,
    PRIMARY KEY (tenant, key)
) WITHOUT ROWID;
CREATE INDEX key_offset ON key (tenant, offset);
CREATE TABLE revocation (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    kind INTEGER NOT NULL,
    subject TEXT, id BLOB, topics TEXT,
    at INTEGER NOT NULL,
    until INTEGER NOT NULL
);
CREATE INDEX revocation_until ON revocation (until);
CREATE TABLE paired (generation INTEGER NOT NULL, base INTEGER NOT NULL, cookie INTEGER NOT NULL);
INSERT INTO paired VALUES (0, 0, 0);
";

/// Makes the tables in an empty database.
pub(super) fn create(db: &mut Connection) -> rusqlite::Result<()> {
    let transaction = db.transaction()?;
    transaction.execute_batch(TABLES)?;
    mark(&transaction)?;
    transaction.commit()
}

fn mark(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)
}
