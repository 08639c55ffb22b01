//! Reads Rust types from JavaScript values that came from `JSON.parse`.
//!
//! It reads frames. `decode.rs` checks payloads. `serde_wasm_bindgen` has a deserializer too, but that one reads any value and
//! describes wrong values in detail, which costs 17 KB after brotli. This one knows the six kinds of JSON values only, and an
//! error says what was expected. In the other direction, `serde_wasm_bindgen` writes the values.

use std::fmt;

use js_sys::{Array, Object, Reflect};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use tidings_shared::limits::MAX_REF;
use wasm_bindgen::prelude::*;

/// Returns a member of an object.
fn member(of: &JsValue, name: &JsValue) -> JsValue {
    Reflect::get(of, name).unwrap_or_default()
}

/// Returns an element of an array.
fn element(of: &JsValue, index: u32) -> JsValue {
    Reflect::get_u32(of, index).unwrap_or_default()
}

/// The value to read.
pub(crate) struct Value(pub(crate) JsValue);

/// A sentence about a wrong value: what was expected.
#[derive(Debug)]
pub(crate) struct Error(pub(crate) String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::expected(expected)
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::expected(expected)
    }

    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Self {
        Self::expected(expected)
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self("unknown variant".to_owned())
    }

    fn missing_field(name: &'static str) -> Self {
        Self(["missing field `", name, "`"].concat())
    }

    fn duplicate_field(_: &'static str) -> Self {
        Self("duplicate field".to_owned())
    }
}

impl Error {
    /// Adds the name of the member that has the wrong value.
    #[cold]
    pub(crate) fn within(self, name: &str) -> Self {
        Self(["`", name, "`: ", &self.0].concat())
    }

    #[cold]
    fn expected(what: &dyn de::Expected) -> Self {
        Self(["expected ", &what.to_string()].concat())
    }
}

/// Not generic, so that it is compiled once.
impl Value {
    fn string(&self, expected: &dyn de::Expected) -> Result<String, Error> {
        self.0.as_string().ok_or_else(|| Error::expected(expected))
    }

    fn object(self, expected: &dyn de::Expected) -> Result<Members, Error> {
        if !self.0.is_object() || self.0.is_array() {
            return Err(Error::expected(expected));
        }
        Ok(Members { names: Object::keys(self.0.unchecked_ref::<Object>()).into(), of: self.0, at: 0 })
    }

    fn array(self, expected: &dyn de::Expected) -> Result<Elements, Error> {
        if self.0.is_array() { Ok(Elements { of: self.0, at: 0 }) } else { Err(Error::expected(expected)) }
    }

    /// Reads an integer that JavaScript holds exactly.
    fn integer(&self, expected: &dyn de::Expected) -> Result<i64, Error> {
        match self.0.as_f64() {
            Some(number) if number.trunc() == number && number.abs() <= MAX_REF as f64 => Ok(number as i64),
            _ => Err(Error::expected(expected)),
        }
    }
}

/// Reads a UUID. The parser of the crate `uuid` has better error messages, but adds 2 KB.
pub(crate) fn uuid(text: &str) -> Option<[u8; 16]> {
    let text = text.strip_prefix("urn:uuid:").unwrap_or(text);
    let (mut uuid, mut digits) = (0_u128, 0);
    for c in text.chars().filter(|c| !matches!(c, '-' | '{' | '}')) {
        uuid = uuid << 4 | u128::from(c.to_digit(16)?);
        digits += 1;
    }
    (digits == 32).then_some(uuid.to_be_bytes())
}

impl<'de> Deserializer<'de> for Value {
    type Error = Error;

    /// Reads any JSON value. The methods below do less: they read what frames contain.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let Some(value) = self.0.as_bool() {
            return visitor.visit_bool(value);
        }
        if let Some(number) = self.0.as_f64() {
            return match self.integer(&visitor) {
                Ok(integer) => visitor.visit_i64(integer),
                Err(_) => visitor.visit_f64(number),
            };
        }
        if let Some(text) = self.0.as_string() {
            return visitor.visit_string(text);
        }
        if self.0.is_null() {
            return visitor.visit_unit();
        }
        if self.0.is_array() { self.deserialize_seq(visitor) } else { self.deserialize_map(visitor) }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.integer(&visitor).and_then(|value| visitor.visit_i64(value))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.string(&visitor).and_then(|value| visitor.visit_string(value))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.string(&visitor).and_then(|value| visitor.visit_str(&value))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.array(&visitor).and_then(|value| visitor.visit_seq(value))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.object(&visitor).and_then(|value| visitor.visit_map(value))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// Reads an enum of names, such as `"live"`.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let name = self.string(&visitor)?;
        visitor.visit_enum(de::value::StrDeserializer::new(&name))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier
    }
}

/// The own members of an object.
struct Members {
    of: JsValue,
    names: JsValue,
    at: u32,
}

impl Members {
    fn next_name(&self) -> Option<String> {
        element(&self.names, self.at).as_string()
    }

    fn next_value(&mut self) -> Value {
        self.at += 1;
        Value(member(&self.of, &element(&self.names, self.at - 1)))
    }

    /// Adds the name of the last member to an error.
    #[cold]
    fn within(&self, error: Error) -> Error {
        error.within(&element(&self.names, self.at - 1).as_string().unwrap_or_default())
    }
}

impl<'de> MapAccess<'de> for Members {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        match self.next_name() {
            Some(name) => seed.deserialize(de::value::StrDeserializer::new(&name)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = self.next_value();
        seed.deserialize(value).map_err(|error| self.within(error))
    }
}

/// The elements of an array.
struct Elements {
    of: JsValue,
    at: u32,
}

impl Elements {
    /// Counts up to the length of the array, because an array from the page may contain `undefined`.
    fn next(&mut self) -> Option<Value> {
        let at = self.at;
        self.at += 1;
        (at < self.of.unchecked_ref::<Array>().length()).then(|| Value(element(&self.of, at)))
    }
}

impl<'de> SeqAccess<'de> for Elements {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        match self.next() {
            Some(value) => seed.deserialize(value).map(Some),
            None => Ok(None),
        }
    }
}
