//! One connection of a shard: moves bytes between its socket and its session or event stream, and nothing else.
//!
//! ```text
//! the task of this connection:  peer ─▶ read ─▶ decode ─▶ session ─▶ pump ─▶ write ─▶ peer
//! the fan-out of its shard:     log ─▶ encode once ─▶ write to each live session ─▶ peers
//! ```
//!
//! The task ([`Connection::drive`]) loops. It handles due timeouts, pumps the output of the session, and waits. If
//! everything is sent, it waits for input. If the socket is full, it waits for room and reads no input. The fan-out
//! does not wake this task.
//!
//! Example: a peer stops reading, with a write timeout of 30 s.
//!
//! 1. The socket takes a part of a frame. The connection keeps the rest, and its session is no longer live.
//! 2. `pump` returns `Blocked`. The task waits for room, at most for 30 s since the socket last took a byte.
//! 3. If the peer reads again, the session reads on from its position in the log, and is live when it has caught up.
//! 4. If not, the session ends with `slow_consumer`, and an event stream is cut. Until then, the server keeps for this
//!    peer only its position and the rest of one frame (`tidings_hub`'s module `reader`).

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tidings_hub::{
    Answer, QuestionId, Session,
    shard::{ConnectionKey, Protocol, Pumped, Shard},
    websocket::{Awaited, Decoder, Incoming},
};
use tidings_shared::limits::{
    CLOSE_TIMEOUT, CLOSE_TIMEOUT_BEFORE_HELLO, LINGER_BYTES, LINGER_SILENCE, READ_BYTES,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf},
    runtime::Handle,
    time::{Instant, Sleep, sleep_until, timeout},
};

use super::transport::Socket;
use crate::{
    host::Clock,
    questions::{Caller, Open, Questions},
};

/// The state of a shard's thread, which all of its connections share.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) shard: RefCell<Shard<Socket>>,
    /// The input buffer. A connection reads into it and decodes it in one turn, so one buffer is enough for all.
    pub(crate) buffer: RefCell<Box<[u8]>>,
    pub(crate) clock: Clock,
    /// Asks the application on its runtime.
    asker: (Questions, Handle),
    pub(crate) write_timeout: Duration,
    /// Whether a drain has begun.
    pub(crate) is_draining: Cell<bool>,
}

impl Local {
    pub(crate) fn new(clock: Clock, asker: (Questions, Handle), write_timeout: Duration) -> Self {
        let buffer = RefCell::new(vec![0; READ_BYTES].into());
        Self {
            shard: RefCell::new(Shard::new()),
            buffer,
            clock,
            asker,
            write_timeout,
            is_draining: Cell::new(false),
        }
    }
}

/// Runs a session or an event stream until its connection ends. `early` holds the bytes that the client of a
/// WebSocket sent right after its handshake.
pub(crate) async fn run(
    local: &Local,
    socket: Socket,
    mut early: Vec<u8>,
    protocol: Protocol,
    caller: Option<Arc<Caller>>,
) {
    let mut decoder = protocol.session().map(|session| Decoder::new(session.max_message_bytes()));
    let key = local.shard.borrow_mut().insert(protocol, socket);
    let connection = Connection {
        local,
        key: Some(key),
        ignored: Cell::new(0),
        caller: RefCell::new(caller),
        open: RefCell::default(),
    };
    connection.hear(key, &mut decoder, &mut early);
    drop(early);
    let has_said_close = connection.drive(key, &mut decoder).await;
    let was_welcomed = local.shard.borrow().protocol(key).session().map(Session::was_welcomed);
    if let (Some(socket), true) = (connection.leave(), has_said_close) {
        let time = match was_welcomed {
            Some(true) => CLOSE_TIMEOUT,
            Some(false) => CLOSE_TIMEOUT_BEFORE_HELLO,
            None => LINGER_SILENCE,
        };
        let _ = timeout(time, lingering_close(socket, decoder.as_mut())).await;
    }
}

/// A connection in a shard. Dropping this guard removes it from the shard.
struct Connection<'a> {
    local: &'a Local,
    key: Option<ConnectionKey>,
    /// Bytes of input from the client of an event stream. Beyond [`LINGER_BYTES`] the connection is cut.
    ignored: Cell<usize>,
    /// The request that the client came with, until the client is let in.
    caller: RefCell<Option<Arc<Caller>>>,
    /// The question that the application has not answered.
    open: RefCell<Option<Open>>,
}

impl Connection<'_> {
    /// Removes the connection from the shard, and returns its socket.
    fn leave(mut self) -> Option<Socket> {
        self.key.take().map(|key| self.local.shard.borrow_mut().remove(key))
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let mut shard = self.local.shard.borrow_mut();
            if std::thread::panicking() {
                shard.metrics(key).panics.inc();
            }
            shard.remove(key);
        }
    }
}

/// How far the output of a connection has come.
#[derive(Debug, Clone, Copy)]
enum Progress {
    /// Everything is sent.
    Sent,
    /// The connection is behind in the log, and its socket takes bytes.
    Behind,
    /// The socket is full. `since` is when it last took a byte, or when it became full.
    Blocked { since: Duration },
}

/// The reason why a waiting connection goes on.
enum Next {
    /// Bytes came into the input buffer, or the stream has ended.
    Read(io::Result<usize>),
    /// The application has answered.
    Answer(QuestionId, Answer),
    /// The socket takes bytes again, the journal has answered, or the shard has woken the connection.
    Pump,
    Timeout,
}

impl Connection<'_> {
    /// Runs the connection until it ends. Returns `true` if the last bytes were written; for a session, they are its
    /// Close. Returns `false` if the stream broke, or the peer took no bytes.
    async fn drive(&self, key: ConnectionKey, decoder: &mut Option<Decoder>) -> bool {
        let local = self.local;
        let mut sleep = pin!(sleep_until(Instant::now()));
        let mut progress = Progress::Sent;
        // The time at which the session or the stream ended. Its last bytes may still wait.
        let mut ended = None;
        loop {
            let now = local.clock.now();
            let pumped = {
                let mut shard = local.shard.borrow_mut();
                if shard.protocol(key).poll_timeout().is_some_and(|at| at <= now.since_start) {
                    // While output waits, only the token's expiry is handled. The peer gets no ping: the write timeout
                    // finds out whether it is alive.
                    let handle = match progress {
                        Progress::Sent => Protocol::handle_timeout,
                        Progress::Behind | Progress::Blocked { .. } => Protocol::handle_expiry,
                    };
                    shard.handle(key, now, |protocol| handle(protocol, now));
                }
                self.ask(&mut shard, key);
                if ended.is_none() && shard.protocol(key).is_closed() {
                    ended = Some(now.since_start);
                    // The decoder keeps nothing of what the peer still sends.
                    if let Some(decoder) = decoder {
                        decoder.expect(Awaited::Close);
                    }
                }
                shard.pump(key, now)
            };
            progress = match (pumped, progress) {
                (Err(_), _) => return false,
                (Ok(Pumped::Closed), _) => return true,
                (Ok(Pumped::Idle), _) => Progress::Sent,
                (Ok(Pumped::More), _) => Progress::Behind,
                // A peer may take the last bytes slowly, but must not hold its permit for ever.
                (Ok(Pumped::Blocked { .. }), _)
                    if ended.is_some_and(|ended| now.since_start >= ended + CLOSE_TIMEOUT) =>
                {
                    return false;
                }
                (Ok(Pumped::Blocked { has_taken: false }), Progress::Blocked { since }) => {
                    Progress::Blocked { since }
                }
                (Ok(Pumped::Blocked { .. }), _) => Progress::Blocked { since: now.since_start },
            };
            if let Progress::Behind = progress {
                tokio::task::yield_now().await;
                let now = local.clock.now();
                poll_fn(|cx| {
                    local.shard.borrow_mut().poll_journal(key, now, cx.waker());
                    Poll::Ready(())
                })
                .await;
                let answer = self.open.borrow_mut().as_mut().and_then(|open| Some((open.id, open.now()?)));
                if let Some((question, answer)) = answer {
                    self.handle_answer(key, question, answer);
                }
                // The session reads input while it catches up with the log, too.
                let hears = local.shard.borrow().protocol(key).hears();
                if hears {
                    let read = poll_fn(|cx| Poll::Ready(self.poll_read(key, cx))).await;
                    if let Poll::Ready(read) = read
                        && !self.hear_read(key, decoder, read)
                    {
                        return false;
                    }
                }
                continue;
            }
            let deadline = match (ended, progress) {
                (Some(ended), _) => Some(ended + CLOSE_TIMEOUT),
                (None, Progress::Blocked { since }) => {
                    let (stalls, expires) =
                        (since + local.write_timeout, local.shard.borrow().protocol(key).poll_expiry());
                    Some(expires.map_or(stalls, |expires| expires.min(stalls)))
                }
                (None, _) => local.shard.borrow().protocol(key).poll_timeout(),
            };
            let (is_blocked, has_ended) = (matches!(progress, Progress::Blocked { .. }), ended.is_some());
            let next =
                poll_fn(|cx| self.poll_next(key, cx, is_blocked, has_ended, deadline, sleep.as_mut())).await;
            match next {
                Next::Read(read) => {
                    if !self.hear_read(key, decoder, read) {
                        return false;
                    }
                }
                Next::Timeout => {
                    let now = local.clock.now();
                    if let Progress::Blocked { since } = progress
                        && since + local.write_timeout <= now.since_start
                    {
                        // If the peer reads again now, it learns the reason.
                        local.shard.borrow_mut().handle_stalled(key, now);
                    }
                }
                Next::Answer(question, answer) => self.handle_answer(key, question, answer),
                Next::Pump => {}
            }
        }
    }

    /// Asks the session's next question, and drops one that the session has given up.
    fn ask(&self, shard: &mut Shard<Socket>, key: ConnectionKey) {
        let mut open = self.open.borrow_mut();
        if open.as_ref().is_some_and(|open| !shard.protocol(key).awaits(open.id)) {
            *open = None;
        }
        let Some((id, question)) = shard.poll_question(key) else { return };
        let caller = self.caller.borrow().clone().unwrap_or_default();
        let (questions, runtime) = &self.local.asker;
        *open = Some(questions.ask(runtime, id, question, caller));
    }

    fn handle_answer(&self, key: ConnectionKey, question: QuestionId, answer: Answer) {
        let now = self.local.clock.now();
        *self.open.borrow_mut() = None;
        self.local.shard.borrow_mut().handle_session(key, now, |session| {
            session.handle_answer(question, answer, now);
            if session.was_welcomed() {
                *self.caller.borrow_mut() = None;
            }
        });
    }

    fn poll_next(
        &self,
        key: ConnectionKey,
        cx: &mut Context<'_>,
        is_blocked: bool,
        has_ended: bool,
        deadline: Option<Duration>,
        mut sleep: Pin<&mut Sleep>,
    ) -> Poll<Next> {
        let mut shard = self.local.shard.borrow_mut();
        let is_due =
            if is_blocked { shard.protocol(key).is_closed() && !has_ended } else { !shard.is_idle(key) };
        if is_due {
            return Poll::Ready(Next::Pump);
        }
        shard.set_waker(key, cx.waker());
        if shard.poll_journal(key, self.local.clock.now(), cx.waker()) {
            return Poll::Ready(Next::Pump);
        }
        if let Some(open) = &mut *self.open.borrow_mut()
            && let Poll::Ready(answer) = open.poll(cx)
        {
            return Poll::Ready(Next::Answer(open.id, answer));
        }
        let hears = shard.protocol(key).hears();
        let socket = shard.sink_mut(key);
        if is_blocked {
            if socket.poll_writable(cx).is_ready() {
                return Poll::Ready(Next::Pump);
            }
        } else if let Poll::Ready(Err(error)) = socket.poll_pass_on(cx) {
            return Poll::Ready(Next::Read(Err(error)));
        }
        drop(shard);
        if !is_blocked
            && hears
            && let Poll::Ready(read) = self.poll_read(key, cx)
        {
            return Poll::Ready(Next::Read(read));
        }
        let Some(deadline) = deadline else { return Poll::Pending };
        let deadline = self.local.clock.instant(deadline).into();
        // A deadline that moves later does not reset the timer. The timer fires at the earlier time and is reset then.
        if sleep.deadline() > deadline || sleep.is_elapsed() {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(Next::Timeout);
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// Reads once into the input buffer. The caller must decode these bytes in the same turn.
    fn poll_read(&self, key: ConnectionKey, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let (mut shard, mut buffer) = (self.local.shard.borrow_mut(), self.local.buffer.borrow_mut());
        let mut buffer = ReadBuf::new(&mut buffer);
        let read = Pin::new(shard.sink_mut(key)).poll_read(cx, &mut buffer);
        read.map_ok(|()| buffer.filled().len())
    }

    /// Handles the result of a read. Returns whether the connection is still open.
    fn hear_read(&self, key: ConnectionKey, decoder: &mut Option<Decoder>, read: io::Result<usize>) -> bool {
        let Ok(read @ 1..) = read else { return false };
        self.hear(key, decoder, &mut self.local.buffer.borrow_mut()[..read]);
        decoder.is_some() || self.ignores(read)
    }

    /// Counts input that is ignored. Returns whether the client may send more: without a bound, it would take turns from
    /// the other connections of the shard.
    fn ignores(&self, bytes: usize) -> bool {
        self.ignored.update(|ignored| ignored + bytes);
        self.ignored.get() <= LINGER_BYTES
    }

    /// Decodes input, and hands it to the session. Input from the client of an event stream is ignored.
    fn hear(&self, key: ConnectionKey, decoder: &mut Option<Decoder>, bytes: &mut [u8]) {
        let Some(decoder) = decoder.as_mut().filter(|_| !bytes.is_empty()) else { return };
        let now = self.local.clock.now();
        self.local.shard.borrow_mut().handle_session(key, now, |session| {
            decoder.expect(session.awaited());
            let heard = decoder.read(bytes, |incoming| {
                match incoming {
                    Incoming::Text(text) => session.handle_text(text, now),
                    Incoming::Binary(_) => session.handle_binary(now),
                    Incoming::Ping(payload) => session.handle_ping(payload, now),
                    Incoming::Pong | Incoming::Fragment => session.handle_control(now),
                    Incoming::Close(code) => session.handle_close(code),
                }
                session.awaited()
            });
            if let Err(fault) = heard {
                session.handle_fault(fault);
            }
        });
    }
}

/// Ends a connection with a lingering close, so that the peer gets the last bytes. A socket that is closed with unread
/// input is reset, and the last bytes may be lost. With a decoder, it waits for the peer's Close first.
pub(crate) async fn lingering_close(mut socket: Socket, decoder: Option<&mut Decoder>) {
    let mut buffer = vec![0; 1024];
    if let Some(decoder) = decoder {
        decoder.expect(Awaited::Close);
        while !decoder.is_closed() {
            match read(&mut socket, &mut buffer).await {
                Ok(read) if read > 0 && decoder.read(&mut buffer[..read], |_| Awaited::Close).is_ok() => {}
                _ => break,
            }
        }
    }
    let _ = socket.shutdown().await;
    while read(&mut socket, &mut buffer).await.is_ok_and(|read| read > 0) {}
}

/// Waits for input, and reads once. Other tasks have a turn before, so a peer that sends without end does not keep the
/// thread.
pub(crate) async fn read(socket: &mut Socket, buffer: &mut [u8]) -> io::Result<usize> {
    tokio::task::yield_now().await;
    socket.read(buffer).await
}
