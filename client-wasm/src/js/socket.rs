//! The browser's WebSocket: the one file that knows it.

use js_sys::Function;
use tidings_shared::frame::SUBPROTOCOL;
use wasm_bindgen::prelude::*;
use web_sys::{CloseEvent, MessageEvent, WebSocket};

use super::host::Host;

/// What happens to a WebSocket.
pub(crate) enum Happening {
    Open,
    /// Its text.
    Message(JsValue),
    /// It says nothing of what is wrong. A close follows as a rule. None does where the WebSocket never opened in
    /// Node.js 20 and 22, nor in Chromium where the page's policy forbids the connection.
    Error,
    /// With its code.
    Closed(u16),
}

/// A WebSocket and its handlers. Dropping it detaches these and closes it.
pub(crate) struct Socket {
    socket: WebSocket,
    /// Alive for as long as the browser may call them.
    _handlers: (Handler<JsValue>, Handler<MessageEvent>, Handler<JsValue>, Handler<CloseEvent>),
    /// Takes the errors that nobody waits for any more.
    ignore: Function,
}

type Handler<E> = Closure<dyn Fn(E)>;

impl Socket {
    /// Begins to connect; `on` hears of everything from then on, but never before this returns.
    pub(crate) fn open(
        url: &str,
        host: &Host,
        on: impl Fn(Happening) + Clone + 'static,
    ) -> Result<Self, JsValue> {
        let socket = WebSocket::new_with_str(url, SUBPROTOCOL)?;
        let (on_open, on_message, on_error, on_close) = (on.clone(), on.clone(), on.clone(), on);
        let open = Closure::new(move |_| on_open(Happening::Open));
        let message = Closure::new(move |event: MessageEvent| on_message(Happening::Message(event.data())));
        let error = Closure::new(move |_| on_error(Happening::Error));
        let close = Closure::new(move |event: CloseEvent| on_close(Happening::Closed(event.code())));
        let guard = |handler: &JsValue| -> Function { host.guard(handler.unchecked_ref()) };
        socket.set_onopen(Some(&guard(open.as_ref())));
        socket.set_onmessage(Some(&guard(message.as_ref())));
        socket.set_onerror(Some(&guard(error.as_ref())));
        socket.set_onclose(Some(&guard(close.as_ref())));
        Ok(Self { socket, _handlers: (open, message, error, close), ignore: host.ignore() })
    }

    /// Sends a text. On a socket that is closing this does nothing: its close is about to be heard of.
    pub(crate) fn send(&self, text: &str) {
        let _ = self.socket.send_with_str(text);
    }

    /// The browser's own.
    pub(crate) fn value(&self) -> JsValue {
        self.socket.clone().into()
    }

    /// Closes; that is heard of as if the other side had done it.
    pub(crate) fn close(&self) {
        let _ = self.socket.close_with_code(NORMAL);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        // The package `ws` ends the process by an error that nobody hears, such as that of a close while it connects.
        self.socket.set_onerror(Some(&self.ignore));
        self.socket.set_onclose(None);
        let _ = self.socket.close_with_code(NORMAL);
    }
}

/// The only close code of the protocol that a browser lets a page send.
const NORMAL: u16 = 1000;
