//! Watches whether a request's body was read to its end. If it was not, hyper closes the connection after the answer.
//! The answer must say so. Otherwise a proxy sends its next request on this connection, and the request is lost.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use hyper::{
    Request, StatusCode,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    header::{CONNECTION, HeaderValue},
};
use warp::reply::Response;

/// A request's body. Its end is noted in `is_read`.
#[derive(Debug)]
pub(super) struct RequestBody {
    incoming: Incoming,
    is_read: IsRead,
}

/// Whether a body was read to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct IsRead(Arc<AtomicBool>);

impl IsRead {
    /// Watches the body of a request.
    pub(super) fn watch(request: Request<Incoming>) -> (Self, Request<RequestBody>) {
        let is_read = Self(Arc::new(AtomicBool::new(request.body().is_end_stream())));
        let watched = request.map(|incoming| RequestBody { incoming, is_read: is_read.clone() });
        (is_read, watched)
    }

    /// Adds `Connection: close` to the answer if the connection ends after it.
    pub(super) fn tell(&self, mut answer: Response) -> Response {
        if !self.0.load(Relaxed) && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.incoming).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) || self.incoming.is_end_stream() {
            self.is_read.0.store(true, Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
