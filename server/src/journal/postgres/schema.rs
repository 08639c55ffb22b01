//! The schema of a journal in PostgreSQL.

/// The version of [`SCHEMA`].
pub(super) const VERSION: i32 = 1;

/// The SQL that makes the journal in the schema `tidings`, beside the outbox. `tidings journal init --journal postgres://…`
/// runs both as the owner, and `--print` prints them. It may run again, and then changes nothing.
///
/// - The tables are private. A node calls functions, which run with the rights of their owner. The role `tidings_node` may
///   execute them.
/// - `oldest` in `tidings.versions` is the oldest version of this schema that a node must know to use it. So a newer schema
///   that only adds something serves older nodes, too.
pub const SCHEMA: &str = concat!(
    include_str!("sql/tables.sql"),
    include_str!("sql/append.sql"),
    include_str!("sql/read.sql"),
    include_str!("sql/retention.sql"),
    include_str!("sql/revocations.sql"),
    include_str!("sql/sequence.sql"),
    include_str!("sql/rights.sql"),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sql_writes_its_version() {
        assert!(SCHEMA.contains(&format!("('journal', {VERSION}, {VERSION})")));
        assert!(SCHEMA.contains(&format!("version > {VERSION})")), "it refuses a newer one");
    }
}
