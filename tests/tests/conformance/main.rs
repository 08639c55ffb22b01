//! The cases 1 to 7, 9 and 10 of Autobahn's fuzzing client for RFC 6455, under its numbers. They run against the server's
//! echo, which uses the same sockets as sessions. Some cases of Autobahn accept several answers, but these accept one.

mod closing;
mod fragments;
mod framing;
mod opcodes;
mod pings;
mod reserved;
mod sizes;
mod utf8;

use std::panic::{AssertUnwindSafe, catch_unwind};

use tidings_tests::{Frame, Opcode, RawSocket, Server};

/// A case of at most so many bytes is also sent byte by byte.
const MAX_OCTETS: usize = 4096;

/// The failed cases after which no more cases run, because a case that hangs takes long to fail.
const MAX_FAILED: usize = 5;

/// How the bytes of a case are cut into writes.
#[derive(Debug, Clone, Copy)]
enum Chop {
    /// One write for all bytes.
    Whole,
    /// One write for each frame.
    Frames,
    /// Writes of so many bytes.
    Octets(usize),
}

/// A case: the frames to send, and the messages that must come back.
#[derive(Debug)]
struct Case {
    name: String,
    frames: Vec<Frame>,
    chops: Vec<Chop>,
    answers: Vec<(Opcode, Vec<u8>)>,
    /// The code of the server's Close. `None` if the client closes after the last answer.
    close: Option<Option<u16>>,
}

impl Case {
    fn new(name: impl Into<String>, frames: Vec<Frame>) -> Self {
        let size: usize = frames.iter().map(|frame| frame.payload.len()).sum();
        let mut chops = vec![Chop::Whole, Chop::Frames];
        if size <= MAX_OCTETS {
            chops.push(Chop::Octets(1));
        }
        Self { name: name.into(), frames, chops, answers: Vec::new(), close: None }
    }

    /// Returns a case with a message that comes back.
    fn echo(name: impl Into<String>, opcode: Opcode, payload: impl Into<Vec<u8>>) -> Self {
        let payload = payload.into();
        Self::new(name, vec![Frame::new(opcode, payload.clone())]).answered(opcode, payload)
    }

    /// Sets the ways to cut it.
    fn chopped(mut self, chops: &[Chop]) -> Self {
        self.chops = chops.to_vec();
        self
    }

    /// Adds the next message that must come back.
    fn answered(mut self, opcode: Opcode, payload: impl Into<Vec<u8>>) -> Self {
        self.answers.push((opcode, payload.into()));
        self
    }

    /// Lets the server close, with this code.
    fn closed(mut self, code: impl Into<Option<u16>>) -> Self {
        self.close = Some(code.into());
        self
    }

    fn pieces(&self, chop: Chop) -> Vec<Vec<u8>> {
        let frames: Vec<Vec<u8>> = self.frames.iter().map(Frame::bytes).collect();
        match chop {
            Chop::Whole => vec![frames.concat()],
            Chop::Frames => frames,
            Chop::Octets(size) => frames.concat().chunks(size).map(<[u8]>::to_vec).collect(),
        }
    }

    fn run(&self, server: &Server, chop: Chop) {
        let mut socket = RawSocket::echo(server.address());
        for piece in self.pieces(chop) {
            socket.write(&piece);
        }
        for (opcode, payload) in &self.answers {
            let (kind, answer) = socket.read().expect("an answer is still to come");
            let length = answer.len();
            assert!(
                (kind, &answer) == (*opcode, payload),
                "{length} bytes of {kind:?}, not {} of {opcode:?}",
                payload.len()
            );
        }
        let code = self.close.unwrap_or_else(|| {
            socket.send(&close(1000, ""));
            Some(1000)
        });
        let payload = code.map(|code| code.to_be_bytes().to_vec());
        assert_eq!(socket.read(), Some((Opcode::CLOSE, payload.unwrap_or_default())));
        socket.expect_end();
    }
}

/// Returns a server whose echo takes the largest messages of the cases.
#[track_caller]
fn server() -> Server {
    Server::with(&["--echo", "--max-message-bytes", "16777216"])
}

/// Runs cases, and fails with the names of those that failed.
#[track_caller]
fn check(cases: impl IntoIterator<Item = Case>) {
    let server = server();
    let mut failed = Vec::new();
    for case in cases {
        let fails = |&chop: &Chop| catch_unwind(AssertUnwindSafe(|| case.run(&server, chop))).is_err();
        failed.extend(
            case.chops.iter().find(|chop| fails(chop)).map(|chop| format!("{} ({chop:?})", case.name)),
        );
        assert!(failed.len() < MAX_FAILED, "failed, among others: {failed:#?}");
    }
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

/// Returns a message in fragments of so many bytes.
fn fragments(opcode: Opcode, payload: &[u8], size: usize) -> Vec<Frame> {
    let parts: Vec<&[u8]> = payload.chunks(size).collect();
    let frame = |(index, part): (usize, &&[u8])| Frame {
        is_final: index + 1 == parts.len(),
        ..Frame::new(if index == 0 { opcode } else { Opcode::CONTINUATION }, *part)
    };
    parts.iter().enumerate().map(frame).collect()
}

/// Returns a Close.
fn close(code: u16, reason: impl AsRef<[u8]>) -> Frame {
    Frame::new(Opcode::CLOSE, [&code.to_be_bytes(), reason.as_ref()].concat())
}
