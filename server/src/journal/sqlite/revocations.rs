//! Revocations.

use rusqlite::{Row, params};
use tidings_hub::journal::{JournalRevocation, Revoked};
use uuid::Uuid;

use super::{
    fault::{DAMAGED, Fault},
    file::JournalFile,
    topics::{joined, parted},
};

const SUBJECT: i64 = 0;
const SESSION: i64 = 1;
const TOKEN: i64 = 2;
const TOPICS: i64 = 3;

fn time(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

impl JournalFile {
    /// See [`Journal::revoke`](tidings_hub::journal::Journal::revoke).
    pub(super) fn revoke(&mut self, revocations: &[JournalRevocation]) -> Result<Vec<u64>, Fault> {
        if revocations.is_empty() {
            return Ok(Vec::new());
        }
        self.write(|transaction, _| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO revocation (tenant, kind, subject, id, topics, at, until)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            let mut add = |JournalRevocation { tenant, revoked, at, until }: &JournalRevocation| {
                let (kind, subject, id, topics): (_, _, Option<&[u8]>, _) = match revoked {
                    Revoked::Subject(subject) => (SUBJECT, Some(subject), None, None),
                    Revoked::Session(session) => (SESSION, None, Some(session.as_bytes()), None),
                    Revoked::Token(token) => (TOKEN, None, Some(token), None),
                    Revoked::Topics { subject, topics } => {
                        (TOPICS, Some(subject), None, Some(joined(topics)))
                    }
                };
                let (at, until) = (time(*at), time(*until));
                insert.execute(params![tenant.as_str(), kind, subject, id, topics, at, until])?;
                Ok(transaction.last_insert_rowid() as u64)
            };
            revocations.iter().map(&mut add).collect()
        })
    }

    /// See [`Journal::revocations`](tidings_hub::journal::Journal::revocations).
    pub(super) fn revocations(
        &mut self,
        after: u64,
        max: usize,
        now: u64,
    ) -> Result<Vec<(u64, JournalRevocation)>, Fault> {
        self.read(|file| {
            let mut select = file.db.prepare_cached(
                "SELECT number, tenant, kind, subject, id, topics, at, until FROM revocation
                 WHERE number > ?1 AND until > ?2 ORDER BY number LIMIT ?3",
            )?;
            let max = i64::try_from(max).unwrap_or(i64::MAX);
            let mut rows = select.query(params![time(after), time(now), max])?;
            let mut revocations = Vec::new();
            while let Some(row) = rows.next()? {
                revocations.push((row.get::<_, i64>("number")? as u64, revocation_of(row)?));
            }
            Ok(revocations)
        })
    }
}

fn revocation_of(row: &Row<'_>) -> Result<JournalRevocation, Fault> {
    let revoked = match row.get("kind")? {
        SUBJECT => Revoked::Subject(row.get("subject")?),
        SESSION => Revoked::Session(Uuid::from_bytes(row.get("id")?)),
        TOKEN => Revoked::Token(row.get("id")?),
        TOPICS => Revoked::Topics {
            subject: row.get("subject")?,
            topics: parted(&row.get::<_, String>("topics")?)?,
        },
        _ => return Err(Fault::said(DAMAGED)),
    };
    Ok(JournalRevocation {
        tenant: row.get::<_, String>("tenant")?.parse().map_err(|_| Fault::said(DAMAGED))?,
        revoked,
        at: row.get::<_, i64>("at")? as u64,
        until: row.get::<_, i64>("until")? as u64,
    })
}
