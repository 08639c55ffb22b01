//! The assignments that an event is about. Projects and staff both need them.

use rusqlite::Connection;
use tidings_shared::domains::projects;
use uuid::Uuid;

use crate::fault::Fault;

/// The assignments with this `uuid` in `column`, in the form of the events.
pub(super) fn assignment_events(
    db: &Connection,
    column: &'static str,
    uuid: Uuid,
) -> Result<Vec<projects::Assignment>, Fault> {
    let sql = format!("SELECT uuid, project_uuid FROM assignments WHERE {column} = ? ORDER BY uuid");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement
        .query_map([uuid], |row| Ok(projects::Assignment { uuid: row.get(0)?, project_uuid: row.get(1)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
