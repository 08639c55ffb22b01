//! The client's side of a WebSocket, as little of it as a load needs.

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

/// A connection that was upgraded.
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
    let mut rest = Vec::new();
    let end = loop {
        if let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        read_more(&mut stream, &mut rest)?;
    };
    ensure!(rest.starts_with(b"HTTP/1.1 101"), "no upgrade: {}", String::from_utf8_lossy(&rest));
    rest.drain(..end);
    if !texts.is_empty() {
        let frames: Vec<u8> = texts.iter().flat_map(|text| masked_text(text)).collect();
        stream.write_all(&frames)?;
    }
    let mut answer = String::new();
    while last_word.is_some_and(|word| !answer.contains(word)) {
        if let Some((payload, length)) = take_frame(&rest) {
            answer = String::from_utf8_lossy(payload).into_owned();
            rest.drain(..length);
        } else {
            read_more(&mut stream, &mut rest)?;
        }
    }
    Ok(Opened { stream, answer, rest })
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
