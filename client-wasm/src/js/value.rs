//! Converts values between JavaScript and Rust.

use js_sys::{Array, JSON, Reflect};
use serde::{Serialize, Serializer, de::DeserializeOwned};
use tidings_shared::{
    RawEvent, TopicName,
    frame::{ClientFrame, FrameMembers, ServerFrame},
};
use wasm_bindgen::prelude::*;

use super::de;
use tidings_client_core::{Error, Frame, Payload};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = String)]
    fn to_string(value: &JsValue) -> String;

    // Like js_sys::JSON::parse, but the text does not become a Rust string.
    #[wasm_bindgen(js_namespace = JSON, js_name = parse, catch)]
    fn json_parse(text: &JsValue) -> Result<JsValue, JsValue>;
}

/// A payload: the JavaScript value as it was parsed from the message.
#[derive(Debug, Clone)]
pub(crate) struct JsPayload {
    value: JsValue,
    /// The frame that brought it, or `undefined`. The page's handler gets the frame's values, so none of them crosses the
    /// boundary twice.
    frame: JsValue,
}

impl JsPayload {
    pub(crate) fn value(&self) -> &JsValue {
        &self.value
    }

    /// Returns the frame that brought the payload.
    pub(crate) fn frame(&self) -> &JsValue {
        &self.frame
    }
}

/// The page gets an event from its frame.
impl Payload for JsPayload {
    type Publication = RawEvent<Self>;
}

impl Serialize for JsPayload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_wasm_bindgen::preserve::serialize(&self.value, serializer)
    }
}

#[derive(Serialize)]
struct Sync<'a> {
    topics: &'a [TopicName],
    position: &'a str,
}

#[derive(Serialize)]
struct Published<'a> {
    key: &'a str,
    position: &'a str,
    topics: &'a [String],
}

#[derive(Serialize)]
struct Failure<'a> {
    code: &'a str,
    message: &'a str,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a TopicName>,
}

pub(crate) fn sync(topics: &[TopicName], position: &str) -> JsValue {
    to_js(&Sync { topics, position })
}

pub(crate) fn published(key: &str, position: &str, topics: &[String]) -> JsValue {
    to_js(&Published { key, position, topics })
}

pub(crate) fn error(error: &Error, topic: Option<&TopicName>) -> JsValue {
    failure(error, topic, error.may_retry())
}

/// An error as an object, with its own answer to whether a retry may help.
pub(crate) fn failure(error: &Error, topic: Option<&TopicName>, retryable: bool) -> JsValue {
    to_js(&Failure { code: &error.code, message: &error.message, retryable, topic })
}

/// Makes an array of numbers.
pub(crate) fn numbers(numbers: impl Iterator<Item = u64>) -> JsValue {
    let array = Array::new();
    numbers.zip(0..).for_each(|(number, index)| array.set(index, JsValue::from_f64(number as f64)));
    array.into()
}

/// Converts a value to JavaScript. None of the shell's values fails.
pub(crate) fn to_js(value: &(impl Serialize + ?Sized)) -> JsValue {
    value
        .serialize(&serde_wasm_bindgen::Serializer::new().serialize_maps_as_objects(true))
        .unwrap_or(JsValue::UNDEFINED)
}

/// Writes a frame as JSON text.
pub(crate) fn stringify(frame: &ClientFrame<JsPayload>) -> String {
    JSON::stringify(&to_js(frame)).map(String::from).unwrap_or_default()
}

/// Reads a frame from a parsed message, member by member.
pub(crate) fn read_frame(value: JsValue) -> Result<Frame<JsPayload>, String> {
    if value.is_string() {
        json_parse(&value).map_err(|error| text(&error))?;
    }
    Ok(match ServerFrame::read(&Object(value)).map_err(|error| error.to_string())? {
        ServerFrame::Event { position, topics, event, .. } => {
            Frame::Event { position, topics, publication: event }
        }
        other => Frame::Other(other),
    })
}

/// An object whose members are not read yet.
struct Object(JsValue);

impl FrameMembers<JsPayload> for Object {
    fn optional<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, String> {
        let value = member(&self.0, name)?;
        if value.is_null() || value.is_undefined() {
            return Ok(None);
        }
        T::deserialize(de::Value(value)).map(Some).map_err(|error| error.within(name).0)
    }

    fn event(&self) -> Result<RawEvent<JsPayload>, String> {
        let mut event =
            read_event(member(&self.0, "event")?).map_err(|error| ["`event`: ", &error].concat())?;
        event.payload.frame = self.0.clone();
        Ok(event)
    }
}

/// Reads an event from its text.
pub(crate) fn parse_event(text: &str) -> Result<RawEvent<JsPayload>, String> {
    read_event(json_parse(&text.into()).map_err(|error| self::text(&error))?)
}

fn read_event(value: JsValue) -> Result<RawEvent<JsPayload>, String> {
    let missing = |name| ["`", name, "` is missing"].concat();
    let value = Object(value);
    let text = |name| value.optional(name)?.ok_or_else(|| missing(name));
    let (domain, event) = (text("domain")?, text("event")?);
    let payload = member(&value.0, "payload")?;
    if payload.is_undefined() {
        return Err(missing("payload"));
    }
    Ok(RawEvent { domain, event, payload: JsPayload { value: payload, frame: JsValue::UNDEFINED } })
}

fn read<T: DeserializeOwned>(value: JsValue) -> Result<T, String> {
    T::deserialize(de::Value(value)).map_err(|error| error.0)
}

/// Returns a member of an object.
fn member(of: &JsValue, name: &str) -> Result<JsValue, String> {
    Reflect::get(of, &name.into()).map_err(|_| "a frame must be an object".to_owned())
}

/// Reads an array of strings.
pub(crate) fn strings(array: JsValue) -> Result<Vec<String>, String> {
    read(array)
}

/// Converts a value to text, as JavaScript's `String` does.
pub(crate) fn text(value: &JsValue) -> String {
    to_string(value)
}
