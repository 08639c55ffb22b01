//! A small HTTP/1.1 client that adds nothing to a request.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

use crate::DEADLINE;

/// A request, which has a connection of its own.
#[derive(Debug)]
pub struct Request {
    head: String,
    body: Vec<u8>,
}

/// A response.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Request {
    /// Returns a request with no header but `Host`.
    pub fn new(method: &str, path: &str) -> Self {
        Self { head: format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n"), body: Vec::new() }
    }

    /// Returns a `GET`.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// Returns a `POST`.
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

    /// Sends it, and reads the response.
    #[track_caller]
    pub fn send(self, address: SocketAddr) -> Response {
        let mut stream = connect(address);
        let mut bytes = self.header("Connection", "close");
        bytes.head.push_str("\r\n");
        // A server may respond and close before it has read the whole of a body that is too long.
        let _ = stream.write_all(&[bytes.head.as_bytes(), &bytes.body].concat());
        Response::read(&mut BufReader::new(stream))
    }
}

impl Response {
    /// Reads a response with a `Content-Length`, or the head of an upgrade.
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

    /// Returns the block of an event stream that has only one.
    #[track_caller]
    pub fn only_block(&self) -> Block {
        let head = (self.status, self.header("content-type"), self.header("cache-control"));
        assert_eq!(head, (200, Some("text/event-stream"), Some("no-store, no-transform")), "{self:?}");
        Block::parse(self.body.strip_suffix("\n\n").unwrap_or_else(|| panic!("no whole block: {self:?}")))
    }

    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the body as JSON.
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

/// A response that is a stream of server-sent events.
#[derive(Debug)]
pub struct EventStream {
    /// Its head.
    pub head: Response,
    reader: BufReader<TcpStream>,
    /// Text that has come and is not a whole block yet.
    text: String,
}

/// A block of a stream of server-sent events.
#[derive(Debug, Default, PartialEq)]
pub struct Block {
    /// Its event.
    pub event: String,
    /// Its id.
    pub id: Option<String>,
    /// Its data.
    pub data: Value,
    /// The time to wait before a reconnect, in milliseconds.
    pub retry: Option<u64>,
    /// Its comment.
    pub comments: Vec<String>,
}

impl EventStream {
    /// Opens a stream of topics, after a position if there is one.
    #[track_caller]
    pub fn open(address: SocketAddr, topics: &[&str], since: Option<&str>) -> Self {
        let query: Vec<String> = topics.iter().map(|topic| format!("topic={topic}")).collect();
        let mut request = Request::get(&format!("/v1/events?{}", query.join("&")));
        if let Some(since) = since {
            request = request.header("Last-Event-ID", since);
        }
        Self::send(address, request)
    }

    /// Sends a request whose response must be a stream of events.
    #[track_caller]
    pub fn send(address: SocketAddr, request: Request) -> Self {
        let mut stream = connect(address);
        let head = [request.head.as_bytes(), b"\r\n"].concat();
        stream.write_all(&head).expect("the server takes what it is sent");
        let mut reader = BufReader::new(stream);
        let head = Response::read(&mut reader);
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")), "{head:?}");
        assert_eq!(head.header("transfer-encoding"), Some("chunked"), "{head:?}");
        Self { head, reader, text: String::new() }
    }

    /// Reads the next block. Returns `None` at the end of the stream.
    #[track_caller]
    pub fn read(&mut self) -> Option<Block> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let parsed = Block::parse(block);
                self.text = rest.to_owned();
                return Some(parsed);
            }
            let mut size = String::new();
            self.reader.read_line(&mut size).expect("a chunk comes before the deadline");
            let size = usize::from_str_radix(size.trim_end(), 16).expect("a chunk's size");
            let mut chunk = vec![0; size + 2];
            self.reader.read_exact(&mut chunk).expect("a chunk comes");
            chunk.truncate(size);
            self.text.push_str(&String::from_utf8(chunk).expect("a stream of events is text"));
            if size == 0 {
                assert_eq!(self.text, "", "the stream ends within a block");
                return None;
            }
        }
    }

    /// Reads the next block that is not a ping. It must have this event.
    #[track_caller]
    pub fn expect(&mut self, event: &str) -> Block {
        loop {
            match self.read() {
                Some(block) if block.event == "ping" && event != "ping" => {}
                Some(block) if block.event == event => return block,
                other => panic!("expected {event}, got {other:?}"),
            }
        }
    }
}

impl Block {
    #[track_caller]
    fn parse(text: &str) -> Self {
        let mut block = Self::default();
        let mut data = Vec::new();
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix(": ") {
                block.comments.push(comment.to_owned());
                continue;
            }
            let (field, value) = line.split_once(": ").unwrap_or_else(|| panic!("not a field: {line:?}"));
            match field {
                "id" => block.id = Some(value.to_owned()),
                "event" => block.event = value.to_owned(),
                "data" => data.push(value),
                "retry" => block.retry = Some(value.parse().expect("a number")),
                other => panic!("an unknown field: {other:?}"),
            }
        }
        block.data = serde_json::from_str(&data.join("\n")).expect("data is JSON");
        block
    }
}

/// Returns a connection whose reads and writes have the deadline.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, DEADLINE).expect("the server accepts connections");
    stream.set_nodelay(true).expect("a socket's option");
    stream.set_read_timeout(Some(DEADLINE)).expect("a socket's option");
    stream.set_write_timeout(Some(DEADLINE)).expect("a socket's option");
    stream
}
