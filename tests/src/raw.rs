//! A WebSocket whose every byte a test controls, for messages that no good client sends.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Instant,
};

use serde_json::Value;
use tidings_shared::limits::CLOSE_TIMEOUT;

use crate::{Request, Response, http::connect};

/// The key of the example in RFC 6455, for which the RFC also gives the answer.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The answer to that key: RFC 6455, section 1.3.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A frame's opcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opcode(pub u8);

impl Opcode {
    /// Continues a message.
    pub const CONTINUATION: Self = Self(0);
    /// Begins a text message.
    pub const TEXT: Self = Self(1);
    /// Begins a binary message.
    pub const BINARY: Self = Self(2);
    /// A Close.
    pub const CLOSE: Self = Self(8);
    /// A ping.
    pub const PING: Self = Self(9);
    /// A pong.
    pub const PONG: Self = Self(10);
}

/// A frame, right or wrong.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Whether the message ends here.
    pub is_final: bool,
    /// The three reserved bits.
    pub reserved: u8,
    /// The opcode.
    pub opcode: Opcode,
    /// Whether it is masked, as a client must.
    pub is_masked: bool,
    /// The length in the header, if it is not the payload's.
    pub claimed: Option<u64>,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Returns a valid frame that is a whole message.
    pub fn new(opcode: Opcode, payload: impl Into<Vec<u8>>) -> Self {
        Self { is_final: true, reserved: 0, opcode, is_masked: true, claimed: None, payload: payload.into() }
    }

    /// Returns a text message.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Opcode::TEXT, text.into())
    }

    /// Returns the frame without the end of its message.
    #[must_use]
    pub fn unfinished(mut self) -> Self {
        self.is_final = false;
        self
    }

    /// Returns the bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
        let mut bytes = vec![u8::from(self.is_final) << 7 | self.reserved << 4 | self.opcode.0];
        let masked = u8::from(self.is_masked) << 7;
        let length = self.claimed.unwrap_or(self.payload.len() as u64);
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(length @ ..126), _) => bytes.push(masked | length),
            (_, Ok(length)) => {
                bytes.push(masked | 126);
                bytes.extend(length.to_be_bytes());
            }
            _ => {
                bytes.push(masked | 127);
                bytes.extend(length.to_be_bytes());
            }
        }
        if self.is_masked {
            bytes.extend(MASK);
        }
        let start = bytes.len();
        bytes.extend(&self.payload);
        if self.is_masked {
            // By words, because an unoptimised test masks many megabytes.
            let (words, rest) = bytes[start..].as_chunks_mut();
            for word in words {
                *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(MASK)).to_ne_bytes();
            }
            rest.iter_mut().zip(MASK).for_each(|(byte, mask)| *byte ^= mask);
        }
        bytes
    }
}

/// An upgraded connection that does nothing by itself.
#[derive(Debug)]
pub struct RawSocket(BufReader<TcpStream>);

impl RawSocket {
    /// Returns the request of a valid handshake, which a test may change.
    pub fn handshake() -> Request {
        Request::get("/v1/ws")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", KEY)
    }

    /// Connects and upgrades.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::connect_with(connect(address), &[])
    }

    /// Upgrades a connection, and sends these bytes together with the request.
    #[track_caller]
    pub fn connect_with(stream: TcpStream, ahead: &[u8]) -> Self {
        Self::upgrade(stream, "/v1/ws", ahead)
    }

    /// Connects to the echo of `tidings serve --echo`.
    #[track_caller]
    pub fn echo(address: SocketAddr) -> Self {
        Self::upgrade(connect(address), "/v1/echo", &[])
    }

    #[track_caller]
    fn upgrade(stream: TcpStream, path: &str, ahead: &[u8]) -> Self {
        Self::try_upgrade(stream, path, "", ahead).unwrap_or_else(|answer| panic!("{answer:?}"))
    }

    /// Connects and upgrades, with these headers. The error is the refusal.
    pub fn with_headers(address: SocketAddr, headers: &[(&str, &str)]) -> Result<Self, Response> {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Self::try_upgrade(connect(address), "/v1/ws", &lines, &[])
    }

    /// Connects as a proxy for a client. The last of these addresses is the client's. The error is the refusal.
    #[track_caller]
    pub fn forwarded(address: SocketAddr, addresses: &str) -> Result<Self, Response> {
        Self::try_upgrade(connect(address), "/v1/ws", &format!("X-Forwarded-For: {addresses}\r\n"), &[])
    }

    #[track_caller]
    fn try_upgrade(stream: TcpStream, path: &str, header: &str, ahead: &[u8]) -> Result<Self, Response> {
        let mut socket = Self(BufReader::new(stream));
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{header}\r\n"
        );
        socket.write(&[head.as_bytes(), ahead].concat());
        let answer = Response::read(&mut socket.0);
        if answer.status != 101 {
            return Err(answer);
        }
        assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT), "{answer:?}");
        Ok(socket)
    }

    /// Connects, upgrades, and says hello.
    #[track_caller]
    pub fn hello(address: SocketAddr) -> Self {
        let mut socket = Self::connect(address);
        socket.send(&Frame::text(r#"{"op":"hello"}"#));
        assert_eq!(socket.next_frame()["op"], "welcome");
        socket
    }

    /// Writes bytes.
    #[track_caller]
    pub fn write(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("the server takes what it is sent");
    }

    /// Writes bytes, although the server may have closed the connection.
    pub fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.0.get_mut().write_all(bytes).is_ok()
    }

    /// Writes a frame.
    #[track_caller]
    pub fn send(&mut self, frame: &Frame) {
        self.write(&frame.bytes());
    }

    /// Ends the writing side of the connection without a Close.
    pub fn shut_down(&self) {
        self.0.get_ref().shutdown(Shutdown::Write).expect("the connection is there");
    }

    /// Reads a WebSocket frame, which must be whole and unmasked. Returns `None` at the end of the stream.
    #[track_caller]
    pub fn read(&mut self) -> Option<(Opcode, Vec<u8>)> {
        match self.0.fill_buf() {
            Ok([]) => return None,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
            other => assert!(other.is_ok(), "nothing came before the deadline: {other:?}"),
        }
        let mut bytes = |count: usize| {
            let mut bytes = vec![0; count];
            self.0.read_exact(&mut bytes).expect("the rest of a frame comes");
            bytes
        };
        let head = bytes(2);
        assert_eq!((head[0] & 0xf0, head[1] & 0x80), (0x80, 0), "whole, unmasked, no extension");
        let big_endian =
            |bytes: Vec<u8>| bytes.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        let length = match head[1] {
            126 => big_endian(bytes(2)),
            127 => big_endian(bytes(8)),
            length => usize::from(length),
        };
        Some((Opcode(head[0] & 0x0f), bytes(length)))
    }

    /// Reads the next text message as a frame of the protocol.
    #[track_caller]
    pub fn next_frame(&mut self) -> Value {
        loop {
            match self.read() {
                Some((Opcode::TEXT, payload)) => {
                    return serde_json::from_slice(&payload).expect("a frame is JSON");
                }
                Some((Opcode::PING | Opcode::PONG, _)) => {}
                other => panic!("expected a frame, got {other:?}"),
            }
        }
    }

    /// Reads until a Close, and then the end of the stream. Returns the code of the Close, if it has one.
    #[track_caller]
    pub fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.read() {
                Some((Opcode::CLOSE, payload)) => {
                    // A server ends the connection after the client's Close, or after its end.
                    let _ = self.0.get_ref().shutdown(Shutdown::Write);
                    assert_eq!(self.read(), None, "something came after the Close");
                    return payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                }
                Some(_) => {}
                None => panic!("the connection ended without a Close"),
            }
        }
    }

    /// Reads the end of the stream. The server must end it soon, by itself, and without a reset.
    #[track_caller]
    pub fn expect_end(&mut self) {
        let start = Instant::now();
        let end = self.0.fill_buf();
        assert!(matches!(end, Ok([])), "expected the end of the stream, got {end:?}");
        assert!(start.elapsed() < CLOSE_TIMEOUT * 4 / 5, "the server waited before it ended the connection");
    }
}
