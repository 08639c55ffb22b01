//! The SQL of an event: an expression of SQLite that makes the text of the event from a row.
//!
//! The text is put together by `||`, because `json_object` refuses blobs, and rounds numbers in some versions. No value of a
//! row is an error: the application's write must not fail. The server refuses an event with a wrong value, and gives the
//! reason.

use serde_json::Value;

use super::{
    declaration::{ColumnOf, Operation},
    plan::{Event, Form, Member, Source, Tenant},
};
use crate::sqlite_table::{identifier, literal};

/// The largest finite number of 64 bits. JSON has no number beyond it.
const MAX_NUMBER: &str = "1.7976931348623157e308";

/// The names of a row in SQL: the row as it is now, and as it was before the change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) now: &'static str,
    pub(super) before: Option<&'static str>,
}

impl Row {
    /// The rows of a trigger.
    pub(super) fn of(operation: Operation) -> Self {
        match operation {
            Operation::Created => Self { now: "NEW", before: None },
            Operation::Updated => Self { now: "NEW", before: Some("OLD") },
            Operation::Deleted => Self { now: "OLD", before: Some("OLD") },
        }
    }

    /// A row that is there, as if this happened to it.
    pub(super) fn as_if(operation: Operation) -> Self {
        Self { now: "t", before: Some("t").filter(|_| operation != Operation::Created) }
    }
}

/// Returns the expression of an event's text.
pub(super) fn event(domain: &str, event: &Event, row: Row) -> String {
    let mut parts = Parts::default();
    parts.text(&format!(
        "{{\"domain\":{},\"event\":{},\"payload\":{{",
        Value::from(domain),
        Value::from(event.name)
    ));
    for (at, Member { name, form, source }) in event.members.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        parts.text(&format!("{comma}{}:", Value::from(*name)));
        let of = |row: &str, column: &str| format!("{row}.{}", identifier(column));
        match source {
            Source::Value(value) => parts.text(&value.to_string()),
            Source::Column(ColumnOf::Now(column)) => parts.expression(json(*form, &of(row.now, column))),
            Source::Column(ColumnOf::Before(column)) => match row.before {
                Some(before) => parts.expression(json(*form, &of(before, column))),
                None => parts.text("null"),
            },
        }
    }
    parts.text("}}");
    parts.finish()
}

/// Returns the expression of the tenant of a row.
pub(super) fn tenant(tenant: &Tenant, row: &str) -> String {
    match tenant {
        Tenant::Home => "NULL".to_owned(),
        Tenant::Named(name) => literal(name),
        Tenant::Column(column) => {
            let value = format!("{row}.{}", identifier(column));
            format!("CASE typeof({value}) WHEN 'blob' THEN {} ELSE CAST({value} AS TEXT) END", blob(&value))
        }
    }
}

/// Returns the JSON of a value. It is never NULL.
fn json(form: Form, value: &str) -> String {
    let text = format!("json_quote(CAST({value} AS TEXT))");
    let hex = format!("json_quote({})", blob(value));
    let number = format!(
        "WHEN 'integer' THEN CAST({value} AS TEXT) WHEN 'real' THEN CASE WHEN abs({value}) <= {MAX_NUMBER} THEN \
         printf('%!.17g', {value}) ELSE 'null' END"
    );
    let cases = match form {
        Form::Uuid | Form::Text => String::new(),
        Form::Number | Form::Any => number,
        Form::Bool => format!("WHEN 'integer' THEN CASE {value} WHEN 0 THEN 'false' ELSE 'true' END"),
        Form::Json => format!(
            "{number} WHEN 'text' THEN CASE WHEN json_valid({value}) THEN json({value}) ELSE {text} END"
        ),
    };
    let cases = if cases.is_empty() { cases } else { format!(" {cases}") };
    format!("CASE typeof({value}) WHEN 'null' THEN 'null' WHEN 'blob' THEN {hex}{cases} ELSE {text} END")
}

/// Returns the text of a blob: a UUID if it has 16 bytes, and else hexadecimal digits.
fn blob(value: &str) -> String {
    let hex = format!("hex({value})");
    let parts = [(1, 8), (9, 4), (13, 4), (17, 4), (21, 12)];
    let parts = parts.map(|(start, length)| format!("substr({hex}, {start}, {length})"));
    let uuid = parts.join(" || '-' || ");
    format!("lower(CASE length({value}) WHEN 16 THEN {uuid} ELSE {hex} END)")
}

/// The parts of a text that is put together.
#[derive(Default)]
struct Parts {
    done: Vec<String>,
    text: String,
}

impl Parts {
    fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn expression(&mut self, expression: String) {
        self.end_text();
        self.done.push(expression);
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            self.done.push(literal(&std::mem::take(&mut self.text)));
        }
    }

    fn finish(mut self) -> String {
        self.end_text();
        self.done.join(" || ")
    }
}
