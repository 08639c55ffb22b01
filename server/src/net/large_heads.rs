//! Adds a body to hyper's refusal of a request head that is too large. hyper answers with a bare status, and has no
//! hook for a body. So this layer is below hyper. It recognizes the refusal in the bytes that hyper writes, and
//! completes it.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use serde_json::json;
use tidings_shared::Code;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::request_head::Phase;

/// The most bytes of a request's target. The type for targets has this limit, and no setting changes it.
const MAX_TARGET_BYTES: usize = u16::MAX as usize - 1;

/// A stream that completes hyper's own refusals of request heads.
#[derive(Debug)]
pub(crate) struct LargeHeads<S> {
    stream: S,
    phase: Arc<Phase>,
    max_header_bytes: usize,
    /// The bytes of a refusal, and how many of them the socket has taken.
    refusal: Option<(Vec<u8>, usize)>,
}

impl<S> LargeHeads<S> {
    pub(crate) fn new(stream: S, phase: Arc<Phase>, max_header_bytes: usize) -> Self {
        Self { stream, phase, max_header_bytes, refusal: None }
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    /// Returns the whole refusal, if hyper begins to write one.
    fn complete(&self, written: &[u8]) -> Option<Vec<u8>> {
        // During a request, hyper writes the answer of a route. That stays as it is.
        if self.phase.is_answering() {
            return None;
        }
        let (status, max, what) = match written.get(..13)? {
            b"HTTP/1.1 431 " => (431, self.max_header_bytes, "a request head has"),
            b"HTTP/1.1 414 " => (414, MAX_TARGET_BYTES, "a request's target has"),
            _ => return None,
        };
        let setting = if status == 431 { " (--max-header-bytes)" } else { ", whatever the settings" };
        let body = json!({
            "title": Code::TooLarge.meaning(), "status": status, "code": Code::TooLarge.as_str(),
            "detail": format!("{what} at most {max} bytes here{setting}: send less, for example fewer topics"),
        });
        let (body, head) = (body.to_string(), std::str::from_utf8(written).ok()?);
        let length = format!(
            "content-type: application/problem+json\r\ncache-control: no-store\r\ncontent-length: {}\r\n",
            body.len()
        );
        let (before, after) = head.split_once("content-length: 0\r\n")?;
        Some([before, &length, after, &body].concat().into_bytes())
    }
}

impl<S: AsyncWrite + Unpin> LargeHeads<S> {
    /// Writes the refusal. After that, hyper's own bytes of the refusal count as written.
    fn poll_refuse(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((bytes, taken)) = &mut self.refusal
            && *taken < bytes.len()
        {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[*taken..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *taken += written;
        }
        self.refusal = None;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LargeHeads<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for LargeHeads<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.refusal.is_none() {
            this.refusal = this.complete(buf).map(|refusal| (refusal, 0));
        }
        if this.refusal.is_some() {
            return this.poll_refuse(cx).map_ok(|()| buf.len());
        }
        Pin::new(&mut this.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let is_refusal =
            self.refusal.is_some() || buffers.first().is_some_and(|first| self.complete(first).is_some());
        match buffers.first() {
            Some(first) if is_refusal => self.poll_write(cx, first),
            _ => Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
