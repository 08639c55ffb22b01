//! How an event stream leaves HTTP in the middle of its answer: hyper writes the head of the answer, and a shard writes
//! the body.

use std::net::TcpStream;

use hyper::Version;
use tidings_hub::event_stream::Framing;
use tokio::sync::mpsc;

/// An extension of an answer. After hyper has written the head of this answer, the receiver gets the connection.
#[derive(Debug, Clone)]
pub(crate) struct HandOver(mpsc::Sender<Handed>);

/// A connection after the head of an answer. The client waits for the body.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) stream: TcpStream,
    pub(crate) framing: Framing,
}

impl HandOver {
    /// Returns a sender and a receiver. The receiver gets one connection, or none if the client goes away before.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Handed>) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), receiver)
    }

    pub(super) fn send(&self, handed: Handed) {
        if self.0.try_send(handed).is_err() {
            tracing::debug!("nobody takes a connection that was handed over");
        }
    }
}

/// Returns how hyper frames a body of unknown length, in the answer to a request of this version.
pub(super) fn framing(version: Version) -> Framing {
    if version < Version::HTTP_11 { Framing::UntilClose } else { Framing::Chunked }
}
