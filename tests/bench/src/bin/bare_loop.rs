//! The practical limit: one thread, no features. A publisher's texts are encoded once; whatever a round of the loop has
//! gathered goes to each subscriber with one write.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, ErrorKind, Read, Write},
    sync::Arc,
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const LISTENER: Token = Token(0);

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    is_subscriber: bool,
    is_open: bool,
    /// What the socket did not take, and how much of the first it did.
    behind: VecDeque<Arc<[u8]>>,
    taken: usize,
}

fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().map_err(io::Error::other)?)?;
    println!("listening on http://{}", listener.local_addr()?);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections: HashMap<Token, Connection> = HashMap::new();
    let mut next = 1;
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        poll.poll(&mut events, None)?;
        let mut round = Vec::new();
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(next), interest)?;
                    connections.insert(Token(next), Connection::new(stream));
                    next += 1;
                }
                continue;
            }
            let Some(connection) = connections.get_mut(&event.token()) else { continue };
            let is_there = !event.is_readable() || connection.read(&mut buffer, &mut round)?;
            if !is_there || connection.write_behind().is_err() {
                connections.remove(&event.token());
            }
        }
        if !round.is_empty() {
            let round: Arc<[u8]> = round.into();
            connections.retain(|_, connection| connection.write(&round).is_ok());
        }
    }
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        let (received, behind) = (Vec::new(), VecDeque::new());
        Self { stream, received, is_subscriber: false, is_open: false, behind, taken: 0 }
    }

    /// Reads what there is; a publisher's texts go to the round, as frames. Says whether the peer is still there.
    fn read(&mut self, buffer: &mut [u8], round: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(read) => self.received.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Ok(false),
            }
        }
        if !self.is_open {
            let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") else {
                return Ok(true);
            };
            let head = String::from_utf8_lossy(&self.received[..end]).into_owned();
            self.is_subscriber = head.starts_with("GET /subscribe");
            let key =
                head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
            let accept = derive_accept_key(key.as_bytes());
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            self.stream.write_all(answer.as_bytes())?;
            self.received.drain(..end + 4);
            self.is_open = true;
        }
        let mut start = 0;
        while let Some((payload, mask, end)) = masked(&self.received[start..]) {
            start += end;
            if self.is_subscriber {
                continue;
            }
            round.push(0x81);
            match payload.len() {
                length @ 0..126 => round.push(length as u8),
                length => round.extend([126, (length >> 8) as u8, length as u8]),
            }
            round.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
        self.received.drain(..start);
        Ok(true)
    }

    fn write(&mut self, round: &Arc<[u8]>) -> io::Result<()> {
        if !self.is_subscriber {
            return Ok(());
        }
        self.behind.push_back(Arc::clone(round));
        if self.behind.len() == 1 { self.write_behind() } else { Ok(()) }
    }

    fn write_behind(&mut self) -> io::Result<()> {
        while let Some(first) = self.behind.front() {
            match self.stream.write(&first[self.taken..]) {
                Ok(written) if self.taken + written == first.len() => {
                    self.behind.pop_front();
                    self.taken = 0;
                }
                Ok(written) => self.taken += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The first frame of a client's: payload, mask, and the bytes that it has in all.
fn masked(bytes: &[u8]) -> Option<(&[u8], [u8; 4], usize)> {
    let (start, length) = match bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        length => (2, usize::from(length)),
    };
    let mask = bytes.get(start..start + 4)?.try_into().ok()?;
    Some((bytes.get(start + 4..start + 4 + length)?, mask, start + 4 + length))
}
