//! The client's side of a WebSocket and of an event stream, as little of them as a load needs.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

/// A server that says nothing for so long has failed.
const SILENCE: Duration = Duration::from_secs(20);

/// How every event frame begins, of whatever server: its position follows.
const EVENT_PREFIX: &[u8] = br#"{"op":"event","position":""#;

const SYNC_PREFIX: &[u8] = br#"{"op":"sync","position":""#;

/// A connection that was upgraded, or has the first block of an event stream.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) stream: TcpStream,
    /// The text that was waited for.
    pub(crate) answer: String,
    /// What came behind it.
    pub(crate) rest: Vec<u8>,
}

/// Upgrades a connection to a WebSocket and says these texts; reads until a text holds the last word.
pub(crate) fn open(
    mut stream: TcpStream,
    path: &str,
    texts: &[&str],
    last_word: Option<&str>,
) -> Result<Opened> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;
    let address = stream.peer_addr()?;
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut rest = read_head(&mut stream, b"HTTP/1.1 101")?;
    if !texts.is_empty() {
        let frames: Vec<u8> = texts.iter().flat_map(|text| masked_text(text)).collect();
        stream.write_all(&frames)?;
    }
    let mut answer = String::new();
    while last_word.is_some_and(|word| !answer.contains(word)) {
        answer = next_text(&mut stream, &mut rest)?;
    }
    Ok(Opened { stream, answer, rest })
}

/// Reads the next frame. `rest` holds what came behind the last one.
pub(crate) fn next_text(stream: &mut TcpStream, rest: &mut Vec<u8>) -> Result<String> {
    loop {
        if let Some((payload, length)) = take_frame(rest) {
            let text = String::from_utf8_lossy(payload).into_owned();
            rest.drain(..length);
            return Ok(text);
        }
        read_more(stream, rest)?;
    }
}

/// Asks for an event stream, and reads its first block.
pub(crate) fn listen(mut stream: TcpStream, topics: &[String]) -> Result<Opened> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;
    let address = stream.peer_addr()?;
    let path = format!("/v1/events?topic={}", topics.join("&topic="));
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut rest = read_head(&mut stream, b"HTTP/1.1 200")?;
    loop {
        if let Some((frame, length)) = take_chunk(&rest) {
            let answer = String::from_utf8_lossy(frame).into_owned();
            rest.drain(..length);
            return Ok(Opened { stream, answer, rest });
        }
        read_more(&mut stream, &mut rest)?;
    }
}

/// Reads the head of an answer, and returns what came behind it.
fn read_head(stream: &mut TcpStream, expected: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        read_more(stream, &mut bytes)?;
    };
    ensure!(bytes.starts_with(expected), "not as expected: {}", String::from_utf8_lossy(&bytes));
    bytes.drain(..end);
    Ok(bytes)
}

fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<()> {
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer).context("waiting for an answer")?;
    ensure!(read > 0, "the server closed, after {}", String::from_utf8_lossy(bytes));
    bytes.extend_from_slice(&buffer[..read]);
    Ok(())
}

/// A text frame from a client. Its mask is zero: masking costs the receiver the same whatever the mask is.
pub(crate) fn masked_text(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

/// Takes one server's frame off the front: its payload, and the bytes that it had in all.
pub(crate) fn take_frame(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (start, length) = match bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        length => (2, usize::from(length)),
    };
    Some((bytes.get(start..start + length)?, start + length))
}

/// Takes one chunk off the front, which holds a block of an event stream: the frame in the block, and the bytes of the
/// chunk.
pub(crate) fn take_chunk(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.iter().position(|&byte| byte == b'\r')?;
    let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?, 16).ok()?;
    let (start, length) = (end + 2, end + 2 + size + 2);
    let block = bytes.get(..length)?.get(start..start + size)?;
    let data = block.windows(DATA.len()).position(|part| part == DATA)?;
    let frame = &block[data + DATA.len()..];
    Some((frame.strip_suffix(b"\n\n")?, length))
}

/// Comes before the frame of a block. The load's frames have no line ends.
const DATA: &[u8] = b"\ndata: ";

/// The offset in an event frame's position, `epoch.offset.tag`.
pub(crate) fn offset_of(payload: &[u8]) -> Option<u64> {
    let position = payload.strip_prefix(EVENT_PREFIX)?;
    offset_in(position)
}

/// The offset after which everything follows a sync.
pub(crate) fn synced_offset_of(payload: &[u8]) -> Option<u64> {
    offset_in(payload.strip_prefix(SYNC_PREFIX)?)
}

/// The offset in a position that may have text behind it.
pub(crate) fn offset_in(position: &[u8]) -> Option<u64> {
    let start = position.iter().take(20).position(|&byte| byte == b'.')? + 1;
    let digits = position[start..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}
