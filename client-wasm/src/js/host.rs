//! The interface of the host, which the TypeScript of the npm package implements.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// The methods that the shell calls. None of them throws, except `connect`, which `socket.rs` has.
    pub type Host;

    /// Sets the only timer, or clears it. The host calls [`Core::timeout`](super::Core::timeout) after so many milliseconds.
    #[wasm_bindgen(method, js_name = setTimer)]
    pub(crate) fn set_timer(this: &Host, ms: Option<f64>);

    /// Asks for a token for this connection.
    #[wasm_bindgen(method)]
    pub(crate) fn token(this: &Host, connection: f64);

    /// Reports that the status of the client changed.
    #[wasm_bindgen(method)]
    pub(crate) fn status(this: &Host, status: &str);

    /// Reports that a subscription is in force.
    #[wasm_bindgen(method)]
    pub(crate) fn ready(this: &Host, subscription: f64);

    /// Reports that a subscription was resumed after a reconnect. The events that it missed follow.
    #[wasm_bindgen(method)]
    pub(crate) fn resumed(this: &Host, subscription: f64);

    /// Asks to load the data of a watched subscription. The client ignores the result of an older load.
    #[wasm_bindgen(method)]
    pub(crate) fn load(this: &Host, subscription: f64, load: f64);

    /// Delivers the event of a frame to a subscription. `decoded` says that its domain is known and the event was checked. If
    /// `is_shared`, another subscription gets the same frame after it.
    #[wasm_bindgen(method)]
    pub(crate) fn event(this: &Host, subscription: f64, frame: &JsValue, decoded: bool, is_shared: bool);

    /// Reports that a subscription may have missed something: on these topics, up to this position.
    #[wasm_bindgen(method)]
    pub(crate) fn sync(this: &Host, subscription: f64, sync: JsValue);

    /// Reports an event that is not what its domain declares. The subscription goes on.
    #[wasm_bindgen(method)]
    pub(crate) fn malformed(this: &Host, subscription: f64, error: JsValue);

    /// Reports that a subscription lost the topic that the error names, or all topics.
    #[wasm_bindgen(method)]
    pub(crate) fn failed(this: &Host, subscription: f64, error: JsValue);

    /// Reports that the server published an event.
    #[wasm_bindgen(method)]
    pub(crate) fn published(this: &Host, publish: f64, answer: JsValue);

    /// Reports that a publish failed.
    #[wasm_bindgen(method, js_name = publishFailed)]
    pub(crate) fn publish_failed(this: &Host, publish: f64, error: JsValue);

    /// Reports a domain that the server has in another form than the page.
    #[wasm_bindgen(method, js_name = otherDomain)]
    pub(crate) fn other_domain(this: &Host, domain: &str);

    /// Reports a domain that neither side knows. `nearest` is a domain with a similar name, or empty.
    #[wasm_bindgen(method, js_name = unknownDomain)]
    pub(crate) fn unknown_domain(this: &Host, domain: &str, nearest: &str);

    /// Says whether a process must keep running for the timer and the WebSocket.
    #[wasm_bindgen(method)]
    pub(crate) fn hold(this: &Host, is_wanted: bool);

    /// Reports an error that belongs to no subscription or publish.
    #[wasm_bindgen(method)]
    pub(crate) fn error(this: &Host, error: JsValue);
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Host")
    }
}
