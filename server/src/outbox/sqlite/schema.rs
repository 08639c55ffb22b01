//! The tables of an outbox in SQLite.

/// The SQL that makes the tables of an outbox, if they are not there. `tidings journal init --outbox sqlite:PATH` runs it,
/// and `--print` prints it. An application may run it in its own migrations.
///
/// - `AUTOINCREMENT`: no id comes again after the table was empty.
/// - `nonce`: tells a row from another row that had the same id, for example before a copy was restored.
/// - `at`: when the row was written, in milliseconds since 1970. The default needs no function that older versions of SQLite
///   lack: writers have a SQLite of their own.
pub const SCHEMA: &str = "\
CREATE TABLE IF NOT EXISTS tidings_outbox(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT,
  event TEXT NOT NULL,
  key TEXT,
  origin TEXT,
  topics TEXT,
  nonce BLOB NOT NULL DEFAULT (randomblob(16)),
  at INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))
);
CREATE TABLE IF NOT EXISTS tidings_dead_letters(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  outbox_id INTEGER NOT NULL,
  tenant TEXT,
  event TEXT,
  key TEXT,
  origin TEXT,
  topics TEXT,
  nonce BLOB,
  at INTEGER,
  code TEXT NOT NULL,
  reason TEXT NOT NULL,
  refused_at INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))
);
";

/// The tables, with the columns that the server uses.
pub(super) const TABLES: [(&str, &[&str]); 2] = [
    ("tidings_outbox", &["id", "tenant", "event", "key", "origin", "topics", "nonce", "at"]),
    (
        "tidings_dead_letters",
        &[
            "id",
            "outbox_id",
            "tenant",
            "event",
            "key",
            "origin",
            "topics",
            "nonce",
            "at",
            "code",
            "reason",
            "refused_at",
        ],
    ),
];
