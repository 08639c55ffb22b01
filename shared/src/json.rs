//! The rules for JSON that serde_json does not check: depth, the size of numbers, and members that are given twice.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::limits::MAX_JSON_DEPTH;

/// Checks the depth and the numbers of a text in one pass. The parser finds everything else that is not JSON.
///
/// # Errors
/// A sentence about the first fault.
pub(crate) fn check_shape(text: &str) -> Result<(), String> {
    let read_number = |start: usize| {
        let is_part = |b: &&u8| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let end = start + text.as_bytes()[start..].iter().take_while(is_part).count();
        let is_infinite = text[start..end].parse::<f64>().is_ok_and(f64::is_infinite);
        if is_infinite { Err(Fault::Number) } else { Ok(end) }
    };
    scan(text, MAX_JSON_DEPTH, read_number).map_err(|fault| match fault {
        Fault::TooDeep => format!("containers are nested deeper than {MAX_JSON_DEPTH}"),
        Fault::Number => "a number is larger than a 64-bit float can hold".to_owned(),
    })
}

/// Returns whether a JSON text has more than `max` objects and lists within each other.
pub fn is_deeper_than(text: &str, max: usize) -> bool {
    scan(text, max, |start| Ok(start + 1)).is_err()
}

enum Fault {
    TooDeep,
    Number,
}

/// Walks through the containers and numbers outside of strings. `read_number` gets the index of a number's first byte and
/// returns the index after the number. A text that is not JSON does no harm.
fn scan(
    text: &str,
    max_depth: usize,
    read_number: impl Fn(usize) -> Result<usize, Fault>,
) -> Result<(), Fault> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                if depth > max_depth {
                    return Err(Fault::TooDeep);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'-' | b'0'..=b'9' => {
                at = read_number(at)?;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// Returns the index of the quote that ends the string, or an index after the text if none does.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at
}

/// The initial capacity of a list of members. Few objects have more, so that the list seldom grows.
const USUAL_MEMBERS: usize = 8;

/// The members of an object, each as the text that it has. No name is there twice.
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Splits an object into its members.
    ///
    /// # Errors
    /// A sentence about the fault.
    pub(crate) fn parse(text: &'a str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// Reads a member. An absent one and `null` are `None`.
    ///
    /// # Errors
    /// A sentence that names the member.
    pub(crate) fn optional<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, String> {
        Ok(self.nullable::<Option<T>>(name)?.flatten())
    }

    /// Reads a member of a type that may be `null`. Only an absent one is `None`.
    ///
    /// # Errors
    /// A sentence that names the member.
    pub(crate) fn nullable<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(raw) = self.find(name) else { return Ok(None) };
        let value = serde_json::from_str(raw.get());
        value.map(Some).map_err(|error| format!("`{name}`: {}", without_line(&error)))
    }

    /// Reads a member that may be absent, but not `null`.
    ///
    /// # Errors
    /// A sentence that names the member.
    pub(crate) fn not_null<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, String> {
        self.find(name).map(|_| self.required(name)).transpose()
    }

    /// Reads a member that must be there.
    ///
    /// # Errors
    /// A sentence that names the member.
    pub(crate) fn required<T: Deserialize<'a>>(&self, name: &str) -> Result<T, String> {
        self.optional(name)?.ok_or_else(|| missing(name))
    }

    /// Reads a text of at most `max` bytes. An absent one and `null` are `None`.
    ///
    /// # Errors
    /// A sentence that names the member.
    pub(crate) fn short(&self, name: &str, max: usize) -> Result<Option<String>, String> {
        match self.optional::<String>(name)? {
            Some(text) if text.len() > max => Err(format!("`{name}` has at most {max} bytes")),
            text => Ok(text),
        }
    }

    /// Returns the text of a member that must be there. It may be `null`.
    ///
    /// # Errors
    /// A sentence that names the member.
    pub(crate) fn raw(&self, name: &str) -> Result<&'a RawValue, String> {
        self.find(name).ok_or_else(|| missing(name))
    }

    /// Returns the names, in their order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_ref())
    }

    fn find(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(member, _)| member == name).map(|(_, raw)| *raw)
    }
}

fn missing(name: &str) -> String {
    format!("`{name}` is missing")
}

/// Cuts line and column from serde_json's message. They point into a part of the frame.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(USUAL_MEMBERS);
                while let Some(name) = map.next_key::<Name<'de>>()? {
                    members.push((name.0, map.next_value()?));
                }
                let mut names: Vec<&str> =
                    members.iter().map(|(name, _): &(Cow<'_, str>, _)| &**name).collect();
                names.sort_unstable();
                if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
                    return Err(serde::de::Error::custom(format!("member `{}` is given twice", twice[0])));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// A member's name. It is borrowed unless it has escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_containers_and_not_brackets_in_strings() {
        let nested = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(check_shape(&nested(MAX_JSON_DEPTH)).is_ok());
        assert!(check_shape(&nested(MAX_JSON_DEPTH + 1)).is_err());
        assert!(check_shape(&format!("\"{}\\\"[\"", "[".repeat(100))).is_ok());
        assert!(check_shape(&"[],".repeat(1000)).is_ok());
    }

    #[test]
    fn the_depth_that_is_asked_for_counts() {
        assert!(!is_deeper_than(r#"[{"a":"[[["},[]]"#, 2));
        assert!(is_deeper_than("[[[]]]", 2));
    }

    #[test]
    fn a_number_beyond_a_float_is_refused_anywhere_outside_strings() {
        for text in ["1e400", "-1e309", "{\"a\":[1e999]}"] {
            assert!(check_shape(text).is_err(), "{text}");
        }
        for text in ["1e308", "\"1e400\"", "123456789012345678901234567890", "1e-400", "\"\\\\\",1"] {
            assert!(check_shape(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_member_given_twice_is_a_fault_also_when_spelt_with_escapes() {
        assert!(Members::parse(r#"{"a":1,"b":2}"#).is_ok());
        assert!(Members::parse(r#"{"a":1,"a":1}"#).is_err());
        assert!(Members::parse(r#"{"a":1,"\u0061":1}"#).is_err());
    }

    #[test]
    fn unfinished_strings_do_no_harm() {
        for text in ["\"", "\"\\", "{\"a", "-", "1e"] {
            let _ = check_shape(text);
        }
    }
}
