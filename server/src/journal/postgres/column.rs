//! Columns of the rows that the database gives.

use tokio_postgres::{Row, types::FromSql};

/// Reads a column. `None`: it has NULL or another type, and so the function did not expect what is in the tables.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Option<T> {
    row.try_get(index).ok()
}
