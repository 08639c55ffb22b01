//! A well-behaved WebSocket client, as any generic tool is one.

use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    Error, Message, WebSocket, client::IntoClientRequest, protocol::frame::coding::CloseCode,
};

use crate::{Server, http::connect};

/// A client over one WebSocket. WebSocket pings are answered by themselves while it reads.
#[derive(Debug)]
pub struct Client(WebSocket<TcpStream>);

/// What a client reads.
#[derive(Debug, PartialEq)]
pub enum Incoming {
    /// A frame of the protocol.
    Frame(Value),
    /// The server's Close: code and reason.
    Close(u16, String),
    /// The end of the connection, without a Close.
    Gone,
}

impl Client {
    /// Connects to a server process, without a hello.
    #[track_caller]
    pub fn connect(server: &Server) -> Self {
        Self::connect_to(server.address())
    }

    /// Connects to whatever listens there, without a hello.
    #[track_caller]
    pub fn connect_to(address: SocketAddr) -> Self {
        let request = format!("ws://{address}/v1/ws").into_client_request().expect("a good URL");
        let (socket, _) =
            tokio_tungstenite::tungstenite::client(request, connect(address)).expect("an upgrade");
        Self(socket)
    }

    /// Connects and is welcomed.
    #[track_caller]
    pub fn hello(server: &Server) -> Self {
        Self::hello_to(server.address())
    }

    /// Connects to whatever listens there and is welcomed.
    #[track_caller]
    pub fn hello_to(address: SocketAddr) -> Self {
        let mut client = Self::connect_to(address);
        client.send(&json!({ "op": "hello" }));
        client.expect("welcome");
        client
    }

    /// Connects with a token and is welcomed.
    #[track_caller]
    pub fn with_token(server: &Server, token: &str) -> Self {
        let mut client = Self::connect(server);
        client.send(&json!({ "op": "hello", "token": token }));
        client.expect("welcome");
        client
    }

    /// Connects, is welcomed, and subscribes to topics that must all be accepted.
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

    /// Sends what may come too late: the server may have closed by now.
    pub fn try_send(&mut self, message: Message) -> bool {
        self.0.send(message).is_ok()
    }

    /// Reads what comes next; the deadline over, fails.
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

    /// Reads the next frame, the server's own pings passed over.
    #[track_caller]
    pub fn next_frame(&mut self) -> Value {
        loop {
            match self.read() {
                Incoming::Frame(frame) if frame["op"] == "ping" => {}
                Incoming::Frame(frame) => return frame,
                other => panic!("a frame was to come, and not {other:?}"),
            }
        }
    }

    /// Reads the next frame, which must be of this operation.
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

    /// Subscribes to topics, all of which must have this outcome; returns the `subscribed`.
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
            other => panic!("a Close with {close} was to come, and not {other:?}"),
        }
        assert_eq!(self.read(), Incoming::Gone);
    }

    /// Closes as one should, and waits until the server has let go.
    #[track_caller]
    pub fn close(mut self) {
        self.0.close(None).expect("a Close can be sent");
        while self.read() != Incoming::Gone {}
    }
}

/// Whether a read only took too long.
pub(crate) fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}
