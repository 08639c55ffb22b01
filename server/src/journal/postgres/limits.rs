//! Retention: what leaves a journal.

use std::time::Duration;

use tidings_hub::journal::{JournalError, JournalLimits, REVOCATION_GRACE};
use tokio_postgres::types::Type;

use super::connection::{Connection, signed};

/// Removes what is beyond the bounds, of some tenants after `after`. Returns the tenant after which the next call goes on.
pub(super) fn trim(
    connection: &mut Connection,
    after: i64,
    limits: &JournalLimits,
    now: u64,
) -> Result<Option<i64>, JournalError> {
    let ago = |age: Duration| signed(u128::from(now).saturating_sub(age.as_millis()));
    let keys = limits.keys();
    let bounds = [
        after,
        signed(limits.log.max_entries),
        signed(limits.log.max_bytes),
        ago(limits.log.max_age),
        signed(keys.max_bytes),
        ago(keys.max_age),
        ago(REVOCATION_GRACE),
    ];
    let values = bounds.each_ref().map(|bound| (bound as _, Type::INT8));
    let row = connection.query_one("SELECT tidings.trim($1, $2, $3, $4, $5, $6, $7)", &values)?;
    Ok(row.get(0))
}
