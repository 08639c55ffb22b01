//! A simulated socket, to which a shard writes. It holds a number of bytes, sometimes takes a part of a write, and can
//! break. Its bytes are cut into messages and checked.

use std::{cell::RefCell, collections::VecDeque, io, rc::Rc};

use tidings_hub::Sink;

use crate::{
    invariant::{Check, holds},
    rng::Rng,
};

/// The server's end of a connection. Clones are the same socket.
#[derive(Debug, Clone)]
pub(crate) struct Socket(Rc<RefCell<State>>);

#[derive(Debug)]
struct State {
    /// The number of bytes that it holds until its peer reads some.
    window: usize,
    held: usize,
    /// The percentage of writes that it takes in part although it has room.
    short_percent: u64,
    rng: Rng,
    /// Bytes that it took and that were not sent yet.
    written: Vec<u8>,
    /// Whether it takes nothing, even if it has room.
    is_choked: bool,
    is_broken: bool,
}

impl Sink for Socket {
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        if state.is_broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = state.window.saturating_sub(state.held).min(bytes.len());
        if state.is_choked || room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let percent = state.short_percent;
        let taken = if state.rng.percent(percent) { 1 + state.rng.index(room) } else { room };
        state.is_choked = taken < room;
        state.held += taken;
        state.written.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }
}

impl Socket {
    pub(crate) fn new(window: usize, short_percent: u64, rng: Rng) -> Self {
        let state = State {
            window,
            held: 0,
            short_percent,
            rng,
            written: Vec::new(),
            is_choked: false,
            is_broken: false,
        };
        Self(Rc::new(RefCell::new(state)))
    }

    /// Returns the bytes that were written since the last call.
    pub(crate) fn take_written(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut().written)
    }

    /// Notes that the peer has read so many bytes.
    pub(crate) fn make_room(&self, bytes: usize) {
        self.0.borrow_mut().held -= bytes;
    }

    pub(crate) fn is_choked(&self) -> bool {
        self.0.borrow().is_choked
    }

    pub(crate) fn unchoke(&self) {
        self.0.borrow_mut().is_choked = false;
    }

    pub(crate) fn break_off(&self) {
        self.0.borrow_mut().is_broken = true;
    }
}

/// Cuts the bytes that a server writes into messages.
#[derive(Debug, Default)]
pub(crate) struct Frames(VecDeque<u8>);

/// A WebSocket message of a server.
#[derive(Debug)]
pub(crate) enum Said {
    Text(String),
    Ping,
    Pong,
    Close(u16),
}

impl Frames {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    /// Whether it holds no part of a message.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the next complete message.
    pub(crate) fn next(&mut self) -> Check<Option<Said>> {
        let bytes = self.0.make_contiguous();
        let &mut [first, second, ref rest @ ..] = bytes else { return Ok(None) };
        let skip = match second {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some((length, rest)) = rest.split_at_checked(skip) else { return Ok(None) };
        let big = length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        let length = if skip == 0 { usize::from(second) } else { big };
        holds!(
            second < 128 && length < 1 << 20,
            WholeFrames,
            "a header {first:x} {second:x} for {length} bytes"
        );
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let said = match first {
            0x81 => std::str::from_utf8(payload).ok().map(|text| Said::Text(text.to_owned())),
            0x88 => Some(Said::Close(payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code)))),
            0x89 => Some(Said::Ping),
            0x8a => Some(Said::Pong),
            _ => None,
        };
        holds!(said.is_some(), WholeFrames, "{first:x}: {:?}", String::from_utf8_lossy(payload));
        self.0.drain(..2 + skip + length);
        Ok(said)
    }
}
