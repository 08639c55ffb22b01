//! Writes Rust types as JavaScript values: objects, arrays, texts, numbers, and payloads as they are.
//!
//! Less than `serde_wasm_bindgen`'s serializer, which keeps the names of members in a hash map and knows all that serde
//! does; that costs 2.5 KB after brotli. What none of our types is, it refuses.

use std::cell::Cell;

use js_sys::{Array, Object, Reflect};
use serde::ser::{self, Impossible, Serialize, SerializeSeq, SerializeStruct, Serializer};
use wasm_bindgen::prelude::*;

use super::de::Error;

thread_local! {
    /// A value on its way through serde, which knows none of JavaScript's.
    static AS_IT_IS: Cell<JsValue> = const { Cell::new(JsValue::UNDEFINED) };
}

/// Serializes a JavaScript value as it is, with a [`Writer`] only.
pub(crate) fn as_it_is<S: Serializer>(value: &JsValue, serializer: S) -> Result<S::Ok, S::Error> {
    AS_IT_IS.set(value.clone());
    serializer.serialize_unit_struct("")
}

/// Writes one value.
pub(crate) struct Writer;

type Written = Result<JsValue, Error>;

#[cold]
fn refused() -> Error {
    Error("no type of ours".to_owned())
}

impl ser::Error for Error {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        refused()
    }
}

/// What is refused, whatever its value.
macro_rules! refuse {
    ($($name:ident: $type:ty),*) => {
        $(fn $name(self, _: $type) -> Written {
            Err(refused())
        })*
    };
}

impl Serializer for Writer {
    type Ok = JsValue;
    type Error = Error;
    type SerializeSeq = Elements;
    type SerializeStruct = Members;
    type SerializeTuple = Impossible<JsValue, Error>;
    type SerializeTupleStruct = Impossible<JsValue, Error>;
    type SerializeTupleVariant = Impossible<JsValue, Error>;
    type SerializeMap = Impossible<JsValue, Error>;
    type SerializeStructVariant = Impossible<JsValue, Error>;

    fn serialize_bool(self, value: bool) -> Written {
        Ok(value.into())
    }

    fn serialize_u64(self, value: u64) -> Written {
        Ok((value as f64).into())
    }

    fn serialize_str(self, value: &str) -> Written {
        Ok(value.into())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Written {
        Ok(AS_IT_IS.take())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Elements, Error> {
        Ok(Elements(Array::new()))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members, Error> {
        Ok(Members(Object::new()))
    }

    refuse!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_u8: u8,
        serialize_u16: u16, serialize_u32: u32, serialize_f32: f32, serialize_f64: f64, serialize_char: char,
        serialize_bytes: &[u8]
    );

    fn serialize_none(self) -> Written {
        Err(refused())
    }

    fn serialize_unit(self) -> Written {
        Err(refused())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Written {
        Err(refused())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Written {
        Err(refused())
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Written {
        Err(refused())
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        Err(refused())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        Err(refused())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(refused())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        Err(refused())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Err(refused())
    }
}

/// An array in the making.
pub(crate) struct Elements(Array);

impl SerializeSeq for Elements {
    type Ok = JsValue;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.0.push(&value.serialize(Writer)?);
        Ok(())
    }

    fn end(self) -> Written {
        Ok(self.0.into())
    }
}

/// An object in the making.
pub(crate) struct Members(Object);

impl Members {
    /// Not generic, so that it is compiled once.
    fn set(&self, name: &'static str, value: Written) -> Result<(), Error> {
        // Nothing keeps a new object from having a member.
        let _ = Reflect::set(&self.0, &name.into(), &value?);
        Ok(())
    }
}

impl SerializeStruct for Members {
    type Ok = JsValue;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.set(name, value.serialize(Writer))
    }

    fn end(self) -> Written {
        Ok(self.0.into())
    }
}
