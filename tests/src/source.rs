//! An `EventSource` by the letter of the HTML standard (section 9.2), which is stricter than most.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::{Block, DEADLINE};

/// Comes back after the end of a stream and after a network error. It waits as
/// long as the stream last said. Any answer that is no stream ends it for good.
#[derive(Debug)]
pub struct EventSource {
    address: SocketAddr,
    path: String,
    /// The pause before it comes back, a browser's own at first.
    pub retry: Duration,
    last_event_id: String,
    stream: Option<BufReader<TcpStream>>,
    /// The id of the stream's latest block, which a new stream forgets.
    id: String,
    /// How often it has asked.
    pub requests: usize,
}

/// What came of a stream.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// A block.
    Block(Block),
    /// It has ended or could not be asked for: it is asked for again after the pause.
    Ended,
    /// It is closed for good, by an answer with this status and content type.
    Closed(String),
}

impl EventSource {
    /// One that has asked for nothing yet.
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

    /// The next block, however often it has to come back for it.
    #[track_caller]
    pub fn expect(&mut self, event: &str) -> Block {
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < 2 * DEADLINE, "{event} never came");
            match self.next_of_stream() {
                Next::Block(block) if block.event == event => return block,
                Next::Block(block) if ["ping", "goaway"].contains(&block.event.as_str()) => {}
                Next::Ended => thread::park_timeout(self.retry),
                other => panic!("{event} was to come, and not {other:?}"),
            }
        }
    }

    /// What comes next, without the pause after an end.
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
        // Of 1.0, so that the stream comes in no chunks.
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

    /// The next block; none at the end, where a block that is not whole is thrown away.
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
                Some(field) => panic!("a field that nobody knows: {field:?}"),
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
