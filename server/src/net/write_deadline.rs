//! The TCP stream below HTTP. It has a deadline for a peer that takes no bytes, and closes with a lingering close. It
//! also notes when a byte arrives, and when all bytes are written. The connections of shards no longer have this layer.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tidings_shared::limits::{CLOSE_TIMEOUT, LINGER_BYTES, LINGER_SILENCE};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::request_head::Phase;

/// Fails a write with [`io::ErrorKind::TimedOut`] if the peer takes no byte for `limit`. Every byte that the peer takes
/// restarts the deadline: a slow peer is not a stalled one.
#[derive(Debug)]
pub(crate) struct WriteDeadline<S> {
    stream: S,
    limit: Duration,
    phase: Arc<Phase>,
    /// The deadline. It runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Set when the server has closed its side.
    lingering: Option<LingeringClose>,
}

/// A lingering close: the server has closed its side, and discards the bytes that the peer still sends. Without it, the
/// rest of a refused body would reset the connection. A proxy would then answer 502 instead of the refusal.
#[derive(Debug)]
struct LingeringClose {
    bytes_left: usize,
    ends: Instant,
    /// The deadline of a silent peer.
    silent: Pin<Box<Sleep>>,
}

impl LingeringClose {
    fn begin() -> Self {
        let ends = Instant::now() + CLOSE_TIMEOUT;
        Self { bytes_left: LINGER_BYTES, ends, silent: Box::pin(sleep(LINGER_SILENCE)) }
    }

    /// Completes when the peer has closed, has been silent for too long, or has sent too much.
    fn poll(&mut self, cx: &mut Context<'_>, stream: Pin<&mut impl AsyncRead>) -> Poll<()> {
        let mut stream = stream;
        let mut bytes = [0; 4096];
        loop {
            let mut chunk = ReadBuf::new(&mut bytes);
            if stream.as_mut().poll_read(cx, &mut chunk).is_pending() {
                return self.silent.as_mut().poll(cx);
            }
            let (heard, now) = (chunk.filled().len(), Instant::now());
            self.bytes_left = self.bytes_left.saturating_sub(heard);
            if heard == 0 || self.bytes_left == 0 || now >= self.ends {
                return Poll::Ready(());
            }
            self.silent.as_mut().reset(self.ends.min(now + LINGER_SILENCE));
        }
    }
}

impl<S> WriteDeadline<S> {
    pub(crate) fn new(stream: S, limit: Duration, phase: Arc<Phase>) -> Self {
        Self { stream, limit, phase, stalled: None, lingering: None }
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    /// Returns the result of a write, or an error if the write has waited for too long.
    fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.limit)));
        ready!(stalled.as_mut().poll(cx));
        self.stalled = None;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteDeadline<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            this.phase.heard();
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WriteDeadline<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.judge(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, buffers);
        this.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        this.phase.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let lingering = this.lingering.get_or_insert_with(LingeringClose::begin);
        lingering.poll(cx, Pin::new(&mut this.stream)).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        let (ours, mut theirs) = duplex(4);
        let mut stream = WriteDeadline::new(ours, Duration::from_secs(10), Arc::default());
        let slow = tokio::spawn(async move {
            for _ in 0..6 {
                sleep(Duration::from_secs(9)).await;
                assert_eq!(theirs.read(&mut [0; 2]).await.unwrap(), 2);
            }
            theirs
        });
        stream.write_all(&[0; 16]).await.unwrap();
        let _theirs = slow.await.unwrap();
        let fault = stream.write_all(&[0; 16]).await.unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::TimedOut);
    }

    /// Closes the stream, and returns how long this took.
    async fn closed(stream: DuplexStream) -> Duration {
        let mut stream = WriteDeadline::new(stream, Duration::from_secs(10), Arc::default());
        let start = Instant::now();
        stream.shutdown().await.unwrap();
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_peer_still_sends_is_thrown_away_until_it_closes_or_is_silent() {
        let (ours, mut theirs) = duplex(4);
        let sends = tokio::spawn(async move {
            for _ in 0..3 {
                theirs.write_all(&[0; 100]).await.unwrap();
                sleep(LINGER_SILENCE * 9 / 10).await;
            }
            assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0, "our side is closed");
        });
        assert_eq!(closed(ours).await, LINGER_SILENCE * 27 / 10, "until it has closed");
        sends.await.unwrap();
        let (ours, _silent) = duplex(4);
        assert_eq!(closed(ours).await, LINGER_SILENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_goes_on_sending_is_cut_after_a_time_and_after_so_many_bytes() {
        let (ours, mut theirs) = duplex(4096);
        let drips = tokio::spawn(async move {
            while theirs.write_all(&[0]).await.is_ok() {
                sleep(Duration::from_millis(100)).await;
            }
        });
        let waited = closed(ours).await;
        assert!((CLOSE_TIMEOUT..CLOSE_TIMEOUT + Duration::from_millis(200)).contains(&waited), "{waited:?}");
        drips.await.unwrap();
        let (ours, mut theirs) = duplex(4096);
        let floods = tokio::spawn(async move {
            let mut sent = 0;
            while let Ok(bytes @ 1..) = theirs.write(&[0; 4096]).await {
                sent += bytes;
            }
            sent
        });
        assert_eq!(closed(ours).await, Duration::ZERO);
        assert!((LINGER_BYTES..LINGER_BYTES + 8192).contains(&floods.await.unwrap()));
    }
}
