//! An `EventSource` that follows the HTML standard (section 9.2) exactly, which most do not.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::{Block, DEADLINE};

/// Connects again after the end of a stream and after a network error. It waits as long as the stream last said. A
/// response that is no stream ends it for good.
#[derive(Debug)]
pub struct EventSource {
    address: SocketAddr,
    path: String,
    /// The pause before it connects again. The initial value is that of browsers.
    pub retry: Duration,
    last_event_id: String,
    stream: Option<BufReader<TcpStream>>,
    /// The id of the latest block of this stream.
    id: String,
    /// The number of requests.
    pub requests: usize,
}

/// The next result of a stream.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// A block.
    Block(Block),
    /// The stream has ended, or the request failed. It connects again after the pause.
    Ended,
    /// A response with this status and content type has closed it for good.
    Closed(String),
}

impl EventSource {
    /// Returns a source that is not connected yet.
    pub fn new(address: SocketAddr, path: &str) -> Self {
        Self {
            address,
            path: path.to_owned(),
            retry: Duration::from_secs(3),
            last_event_id: String::new(),
            stream: None,
            id: String::new(),
            requests: 0,
        }
    }

    /// Returns the next block that is not a ping. It connects again as often as needed.
    #[track_caller]
    pub fn expect(&mut self, event: &str) -> Block {
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < 2 * DEADLINE, "{event} never came");
            match self.next_of_stream() {
                Next::Block(block) if block.event == event => return block,
                Next::Block(block) if ["ping", "goaway"].contains(&block.event.as_str()) => {}
                Next::Ended => thread::park_timeout(self.retry),
                other => panic!("expected {event}, got {other:?}"),
            }
        }
    }

    /// Returns the next result, without the pause after an end.
    pub fn next_of_stream(&mut self) -> Next {
        if self.stream.is_none()
            && let Err(next) = self.ask()
        {
            return next;
        }
        self.read().unwrap_or_else(|| {
            self.stream = None;
            Next::Ended
        })
    }

    fn ask(&mut self) -> Result<(), Next> {
        self.requests += 1;
        self.id.clear();
        let mut stream = TcpStream::connect_timeout(&self.address, DEADLINE).map_err(|_| Next::Ended)?;
        stream.set_read_timeout(Some(DEADLINE)).expect("a socket's option");
        // HTTP/1.0, so that the stream has no chunks.
        let mut head =
            format!("GET {} HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n", self.path);
        if !self.last_event_id.is_empty() {
            head += &format!("Last-Event-ID: {}\r\n", self.last_event_id);
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).map_err(|_| Next::Ended)?;
        let mut reader = BufReader::new(stream);
        let mut line = || {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(1..) => Ok(line.trim_end().to_owned()),
                _ => Err(Next::Ended),
            }
        };
        let status = line()?;
        let mut content_type = String::new();
        loop {
            let field = line()?;
            if field.is_empty() {
                break;
            }
            if let Some((name, value)) = field.split_once(':')
                && name.eq_ignore_ascii_case("content-type")
            {
                content_type = value.trim().to_owned();
            }
        }
        if status.split(' ').nth(1) != Some("200") || !content_type.starts_with("text/event-stream") {
            return Err(Next::Closed(format!("{status} {content_type}")));
        }
        self.stream = Some(reader);
        Ok(())
    }

    /// Reads the next block. Returns `None` at the end, and drops an incomplete block.
    fn read(&mut self) -> Option<Next> {
        let reader = self.stream.as_mut()?;
        let (mut block, mut data) = (Block::default(), Vec::new());
        loop {
            let mut line = String::new();
            if !matches!(reader.read_line(&mut line), Ok(1..)) || !line.ends_with('\n') {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("id", id)) => id.clone_into(&mut self.id),
                Some(("event", event)) => event.clone_into(&mut block.event),
                Some(("data", line)) => data.push(line.to_owned()),
                Some(("retry", retry)) => {
                    let retry = retry.parse().expect("a number");
                    block.retry = Some(retry);
                    self.retry = Duration::from_millis(retry);
                }
                Some(("", _comment)) => {}
                Some(field) => panic!("an unknown field: {field:?}"),
                None => {
                    self.last_event_id.clone_from(&self.id);
                    if data.is_empty() {
                        continue;
                    }
                    block.id = Some(self.id.clone()).filter(|id| !id.is_empty());
                    block.data = serde_json::from_str(&data.join("\n")).expect("data is JSON");
                    return Some(Next::Block(block));
                }
            }
        }
    }
}
