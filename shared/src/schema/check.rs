//! Checks whether a payload matches its event. The same code runs on a server and in a browser, so that both accept and
//! refuse the same payloads.

use serde_json::Value;

use super::Type;
use crate::topic::{is_segment, looks_like_uuid};

/// A JSON value that may be absent: `Option<&serde_json::Value>` on a server, a JavaScript value in a browser.
///
/// The tests of texts are methods, so that a browser need not copy a text to test it. All tests are false for an absent
/// value, except the first two.
pub trait Json: Sized {
    /// The form in which a reader keeps the name of a field.
    type Key;
    /// The form in which a reader keeps the names of a choice.
    type Names: 'static;

    /// Returns whether there is no value.
    fn is_absent(&self) -> bool;
    /// Returns whether it is `null`, or absent.
    fn is_null_or_absent(&self) -> bool;
    /// Returns whether it is `true` or `false`.
    fn is_bool(&self) -> bool;
    /// Returns the number as a 64-bit float, the only kind of number in JavaScript.
    fn as_number(&self) -> Option<f64>;
    /// Returns whether it is a text, all Unicode: half of a surrogate pair is not.
    fn is_text(&self) -> bool;
    /// Returns whether it is a UUID with hyphens.
    fn is_uuid(&self) -> bool;
    /// Returns whether it is a segment of a topic with at most `max` bytes.
    fn is_segment(&self, max: usize) -> bool;
    /// Returns whether it is one of these names.
    fn is_one_of(&self, names: &Self::Names) -> bool;
    /// Returns whether it is an object.
    fn is_object(&self) -> bool;
    /// Returns a member of the object.
    fn member(&self, key: &Self::Key) -> Self;
    /// Returns the number of elements of the list.
    fn list_length(&self) -> Option<u32>;
    /// Returns an element of the list. Beyond its end it is absent.
    fn element(&self, index: u32) -> Self;
    /// Returns the text.
    fn to_text(&self) -> Option<String>;
    /// Returns its JSON for a message.
    fn json(&self) -> String;

    /// Keeps the name of a field.
    fn key(name: &str) -> Self::Key;
    /// Keeps the names of a choice.
    fn names(names: Vec<String>) -> Self::Names;
    /// Joins the names of a choice for a message.
    fn join(names: &Self::Names) -> String;
}

impl Json for Option<&Value> {
    type Key = String;
    type Names = &'static [&'static str];

    fn is_absent(&self) -> bool {
        self.is_none()
    }

    fn is_null_or_absent(&self) -> bool {
        self.is_none_or(Value::is_null)
    }

    fn is_bool(&self) -> bool {
        self.is_some_and(Value::is_boolean)
    }

    fn as_number(&self) -> Option<f64> {
        self.and_then(Value::as_f64)
    }

    fn is_text(&self) -> bool {
        self.is_some_and(Value::is_string)
    }

    fn is_uuid(&self) -> bool {
        self.and_then(Value::as_str).is_some_and(looks_like_uuid)
    }

    fn is_segment(&self, max: usize) -> bool {
        self.and_then(Value::as_str).is_some_and(|text| text.len() <= max && is_segment(text))
    }

    fn is_one_of(&self, names: &Self::Names) -> bool {
        self.and_then(Value::as_str).is_some_and(|text| names.contains(&text))
    }

    fn is_object(&self) -> bool {
        self.is_some_and(Value::is_object)
    }

    fn member(&self, key: &String) -> Self {
        self.and_then(|value| value.get(key))
    }

    fn list_length(&self) -> Option<u32> {
        self.and_then(Value::as_array).map(|list| u32::try_from(list.len()).unwrap_or(u32::MAX))
    }

    fn element(&self, index: u32) -> Self {
        self.and_then(|value| value.get(index as usize))
    }

    fn to_text(&self) -> Option<String> {
        self.and_then(Value::as_str).map(str::to_owned)
    }

    fn json(&self) -> String {
        self.map(Value::to_string).unwrap_or_default()
    }

    fn key(name: &str) -> String {
        name.to_owned()
    }

    fn names(names: Vec<String>) -> Self::Names {
        names.into_iter().map(|name| &*name.leak()).collect::<Vec<_>>().leak()
    }

    fn join(names: &Self::Names) -> String {
        names.join(", ")
    }
}

/// A fault of a value, and where it is.
#[derive(Debug)]
pub struct Fault {
    /// The indices into lists: `[2][0]`.
    path: String,
    /// The words after the place.
    what: String,
}

impl Fault {
    /// Makes a fault of the value itself.
    #[cold]
    pub(super) fn expected<J: Json>(what: &str, found: &J) -> Self {
        let what = match found.is_absent() {
            true => [" is missing: expected ", what].concat(),
            false => [": ", &expected(what, found)].concat(),
        };
        Self { path: String::new(), what }
    }

    /// Adds the index of the list's element that has the fault.
    #[cold]
    pub(super) fn at(self, index: u32) -> Self {
        Self { path: ["[", &index.to_string(), "]", &self.path].concat(), ..self }
    }

    /// Returns a sentence that names the field, the expected type and the value that was found.
    #[cold]
    pub fn of_field(&self, name: &str) -> String {
        ["`", name, &self.path, "`", &self.what].concat()
    }
}

/// Writes the part of a message that names the expected type and the value that was found.
#[cold]
pub fn expected<J: Json>(what: &str, found: &J) -> String {
    if found.is_absent() {
        return ["expected ", what, ", found nothing"].concat();
    }
    let mut found = found.json();
    if let Some((end, _)) = found.char_indices().nth(MAX_SHOWN) {
        found.truncate(end);
        found.push('…');
    }
    ["expected ", what, ", found ", &found].concat()
}

/// The number of characters that a message shows of a value. The value is a peer's and may be long.
const MAX_SHOWN: usize = 40;

impl<N> Type<N> {
    /// Checks a field of a payload, which may be absent.
    ///
    /// # Errors
    /// The fault of the value.
    pub fn check<J: Json<Names = N>>(&self, value: &J) -> Result<(), Fault> {
        let number = |holds: &dyn Fn(f64) -> bool| value.as_number().is_some_and(holds);
        let is_good = match self {
            Self::Option(inner) => {
                return if value.is_null_or_absent() { Ok(()) } else { inner.check(value) };
            }
            Self::List(inner) => match value.list_length() {
                Some(length) => {
                    let check = |index| inner.check(&value.element(index)).map_err(|fault| fault.at(index));
                    return (0..length).try_for_each(check);
                }
                None => false,
            },
            Self::Any => !value.is_absent(),
            Self::Bool => value.is_bool(),
            // JSON has one kind of number: 1.0 is 1, and -0 is 0.
            Self::Integer { min, max } => {
                number(&|number| number.trunc() == number && number >= *min as f64 && number <= *max as f64)
            }
            Self::Number => number(&f64::is_finite),
            Self::Float32 => number(&|number| (number as f32).is_finite()),
            Self::String | Self::Choice { is_open: true, .. } => value.is_text(),
            Self::Uuid => value.is_uuid(),
            Self::Segment { max } => value.is_segment(*max),
            Self::Choice { names, .. } => value.is_one_of(names),
        };
        if is_good { Ok(()) } else { Err(Fault::expected(&self.describe::<J>(), value)) }
    }

    /// Names the type in messages.
    #[cold]
    fn describe<J: Json<Names = N>>(&self) -> String {
        let name = match self {
            Self::Uuid => "a UUID with hyphens, 8-4-4-4-12",
            Self::String | Self::Choice { is_open: true, .. } => "a string",
            Self::Segment { max } => {
                return ["1 to ", &max.to_string(), " characters of A-Z a-z 0-9 _ . ~ -"].concat();
            }
            Self::Bool => "true or false",
            Self::Integer { min, max } => {
                return ["a whole number from ", &min.to_string(), " to ", &max.to_string()].concat();
            }
            Self::Number => "a number",
            Self::Float32 => "a number that a 32-bit float can hold",
            Self::Choice { names, .. } => return ["one of ", &J::join(names)].concat(),
            Self::Any => "a value",
            Self::Option(inner) => return inner.describe::<J>(),
            Self::List(_) => "a list",
        };
        name.to_owned()
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
