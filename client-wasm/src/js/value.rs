//! Converts values between JavaScript and Rust.

use js_sys::{JSON, Object, Reflect};
use serde::{Serialize, de::DeserializeOwned};
use tidings_shared::{
    RawEvent, TopicName,
    frame::{ClientFrame, FrameMembers, ServerFrame},
};
use wasm_bindgen::prelude::*;

use super::de;
use tidings_client_core::{Error, Publication};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = String)]
    fn to_string(value: &JsValue) -> String;

    // Like js_sys::JSON::parse, but the text does not become a Rust string.
    #[wasm_bindgen(js_namespace = JSON, js_name = parse, catch)]
    fn json_parse(text: &JsValue) -> Result<JsValue, JsValue>;
}

/// A payload: the JavaScript value as it was parsed from the message.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct JsPayload(#[serde(with = "serde_wasm_bindgen::preserve")] JsValue);

impl JsPayload {
    pub(crate) fn value(&self) -> &JsValue {
        &self.0
    }
}

/// The second argument of a page's event handler.
#[derive(Serialize)]
struct Meta<'a> {
    topics: &'a [TopicName],
    position: &'a str,
    key: &'a str,
    at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a str>,
    decoded: bool,
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

pub(crate) fn meta(publication: &Publication<JsPayload>, topics: &[TopicName], decoded: bool) -> JsValue {
    let Publication { position, key, at, origin, .. } = publication;
    to_js(&Meta { topics, position, key, at: *at, origin: origin.as_deref(), decoded })
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

/// Converts an event with its payload.
pub(crate) fn event(event: &RawEvent<JsPayload>) -> JsValue {
    to_js(event)
}

/// Reads a frame from the text of a message.
pub(crate) fn parse_frame(text: &JsValue) -> Result<ServerFrame<JsPayload>, String> {
    let value = json_parse(text).map_err(|error| self::text(&error))?;
    ServerFrame::read(&Frame(value)).map_err(|error| error.to_string())
}

/// A frame whose members are not read yet.
struct Frame(JsValue);

impl FrameMembers<JsPayload> for Frame {
    fn optional<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, String> {
        let value = member(&self.0, name)?;
        if value.is_null() || value.is_undefined() {
            return Ok(None);
        }
        T::deserialize(de::Value(value)).map(Some).map_err(|error| error.within(name).0)
    }

    fn event(&self) -> Result<RawEvent<JsPayload>, String> {
        read_event(member(&self.0, "event")?).map_err(|error| ["`event`: ", &error].concat())
    }
}

/// Reads an event from its text.
pub(crate) fn parse_event(text: &str) -> Result<RawEvent<JsPayload>, String> {
    read_event(json_parse(&text.into()).map_err(|error| self::text(&error))?)
}

fn read_event(value: JsValue) -> Result<RawEvent<JsPayload>, String> {
    let missing = |name| ["`", name, "` is missing"].concat();
    let value = Frame(value);
    let text = |name| value.optional(name)?.ok_or_else(|| missing(name));
    let (domain, event) = (text("domain")?, text("event")?);
    let Found(payload) = Found(value.0).member("payload").ok_or_else(|| missing("payload"))?;
    Ok(RawEvent { domain, event, payload: JsPayload(payload) })
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

/// A value in a payload.
pub(crate) struct Found(pub(crate) JsValue);

impl Found {
    /// Returns an own member of the object.
    pub(crate) fn member(&self, name: &str) -> Option<Self> {
        let name = JsValue::from_str(name);
        let is_own = Object::has_own(self.0.unchecked_ref::<Object>(), &name);
        is_own.then(|| Self(Reflect::get(&self.0, &name).unwrap_or_default()))
    }
}
