//! Follows all tenants of a node. One query a turn serves any number of tenants.
//!
//! The cursor is a row of the journal: its number, and the mark of the call that appended it. Up to this row, the cursor knows
//! the newest position of each of its tenants. So a query by number finds what is new, and needs no position of a tenant:
//!
//! ```text
//! number   1    2    3    4    5    6
//! tenant   a    b    a    c    a    b          cursor: 4 │ known: a at its 2nd entry, b at its 1st
//!                         ▲                    news: 5 (a's 3rd), 6 (b's 2nd)
//! ```
//!
//! If the row is no longer there with its mark, another history was restored, or the row was removed. Then the cursor forgets
//! everything, and all tenants are strangers again.
//!
//! A new tenant of the cursor may have an entry that is ahead of the cursor's row. The next query returns this entry again. It
//! must be the same entry.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use tidings_hub::{
    TenantId,
    journal::{Entry, Followed, JournalError},
};
use tidings_shared::Position;
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use super::{
    column::column,
    connection::Connection,
    entries::{BYTES, Current, Read, columns},
};

/// Tenants that each query names. If there are more, a query first asks which tenants have something new.
const NAMED: usize = 100;

/// Entries that wait until the driver asks for their tenants. Beyond this bound, the cursor forgets these tenants, and they
/// are strangers again.
const PENDING: usize = 4_096;

/// Time between two comparisons of a tenant with the journal. The cursor alone is not enough: a restored copy may have the
/// cursor's row, and lack a tenant without entries that was added later. No other check finds this case.
const COMPARE: Duration = Duration::from_secs(5);

/// Time between two of these comparisons. Each comparison covers a part of the tenants.
const COMPARE_INTERVAL: Duration = Duration::from_secs(1);

/// Entries of one query.
const ENTRIES: i64 = 1_024;

/// A period. The cursor forgets a tenant that the driver has not asked for in a whole period. The driver asks for all of its
/// tenants several times a second.
const FORGET: Duration = Duration::from_secs(10);

const NEWS: &str = concat!(
    "SELECT is_known, next_number, next_mark, revocation, has_more, changed, tenant, epoch, ",
    columns!(),
    " FROM tidings.news($1, $2, $3, $4, $5, $6)"
);

/// What a node knows, up to a row of the journal.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    row: Option<(i64, Uuid)>,
    tenants: HashMap<TenantId, Known>,
    names: HashMap<i64, TenantId>,
    /// Entries that wait in all tenants.
    pending: usize,
    /// No tenant is ahead of this number.
    ahead: i64,
    newest_revocation: i64,
    /// Whether it has forgotten a tenant since the driver has last asked for its tenants.
    has_forgotten: bool,
    /// A number of the period, and when it began.
    period: (u64, Option<Instant>),
    comparing: Comparing,
}

/// How many tenants are to be compared with the journal.
#[derive(Debug)]
struct Comparing {
    now: Instant,
    since: Instant,
    left: usize,
}

impl Default for Comparing {
    fn default() -> Self {
        let now = Instant::now();
        Self { now, since: now, left: 0 }
    }
}

/// What the cursor knows of a tenant.
#[derive(Debug)]
struct Known {
    id: i64,
    /// The position that the driver has, if it has taken what it got.
    position: Position,
    /// The number of the entry there. 0 when the cursor's row is at or after this entry.
    number: i64,
    /// What follows, up to the cursor.
    pending: VecDeque<Entry>,
    /// The period in which the driver has asked for it.
    asked: u64,
    /// When its position was compared with the journal.
    compared: Instant,
}

impl Known {
    fn newest(&self) -> Position {
        self.pending.back().map_or(self.position, |entry| entry.position)
    }
}

/// The first row of `tidings.news`.
#[derive(Debug)]
struct Header {
    is_known: bool,
    next: (i64, Option<Uuid>),
    revocation: i64,
    has_more: bool,
    changed: Option<Vec<i64>>,
}

impl Header {
    /// Reads the row. `None`: a column is missing.
    fn of(row: &Row) -> Option<Self> {
        Some(Self {
            is_known: column(row, 0)?,
            next: (column(row, 1)?, column(row, 2)?),
            revocation: column::<Option<i64>>(row, 3)?.unwrap_or_default(),
            has_more: column(row, 4)?,
            changed: column(row, 5)?,
        })
    }
}

impl Cursor {
    /// Begins at the newest row.
    pub(super) fn start(&mut self, connection: &mut Connection) -> Result<(), JournalError> {
        self.query(connection, None, None)?;
        // It knew nobody before.
        self.has_forgotten = false;
        Ok(())
    }

    /// Returns the number of the cursor's row.
    pub(super) fn number(&self) -> i64 {
        self.row.map_or(0, |(number, _)| number)
    }

    /// Returns the number of the newest revocation, at the last look.
    pub(super) fn newest_revocation(&self) -> i64 {
        self.newest_revocation
    }

    /// Returns whether entries wait until the driver asks for their tenants.
    pub(super) fn has_pending(&self) -> bool {
        self.pending > 0
    }

    /// Adds a tenant with its newest position.
    pub(super) fn insert(&mut self, tenant: &TenantId, current: Current) {
        self.remove(tenant);
        let Current { id, position, number } = current;
        self.ahead = self.ahead.max(number);
        if let Some(other) = self.names.insert(id, tenant.clone()) {
            // In a restored journal, the tenant has the number of another one.
            self.forget(&other);
            self.names.insert(id, tenant.clone());
        }
        let (asked, compared) = (self.period.0, self.comparing.now);
        let known = Known { id, position, number, pending: VecDeque::new(), asked, compared };
        self.tenants.insert(tenant.clone(), known);
    }

    /// Returns at most `max` entries that follow a position, without asking the database. `None`: the tenant is a stranger.
    pub(super) fn take(&mut self, tenant: &TenantId, held: Position, max: usize) -> Option<Vec<Entry>> {
        let known = self.tenants.get_mut(tenant)?;
        if known.position != held {
            let Some(index) = known.pending.iter().position(|entry| entry.position == held) else {
                self.forget(tenant);
                return None;
            };
            self.pending -= known.pending.drain(..=index).len();
            known.position = held;
        }
        known.asked = self.period.0;
        if known.pending.is_empty() {
            if self.comparing.left > 0 && self.comparing.now - known.compared >= COMPARE {
                self.comparing.left -= 1;
                self.remove(tenant);
                return None;
            }
            return Some(Vec::new());
        }
        let count = known.pending.len().min(max);
        let entries: Vec<Entry> = known.pending.drain(..count).collect();
        self.pending -= entries.len();
        if let Some(last) = entries.last() {
            known.position = last.position;
        }
        Some(entries)
    }

    /// Returns what follows for all tenants that have something new. `None`: the driver may have tenants that are strangers.
    pub(super) fn take_changed(
        &mut self,
        held: &mut dyn FnMut(&TenantId) -> Option<Position>,
        max: usize,
    ) -> Option<Vec<(TenantId, Followed)>> {
        let has_pending =
            |(tenant, known): (&TenantId, &Known)| (!known.pending.is_empty()).then(|| tenant.clone());
        let changed: Vec<TenantId> = match self.pending {
            0 => Vec::new(),
            _ => self.tenants.iter().filter_map(has_pending).collect(),
        };
        let (mut left, mut all) = (max, Vec::new());
        for tenant in changed {
            let Some(position) = held(&tenant) else {
                self.remove(&tenant);
                continue;
            };
            let Some(entries) = self.take(&tenant, position, left) else { break };
            left -= entries.len();
            if !entries.is_empty() {
                all.push((tenant, Followed::Entries(entries)));
            }
        }
        (!self.has_forgotten).then_some(all)
    }

    /// Notes that the driver has asked for its tenants, and that the strangers among them were looked at.
    pub(super) fn has_met_strangers(&mut self) {
        self.has_forgotten = false;
    }

    /// Goes on to the newest row. The tenants' new entries then wait for [`Self::take`]. It stops early when `max` entries wait
    /// for the held tenants. Returns whether the cursor was lost on the way.
    pub(super) fn advance(
        &mut self,
        connection: &mut Connection,
        held: &[(TenantId, Position)],
        max: usize,
    ) -> Result<bool, JournalError> {
        self.forget_unasked();
        let mut was_lost = false;
        loop {
            let ids = (self.tenants.len() <= NAMED).then(|| self.names.keys().copied().collect::<Vec<_>>());
            let mut header = self.query(connection, ids, None)?;
            was_lost |= !header.is_known;
            if let Some(changed) = header.changed.take() {
                let known = changed.into_iter().filter(|id| self.names.contains_key(id)).collect::<Vec<_>>();
                header = self.news_of(connection, known, header)?;
                was_lost |= !header.is_known;
            }
            if !header.has_more {
                return Ok(was_lost);
            }
            if self.pending >= PENDING.min(max) {
                let asked: HashSet<&TenantId> = held.iter().map(|(tenant, _)| tenant).collect();
                let has_pending = |(tenant, known): (&TenantId, &Known)| {
                    (!known.pending.is_empty() && !asked.contains(tenant)).then(|| tenant.clone())
                };
                let others: Vec<TenantId> = self.tenants.iter().filter_map(has_pending).collect();
                others.iter().for_each(|tenant| self.forget(tenant));
                if self.pending >= max {
                    return Ok(was_lost);
                }
            }
        }
    }

    /// Reads the entries of the tenants that have some, up to the row that a first look has found.
    fn news_of(
        &mut self,
        connection: &mut Connection,
        ids: Vec<i64>,
        found: Header,
    ) -> Result<Header, JournalError> {
        let (up_to, mark) = found.next;
        if ids.is_empty() {
            self.pass(up_to, mark, &found);
            return Ok(found);
        }
        let mut header = self.query(connection, Some(ids), Some((up_to, mark)))?;
        header.has_more |= found.has_more;
        Ok(header)
    }

    /// Asks for the news of these tenants, or without tenants only for which tenants have some.
    fn query(
        &mut self,
        connection: &mut Connection,
        tenants: Option<Vec<i64>>,
        up_to: Option<(i64, Option<Uuid>)>,
    ) -> Result<Header, JournalError> {
        let (number, mark) = self.row.unzip();
        let last = up_to.map(|(number, _)| number);
        let values = [
            (&number as _, Type::INT8),
            (&mark as _, Type::UUID),
            (&tenants as _, Type::INT8_ARRAY),
            (&last as _, Type::INT8),
            (&ENTRIES as _, Type::INT8),
            (&BYTES as _, Type::INT8),
        ];
        let rows = connection.query(NEWS, &values)?;
        let Some((first, rows)) = rows.split_first() else { return Err(incomplete(connection)) };
        let mut header = Header::of(first).ok_or_else(|| incomplete(connection))?;
        if let (None, Some((_, mark))) = (header.next.1, up_to) {
            header.next.1 = mark;
        }
        if !header.is_known {
            self.tenants.clear();
            self.names.clear();
            (self.pending, self.ahead, self.has_forgotten) = (0, 0, true);
        } else if header.changed.is_some() {
            // The tenants are known up to the old row only.
            return Ok(header);
        }
        for row in rows {
            let id: i64 = column(row, 6).ok_or_else(|| incomplete(connection))?;
            // Without an epoch, the tenant is gone. It is a stranger, as if the entry were damaged.
            match (column::<i64>(row, 7), Read::of(row, 8)) {
                (Some(epoch), Some(read)) => self.add(id, epoch.unsigned_abs(), read),
                _ => self.forget_id(id),
            }
        }
        let (next, mark) = header.next;
        self.pass(next, mark, &header);
        Ok(header)
    }

    /// Adds an entry to what waits.
    fn add(&mut self, id: i64, epoch: u64, read: Read) {
        let after = self.number();
        let Some(name) = self.names.get(&id).cloned() else { return };
        let Some(known) = self.tenants.get_mut(&name) else { return };
        let newest = known.newest();
        if epoch != newest.epoch {
            // In a restored journal, another tenant has this number, or the tenant was added again.
            self.forget(&name);
            return;
        }
        if read.offset < newest.offset {
            return;
        }
        if read.offset == newest.offset {
            if read.tag == newest.tag {
                known.number = 0;
            } else {
                self.forget(&name);
            }
            return;
        }
        if read.offset != newest.offset + 1 || known.number > after {
            self.forget(&name);
            return;
        }
        let Some(entry) = read.entry(newest.epoch) else {
            // It is damaged. Only a read of this tenant alone reports the damage.
            self.forget(&name);
            return;
        };
        known.pending.push_back(entry);
        self.pending += 1;
    }

    /// Sets the cursor on a row. If an entry was ahead of the old row and did not come again, the journal no longer has it.
    fn pass(&mut self, number: i64, mark: Option<Uuid>, header: &Header) {
        self.newest_revocation = header.revocation;
        let before = self.number();
        if self.ahead > before {
            let is_gone = |known: &Known| known.number > before && known.number <= number;
            let gone = self.tenants.iter().filter(|(_, known)| is_gone(known));
            let gone: Vec<TenantId> = gone.map(|(tenant, _)| tenant.clone()).collect();
            gone.iter().for_each(|tenant| self.forget(tenant));
        }
        self.row = mark.map(|mark| (number, mark));
    }

    /// Lets a tenant be a stranger.
    fn forget(&mut self, tenant: &TenantId) {
        self.has_forgotten = true;
        self.remove(tenant);
    }

    /// Lets the tenant with this number be a stranger.
    fn forget_id(&mut self, id: i64) {
        if let Some(name) = self.names.get(&id).cloned() {
            self.forget(&name);
        }
    }

    fn remove(&mut self, tenant: &TenantId) {
        if let Some(known) = self.tenants.remove(tenant) {
            self.pending -= known.pending.len();
            self.names.remove(&known.id);
        }
    }

    /// Forgets the tenants that the driver no longer has.
    fn forget_unasked(&mut self) {
        let (period, began) = self.period;
        let now = Instant::now();
        self.comparing.now = now;
        if now - self.comparing.since >= COMPARE_INTERVAL {
            let parts = COMPARE.as_millis() / COMPARE_INTERVAL.as_millis();
            self.comparing = Comparing { now, since: now, left: self.tenants.len() / parts as usize + 1 };
        }
        if began.is_some_and(|began| now - began < FORGET) {
            return;
        }
        let is_unasked =
            |(tenant, known): (&TenantId, &Known)| (known.asked < period).then(|| tenant.clone());
        let unasked: Vec<TenantId> = self.tenants.iter().filter_map(is_unasked).collect();
        unasked.iter().for_each(|tenant| self.remove(tenant));
        self.period = (period + 1, Some(now));
    }
}

fn incomplete(connection: &Connection) -> JournalError {
    connection.unexpected("an answer of the journal is incomplete")
}
