//! The SQL of a bridge in the application's file: a table of changes, and triggers that write the keys of changed rows into
//! it. Pure.
//!
//! A trigger runs in the application's statement, with the application's version of SQLite. So it does as little as possible,
//! uses nothing new, and nothing in it can fail: the table of changes has no constraint. (Conflict clauses inside a trigger
//! would not help: SQLite uses those of the application's statement instead.)
//!
//! | trigger | notes |
//! |---|---|
//! | after `INSERT`, `UPDATE`, `DELETE` | the row's key; after an `UPDATE` that changes the key, also the old one |
//! | before `INSERT`, `UPDATE` | the keys of rows that are equal to the new row in a unique index. A `REPLACE` is about to remove them, and SQLite runs no trigger for that |
//! | of the table of changes | removes the oldest rows beyond [`MAX_WAITING`], and puts a gap in their place |

use super::table::{Column, Table, Term, Unique, What};

/// Rows that wait in a table of changes, at most: some 5 MB. If the program of a bridge never comes back, the changes fill no disk.
/// Beyond it, the triggers remove the oldest rows, and one gap stands for them.
pub(super) const MAX_WAITING: i64 = 100_000;

/// The row of a table of changes that says: rows were removed.
pub(super) const LOST_ID: i64 = 0;

/// The value of `gap` in the row of the [bookmark](super::bookmark), when it is published and stays nevertheless.
pub(super) const DONE: i64 = 2;

/// Returns a name as SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The name of a bridge's table of changes.
pub(super) fn changes(bridge: i64) -> String {
    format!("tidings_changes_{bridge}")
}

/// What the names of a bridge's triggers begin with.
pub(super) fn prefix(bridge: i64) -> String {
    format!("tidings_bridge_{bridge}_")
}

/// Makes the table of changes.
///
/// - `gap`: 1 if the row stands for changes that nobody knows, [`DONE`] if it is published.
/// - `k1`, `k2`…: the key as it is stored, without a type.
/// - `nonce` and `at`: as in the outbox.
pub(super) fn create_changes(bridge: i64, table: &Table) -> String {
    let keys: String = (1..=table.key.len()).map(|number| format!("k{number}, ")).collect();
    format!(
        "CREATE TABLE {}(id INTEGER PRIMARY KEY, {keys}gap INTEGER, \
         nonce BLOB DEFAULT (randomblob(16)), \
         at INTEGER DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)))",
        changes(bridge)
    )
}

/// Makes the triggers. Each has its name and its SQL, as SQLite keeps it.
pub(super) fn create_triggers(bridge: i64, table: &Table) -> Vec<(String, String)> {
    let on = quoted(&table.name);
    let mut triggers = Vec::new();
    let mut add = |name: &str, when: &str, statements: &[String]| {
        if !statements.is_empty() {
            let name = format!("{}{name}", prefix(bridge));
            let body: String = statements.iter().map(|statement| format!("  {statement};\n")).collect();
            let sql = format!("CREATE TRIGGER {name} {when} BEGIN\n{body}END");
            triggers.push((name, sql));
        }
    };
    let insert = insert_key(bridge, table);
    let [old, new] = ["OLD", "NEW"].map(|row| key_of(row, table));
    let renamed = table.key.iter().map(|column| {
        let name = quoted(&column.name);
        format!("OLD.{name} COLLATE BINARY IS NOT NEW.{name}")
    });
    let renamed = renamed.collect::<Vec<_>>().join(" OR ");
    add("insert", &format!("AFTER INSERT ON {on}"), &[format!("{insert} VALUES ({new})")]);
    add(
        "update",
        &format!("AFTER UPDATE ON {on}"),
        &[format!("{insert} SELECT {old} WHERE {renamed}"), format!("{insert} VALUES ({new})")],
    );
    add("delete", &format!("AFTER DELETE ON {on}"), &[format!("{insert} VALUES ({old})")]);
    let replaced =
        |is_update| {
            let by_rowid = table.rowid.map(|rowid| same_rowid(rowid, is_update));
            let by_index = table.uniques.iter().map(|unique| equal_in(unique, table, is_update));
            let found = by_rowid.into_iter().chain(by_index).map(|condition| {
                let key = table.key.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ");
                format!("{insert} SELECT {key} FROM {on} WHERE {condition}")
            });
            found
                .chain(unknown_value(table).map(|condition| {
                    format!("INSERT INTO {}(gap) SELECT 1 WHERE {condition}", changes(bridge))
                }))
                .collect::<Vec<_>>()
        };
    add("replace", &format!("BEFORE INSERT ON {on}"), &replaced(false));
    add("update_or_replace", &format!("BEFORE UPDATE ON {on}"), &replaced(true));
    let changes = changes(bridge);
    let first = format!("SELECT min(id) FROM {changes} WHERE id > {LOST_ID}");
    add(
        "full",
        &format!("AFTER INSERT ON {changes} WHEN NEW.id - ({first}) >= {MAX_WAITING}"),
        &[
            // Two for each new row: the table gets smaller again.
            format!(
                "DELETE FROM {changes} WHERE id IN (SELECT id FROM {changes} WHERE id > {LOST_ID} ORDER BY id LIMIT 2)"
            ),
            // The new row has a new nonce. So it stays if its gap is just being announced.
            format!("DELETE FROM {changes} WHERE id = {LOST_ID}"),
            format!("INSERT INTO {changes}(id, gap) VALUES ({LOST_ID}, 1)"),
        ],
    );
    triggers
}

/// Returns the beginning of a statement that inserts a key.
fn insert_key(bridge: i64, table: &Table) -> String {
    let columns: Vec<String> = (1..=table.key.len()).map(|number| format!("k{number}")).collect();
    format!("INSERT INTO {}({})", changes(bridge), columns.join(", "))
}

/// Returns the key of `NEW` or `OLD`.
fn key_of(row: &str, table: &Table) -> String {
    let columns = table.key.iter().map(|column| format!("{row}.{}", quoted(&column.name)));
    columns.collect::<Vec<_>>().join(", ")
}

/// Finds another row with the rowid that the new row names.
fn same_rowid(rowid: &str, is_update: bool) -> String {
    let changed = if is_update { format!("NEW.{rowid} <> OLD.{rowid} AND ") } else { String::new() };
    format!("{changed}{rowid} = NEW.{rowid}")
}

/// Finds the rows that are equal to the new row in a unique index. It may find more of them: to tell of an unchanged row does
/// no harm.
fn equal_in(unique: &Unique, table: &Table, is_update: bool) -> String {
    let mut conditions: Vec<String> = Vec::new();
    let settable = unique.terms.iter().map(|term| match &term.what {
        What::Column { name, is_generated: false } if unique.filter.is_none() => Some(quoted(name)),
        _ => None,
    });
    if is_update && let Some(columns) = settable.collect::<Option<Vec<_>>>() {
        // Most updates leave the index alone. SQLite decides this before it looks into the index.
        let changed = columns.iter().map(|name| format!("NEW.{name} IS NOT OLD.{name}"));
        conditions.push(format!("({})", changed.collect::<Vec<_>>().join(" OR ")));
    }
    conditions.extend(unique.terms.iter().map(|term| equal(term, table)));
    conditions.extend(unique.filter.iter().map(|filter| format!("({filter})")));
    if is_update {
        let same = table.key.iter().map(|column| {
            let name = quoted(&column.name);
            format!("{name} COLLATE BINARY IS OLD.{name}")
        });
        conditions.push(format!("NOT ({})", same.collect::<Vec<_>>().join(" AND ")));
    }
    conditions.join(" AND ")
}

/// The value of a column of the new row, before the write. `REPLACE` takes the default for a NULL only after these triggers.
fn new_value(Column { name, if_null, .. }: &Column) -> String {
    let new = format!("NEW.{}", quoted(name));
    if_null.as_ref().map_or(new.clone(), |default| format!("ifnull({new}, {default})"))
}

/// Returns the condition that a generated value of the new row is not known before the write: SQLite may compute it from a
/// column in which `REPLACE` puts the default in the place of a NULL.
fn unknown_value(table: &Table) -> Option<String> {
    let is_generated = |term: &Term| matches!(term.what, What::Column { is_generated: true, .. });
    if !table.uniques.iter().any(|unique| unique.terms.iter().any(is_generated)) {
        return None;
    }
    let nulls = table.columns.iter().filter(|column| column.if_null.is_some());
    let nulls: Vec<String> = nulls.map(|column| format!("NEW.{} IS NULL", quoted(&column.name))).collect();
    (!nulls.is_empty()).then(|| nulls.join(" OR "))
}

/// Compares a term of an index with the same term of the new row.
fn equal(Term { what, collation }: &Term, table: &Table) -> String {
    let collation = quoted(collation);
    match what {
        What::Column { name, .. } => {
            let column = table.columns.iter().find(|column| column.name == *name);
            let new = column.map_or_else(|| format!("NEW.{}", quoted(name)), new_value);
            format!("{} = {new} COLLATE {collation}", quoted(name))
        }
        What::Expression(sql) => {
            // SQLite drops no column that a trigger names. So the trigger names only those that may be in the expression.
            let text = sql.to_ascii_lowercase();
            let named = table.columns.iter().filter(|column| {
                let name = quoted(&column.name);
                text.contains(&name[1..name.len() - 1].to_ascii_lowercase())
            });
            let columns = std::iter::once("1".to_owned())
                .chain(named.map(|column| format!("{} AS {}", new_value(column), quoted(&column.name))));
            let columns = columns.collect::<Vec<_>>().join(", ");
            format!("({sql}) = (SELECT {sql} FROM (SELECT {columns})) COLLATE {collation}")
        }
    }
}
