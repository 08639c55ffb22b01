//! The rules for JSON that serde_json leaves open: depth, numbers, and members given twice.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::limits::MAX_JSON_DEPTH;

/// Checks depth and numbers of a text, in one pass. What is no JSON at all is left to the parser.
///
/// # Errors
/// A sentence about the first fault.
pub(crate) fn check_shape(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_JSON_DEPTH {
                    return Err(format!("containers are nested deeper than {MAX_JSON_DEPTH}"));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'-' | b'0'..=b'9' => {
                let length = bytes[at..]
                    .iter()
                    .take_while(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
                    .count();
                if text[at..at + length].parse::<f64>().is_ok_and(f64::is_infinite) {
                    return Err("a number is beyond what a 64-bit float holds".to_owned());
                }
                at += length - 1;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// The index of the quote that ends the string which starts at `at`, or of the text's last byte.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    at += 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at
}

/// Members that an object has mostly, so that they are seldom moved.
const MOST_MEMBERS: usize = 8;

/// An object's members, unparsed; a member given twice is a fault.
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Takes an object apart.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub(crate) fn parse(text: &'a str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// The member as a `T`; absent and `null` are `None`.
    ///
    /// # Errors
    /// A sentence that names the member.
    pub(crate) fn optional<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, String> {
        Ok(self.value::<Option<T>>(name)?.flatten())
    }

    /// The member as a `T`, which may be made of `null`; only an absent one is `None`.
    ///
    /// # Errors
    /// A sentence that names the member.
    pub(crate) fn value<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, String> {
        let Some((_, raw)) = self.0.iter().find(|(member, _)| member == name) else { return Ok(None) };
        let value = serde_json::from_str(raw.get());
        value.map(Some).map_err(|error| format!("`{name}`: {}", without_place(&error)))
    }

    /// The member as a `T`; only an absent one is `None`.
    ///
    /// # Errors
    /// A sentence that names the member.
    pub(crate) fn present<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, String> {
        let is_absent = self.0.iter().all(|(member, _)| member != name);
        if is_absent { Ok(None) } else { self.required(name).map(Some) }
    }

    /// The member as a `T`.
    ///
    /// # Errors
    /// A sentence that names the member.
    pub(crate) fn required<T: Deserialize<'a>>(&self, name: &str) -> Result<T, String> {
        self.optional(name)?.ok_or_else(|| format!("`{name}` is missing"))
    }

    /// The member as it stands, `null` too.
    ///
    /// # Errors
    /// A sentence that names the member.
    pub(crate) fn raw(&self, name: &str) -> Result<&'a RawValue, String> {
        let found = self.0.iter().find(|(member, _)| member == name);
        found.map(|(_, raw)| *raw).ok_or_else(|| format!("`{name}` is missing"))
    }

    /// The names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_ref())
    }
}

/// serde_json's message without its line and column, which point into a part of the frame.
fn without_place(error: &serde_json::Error) -> String {
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
                let mut members = Vec::with_capacity(MOST_MEMBERS);
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

/// A member's name, borrowed unless it has escapes.
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
