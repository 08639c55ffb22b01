//! One WebSocket: moves bytes between a session and an upgraded connection, and nothing else.

use std::{future::poll_fn, hash::BuildHasher, task::Poll, time::Duration};

use futures_util::{FutureExt, SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tidings_shared::{code::close, limits::READ_BATCH};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::watch,
    time::{sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use crate::{Clock, Gateway, Output, Session};

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Bytes that a socket reads, and gathers for one write, at a time.
const BUFFER_BYTES: usize = 4 * 1024;

/// From our Close to the end of the connection: time for the peer's Close and what it was still sending.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the loop over a socket ended.
enum End {
    /// We said Close; the peer's is still to come.
    Ours,
    /// The peer said Close, or sent what is no WebSocket: nothing more can be read from it.
    Theirs,
    /// The stream broke, or the peer takes no bytes.
    Broken,
}

/// Runs a session over an upgraded connection until it ends.
pub(crate) async fn run(upgraded: Upgraded, mut session: Session, gateway: Gateway) {
    let settings = gateway.settings();
    let max = settings.session.max_message_bytes;
    // Writing has no bound of its own: a frame is as large as its publication, and the next one is taken only when
    // this one has been written out.
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(usize::MAX)
        .max_message_size(Some(max))
        .max_frame_size(Some(max));
    let mut socket = Socket::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let drain = gateway.watch_drain();
    let end = drive(&mut socket, &mut session, &gateway, drain).await;
    drop(session);
    let _ = timeout(CLOSE_TIMEOUT, linger(socket, end)).await;
}

/// What a session waits for.
enum Next {
    Output(Output),
    Message(Option<Result<Message, Error>>),
    Timeout,
    Drain,
}

async fn drive(
    socket: &mut Socket,
    session: &mut Session,
    gateway: &Gateway,
    mut drain: watch::Receiver<bool>,
) -> End {
    let clock = gateway.hub().clock();
    let mut knows_of_drain = false;
    let mut has_more = false;
    loop {
        // The timeouts of a session that catches up wait until it has: it takes bytes, so it is there.
        session.handle_expiry(clock.now());
        let deadline = session.poll_timeout().map(|at| clock.instant(at).into());
        // A session that catches up with the log is heard all the same: one message for each batch.
        let heard = if std::mem::take(&mut has_more) { socket.next().now_or_never() } else { None };
        let next = if let Some(message) = heard {
            Next::Message(message)
        } else {
            tokio::select! {
                biased;
                _ = drain.wait_for(|draining| *draining), if !knows_of_drain => Next::Drain,
                output = next_output(session, clock) => Next::Output(output),
                message = socket.next() => Next::Message(message),
                () = async { match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                } } => Next::Timeout,
            }
        };
        let now = clock.now();
        match next {
            Next::Output(output) => {
                match write_batch(socket, session, clock, output).await {
                    Ok(Written::All) => {}
                    Ok(Written::Some) => has_more = true,
                    Ok(Written::Close) => return End::Ours,
                    Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::TimedOut => {
                        // A peer that reads again just now learns why.
                        session.handle_stalled();
                        let written = finish(socket, session, clock).await;
                        return if written { End::Ours } else { End::Broken };
                    }
                    Err(_) => return End::Broken,
                }
            }
            Next::Message(Some(Ok(Message::Text(text)))) => session.handle_text(&text, now),
            Next::Message(Some(Ok(Message::Binary(_)))) => session.handle_binary(now),
            Next::Message(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => session.handle_control(now),
            Next::Message(Some(Ok(Message::Close(_)))) => {
                // The codec has the reply ready: writing anything out sends it.
                let _ = timeout(CLOSE_TIMEOUT, socket.flush()).await;
                return End::Theirs;
            }
            // Only writing makes these.
            Next::Message(Some(Ok(Message::Frame(_)))) => {}
            Next::Message(Some(Err(error))) => {
                let code = match error {
                    Error::Capacity(_) => {
                        session.handle_too_large();
                        let written = finish(socket, session, clock).await;
                        return if written { End::Theirs } else { End::Broken };
                    }
                    Error::Utf8(_) => close::INVALID_TEXT,
                    Error::Protocol(_) => close::PROTOCOL,
                    _ => return End::Broken,
                };
                let _ = timeout(CLOSE_TIMEOUT, send_close(socket, code, "")).await;
                return End::Theirs;
            }
            Next::Message(None) => return End::Broken,
            Next::Timeout => session.handle_timeout(now),
            Next::Drain => {
                knows_of_drain = true;
                session.handle_drain(spread(gateway.settings().drain_spread));
            }
        }
    }
}

/// A different part of the spread for each session.
pub(crate) fn spread(whole: Duration) -> Duration {
    let random = std::hash::RandomState::new().hash_one(0_u8);
    whole.mul_f64(random as f64 / u64::MAX as f64)
}

async fn next_output(session: &mut Session, clock: Clock) -> Output {
    poll_fn(|cx| match session.poll_output(clock.now(), cx.waker()) {
        Some(output) => Poll::Ready(output),
        None => Poll::Pending,
    })
    .await
}

/// How far a batch came.
enum Written {
    /// Nothing is left to write just now.
    All,
    /// There may be more.
    Some,
    /// A Close was written, after which there is nothing.
    Close,
}

/// Writes this output and those that are ready behind it, at most a batch, then flushes once. The stream itself has a
/// deadline for a peer that takes nothing; meanwhile nothing is read from the log, nor from the peer.
async fn write_batch(
    socket: &mut Socket,
    session: &mut Session,
    clock: Clock,
    first: Output,
) -> Result<Written, Error> {
    let mut next = Some(first);
    let mut count = 0;
    while let Some(output) = next {
        let message = match output {
            Output::Frame(frame) => {
                Message::Text(Utf8Bytes::try_from(frame).map_err(|_| Error::Utf8(String::new()))?)
            }
            Output::Ping => Message::Ping(bytes::Bytes::new()),
            Output::Close { code, reason } => {
                send_close(socket, code, reason).await?;
                return Ok(Written::Close);
            }
        };
        socket.feed(message).await?;
        count += 1;
        if count == READ_BATCH {
            socket.flush().await?;
            return Ok(Written::Some);
        }
        next = session.poll_output(clock.now(), std::task::Waker::noop());
    }
    socket.flush().await?;
    Ok(Written::All)
}

/// Writes the last words of a session that has ended; they are few.
async fn finish(socket: &mut Socket, session: &mut Session, clock: Clock) -> bool {
    match session.poll_output(clock.now(), std::task::Waker::noop()) {
        Some(output) => {
            let written = timeout(CLOSE_TIMEOUT, write_batch(socket, session, clock, output)).await;
            matches!(written, Ok(Ok(_)))
        }
        None => true,
    }
}

async fn send_close(socket: &mut Socket, code: u16, reason: &'static str) -> Result<(), Error> {
    let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
    socket.send(Message::Close(Some(frame))).await
}

/// Ends the connection so that the peer gets our Close: a socket that is closed with bytes unread is reset, and the
/// Close may be lost with it.
async fn linger(mut socket: Socket, end: End) {
    if matches!(end, End::Broken) {
        return;
    }
    if matches!(end, End::Ours) {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                break;
            }
        }
    }
    let mut stream = socket.into_inner();
    let _ = stream.shutdown().await;
    let mut discarded = [0; 1024];
    while stream.read(&mut discarded).await.is_ok_and(|read| read > 0) {}
}
