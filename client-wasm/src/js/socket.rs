//! The WebSocket of a client.

use tidings_shared::frame::SUBPROTOCOL;
use wasm_bindgen::prelude::*;
use web_sys::WebSocket;

use super::host::Host;
use tidings_client_core::ConnectionId;

#[wasm_bindgen]
extern "C" {
    /// Begins to open a WebSocket, and throws if the browser refuses the address. The host reports what the WebSocket does by
    /// [`Core::opened`](super::Core::opened), `message`, `failed` and `closed`, with this connection, and never before
    /// this returns. In a test, the host may return an object that behaves like a WebSocket.
    #[wasm_bindgen(method, catch)]
    fn connect(this: &Host, connection: f64, url: &str, protocol: &str) -> Result<WebSocket, JsValue>;
}

/// A WebSocket. The host has opened it, and reports its events. Dropping it removes the handlers and closes it.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) connection: ConnectionId,
    socket: WebSocket,
}

impl Socket {
    /// Lets the host begin to connect.
    pub(crate) fn open(url: &str, host: &Host, connection: ConnectionId) -> Result<Self, JsValue> {
        let socket = host.connect(connection.0 as f64, url, SUBPROTOCOL)?;
        Ok(Self { connection, socket })
    }

    /// Sends a text. Does nothing on a WebSocket that is closing: its close event follows.
    pub(crate) fn send(&self, text: &str) {
        let _ = self.socket.send_with_str(text);
    }

    /// Closes the WebSocket. The close event follows, as if the server had closed it.
    pub(crate) fn close(&self) {
        let _ = self.socket.close_with_code(NORMAL);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The handler of errors stays. With the package `ws`, an error without a handler ends the process.
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        self.close();
    }
}

/// The only close code of the protocol that a browser lets a page send.
const NORMAL: u16 = 1000;
