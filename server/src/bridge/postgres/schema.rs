//! The schema of the bridge in PostgreSQL.

#[cfg(feature = "cli")]
use crate::postgres::Database;

/// The version of [`SCHEMA`].
pub(super) const VERSION: i32 = 1;

/// The SQL that makes the part `bridge` in the schema `tidings`, beside the outbox. `tidings journal init` runs it as the
/// owner, and `--print` prints it. It may run again, and then changes nothing.
///
/// - The owner of a table calls `tidings.bridge` and `tidings.watch`. What touches the table runs with the rights of its owner,
///   and what touches the tables of `tidings` runs with the rights of the owner of `tidings`. Writers of the table need no
///   right.
/// - Nodes call functions, with the role `tidings_node`.
/// - Code of a table's owner runs as that owner or as the role `tidings_reader`, which has no rights.
/// - `oldest` in `tidings.versions` is the oldest version of this schema that a node must know to use it.
pub const SCHEMA: &str = concat!(
    include_str!("sql/tables.sql"),
    include_str!("sql/reader.sql"),
    include_str!("sql/install.sql"),
    include_str!("sql/register.sql"),
    include_str!("sql/changes.sql"),
    include_str!("sql/turn.sql"),
    include_str!("sql/watch.sql"),
    include_str!("sql/rights.sql"),
);

/// Makes the part `bridge`, beside an outbox. Tables that are there stay as they are.
///
/// # Errors
/// The database can't be reached, the user may not do it, or a newer server has made the part.
#[cfg(feature = "cli")]
pub(crate) async fn init(url: &str, name: String) -> Result<(), String> {
    let database = Database::parse(url, name)?;
    let session = database.connect().await?;
    let statement = "SELECT version, oldest FROM tidings.versions WHERE part = 'bridge'";
    let rows = session.query(statement, &[]).await.map_err(|fault| fault.message)?;
    if let Some(row) = rows.first().filter(|row| row.get::<_, i32>(1) > VERSION) {
        let version: i32 = row.get(0);
        return Err(format!(
            "{}: a newer tidings has made the part `bridge`, with version {version}; use a newer tidings",
            database.name()
        ));
    }
    session.batch(SCHEMA).await.map_err(|fault| match fault.is_forbidden() {
        true => format!(
            "{}: run this as the owner of the database, or let the owner run the SQL that `--print` prints",
            fault.message
        ),
        false => fault.message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sql_writes_its_version() {
        assert!(SCHEMA.contains(&format!("('bridge', {VERSION}, {VERSION})")));
    }
}
