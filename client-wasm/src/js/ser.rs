//! Writes Rust types as JavaScript values: objects, arrays, strings, numbers and booleans.
//!
//! Less than `serde_wasm_bindgen`'s serializer, for the reason given in [`de`](super::de); it has what frames and what
//! the host hears need, and an error for everything else.

use std::fmt;

use serde::{
    Serialize,
    ser::{self, Impossible, SerializeSeq, SerializeStruct},
};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Reflect, js_name = set)]
    fn set_member(of: &JsValue, name: &str, value: &JsValue) -> bool;

    #[wasm_bindgen(js_namespace = Reflect, js_name = set)]
    fn set_element(of: &JsValue, index: u32, value: &JsValue) -> bool;

    #[wasm_bindgen(js_name = Object)]
    fn new_object() -> JsValue;

    #[wasm_bindgen(js_name = Array)]
    fn new_array() -> JsValue;
}

/// A value of ours as JavaScript's. None of ours fails to be one.
pub(crate) fn to_js(value: &impl Serialize) -> JsValue {
    value.serialize(ToJs).unwrap_or(JsValue::UNDEFINED)
}

/// Sets a member of an object.
pub(crate) fn set(of: &JsValue, name: &str, value: &JsValue) {
    set_member(of, name, value);
}

struct ToJs;

/// Something that none of our types is made of.
#[derive(Debug)]
struct Unsupported;

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unsupported")
    }
}

impl std::error::Error for Unsupported {}

impl ser::Error for Unsupported {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// An object or an array that is being filled.
struct Filling {
    value: JsValue,
    length: u32,
}

impl SerializeStruct for Filling {
    type Ok = JsValue;
    type Error = Unsupported;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unsupported> {
        set(&self.value, name, &value.serialize(ToJs)?);
        Ok(())
    }

    fn end(self) -> Result<JsValue, Unsupported> {
        Ok(self.value)
    }
}

impl SerializeSeq for Filling {
    type Ok = JsValue;
    type Error = Unsupported;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unsupported> {
        set_element(&self.value, self.length, &value.serialize(ToJs)?);
        self.length += 1;
        Ok(())
    }

    fn end(self) -> Result<JsValue, Unsupported> {
        Ok(self.value)
    }
}

/// Kinds of values that none of our types has.
macro_rules! unsupported {
    ($( $method:ident($( $type:ty ),*); )*) => {
        $( fn $method(self, $( _: $type ),*) -> Result<JsValue, Unsupported> { Err(Unsupported) } )*
    };
}

impl ser::Serializer for ToJs {
    type Ok = JsValue;
    type Error = Unsupported;
    type SerializeSeq = Filling;
    type SerializeStruct = Filling;
    type SerializeTuple = Impossible<JsValue, Unsupported>;
    type SerializeTupleStruct = Impossible<JsValue, Unsupported>;
    type SerializeTupleVariant = Impossible<JsValue, Unsupported>;
    type SerializeMap = Impossible<JsValue, Unsupported>;
    type SerializeStructVariant = Impossible<JsValue, Unsupported>;

    fn serialize_bool(self, value: bool) -> Result<JsValue, Unsupported> {
        Ok(JsValue::from_bool(value))
    }

    /// Integers of ours are below 2^53.
    fn serialize_u64(self, value: u64) -> Result<JsValue, Unsupported> {
        Ok(JsValue::from_f64(value as f64))
    }

    fn serialize_str(self, value: &str) -> Result<JsValue, Unsupported> {
        Ok(JsValue::from_str(value))
    }

    fn serialize_none(self) -> Result<JsValue, Unsupported> {
        Ok(JsValue::NULL)
    }

    fn serialize_unit(self) -> Result<JsValue, Unsupported> {
        Ok(JsValue::NULL)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<JsValue, Unsupported> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<JsValue, Unsupported> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Filling, Unsupported> {
        Ok(Filling { value: new_array(), length: 0 })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Filling, Unsupported> {
        Ok(Filling { value: new_object(), length: 0 })
    }

    unsupported! {
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_bytes(&[u8]);
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<JsValue, Unsupported> {
        Err(Unsupported)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Unsupported> {
        Err(Unsupported)
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Unsupported> {
        Err(Unsupported)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unsupported> {
        Err(Unsupported)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Unsupported> {
        Err(Unsupported)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unsupported> {
        Err(Unsupported)
    }
}
