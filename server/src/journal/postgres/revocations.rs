//! Revocations.

use tidings_hub::journal::{JournalError, JournalRevocation, Revoked};
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use super::{
    column::column,
    connection::{Connection, signed},
    entries::{joined, parted},
};

const SUBJECT: i32 = 0;
const SESSION: i32 = 1;
const TOKEN: i32 = 2;
const TOPICS: i32 = 3;

const REVOKE: &str = "SELECT tidings.revoke($1, $2, $3, $4, $5, $6, $7)";

const READ: &str =
    "SELECT number, tenant, kind, subject, id, topics, at, until FROM tidings.revocations($1, $2, $3, $4)";

/// See [`Journal::revoke`](tidings_hub::journal::Journal::revoke).
pub(super) fn revoke(
    connection: &mut Connection,
    revocations: &[JournalRevocation],
) -> Result<Vec<u64>, JournalError> {
    if revocations.is_empty() {
        return Ok(Vec::new());
    }
    let (mut tenants, mut kinds, mut subjects, mut ids) = (vec![], vec![], vec![], vec![]);
    let (mut all_topics, mut ats, mut untils) = (vec![], vec![], vec![]);
    for JournalRevocation { tenant, revoked, at, until } in revocations {
        let (kind, subject, id, topics): (_, _, Option<&[u8]>, _) = match revoked {
            Revoked::Subject(subject) => (SUBJECT, Some(subject.as_bytes()), None, None),
            Revoked::Session(session) => (SESSION, None, Some(session.as_bytes()), None),
            Revoked::Token(token) => (TOKEN, None, Some(token), None),
            Revoked::Topics { subject, topics } => {
                (TOPICS, Some(subject.as_bytes()), None, Some(joined(topics)))
            }
        };
        tenants.push(tenant.as_str());
        kinds.push(kind);
        subjects.push(subject);
        ids.push(id);
        all_topics.push(topics);
        ats.push(signed(*at));
        untils.push(signed(*until));
    }
    let values = [
        (&tenants as _, Type::TEXT_ARRAY),
        (&kinds as _, Type::INT4_ARRAY),
        (&subjects as _, Type::BYTEA_ARRAY),
        (&ids as _, Type::BYTEA_ARRAY),
        (&all_topics as _, Type::TEXT_ARRAY),
        (&ats as _, Type::INT8_ARRAY),
        (&untils as _, Type::INT8_ARRAY),
    ];
    let row = connection.query_one(REVOKE, &values)?;
    let numbers: Option<Vec<i64>> = column(&row, 0);
    let numbers = numbers.ok_or_else(|| connection.unexpected("`tidings.revoke` gave no numbers"))?;
    Ok(numbers.into_iter().map(i64::unsigned_abs).collect())
}

/// Which revocations were read.
///
/// The numbers of a restored database begin again at smaller ones. Then [`read_again`](Self::read_again) reads all of them,
/// and what the caller has read before no longer counts.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    /// The number of the newest revocation, as the last look at the journal has found it.
    newest: Option<i64>,
    /// All up to this number were read since the journal was restored.
    restored: Option<i64>,
    /// The last query that found nothing: its `after`, and the newest number then.
    in_vain: Option<(i64, i64)>,
}

impl Revocations {
    /// The next read begins at the first revocation.
    pub(super) fn read_again(&mut self) {
        *self = Self { restored: Some(0), ..Self::default() };
    }

    /// Notes the number of the newest revocation. The next read ends at this number. If it has read that far, it sends no
    /// query.
    pub(super) fn newest_is(&mut self, number: i64) {
        self.newest = Some(number);
    }

    /// Returns whether a look at the journal must come before the next read.
    pub(super) fn must_look(&self) -> bool {
        self.newest.is_none()
    }

    /// See [`Journal::revocations`](tidings_hub::journal::Journal::revocations).
    pub(super) fn read(
        &mut self,
        connection: &mut Connection,
        after: u64,
        max: usize,
        now: u64,
    ) -> Result<Vec<(u64, JournalRevocation)>, JournalError> {
        let after = signed(after);
        let after = self.restored.map_or(after, |restored| restored.min(after));
        // It reads no further than the cursor, which finds out if the journal is restored.
        let newest = self.newest.take().unwrap_or_default();
        if newest <= after || self.in_vain == Some((after, newest)) {
            return Ok(Vec::new());
        }
        let (limit, now) = (signed(max), signed(now));
        let values = [after, newest, limit, now];
        let values = values.each_ref().map(|value| (value as _, Type::INT8));
        let rows = connection.query(READ, &values)?;
        let read: Option<Vec<_>> = rows.iter().map(revocation_of).collect();
        let read = read.ok_or_else(|| connection.fault("a revocation of the journal is damaged"))?;
        self.in_vain = read.is_empty().then_some((after, newest));
        if let (Some(restored), Some((last, _))) = (&mut self.restored, read.last()) {
            *restored = signed(*last);
        }
        Ok(read)
    }
}

fn revocation_of(row: &Row) -> Option<(u64, JournalRevocation)> {
    let subject = || String::from_utf8(column(row, 3)?).ok();
    let revoked = match column(row, 2)? {
        SUBJECT => Revoked::Subject(subject()?),
        SESSION => Revoked::Session(Uuid::from_slice(column(row, 4)?).ok()?),
        TOKEN => Revoked::Token(column::<&[u8]>(row, 4)?.try_into().ok()?),
        TOPICS => Revoked::Topics { subject: subject()?, topics: parted(column(row, 5)?)? },
        _ => return None,
    };
    let revocation = JournalRevocation {
        tenant: column::<&str>(row, 1)?.parse().ok()?,
        revoked,
        at: column::<i64>(row, 6)?.unsigned_abs(),
        until: column::<i64>(row, 7)?.unsigned_abs(),
    };
    Some((column::<i64>(row, 0)?.unsigned_abs(), revocation))
}
