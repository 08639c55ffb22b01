//! The WebSocket that the host opens. No other file uses it.

use js_sys::Function;
use tidings_shared::frame::SUBPROTOCOL;
use wasm_bindgen::prelude::*;
use web_sys::{CloseEvent, WebSocket};

use super::host::Host;

#[wasm_bindgen]
extern "C" {
    /// Begins to open a WebSocket, and throws if the browser refuses the address. In a test, the host may return an object
    /// that behaves like a WebSocket.
    #[wasm_bindgen(method, catch)]
    fn open(this: &Host, url: &str, protocol: &str) -> Result<WebSocket, JsValue>;
}

/// An event of a WebSocket.
pub(crate) enum SocketEvent {
    Open,
    /// A message of the server.
    Message {
        /// The frame, parsed but not checked. A message that is no JSON is here as it came.
        frame: JsValue,
        /// The parts of an event that the core needs, in one text, so that they cross the boundary at once. One line each:
        /// the number of its topics, its position, its domain, its name, and its topics. Absent if the frame is no event, or
        /// not a usual one.
        head: Option<String>,
        /// The payload of an event with a head.
        payload: JsValue,
    },
    /// It gives no reason. A close usually follows. It does not follow if the WebSocket never opened in Node.js 20 and 22, or
    /// if the page's policy forbids the connection in Chromium.
    Error,
    /// With the close code.
    Closed(u16),
}

/// A WebSocket and its handlers. Dropping it removes the handlers and closes the WebSocket.
pub(crate) struct Socket {
    socket: WebSocket,
    /// They live as long as the browser may call them.
    _handlers: Handlers,
    /// The handler for errors after the others are removed.
    ignore: Function,
}

type Handler<E> = Closure<dyn Fn(E)>;
type MessageHandler = Closure<dyn Fn(JsValue, Option<String>, JsValue)>;
type Handlers = (Handler<JsValue>, MessageHandler, Handler<JsValue>, Handler<CloseEvent>);

impl Socket {
    /// Lets the host begin to connect. The WebSocket calls `on` for each event, but never before this returns.
    pub(crate) fn open(
        url: &str,
        host: &Host,
        on: impl Fn(SocketEvent) + Clone + 'static,
    ) -> Result<Self, JsValue> {
        let socket = host.open(url, SUBPROTOCOL)?;
        let (on_open, on_message, on_error, on_close) = (on.clone(), on.clone(), on.clone(), on);
        let open = Closure::new(move |_| on_open(SocketEvent::Open));
        let message = Closure::new(move |frame, head, payload| {
            on_message(SocketEvent::Message { frame, head, payload })
        });
        let error = Closure::new(move |_| on_error(SocketEvent::Error));
        let close = Closure::new(move |event: CloseEvent| on_close(SocketEvent::Closed(event.code())));
        let guard = |handler: &JsValue| -> Function { host.guard(handler.unchecked_ref()) };
        socket.set_onopen(Some(&guard(open.as_ref())));
        socket.set_onmessage(Some(&host.messages(message.as_ref().unchecked_ref())));
        socket.set_onerror(Some(&guard(error.as_ref())));
        socket.set_onclose(Some(&guard(close.as_ref())));
        Ok(Self { socket, _handlers: (open, message, error, close), ignore: host.ignore() })
    }

    /// Sends a text. Does nothing on a WebSocket that is closing: its close event follows.
    pub(crate) fn send(&self, text: &str) {
        let _ = self.socket.send_with_str(text);
    }

    /// Returns the browser's object.
    pub(crate) fn value(&self) -> JsValue {
        self.socket.clone().into()
    }

    /// Closes the WebSocket. The close event follows, as if the server had closed it.
    pub(crate) fn close(&self) {
        let _ = self.socket.close_with_code(NORMAL);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        // With the package `ws`, an error without a handler ends the process, for example when it closes while it connects.
        self.socket.set_onerror(Some(&self.ignore));
        self.socket.set_onclose(None);
        let _ = self.socket.close_with_code(NORMAL);
    }
}

/// The only close code of the protocol that a browser lets a page send.
const NORMAL: u16 = 1000;
