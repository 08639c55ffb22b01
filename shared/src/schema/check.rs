//! Checks whether a payload matches its event. The same code runs on a server and in a browser, so that both accept and
//! refuse the same payloads.

use std::{borrow::Cow, fmt};

use serde_json::Value;

use super::{EventSchema, Type};
use crate::topic::{is_segment, looks_like_uuid};

/// A JSON value: `&serde_json::Value` on a server, a JavaScript value in a browser.
pub trait Json: Sized {
    /// Returns whether it is `null`.
    fn is_null(&self) -> bool;
    /// Returns whether it is `true` or `false`.
    fn is_bool(&self) -> bool;
    /// Returns the number as a 64-bit float, the only kind of number in JavaScript.
    fn as_number(&self) -> Option<f64>;
    /// Returns the text.
    fn as_text(&self) -> Option<Cow<'_, str>>;
    /// Returns the number of elements of the list.
    fn list_length(&self) -> Option<u32>;
    /// Returns an element of the list.
    fn element(&self, index: u32) -> Self;
    /// Returns its JSON for a message.
    fn json(&self) -> String;
}

impl Json for &Value {
    fn is_null(&self) -> bool {
        Value::is_null(self)
    }

    fn is_bool(&self) -> bool {
        Value::is_boolean(self)
    }

    fn as_number(&self) -> Option<f64> {
        self.as_f64()
    }

    fn as_text(&self) -> Option<Cow<'_, str>> {
        self.as_str().map(Cow::Borrowed)
    }

    fn list_length(&self) -> Option<u32> {
        self.as_array().map(|list| u32::try_from(list.len()).unwrap_or(u32::MAX))
    }

    fn element(&self, index: u32) -> Self {
        &self[index as usize]
    }

    fn json(&self) -> String {
        self.to_string()
    }
}

/// A row of the table by which a browser checks events. It has no descriptions, so that the program stays small.
#[derive(Debug, Clone, Copy)]
pub enum Row {
    /// An event; its fields follow.
    Event(&'static str),
    /// A field of the event above it.
    Field(&'static str, Type),
}

impl Row {
    /// Returns the number of rows of these events.
    pub const fn count(events: &[EventSchema]) -> usize {
        let (mut count, mut event) = (events.len(), 0);
        while event < events.len() {
            count += events[event].payload.fields.len();
            event += 1;
        }
        count
    }

    /// Returns the rows of these events. `N` is their [count](Self::count).
    pub const fn of<const N: usize>(events: &[EventSchema]) -> [Self; N] {
        let mut rows = [Self::Event(""); N];
        let (mut at, mut event) = (0, 0);
        while event < events.len() {
            rows[at] = Self::Event(events[event].name);
            at += 1;
            let (fields, mut field) = (events[event].payload.fields, 0);
            while field < fields.len() {
                rows[at] = Self::Field(fields[field].name, fields[field].ty);
                (at, field) = (at + 1, field + 1);
            }
            event += 1;
        }
        rows
    }
}

/// A fault of a value, and where it is.
struct Fault {
    /// The indices into lists: `[2][0]`.
    path: String,
    /// The expected type and the value that was found.
    reason: String,
}

/// Checks a field of a payload. `None` is an absent field.
///
/// # Errors
/// A sentence that names the field, the expected type and the value that was found.
pub fn check_field<J: Json>(name: &str, ty: &Type, value: Option<&J>) -> Result<(), String> {
    let Some(value) = value else {
        let missing = || ["`", name, "` is missing: expected ", &ty.to_string()].concat();
        return if ty.is_option() { Ok(()) } else { Err(missing()) };
    };
    ty.check(value).map_err(|Fault { path, reason }| ["`", name, &path, "`: ", &reason].concat())
}

/// Writes the part of a message that names the expected type and the value that was found.
pub fn expected<J: Json>(what: &dyn fmt::Display, found: &J) -> String {
    let mut found = found.json();
    if let Some((end, _)) = found.char_indices().nth(MAX_SHOWN) {
        found.truncate(end);
        found.push('…');
    }
    ["expected ", &what.to_string(), ", found ", &found].concat()
}

/// The number of characters that a message shows of a value. The value is a peer's and may be long.
const MAX_SHOWN: usize = 40;

impl Type {
    fn check<J: Json>(&self, value: &J) -> Result<(), Fault> {
        let text = |holds: &dyn Fn(&str) -> bool| value.as_text().is_some_and(|text| holds(&text));
        let number = |holds: &dyn Fn(f64) -> bool| value.as_number().is_some_and(holds);
        let is_good = match self {
            Self::Option(inner) => return if value.is_null() { Ok(()) } else { inner.check(value) },
            Self::List(inner) => match value.list_length() {
                Some(length) => return (0..length).try_for_each(|index| check_element(inner, value, index)),
                None => false,
            },
            Self::Any => true,
            Self::Bool => value.is_bool(),
            // JSON has one kind of number: 1.0 is 1, and -0 is 0.
            Self::Integer { min, max } => {
                number(&|number| number.trunc() == number && number >= *min as f64 && number <= *max as f64)
            }
            Self::Number => number(&f64::is_finite),
            Self::Float32 => number(&|number| (number as f32).is_finite()),
            Self::String | Self::Choice { is_open: true, .. } => text(&|_| true),
            Self::Uuid => text(&looks_like_uuid),
            Self::Segment { max } => text(&|text| text.len() <= *max && is_segment(text)),
            Self::Choice { names, .. } => text(&|text| names.contains(&text)),
        };
        if is_good { Ok(()) } else { Err(Fault { path: String::new(), reason: expected(self, value) }) }
    }
}

fn check_element<J: Json>(ty: &Type, list: &J, index: u32) -> Result<(), Fault> {
    ty.check(&list.element(index)).map_err(|Fault { path, reason }| {
        let path = ["[", &index.to_string(), "]", &path].concat();
        Fault { path, reason }
    })
}

/// Names the type in messages.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uuid => "a UUID with hyphens, 8-4-4-4-12",
            Self::String | Self::Choice { is_open: true, .. } => "a string",
            Self::Segment { max } => return write!(f, "1 to {max} characters of A-Z a-z 0-9 _ . ~ -"),
            Self::Bool => "true or false",
            Self::Integer { min, max } => return write!(f, "a whole number from {min} to {max}"),
            Self::Number => "a number",
            Self::Float32 => "a number that a 32-bit float can hold",
            Self::Choice { names, .. } => return write!(f, "one of {}", names.join(", ")),
            Self::Any => "a value",
            Self::Option(inner) => return inner.fmt(f),
            Self::List(_) => "a list",
        })
    }
}

/// Writes `1.0` as `1` if the type is an integer, because Rust's integers read only that.
pub(crate) fn whole_numbers(ty: &Type, value: &mut Value) {
    match (ty, value) {
        (Type::Option(inner), value) => whole_numbers(inner, value),
        (Type::List(inner), Value::Array(list)) => {
            list.iter_mut().for_each(|value| whole_numbers(inner, value));
        }
        (Type::Integer { .. }, Value::Number(number)) if number.is_f64() => {
            *number = number.as_f64().map_or(0, |number| number as i64).into();
        }
        _ => {}
    }
}
