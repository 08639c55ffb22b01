//! A tiny HTTP/1.1 client that sends what it is told to and nothing else.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

use crate::DEADLINE;

/// A request; one connection each.
#[derive(Debug)]
pub struct Request {
    head: String,
    body: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Request {
    /// A request with a `Host` and nothing else.
    pub fn new(method: &str, path: &str) -> Self {
        Self { head: format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n"), body: Vec::new() }
    }

    /// A `GET`.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A `POST`.
    pub fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let _ = write!(self.head, "{name}: {value}\r\n");
        self
    }

    /// Sets the body and its length.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len();
        self.header("Content-Length", &length.to_string())
    }

    /// Sends it and reads the answer.
    #[track_caller]
    pub fn send(self, address: SocketAddr) -> Response {
        let mut stream = connect(address);
        let mut bytes = self.header("Connection", "close");
        bytes.head.push_str("\r\n");
        // A server may answer, and close, before it has read a body that is too long.
        let _ = stream.write_all(&[bytes.head.as_bytes(), &bytes.body].concat());
        Response::read(&mut BufReader::new(stream))
    }
}

impl Response {
    /// Reads an answer with a `Content-Length`, or the head alone of an upgrade.
    #[track_caller]
    pub fn read(reader: &mut impl BufRead) -> Self {
        let mut line = String::new();
        reader.read_line(&mut line).expect("the status line comes");
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {line:?}"));
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("the head comes");
            match line.trim_end().split_once(':') {
                Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
                None => break,
            }
        }
        let mut response = Self { status, headers, body: String::new() };
        let length = response.header("content-length").map_or(0, |length| length.parse().expect("a number"));
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("the body comes");
        response.body = String::from_utf8(body).expect("the body is text");
        response
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Fails unless this is a problem (RFC 9457) with this status and code.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.header("content-type")),
            (status, Some("application/problem+json")),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!((&problem["status"], &problem["code"]), (&status.into(), &code.into()), "{problem}");
    }
}

/// A connection on which nothing waits longer than the deadline.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, DEADLINE).expect("the server accepts connections");
    stream.set_nodelay(true).expect("a socket's option");
    stream.set_read_timeout(Some(DEADLINE)).expect("a socket's option");
    stream.set_write_timeout(Some(DEADLINE)).expect("a socket's option");
    stream
}
