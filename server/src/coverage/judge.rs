//! Finds the changes that no event names. Pure.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value};

use super::table::{By, Field, Table};

/// The number of characters that a message shows of an event.
const MAX_SHOWN: usize = 200;

/// A row, by the names of its columns. A blob is an object with its hexadecimal digits as `blob`.
pub(super) type Row = Map<String, Value>;

/// A state of a row in a transaction.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) transaction: i64,
    pub(super) table: String,
    /// The columns of the key.
    pub(super) key: Row,
    pub(super) kind: Kind,
    pub(super) row: Row,
}

/// What a state of a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The row was like this until now.
    Before,
    /// The row is like this from now on.
    After,
    /// The row shows another row, which has changed.
    Shown,
}

/// An event of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) transaction: i64,
    pub(super) domain: String,
    pub(super) name: String,
    pub(super) payload: Value,
}

/// A committed change that no event of its transaction names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// The table.
    pub table: String,
    /// The key of the row, as text. The values of several columns have a comma and a space between them.
    pub key: String,
    /// What happened to the row.
    pub change: Change,
    /// What an event must say, and what the events of the transaction are.
    pub reason: String,
}

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The row is new.
    Created,
    /// The row has another value.
    Updated,
    /// The row is gone.
    Deleted,
    /// The row shows another row, which has changed.
    Shown,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = match self.change {
            Change::Created => "created",
            Change::Updated => "updated",
            Change::Deleted => "deleted",
            Change::Shown => "unchanged, but it shows a row that changed",
        };
        write!(f, "{} {}: {change}, and {}", self.table, self.key, self.reason)
    }
}

/// Judges the entries of committed transactions, in their order. `tables` has the declarations; a table without one has the
/// default.
pub(super) fn judge(entries: &[Entry], events: &[Event], tables: &[Table]) -> Vec<Missing> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut known: BTreeMap<(i64, &str, String, bool), usize> = BTreeMap::new();
    for entry in entries {
        let is_shown = entry.kind == Kind::Shown;
        let key = Value::from(entry.key.clone()).to_string();
        let index = *known.entry((entry.transaction, &entry.table, key, is_shown)).or_insert_with(|| {
            groups.push(Group { entries: Vec::new() });
            groups.len() - 1
        });
        groups[index].entries.push(entry);
    }
    let judged = groups.iter().filter_map(|group| {
        let first = group.entries.first()?;
        let declared = tables.iter().find(|table| table.name.eq_ignore_ascii_case(&first.table));
        let events: Vec<&Event> =
            events.iter().filter(|event| event.transaction == first.transaction).collect();
        group.judge(declared, &events)
    });
    judged.collect()
}

/// The states of one row in one transaction.
struct Group<'a> {
    entries: Vec<&'a Entry>,
}

impl Group<'_> {
    fn judge(&self, declared: Option<&Table>, events: &[&Event]) -> Option<Missing> {
        let (first, last) = (self.entries.first()?, self.entries.last()?);
        let before = Some(&first.row).filter(|_| first.kind == Kind::Before);
        let after = Some(&last.row).filter(|_| last.kind == Kind::After);
        let (change, rows) = match (first.kind, before, after) {
            (Kind::Shown, ..) => (Change::Shown, vec![&last.row]),
            // Made and deleted in the same transaction.
            (_, None, None) => return None,
            (_, None, Some(after)) => (Change::Created, vec![after]),
            (_, Some(before), None) => (Change::Deleted, vec![before]),
            (_, Some(before), Some(after)) => {
                let without = declared.map_or(&[] as &[_], |table| &table.without);
                if is_same(before, after, without) {
                    return None;
                }
                (Change::Updated, vec![before, after])
            }
        };
        let by_key;
        let named = match declared {
            Some(table) if !table.named.is_empty() => &table.named,
            _ => {
                by_key = [by_key_of(&first.key)];
                &by_key[..]
            }
        };
        let does_name = |by: &By, row: &Row| events.iter().any(|event| by.names(row, event));
        // A row that loses its parent has no such parent any more. The event of the parent is enough.
        let has_lost =
            |by: &By, row: &Row| by.is_absent(row) && rows.iter().any(|other| does_name(by, other));
        let is_named = |row: &Row| named.iter().any(|by| does_name(by, row) || has_lost(by, row));
        let unnamed = rows.iter().find(|row| !is_named(row))?;
        Some(Missing {
            table: first.table.clone(),
            key: first.key.values().map(|value| texts(value).remove(0)).collect::<Vec<_>>().join(", "),
            change,
            reason: reason(named, unnamed, events),
        })
    }
}

/// The event has the columns of the key in fields of their names.
fn by_key_of(key: &Row) -> By {
    key.keys().fold(By::any(), |by, column| by.field(column, column))
}

fn is_same(before: &Row, after: &Row, without: &[String]) -> bool {
    let is_left_out = |name: &str| without.iter().any(|column| column.eq_ignore_ascii_case(name));
    let names = before.keys().chain(after.keys());
    names.filter(|name| !is_left_out(name)).all(|name| before.get(name) == after.get(name))
}

impl By {
    fn names(&self, row: &Row, event: &Event) -> bool {
        let is_allowed = self.domain.as_ref().is_none_or(|domain| *domain == event.domain)
            && (self.events.is_empty() || self.events.contains(&event.name));
        let has =
            |field: &str, value: &Value| event.payload.get(field).is_some_and(|found| is_value(found, value));
        let mut columns = self.fields.iter().map(|field| (field, value_of(row, &field.column)));
        is_allowed
            && !self.is_absent(row)
            && self.constants.iter().all(|(field, value)| has(field, &Value::from(value.as_str())))
            && columns
                .all(|(field, value)| value.is_null() || field.names.iter().any(|name| has(name, value)))
    }

    /// Whether all columns are NULL. Then nothing can name the row in this way.
    fn is_absent(&self, row: &Row) -> bool {
        self.fields.iter().all(|field| value_of(row, &field.column).is_null())
    }

    fn in_words(&self, row: &Row) -> String {
        let domain =
            self.domain.as_ref().map_or_else(|| "any domain".to_owned(), |domain| format!("`{domain}`"));
        let events =
            if self.events.is_empty() { String::new() } else { format!(" ({})", self.events.join(" or ")) };
        let column = |Field { names, column }: &Field| {
            let value = texts(value_of(row, column)).remove(0);
            format!("{} = {value}", names.join(" or "))
        };
        let constants = self.constants.iter().map(|(field, value)| format!("{field} = {value}"));
        let values: Vec<String> = constants.chain(self.fields.iter().map(column)).collect();
        format!("{domain}{events} with {}", values.join(" and "))
    }
}

fn value_of<'a>(row: &'a Row, column: &str) -> &'a Value {
    let found = row.iter().find(|(name, _)| name.eq_ignore_ascii_case(column));
    found.map_or(&Value::Null, |(_, value)| value)
}

/// Whether a value of a payload is the value of a column. A list has the value if an element is the value.
fn is_value(found: &Value, column: &Value) -> bool {
    match found {
        Value::Array(list) => list.iter().any(|found| is_value(found, column)),
        Value::String(text) => texts(column).iter().any(|expected| text.eq_ignore_ascii_case(expected)),
        Value::Number(number) => texts(column).contains(&number.to_string()),
        // SQLite has only numbers for it.
        Value::Bool(is_true) => found == column || texts(column).contains(&u8::from(*is_true).to_string()),
        _ => false,
    }
}

/// Returns the texts that a payload may have for the value of a column. A blob of 16 bytes may be a UUID.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Null => vec!["NULL".to_owned()],
        other => match other.get("blob").and_then(Value::as_str) {
            Some(hex) => {
                let uuid = uuid::Uuid::try_parse(hex).ok().map(|uuid| uuid.to_string());
                uuid.into_iter().chain([hex.to_owned()]).collect()
            }
            None => vec![other.to_string()],
        },
    }
}

fn reason(named: &[By], row: &Row, events: &[&Event]) -> String {
    let wanted: Vec<String> = named.iter().map(|by| by.in_words(row)).collect();
    let wanted = wanted.join(", or of ");
    let found: Vec<String> = events.iter().map(|event| shown(event)).collect();
    match found.is_empty() {
        true => format!("its transaction has no event: it needs one of {wanted}"),
        false => format!(
            "no event of its transaction names it: it needs one of {wanted}. There are {}",
            found.join(", ")
        ),
    }
}

fn shown(Event { domain, name, payload, .. }: &Event) -> String {
    let mut text = format!("{domain} {name} {payload}");
    if let Some((end, _)) = text.char_indices().nth(MAX_SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
