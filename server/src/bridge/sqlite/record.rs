//! A row as JSON: what is a record, and what is its key.

use rusqlite::{
    Row,
    types::{Value, ValueRef},
};
use serde_json::value::RawValue;

use super::{
    table::{Column, Holds, Kind, Table},
    triggers::quoted,
};

/// Bytes of a key column's value. A longer one is not read: its row becomes a gap.
const MAX_KEY_BYTES: i64 = 1024;

/// Returns the query of a table of changes: number, nonce, time, whether it is a gap, and the key. A value that is too long is not
/// read.
pub(super) fn select_changes(changes: &str, table: &Table) -> String {
    let keys = (1..=table.key.len())
        .map(|number| format!(", iif(octet_length(k{number}) <= {MAX_KEY_BYTES}, k{number}, NULL)"));
    format!("SELECT id, nonce, at, gap{} FROM {changes}", keys.collect::<String>())
}

/// Returns the query of a record's size: the bytes of each column. Its parameters are the key.
pub(super) fn select_sizes(table: &Table) -> String {
    select(table, |column| format!("octet_length({})", quoted(&column.name)))
}

/// Returns the query of a record. Its parameters are the key.
pub(super) fn select_record(table: &Table) -> String {
    select(table, |column| {
        let name = quoted(&column.name);
        match column.kind {
            // The binary form of JSON. No text comes from a malformed one.
            Kind::Json => {
                format!("iif(typeof({name}) = 'blob' AND json_valid({name}, 8), json({name}), {name})")
            }
            Kind::Plain | Kind::Boolean => name,
        }
    })
}

fn select(table: &Table, column: impl Fn(&Column) -> String) -> String {
    let columns = table.columns.iter().map(column).collect::<Vec<_>>().join(", ");
    let key = table.key.iter().enumerate().map(|(place, column)| {
        let (name, parameter) = (quoted(&column.name), place + 1);
        // The first comparison finds the row by the index, the second one minds the case.
        let exact = if column.is_binary {
            String::new()
        } else {
            format!(" AND {name} COLLATE BINARY = ?{parameter}")
        };
        format!("{name} = ?{parameter}{exact}")
    });
    let key = key.collect::<Vec<_>>().join(" AND ");
    format!("SELECT {columns} FROM {} WHERE {key}", quoted(&table.name))
}

/// Returns the JSON of a row of [`select_record`].
///
/// # Errors
/// JSON can't hold a value. The text says which, for people.
pub(super) fn json(row: &Row<'_>, table: &Table) -> rusqlite::Result<Result<String, String>> {
    let mut text = String::from("{");
    for (place, Column { name, kind, .. }) in table.columns.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text += &string(name);
        text.push(':');
        match value(row.get_ref(place)?, *kind) {
            Ok(value) => text += &value,
            Err(why) => return Ok(Err(format!("the column `{name}` {why}"))),
        }
    }
    text.push('}');
    Ok(Ok(text))
}

fn value(value: ValueRef<'_>, kind: Kind) -> Result<String, &'static str> {
    Ok(match (value, kind) {
        (ValueRef::Null, _) => "null".to_owned(),
        (ValueRef::Integer(0), Kind::Boolean) => "false".to_owned(),
        (ValueRef::Integer(1), Kind::Boolean) => "true".to_owned(),
        (ValueRef::Integer(number), _) => number.to_string(),
        (ValueRef::Real(number), _) => real(number),
        (ValueRef::Blob(bytes), _) => string(&hex(bytes)),
        (ValueRef::Text(bytes), kind) => {
            let text = str::from_utf8(bytes).map_err(|_| "has a text that is not UTF-8")?;
            match kind {
                Kind::Json => serde_json::from_str::<&RawValue>(text)
                    .map_err(|_| "is declared as JSON, and its text is no JSON")?
                    .get()
                    .to_owned(),
                Kind::Plain | Kind::Boolean => string(text),
            }
        }
    })
}

/// Infinities are texts, as in PostgreSQL's JSON. SQLite stores no NaN.
fn real(number: f64) -> String {
    serde_json::Number::from_f64(number).map_or_else(
        || string(if number > 0.0 { "Infinity" } else { "-Infinity" }),
        |number| number.to_string(),
    )
}

/// Returns the key as text: the value of a single column, or the JSON list of several. Returns `None` if another key could have
/// the same text, for example a blob in a column of texts, or if it is `NULL`, too long or not UTF-8.
pub(super) fn key(values: &[Value], table: &Table) -> Option<String> {
    if values.len() != table.key.len() {
        return None;
    }
    let parts = values.iter().zip(&table.key).map(|(value, column)| match (value, column.holds) {
        (Value::Integer(number), Holds::Numbers) => Some((number.to_string(), false)),
        (Value::Real(number), Holds::Numbers) if number.is_finite() => Some((real(*number), false)),
        (Value::Text(text), Holds::Numbers | Holds::Texts) => Some((text.clone(), true)),
        (Value::Blob(bytes), Holds::Blobs) => Some((hex(bytes), true)),
        _ => None,
    });
    let parts = parts.collect::<Option<Vec<_>>>()?;
    if let [(text, _)] = &parts[..] {
        return Some(text.clone());
    }
    let json = parts.into_iter().map(|(text, is_text)| if is_text { string(&text) } else { text });
    Some(format!("[{}]", json.collect::<Vec<_>>().join(",")))
}

/// Returns the JSON of a text.
pub(super) fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
