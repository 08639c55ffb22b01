//! JavaScript values as the check of payloads sees them.
//!
//! A test copies no text. A field costs two crossings of the boundary, one to get its value and one to test it, or one for both
//! if it is a text.

use std::cell::RefCell;

use js_sys::{Array, JSON, Object, Reflect, Set};
use tidings_shared::schema::{Type, check::Json};
use wasm_bindgen::prelude::*;

use super::host::Host;

#[wasm_bindgen]
extern "C" {
    type AnyValue;

    #[wasm_bindgen(method, indexing_getter)]
    fn member(this: &AnyValue, key: &JsValue) -> JsValue;

    #[wasm_bindgen(js_name = RegExp)]
    type Pattern;

    #[wasm_bindgen(constructor, js_class = "RegExp")]
    fn new(pattern: &str, flags: &str) -> Pattern;

    // It makes a text of any other value.
    #[wasm_bindgen(method)]
    fn test(this: &Pattern, value: &JsValue) -> bool;

    // Whether a member of an object is a text that has this pattern (`true`), or has it nowhere.
    #[wasm_bindgen(method)]
    fn matches(this: &Host, object: &JsValue, name: &JsValue, pattern: &Pattern, has: bool) -> bool;
}

/// The key of the pattern of half a surrogate pair, which no text has. With the flag `u`, a whole pair is one character.
const HALF: usize = 0;
/// The key of the pattern of a UUID.
const UUID: usize = usize::MAX;

thread_local! {
    /// The patterns that were used, with their keys. The key of a segment's pattern is its limit, so there are as many as the
    /// page's domains have limits.
    static PATTERNS: RefCell<Vec<(usize, Pattern)>> = const { RefCell::new(Vec::new()) };
}

fn pattern(key: usize) -> Pattern {
    match key {
        HALF => Pattern::new(r"\p{Cs}", "u"),
        UUID => Pattern::new("^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$", "i"),
        max => Pattern::new(&[r"^[\w.~-]{1,", &max.to_string(), "}$"].concat(), ""),
    }
}

/// A value from `JSON.parse`, or `undefined` if it is absent.
pub(crate) struct JsJson(pub(crate) JsValue);

impl JsJson {
    /// Returns whether it is a text that the pattern of this key allows.
    fn suits(&self, key: usize) -> bool {
        self.0.is_string() && with_pattern(key, |pattern| pattern.test(&self.0)) == (key != HALF)
    }
}

fn with_pattern(key: usize, test: impl FnOnce(&Pattern) -> bool) -> bool {
    PATTERNS.with_borrow_mut(|patterns| {
        let index = patterns.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            patterns.push((key, pattern(key)));
            patterns.len() - 1
        });
        test(&patterns[index].1)
    })
}

/// The name of a field.
#[derive(Debug)]
pub(crate) struct Key {
    name: JsValue,
    /// Every object inherits a member of this name, as `toString`. So an absent one must be told from an own one.
    is_inherited: bool,
}

impl Key {
    /// Returns whether the member of an object that has this name has this type. For texts it is one crossing.
    pub(crate) fn fits(&self, ty: &Type<Set>, object: &JsValue, host: &Host) -> bool {
        let key = match ty {
            Type::Uuid => UUID,
            Type::Segment { max } => *max,
            Type::String => HALF,
            _ => return ty.check(&self.of(object)).is_ok(),
        };
        // No object inherits a text.
        with_pattern(key, |pattern| host.matches(object, &self.name, pattern, key != HALF))
    }

    /// Returns the member of an object that has this name.
    pub(crate) fn of(&self, object: &JsValue) -> JsJson {
        if self.is_inherited && !Object::has_own(object.unchecked_ref::<Object>(), &self.name) {
            return JsJson(JsValue::UNDEFINED);
        }
        JsJson(object.unchecked_ref::<AnyValue>().member(&self.name))
    }
}

impl Json for JsJson {
    type Key = Key;
    type Names = Set;

    fn is_absent(&self) -> bool {
        self.0.is_undefined()
    }

    fn is_null_or_absent(&self) -> bool {
        self.0.is_null_or_undefined()
    }

    fn is_bool(&self) -> bool {
        self.0.as_bool().is_some()
    }

    fn as_number(&self) -> Option<f64> {
        self.0.as_f64()
    }

    fn is_text(&self) -> bool {
        self.suits(HALF)
    }

    fn is_uuid(&self) -> bool {
        self.suits(UUID)
    }

    fn is_segment(&self, max: usize) -> bool {
        self.suits(max)
    }

    fn is_one_of(&self, names: &Set) -> bool {
        names.has(&self.0)
    }

    fn is_object(&self) -> bool {
        self.0.is_object() && !self.0.is_array()
    }

    fn member(&self, key: &Key) -> Self {
        key.of(&self.0)
    }

    fn list_length(&self) -> Option<u32> {
        self.0.is_array().then(|| self.0.unchecked_ref::<Array>().length())
    }

    fn element(&self, index: u32) -> Self {
        Self(Reflect::get_u32(&self.0, index).unwrap_or_default())
    }

    fn to_text(&self) -> Option<String> {
        self.0.as_string()
    }

    fn json(&self) -> String {
        JSON::stringify(&self.0).map(String::from).unwrap_or_default()
    }

    fn key(name: &str) -> Key {
        let name = JsValue::from_str(name);
        let is_inherited = Reflect::has(&Object::new(), &name).unwrap_or_default();
        Key { name, is_inherited }
    }

    fn names(names: Vec<String>) -> Set {
        let set = Set::default();
        names.iter().for_each(|name| drop(set.add(&JsValue::from_str(name))));
        set
    }

    fn join(names: &Set) -> String {
        Array::from(names).join(", ").into()
    }
}
