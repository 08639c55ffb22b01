//! An open WebSocket, and the frames that it has not taken yet.

use std::{
    collections::VecDeque,
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use tidings_client_core::ConnectionId;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{self, Message},
};

pub(crate) type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

type Received = Option<Result<Message, tungstenite::Error>>;

/// How long a WebSocket may refuse a frame because the server does not read. After that the connection counts as lost.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the close of a connection may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Frames that may wait for the WebSocket. These are more than a subscribe for each topic of a client and all its publishes.
/// Only a server that sends pings and reads no answer causes more. The connection then counts as lost.
const MAX_UNSENT: usize = 8192;

/// A WebSocket with the number that the core gave it.
pub(crate) struct Socket {
    pub(crate) connection: ConnectionId,
    stream: WebSocket,
    unsent: VecDeque<Message>,
    /// When the connection counts as lost, unless the WebSocket takes all frames before.
    stalled_at: Option<Instant>,
}

impl Socket {
    pub(crate) fn new(connection: ConnectionId, stream: WebSocket) -> Self {
        Self { connection, stream, unsent: VecDeque::new(), stalled_at: None }
    }

    /// Adds a frame. [`Self::next`] writes it.
    pub(crate) fn push(&mut self, message: Message) {
        let now = Instant::now();
        if self.unsent.len() < MAX_UNSENT {
            self.unsent.push_back(message);
            self.stalled_at.get_or_insert(now + SEND_TIMEOUT);
        } else {
            self.stalled_at = Some(now);
        }
    }

    /// Returns when the connection counts as lost, if there are frames that the WebSocket has not taken.
    pub(crate) fn stalled_at(&self) -> Option<Instant> {
        self.stalled_at
    }

    /// Writes the frames, and waits for the next message. Frames of one turn leave in one write.
    pub(crate) async fn next(socket: &mut Option<Self>) -> (ConnectionId, Received) {
        let Some(socket) = socket else { return std::future::pending().await };
        let connection = socket.connection;
        (connection, poll_fn(|context| socket.poll_next(context)).await)
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        self.write(context);
        self.stream.poll_next_unpin(context)
    }

    /// Writes what the WebSocket takes. The read that follows reports what makes a write fail.
    fn write(&mut self, context: &mut Context<'_>) {
        while !self.unsent.is_empty() && self.stream.poll_ready_unpin(context).is_ready() {
            let Some(message) = self.unsent.pop_front() else { break };
            self.stalled_at = Some(Instant::now() + SEND_TIMEOUT);
            if let Err(error) = self.stream.start_send_unpin(message) {
                tracing::debug!(%error, "a frame could not be sent");
            }
        }
        if self.stream.poll_flush_unpin(context).is_ready() && self.unsent.is_empty() {
            self.stalled_at = None;
        }
    }
}

/// Says goodbye, and waits a second at most.
pub(crate) async fn close_socket(mut socket: Socket) {
    let _ = timeout(CLOSE_TIMEOUT, socket.stream.close(None)).await;
}
