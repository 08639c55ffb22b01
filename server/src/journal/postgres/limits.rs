//! Retention: what leaves a journal. The database's clock says how old something is. So a node whose clock is wrong removes
//! nothing too early.

use tidings_hub::journal::{JournalError, JournalLimits, REVOCATION_GRACE};
use tokio_postgres::types::Type;

use super::{
    column::column,
    connection::{Connection, milliseconds, signed},
};

/// Removes what is beyond the bounds, of some tenants after `after`. Returns the tenant after which the next call goes on.
pub(super) fn trim(
    connection: &mut Connection,
    after: i64,
    limits: &JournalLimits,
) -> Result<Option<i64>, JournalError> {
    let keys = limits.keys();
    let bounds = [
        after,
        signed(limits.log.max_entries),
        signed(limits.log.max_bytes),
        milliseconds(limits.log.max_age),
        signed(keys.max_bytes),
        milliseconds(keys.max_age),
        milliseconds(REVOCATION_GRACE),
    ];
    let values = bounds.each_ref().map(|bound| (bound as _, Type::INT8));
    let row = connection.query_one("SELECT tidings.trim($1, $2, $3, $4, $5, $6, $7)", &values)?;
    Ok(column::<Option<i64>>(&row, 0).flatten())
}
