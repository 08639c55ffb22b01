//! Between JavaScript's values and Rust's.

use serde::{Deserialize, Serialize};
use tidings_shared::{
    RawEvent, TopicName,
    frame::{ClientFrame, ServerFrame, ServerMembers},
};
use wasm_bindgen::prelude::*;

use crate::core::{Error, Publication};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = JSON, js_name = parse, catch)]
    fn json_parse(text: &JsValue) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = JSON, js_name = stringify)]
    fn json_stringify(value: &JsValue) -> JsValue;

    #[wasm_bindgen(js_name = String)]
    fn to_string(value: &JsValue) -> String;
}

/// A payload: the JavaScript value that was parsed from the message, as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct JsPayload(#[serde(with = "serde_wasm_bindgen::preserve")] JsValue);

impl JsPayload {
    pub(crate) fn value(&self) -> &JsValue {
        &self.0
    }
}

/// What a subscriber learns of an event beside the event.
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

pub(crate) fn published(key: &str, position: &str, topics: &[String]) -> JsValue {
    to_js(&Published { key, position, topics })
}

pub(crate) fn error(error: &Error, topic: Option<&TopicName>) -> JsValue {
    to_js(&Failure { code: &error.code, message: &error.message, retryable: error.may_retry(), topic })
}

/// A value of ours as JavaScript's. None of ours fails to be one.
pub(crate) fn to_js(value: &impl Serialize) -> JsValue {
    value.serialize(&serde_wasm_bindgen::Serializer::new()).unwrap_or(JsValue::UNDEFINED)
}

/// The text of a frame, as JavaScript's string.
pub(crate) fn stringify(frame: &ClientFrame<JsPayload>) -> JsValue {
    json_stringify(&to_js(frame))
}

/// Reads a frame from the text of a message.
pub(crate) fn parse_frame(text: &JsValue) -> Result<ServerFrame<JsPayload>, String> {
    let members: ServerMembers<JsPayload> = parse(text)?;
    members.try_into().map_err(|error: tidings_shared::frame::FrameError| error.to_string())
}

/// Reads an event from its text.
pub(crate) fn parse_event(text: &str) -> Result<RawEvent<JsPayload>, String> {
    parse(&text.into())
}

fn parse<T: for<'de> Deserialize<'de>>(text: &JsValue) -> Result<T, String> {
    let value = json_parse(text).map_err(|error| self::text(&error))?;
    serde_wasm_bindgen::from_value(value).map_err(|error| without_prefix(&error.to_string()).to_owned())
}

/// What JavaScript would print of a value.
pub(crate) fn text(value: &JsValue) -> String {
    to_string(value)
}

/// The message of a JavaScript error without its class.
pub(crate) fn without_prefix(message: &str) -> &str {
    message.strip_prefix("Error: ").unwrap_or(message)
}
