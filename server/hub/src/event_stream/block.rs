//! Blocks of server-sent events (HTML, section 9.2.5), each framed as a chunk of an HTTP body.

use std::{fmt, io::Write as _};

/// How the client finds the end of a stream's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Each block is a chunk, and an empty chunk ends the body (RFC 9112, section 7.1).
    Chunked,
    /// The end of the connection ends the body. HTTP/1.0 knows no chunks, and many proxies speak it.
    UntilClose,
}

impl Framing {
    /// Returns the bytes that end a body.
    pub(crate) fn end(self) -> &'static [u8] {
        match self {
            Self::Chunked => b"0\r\n\r\n",
            Self::UntilClose => b"",
        }
    }
}

/// One block of a stream, encoded once for both framings.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    /// Unused bytes, the chunk's size, the text, and a line end.
    bytes: Vec<u8>,
    /// The index of the first byte of the chunk's size.
    start: usize,
}

/// Room for the longest size of a chunk: 16 hexadecimal digits and a line end.
const MAX_SIZE_BYTES: usize = 18;

const LINE_END: &[u8] = b"\r\n";

impl Block {
    /// Encodes the text that `write` appends. `capacity` is its length, as far as that is known.
    pub(super) fn new(capacity: usize, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = Vec::with_capacity(MAX_SIZE_BYTES + capacity + LINE_END.len());
        bytes.extend_from_slice(&[0; MAX_SIZE_BYTES]);
        write(&mut bytes);
        let size = format!("{:x}\r\n", bytes.len() - MAX_SIZE_BYTES);
        let start = MAX_SIZE_BYTES - size.len();
        bytes[start..MAX_SIZE_BYTES].copy_from_slice(size.as_bytes());
        bytes.extend_from_slice(LINE_END);
        Self { bytes, start }
    }

    /// Encodes a block of this event. `data` is a frame.
    pub(crate) fn of(event: &str, id: Option<&str>, data: &[u8]) -> Self {
        Self::new(data.len() + 96, |text| {
            // Writing to a vector cannot fail.
            if let Some(id) = id {
                let _ = writeln!(text, "id: {id}");
            }
            let _ = write!(text, "event: {event}\ndata: ");
            for &byte in data {
                // A payload is carried as it was sent, and JSON may have line ends between its tokens.
                match byte {
                    b'\n' | b'\r' => text.extend_from_slice(b"\ndata: "),
                    byte => text.push(byte),
                }
            }
            text.extend_from_slice(b"\n\n");
        })
    }

    /// Returns the fields and the empty line behind them.
    pub fn text(&self) -> &[u8] {
        &self.bytes[MAX_SIZE_BYTES..self.bytes.len() - LINE_END.len()]
    }

    /// Returns the bytes that go to the socket.
    pub(crate) fn framed(&self, framing: Framing) -> &[u8] {
        match framing {
            Framing::Chunked => &self.bytes[self.start..],
            Framing::UntilClose => self.text(),
        }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_one_chunk_or_goes_as_it_is() {
        for length in [1, 15, 16, 255, 256, 70_000] {
            let block = Block::of("x", None, &vec![b'7'; length]);
            let text = format!("event: x\ndata: {}\n\n", "7".repeat(length));
            assert_eq!(block.text(), text.as_bytes());
            assert_eq!(block.framed(Framing::UntilClose), text.as_bytes());
            let chunk = format!("{:x}\r\n{text}\r\n", text.len());
            assert_eq!(block.framed(Framing::Chunked), chunk.as_bytes());
        }
    }
}
