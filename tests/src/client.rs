//! A WebSocket client that keeps to the rules, as any generic tool does.

use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    Error, HandshakeError, Message, WebSocket, client::IntoClientRequest, protocol::frame::coding::CloseCode,
};

use crate::{Server, http::connect};

/// A client over one WebSocket. While it reads, it answers WebSocket pings.
#[derive(Debug)]
pub struct Client(WebSocket<TcpStream>);

/// A message that a client reads.
#[derive(Debug, PartialEq)]
pub enum Incoming {
    /// A frame of the protocol.
    Frame(Value),
    /// The server's Close: code and reason.
    Close(u16, String),
    /// The end of the connection without a Close.
    Gone,
}

impl Client {
    /// Connects to a server process, without a hello.
    #[track_caller]
    pub fn connect(server: &Server) -> Self {
        Self::connect_to(server.address())
    }

    /// Connects to an address, without a hello.
    #[track_caller]
    pub fn connect_to(address: SocketAddr) -> Self {
        Self::try_connect(address, &[]).expect("an upgrade")
    }

    /// Connects with more headers in the handshake, as a page does. The error is the status of the refusal.
    ///
    /// # Errors
    /// The server refuses the handshake.
    #[track_caller]
    pub fn try_connect(address: SocketAddr, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let mut request = format!("ws://{address}/v1/ws").into_client_request().expect("a good URL");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        match tokio_tungstenite::tungstenite::client(request, connect(address)) {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
            Err(error) => panic!("no answer to the handshake: {error}"),
        }
    }

    /// Connects, and says hello.
    #[track_caller]
    pub fn hello(server: &Server) -> Self {
        Self::hello_to(server.address())
    }

    /// Connects to an address, and says hello.
    #[track_caller]
    pub fn hello_to(address: SocketAddr) -> Self {
        let mut client = Self::connect_to(address);
        client.send(&json!({ "op": "hello" }));
        client.expect("welcome");
        client
    }

    /// Connects, and says hello with a token.
    #[track_caller]
    pub fn with_token(server: &Server, token: &str) -> Self {
        let mut client = Self::connect(server);
        client.send(&json!({ "op": "hello", "token": token }));
        client.expect("welcome");
        client
    }

    /// Connects, says hello, and subscribes to topics. All topics must be accepted.
    #[track_caller]
    pub fn subscribed(server: &Server, topics: &[&str]) -> Self {
        let mut client = Self::hello(server);
        client.subscribe(topics, None, "live");
        client
    }

    /// Sends a frame.
    #[track_caller]
    pub fn send(&mut self, frame: &Value) {
        self.send_message(Message::text(frame.to_string()));
    }

    /// Sends any message.
    #[track_caller]
    pub fn send_message(&mut self, message: Message) {
        self.0.send(message).expect("the server takes what it is sent");
    }

    /// Sends a frame, although the server may have closed the connection.
    pub fn try_send(&mut self, message: Message) -> bool {
        self.0.send(message).is_ok()
    }

    /// Returns the connection, for a reader that only takes the bytes.
    pub fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }

    /// Reads the next message. Fails after the deadline.
    #[track_caller]
    pub fn read(&mut self) -> Incoming {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => {
                    let frame = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
                    return Incoming::Frame(frame);
                }
                Ok(Message::Close(frame)) => {
                    let (code, reason) = frame.map_or((CloseCode::Status, String::new()), |frame| {
                        (frame.code, frame.reason.as_str().to_owned())
                    });
                    return Incoming::Close(code.into(), reason);
                }
                Ok(Message::Binary(bytes)) => panic!("a binary message came: {bytes:?}"),
                Ok(_) => {}
                Err(Error::Io(error)) if is_timeout(&error) => panic!("nothing came before the deadline"),
                Err(_) => return Incoming::Gone,
            }
        }
    }

    /// Reads the next frame that is not a ping of the server.
    #[track_caller]
    pub fn next_frame(&mut self) -> Value {
        loop {
            match self.read() {
                Incoming::Frame(frame) if frame["op"] == "ping" => {}
                Incoming::Frame(frame) => return frame,
                other => panic!("expected a frame, got {other:?}"),
            }
        }
    }

    /// Reads the next frame, which must have this `op`.
    #[track_caller]
    pub fn expect(&mut self, op: &str) -> Value {
        let frame = self.next_frame();
        assert_eq!(frame["op"], op, "{frame}");
        frame
    }

    /// Sends a frame and reads the next one.
    #[track_caller]
    pub fn ask(&mut self, frame: &Value) -> Value {
        self.send(frame);
        self.next_frame()
    }

    /// Subscribes to topics, which must all have this outcome. Returns the `subscribed`.
    #[track_caller]
    pub fn subscribe(&mut self, topics: &[&str], since: Option<&str>, outcome: &str) -> Value {
        let mut frame = json!({ "op": "subscribe", "ref": 1, "topics": topics });
        if let Some(since) = since {
            frame["since"] = since.into();
        }
        let answer = self.ask(&frame);
        assert_eq!((&answer["op"], &answer["ref"]), (&json!("subscribed"), &json!(1)), "{answer}");
        let expected: Vec<Value> =
            topics.iter().map(|topic| json!({ "topic": topic, "outcome": outcome })).collect();
        assert_eq!(answer["topics"], json!(expected), "{answer}");
        answer
    }

    /// Reads an `error` with this code, then a Close with that code, then the end of the connection.
    #[track_caller]
    pub fn expect_end(&mut self, code: &str, close: u16) {
        let error = self.expect("error");
        assert_eq!(error["code"], code, "{error}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
        self.expect_close(close);
    }

    /// Reads a Close with this code, then the end of the connection.
    #[track_caller]
    pub fn expect_close(&mut self, close: u16) {
        match self.read() {
            Incoming::Close(code, _) if code == close => {}
            other => panic!("expected a Close with {close}, got {other:?}"),
        }
        assert_eq!(self.read(), Incoming::Gone);
    }

    /// Closes with a closing handshake, and waits for the end of the connection.
    #[track_caller]
    pub fn close(mut self) {
        self.0.close(None).expect("a Close can be sent");
        while self.read() != Incoming::Gone {}
    }
}

/// Whether this is the error of a read that took too long.
pub(crate) fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}
