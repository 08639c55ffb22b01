//! Watches whether a request's body was read to its end. If it was not, hyper closes the connection after the answer.
//! The answer must say so. Otherwise a proxy sends its next request on this connection, and the request is lost.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use hyper::{
    Request, Response, StatusCode, Version,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
};

/// A request's body, as an application gets it from [`Gateway::serve`](crate::Gateway::serve).
#[derive(Debug)]
pub struct RequestBody<B = Incoming> {
    /// warp asks for bodies that threads can share. The lock is never waited for.
    body: Mutex<B>,
    /// Notes the end of the body.
    is_read: IsRead,
}

/// Whether a body was read to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct IsRead(Arc<AtomicBool>);

impl<B: Body + Unpin> RequestBody<B> {
    /// Watches the body of a request.
    pub(super) fn watch(request: Request<B>) -> (IsRead, Request<Self>) {
        let is_read = IsRead(Arc::new(AtomicBool::new(request.body().is_end_stream())));
        let watched = request.map(|body| Self { body: Mutex::new(body), is_read: is_read.clone() });
        (is_read, watched)
    }
}

impl IsRead {
    /// Adds `Connection: close` to the answer if the connection ends after it. A connection of HTTP/2 goes on.
    pub(super) fn tell<B>(&self, version: Version, mut answer: Response<B>) -> Response<B> {
        let is_kept = self.0.load(Relaxed) || version >= Version::HTTP_2;
        if !is_kept && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}

impl<B: Body + Unpin> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        let frame = Pin::new(&mut *body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) || body.is_end_stream() {
            self.is_read.0.store(true, Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}
