//! What the TypeScript shell gives the core.

use js_sys::Function;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// The methods that the core calls. None of them throws.
    pub type Host;

    /// Wraps a callback of the core before it is handed to the browser, so that the host hears of it when the core
    /// fails in there.
    #[wasm_bindgen(method)]
    pub(crate) fn guard(this: &Host, callback: &Function) -> Function;

    /// A function that does nothing.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn ignore(this: &Host) -> Function;

    /// A token is needed for this connection.
    #[wasm_bindgen(method)]
    pub(crate) fn token(this: &Host, connection: f64);

    /// The client stands somewhere else now.
    #[wasm_bindgen(method)]
    pub(crate) fn status(this: &Host, status: &str);

    /// A subscription is in force.
    #[wasm_bindgen(method)]
    pub(crate) fn ready(this: &Host, subscription: f64);

    /// The connection is back, and what a subscription missed follows.
    #[wasm_bindgen(method)]
    pub(crate) fn resumed(this: &Host, subscription: f64);

    /// The data of a watched subscription is to be loaded; a load that runs counts for nothing any more.
    #[wasm_bindgen(method)]
    pub(crate) fn load(this: &Host, subscription: f64, load: f64);

    /// An event for a subscription; `is_shared` if another one gets the same object after it.
    #[wasm_bindgen(method)]
    pub(crate) fn event(this: &Host, subscription: f64, event: &JsValue, meta: JsValue, is_shared: bool);

    /// A subscription may have missed something: the topics, and the position after which everything follows.
    #[wasm_bindgen(method)]
    pub(crate) fn sync(this: &Host, subscription: f64, sync: JsValue);

    /// An event for a subscription is not what its domain declares; the subscription goes on.
    #[wasm_bindgen(method)]
    pub(crate) fn malformed(this: &Host, subscription: f64, error: JsValue);

    /// A subscription lost the topic that the error names, or all of them.
    #[wasm_bindgen(method)]
    pub(crate) fn failed(this: &Host, subscription: f64, error: JsValue);

    /// A publish was answered.
    #[wasm_bindgen(method)]
    pub(crate) fn published(this: &Host, publish: f64, answer: JsValue);

    /// A publish failed.
    #[wasm_bindgen(method, js_name = publishFailed)]
    pub(crate) fn publish_failed(this: &Host, publish: f64, error: JsValue);

    /// The server has other domains than this core.
    #[wasm_bindgen(method, js_name = otherSchema)]
    pub(crate) fn other_schema(this: &Host, server: &str);

    /// Nobody knows a domain; the nearest one is empty where none is near.
    #[wasm_bindgen(method, js_name = unknownDomain)]
    pub(crate) fn unknown_domain(this: &Host, domain: &str, nearest: &str);

    /// Whether the timer and the WebSocket, if there are any, are reasons for a process to go on.
    #[wasm_bindgen(method)]
    pub(crate) fn hold(this: &Host, timer: JsValue, socket: JsValue, is_wanted: bool);

    /// Something went wrong that no subscription or publish stands for.
    #[wasm_bindgen(method)]
    pub(crate) fn error(this: &Host, error: JsValue);
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Host")
    }
}
