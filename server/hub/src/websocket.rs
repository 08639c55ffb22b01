//! WebSocket messages (RFC 6455): the decoder of a client's bytes, and the encoder of a server's frames. A frame that
//! comes in one piece is unmasked in place. The decoder buffers only frames that come in part.
//!
//! The decoder is our own; tungstenite parses the headers. Other codecs keep a buffer for each connection, and reserve
//! as many bytes as a header claims. This one unmasks a frame in the buffer of the socket, which the shard's
//! connections share, and keeps bytes only of a frame that came in part. After each message the session says what may
//! come next: a larger message after it has accepted the hello, and only a Close after it has ended. So the decoder
//! refuses a message over the limit at its header, and keeps nothing that a peer sends after its fault.

use std::io::Cursor;

use tidings_shared::code::close;
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{CloseCode, Control, Data, OpCode},
};

/// Bytes of the payload of a ping, a pong or a Close, at most (section 5.5).
const MAX_CONTROL_BYTES: u64 = 125;

/// Bytes of the header of a server's frame, at most. A server sends no mask.
pub(crate) const MAX_HEADER_BYTES: usize = 10;

/// Bytes of the header of a client's frame, at most, with the mask.
const MAX_CLIENT_HEADER_BYTES: usize = 14;

/// A message, a fragment or a control frame of a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A fragment of a message. More follow.
    Fragment,
    /// A ping. The answer is a pong with this payload.
    Ping(&'a [u8]),
    /// A pong: the answer to a ping, or unasked.
    Pong,
    /// A Close, with its code if it has one.
    Close(Option<u16>),
}

/// A fault in a client's bytes. The decoder reads nothing after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A message is over the limit.
    TooLarge,
    /// A text is not UTF-8.
    InvalidText,
    /// The bytes are not a WebSocket frame, or the frame is not allowed here.
    Protocol,
}

impl Fault {
    /// Returns the close code for the answer (section 7.4.1).
    pub fn close(self) -> u16 {
        match self {
            Self::TooLarge => close::TOO_LARGE,
            Self::InvalidText => close::INVALID_TEXT,
            Self::Protocol => close::PROTOCOL,
        }
    }
}

/// What the client may send next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// Messages of at most this many bytes.
    Messages(usize),
    /// Only a Close. Control frames are reported, and the decoder drops everything else.
    Close,
}

/// Decodes a client's messages.
#[derive(Debug)]
pub struct Decoder {
    awaited: Awaited,
    /// The beginning of a frame. Its size grows with the bytes that have come. A header cannot make it larger.
    partial: Vec<u8>,
    /// The fragments of a message so far.
    message: Option<Fragments>,
    /// Bytes of a payload that are still to come, and are dropped.
    skip: u64,
    /// After a Close or a fault, nothing is read.
    is_closed: bool,
}

#[derive(Debug)]
struct Fragments {
    is_text: bool,
    bytes: Vec<u8>,
    /// Bytes at the start that are known to be UTF-8.
    valid: usize,
}

impl Decoder {
    /// Returns a decoder for messages of at most `max_message_bytes`. [`Decoder::expect`] changes the bound, and so do
    /// the answers of `tell` in [`Decoder::read`].
    pub fn new(max_message_bytes: usize) -> Self {
        let awaited = Awaited::Messages(max_message_bytes);
        Self { awaited, partial: Vec::new(), message: None, skip: 0, is_closed: false }
    }

    /// Returns whether a Close or a fault has ended the decoding.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Sets what may come from now on. If that is only a Close, the buffered part of a message is dropped.
    pub fn expect(&mut self, awaited: Awaited) {
        self.awaited = awaited;
        if awaited == Awaited::Close {
            self.message = None;
            if let Ok(Some(frame)) = self.parse(&self.partial)
                && !frame.is_kept
            {
                self.skip = frame.end.saturating_sub(self.partial.len()) as u64;
                self.partial = Vec::new();
            }
        }
    }

    /// Returns the bytes of memory that an incomplete message takes.
    pub fn held_bytes(&self) -> usize {
        self.partial.capacity() + self.message.as_ref().map_or(0, |message| message.bytes.capacity())
    }

    /// Decodes bytes, and tells of each message in order. `tell` returns what may come next. A message over the limit
    /// is refused at its header. Bytes after a Close or a fault are dropped.
    ///
    /// # Errors
    /// The fault, once.
    pub fn read(
        &mut self,
        input: &mut [u8],
        mut tell: impl FnMut(Incoming<'_>) -> Awaited,
    ) -> Result<(), Fault> {
        let heard = self.hear(input, &mut tell);
        // Section 7.1.7: a side that fails a connection does not wait for a Close.
        self.is_closed |= heard.is_err();
        if self.is_closed {
            (self.partial, self.message) = (Vec::new(), None);
        }
        heard
    }

    fn hear(
        &mut self,
        input: &mut [u8],
        tell: &mut impl FnMut(Incoming<'_>) -> Awaited,
    ) -> Result<(), Fault> {
        if self.is_closed {
            return Ok(());
        }
        let mut start = self.pass_over(input.len());
        if !self.partial.is_empty() {
            let mut partial = std::mem::take(&mut self.partial);
            let end = loop {
                if let Some(frame) = self.parse(&partial)?
                    && let Some(missing) = frame.end.checked_sub(partial.len())
                {
                    if !frame.is_kept {
                        self.skip = missing as u64;
                        partial = Vec::new();
                        start += self.pass_over(input.len() - start);
                        break None;
                    }
                    let take = missing.min(input.len() - start);
                    extend(&mut partial, &input[start..start + take], frame.end);
                    start += take;
                    break (take == missing).then_some(frame);
                }
                // A header is short, so byte by byte is fast enough.
                let Some(&byte) = input.get(start) else { break None };
                extend(&mut partial, &[byte], MAX_CLIENT_HEADER_BYTES);
                start += 1;
            };
            match end {
                Some(frame) => self.take(&frame, &mut partial, tell)?,
                None => self.partial = partial,
            }
        }
        while !self.is_closed && start < input.len() {
            let bytes = &mut input[start..];
            match self.parse(bytes)? {
                Some(frame) if !frame.is_kept => {
                    self.skip = frame.end as u64;
                    start += self.pass_over(bytes.len());
                }
                Some(frame) if frame.end <= bytes.len() => {
                    self.take(&frame, bytes, tell)?;
                    start += frame.end;
                }
                _ => {
                    self.partial = bytes.to_vec();
                    break;
                }
            }
        }
        Ok(())
    }

    /// Returns how many of these bytes belong to a payload that is dropped.
    fn pass_over(&mut self, bytes: usize) -> usize {
        let skipped = self.skip.min(bytes as u64);
        self.skip -= skipped;
        skipped as usize
    }

    /// Returns the frame that begins here, if its header is complete. Refuses a wrong header before the payload comes.
    fn parse(&self, bytes: &[u8]) -> Result<Option<Frame>, Fault> {
        let mut cursor = Cursor::new(bytes);
        let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(|_| Fault::Protocol)? else {
            return Ok(None);
        };
        let Some(mask) = header.mask else { return Err(Fault::Protocol) };
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Fault::Protocol);
        }
        let is_kept =
            matches!((header.opcode, self.awaited), (OpCode::Control(_), _) | (_, Awaited::Messages(_)));
        let is_allowed = match header.opcode {
            OpCode::Control(Control::Reserved(_)) | OpCode::Data(Data::Reserved(_)) => false,
            OpCode::Control(_) => header.is_final && length <= MAX_CONTROL_BYTES,
            OpCode::Data(_) if !is_kept => true,
            OpCode::Data(Data::Continue) => self.message.is_some(),
            OpCode::Data(_) => self.message.is_none(),
        };
        if !is_allowed {
            return Err(Fault::Protocol);
        }
        let before = self.message.as_ref().map_or(0, |message| message.bytes.len());
        let most = match (header.opcode, self.awaited) {
            (OpCode::Control(_), _) => MAX_CONTROL_BYTES,
            (_, Awaited::Messages(max)) => max.saturating_sub(before) as u64,
            (_, Awaited::Close) => u64::MAX,
        };
        if length > most {
            return Err(Fault::TooLarge);
        }
        let start = cursor.position() as usize;
        Ok(Some(Frame {
            opcode: header.opcode,
            is_final: header.is_final,
            mask,
            is_kept,
            start,
            end: start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)),
        }))
    }

    fn take(
        &mut self,
        frame: &Frame,
        bytes: &mut [u8],
        tell: &mut impl FnMut(Incoming<'_>) -> Awaited,
    ) -> Result<(), Fault> {
        let payload = &mut bytes[frame.start..frame.end];
        unmask(payload, frame.mask);
        let awaited = match (frame.opcode, frame.is_final) {
            (OpCode::Control(Control::Ping), _) => tell(Incoming::Ping(payload)),
            (OpCode::Control(Control::Pong), _) => tell(Incoming::Pong),
            (OpCode::Control(_), _) => {
                let code = close_code(payload)?;
                self.is_closed = true;
                tell(Incoming::Close(code))
            }
            (OpCode::Data(Data::Continue), is_final) => {
                let Some(mut message) = self.message.take() else { return Err(Fault::Protocol) };
                message.extend(payload, self.awaited)?;
                if is_final {
                    message.tell(tell)?
                } else {
                    self.message = Some(message);
                    tell(Incoming::Fragment)
                }
            }
            (OpCode::Data(kind), false) => {
                let mut message = Fragments { is_text: kind == Data::Text, bytes: Vec::new(), valid: 0 };
                message.extend(payload, self.awaited)?;
                self.message = Some(message);
                tell(Incoming::Fragment)
            }
            (OpCode::Data(Data::Text), true) => tell(Incoming::Text(text(payload)?)),
            (OpCode::Data(_), true) => tell(Incoming::Binary(payload)),
        };
        if awaited != self.awaited {
            self.expect(awaited);
        }
        Ok(())
    }
}

/// Appends bytes, and never reserves more than the whole frame needs.
fn extend(bytes: &mut Vec<u8>, more: &[u8], whole: usize) {
    let needed = bytes.len() + more.len();
    if needed > bytes.capacity() {
        let room = (2 * bytes.len()).min(whole).max(needed);
        bytes.reserve_exact(room - bytes.len());
    }
    bytes.extend_from_slice(more);
}

/// The header of a frame, and where its payload is in the buffer.
#[derive(Debug)]
struct Frame {
    opcode: OpCode,
    is_final: bool,
    mask: [u8; 4],
    /// Whether its payload is delivered.
    is_kept: bool,
    /// The index of the first byte of the payload.
    start: usize,
    /// The index after the last byte of the payload.
    end: usize,
}

impl Fragments {
    /// Adds a fragment. Invalid UTF-8 is refused here, and not at the end of the message.
    fn extend(&mut self, payload: &[u8], awaited: Awaited) -> Result<(), Fault> {
        let whole = if let Awaited::Messages(max) = awaited { max } else { 0 };
        extend(&mut self.bytes, payload, whole);
        if self.is_text {
            match std::str::from_utf8(&self.bytes[self.valid..]) {
                Ok(_) => self.valid = self.bytes.len(),
                Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
                Err(_) => return Err(Fault::InvalidText),
            }
        }
        Ok(())
    }

    fn tell(&self, tell: &mut impl FnMut(Incoming<'_>) -> Awaited) -> Result<Awaited, Fault> {
        let message =
            if self.is_text { Incoming::Text(text(&self.bytes)?) } else { Incoming::Binary(&self.bytes) };
        Ok(tell(message))
    }
}

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::InvalidText)
}

/// Checks the payload of a Close (section 5.5.1): empty, or a code and a text.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Fault> {
    match payload {
        [] => Ok(None),
        [first, second, reason @ ..] => {
            let code = u16::from_be_bytes([*first, *second]);
            if !CloseCode::from(code).is_allowed() {
                return Err(Fault::Protocol);
            }
            text(reason)?;
            Ok(Some(code))
        }
        [_] => Err(Fault::Protocol),
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let word = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// The kind of a server's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text message.
    Text = 1,
    /// A binary message.
    Binary = 2,
    /// A Close.
    Close = 8,
    /// A ping.
    Ping = 9,
    /// A pong.
    Pong = 10,
}

/// Returns the header of an unfragmented message of this many bytes, at the end of an array. Also returns the index
/// where it begins.
pub(crate) fn header(kind: Kind, length: usize) -> ([u8; MAX_HEADER_BYTES], usize) {
    let mut bytes = [0; MAX_HEADER_BYTES];
    let first = 0x80 | kind as u8;
    let start = if length < 126 {
        bytes[9] = length as u8;
        8
    } else if let Ok(length) = u16::try_from(length) {
        bytes[7] = 126;
        bytes[8..].copy_from_slice(&length.to_be_bytes());
        6
    } else {
        bytes[1] = 127;
        bytes[2..].copy_from_slice(&(length as u64).to_be_bytes());
        0
    };
    bytes[start] = first;
    (bytes, start)
}

/// Appends an unfragmented message.
pub fn put(out: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    let (header, start) = header(kind, payload.len());
    out.extend_from_slice(&header[start..]);
    out.extend_from_slice(payload);
}

/// Appends a Close. Without a code it has no payload.
pub fn put_close(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    let payload = code.map(|code| [&code.to_be_bytes(), reason.as_bytes()].concat());
    put(out, Kind::Close, &payload.unwrap_or_default());
}

#[cfg(test)]
mod tests;
