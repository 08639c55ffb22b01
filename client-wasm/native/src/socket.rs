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

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt, net::TcpListener};
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    /// Returns an open WebSocket and its peer.
    async fn pair() -> (Option<Socket>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        let stream =
            WebSocketStream::from_raw_socket(MaybeTlsStream::Plain(stream), Role::Client, None).await;
        (Some(Socket::new(ConnectionId(1), stream)), peer)
    }

    async fn write(socket: &mut Option<Socket>) {
        let _ = timeout(Duration::from_millis(50), Socket::next(socket)).await;
    }

    fn push(socket: &mut Option<Socket>, text: &str) {
        socket.as_mut().unwrap().push(Message::text(text));
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_has_ten_seconds_and_then_the_connection_counts_as_lost() {
        let (mut socket, mut peer) = pair().await;
        assert_eq!(socket.as_ref().and_then(Socket::stalled_at), None);
        push(&mut socket, "short");
        write(&mut socket).await;
        assert_eq!(socket.as_ref().and_then(Socket::stalled_at), None, "the kernel has taken it");
        // More than both buffers of the kernel hold.
        let begun = Instant::now();
        push(&mut socket, &"x".repeat(32 * 1024 * 1024));
        write(&mut socket).await;
        let at = socket.as_ref().and_then(Socket::stalled_at).expect("it is stalled");
        assert!(at >= begun + SEND_TIMEOUT && at <= Instant::now() + SEND_TIMEOUT);
        // When the peer reads again, all is well.
        tokio::spawn(async move { while peer.read(&mut [0; 65536]).await.is_ok_and(|read| read > 0) {} });
        while socket.as_ref().is_some_and(|socket| socket.stalled_at().is_some()) {
            write(&mut socket).await;
        }
    }

    #[tokio::test]
    async fn more_frames_than_may_wait_are_the_end_of_the_connection() {
        let (mut socket, _peer) = pair().await;
        (0..MAX_UNSENT).for_each(|_| push(&mut socket, ""));
        assert!(socket.as_ref().and_then(Socket::stalled_at).is_some_and(|at| at > Instant::now()));
        push(&mut socket, "");
        assert!(socket.as_ref().and_then(Socket::stalled_at).is_some_and(|at| at <= Instant::now()));
        assert_eq!(socket.map(|socket| socket.unsent.len()), Some(MAX_UNSENT));
    }
}
