//! The browser's WebSocket: the one file that knows it.
//!
//! Declared by hand, because messages go in and out as JavaScript strings: their text never becomes Rust's.

use tidings_shared::frame::SUBPROTOCOL;
use wasm_bindgen::prelude::*;

use super::host::Host;

#[wasm_bindgen]
extern "C" {
    type WebSocket;

    #[wasm_bindgen(constructor, catch)]
    fn new(url: &str, protocol: &str) -> Result<WebSocket, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn send(this: &WebSocket, text: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(method)]
    fn close(this: &WebSocket, code: u16);

    #[wasm_bindgen(method, setter)]
    fn set_onopen(this: &WebSocket, handler: &JsValue);

    #[wasm_bindgen(method, setter)]
    fn set_onmessage(this: &WebSocket, handler: &JsValue);

    #[wasm_bindgen(method, setter)]
    fn set_onclose(this: &WebSocket, handler: &JsValue);

    /// What handlers get: a message has `data`, a close has `code`.
    type Event;

    #[wasm_bindgen(method, getter)]
    fn data(this: &Event) -> JsValue;

    #[wasm_bindgen(method, getter)]
    fn code(this: &Event) -> u16;
}

/// What happens to a WebSocket.
pub(crate) enum Happening {
    Open,
    /// Its text.
    Message(JsValue),
    /// With its code. An `error` event tells nothing more and is always followed by this.
    Closed(u16),
}

/// A WebSocket and its handlers. Dropping it detaches these and closes it.
pub(crate) struct Socket {
    socket: WebSocket,
    /// Alive for as long as the browser may call them.
    _handlers: [Handler; 3],
}

type Handler = Closure<dyn Fn(Event)>;

impl Socket {
    /// Begins to connect; `on` hears of everything from then on, but never before this returns.
    pub(crate) fn open(
        url: &str,
        host: &Host,
        on: impl Fn(Happening) + Clone + 'static,
    ) -> Result<Self, JsValue> {
        let socket = WebSocket::new(url, SUBPROTOCOL)?;
        let (on_open, on_message, on_close) = (on.clone(), on.clone(), on);
        let open = Handler::new(move |_| on_open(Happening::Open));
        let message = Handler::new(move |event: Event| on_message(Happening::Message(event.data())));
        let close = Handler::new(move |event: Event| on_close(Happening::Closed(event.code())));
        let guard = |handler: &Handler| host.guard(handler.as_ref());
        socket.set_onopen(&guard(&open));
        socket.set_onmessage(&guard(&message));
        socket.set_onclose(&guard(&close));
        Ok(Self { socket, _handlers: [open, message, close] })
    }

    /// Sends a text. On a socket that is closing this does nothing: its close is about to be heard of.
    pub(crate) fn send(&self, text: &JsValue) {
        let _ = self.socket.send(text);
    }

    /// Closes; that is heard of as if the other side had done it.
    pub(crate) fn close(&self) {
        self.socket.close(NORMAL);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(&JsValue::NULL);
        self.socket.set_onmessage(&JsValue::NULL);
        self.socket.set_onclose(&JsValue::NULL);
        self.socket.close(NORMAL);
    }
}

/// The only close code of the protocol that a browser lets a page send.
const NORMAL: u16 = 1000;
