//! What carries the bytes of a shard's connection: a TCP socket, or boxed I/O.
//!
//! Boxed I/O is everything else that an application's server may have below HTTP: TLS in process, for example. It has
//! no readiness of its own, so a write needs the waker of the connection's task. The fan-out writes outside of this
//! task, so the socket keeps the waker.
//!
//! ```text
//! fan-out: poll_write with the kept waker ─▶ Pending ─▶ the connection falls behind
//! its task: pump ─▶ poll_write ─▶ Pending ─▶ waits for this waker ─▶ pump …
//! ```

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use futures_util::FutureExt;
use hyper::upgrade::Upgraded;
use hyper_util::{rt::TokioIo, server::conn::auto};
use socket2::SockRef;
use tidings_hub::shard::Sink;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::coop::unconstrained,
};

use super::accept;

/// A connection on its way to a shard. A TCP socket is in no runtime meanwhile.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(std::net::TcpStream),
    Boxed(BoxedIo),
}

impl Transport {
    /// Takes an upgraded connection away from hyper. Returns it with the bytes that hyper has read after the handshake.
    /// The connection is one of our own accept loop, or of an application's server. Only a plain TCP socket leaves its
    /// box.
    ///
    /// # Errors
    /// If the runtime does not give the socket back.
    pub(crate) fn take_over(upgraded: Upgraded) -> io::Result<(Self, Vec<u8>)> {
        let upgraded = match accept::take_over(upgraded) {
            Ok((stream, early)) => return Ok((Self::Tcp(stream?), early)),
            Err(upgraded) => upgraded,
        };
        let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => return Self::tcp(parts.io, parts.read_buf),
            Err(upgraded) => upgraded,
        };
        match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(parts) => Self::tcp(parts.io, parts.read_buf),
            Err(upgraded) => Ok((Self::boxed(TokioIo::new(upgraded)), Vec::new())),
        }
    }

    fn tcp(stream: TokioIo<TcpStream>, early: Bytes) -> io::Result<(Self, Vec<u8>)> {
        let stream = stream.into_inner();
        // The frames of a session are small, and none may wait for the next one.
        let _ = stream.set_nodelay(true);
        Ok((Self::Tcp(stream.into_std()?), early.into()))
    }

    /// Returns boxed I/O.
    pub(crate) fn boxed(io: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self::Boxed(BoxedIo(Box::pin(io)))
    }
}

/// Any I/O, in a box.
pub(crate) struct BoxedIo(Pin<Box<dyn Io + Send>>);

trait Io: AsyncRead + AsyncWrite {}

impl<T: AsyncRead + AsyncWrite> Io for T {}

impl fmt::Debug for BoxedIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxedIo")
    }
}

/// The socket of a connection in a shard.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Boxed(Box<BoxedSocket>),
}

impl Socket {
    /// Takes a connection into the runtime of a shard. The calling task drives the connection from now on.
    ///
    /// # Errors
    /// If the runtime does not take the socket.
    pub(crate) async fn open(transport: Transport) -> io::Result<Self> {
        Ok(match transport {
            Transport::Tcp(stream) => Self::Tcp(TcpStream::from_std(stream)?),
            Transport::Boxed(BoxedIo(io)) => {
                let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
                Self::Boxed(Box::new(BoxedSocket { io, waker, is_full: false, is_flushed: true }))
            }
        })
    }

    /// Waits until it is worth trying to write again, after [`Sink::try_write`] has not taken everything.
    pub(crate) fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx).map(drop),
            // The write has left the waker of this task. So the I/O may have room at the next poll.
            Self::Boxed(socket) => {
                let is_new = std::mem::take(&mut socket.is_full);
                if is_new { Poll::Pending } else { Poll::Ready(()) }
            }
        }
    }

    /// Passes on the bytes that boxed I/O still keeps. Returns `Pending` until the peer takes them, and an error only
    /// once.
    pub(crate) fn poll_pass_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Boxed(socket) if !socket.is_flushed => socket.poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl Sink for Socket {
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => match SockRef::from(&*stream).send(bytes) {
                // The runtime must see this error itself. Otherwise it never reports that the socket has room again.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.try_write(bytes),
                sent => sent,
            },
            Self::Boxed(socket) => socket.try_write(bytes),
        }
    }
}

/// Boxed I/O in a shard.
pub(crate) struct BoxedSocket {
    io: Pin<Box<dyn Io + Send>>,
    /// The waker of the connection's task.
    waker: Waker,
    /// The last write met `Pending`, and nobody has waited for room since.
    is_full: bool,
    /// The I/O has passed everything on. TLS keeps records that the TCP socket below has not taken.
    is_flushed: bool,
}

impl fmt::Debug for BoxedSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_full, is_flushed, .. } = self;
        f.debug_struct("BoxedSocket").field("is_full", is_full).field("is_flushed", is_flushed).finish()
    }
}

impl BoxedSocket {
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let waker = self.waker.clone();
        // The turn of a fan-out has a bound of its own. With the runtime's budget for one task, the sockets after the
        // first hundred would look full.
        let written = pin!(unconstrained(poll_fn(|cx| Poll::Ready(self.write(cx, bytes)))));
        // A panic of the application's I/O must end its own connection, and not the fan-out of the shard.
        let written = AssertUnwindSafe(written).catch_unwind();
        match pin!(written).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(Ok(written)) => written,
            Poll::Ready(Err(_)) => Err(io::Error::other("the I/O has panicked")),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Writes until the I/O takes no more.
    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        self.is_full = false;
        while taken < bytes.len() {
            match self.io.as_mut().poll_write(cx, &bytes[taken..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(more)) => taken += more,
                // After a part, the next write meets the same error.
                Poll::Ready(Err(_)) if taken > 0 => break,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    self.is_full = true;
                    break;
                }
            }
        }
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.is_flushed = false;
        match self.poll_flush(cx) {
            Poll::Ready(Err(error)) => Err(error),
            _ => Ok(taken),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(self.io.as_mut().poll_flush(cx));
        self.is_flushed = true;
        Poll::Ready(flushed)
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Boxed(socket) => socket.io.as_mut().poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Boxed(socket) => socket.io.as_mut().poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Boxed(socket) => socket.io.as_mut().poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Boxed(socket) => socket.io.as_mut().poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, extract::Request, http::StatusCode, routing::any};
    use hyper_util::{rt::TokioExecutor, service::TowerToHyperService};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, BufWriter, DuplexStream, duplex},
        net::TcpListener,
        sync::mpsc,
    };

    use super::*;

    /// An application that takes each connection over.
    fn takes_over() -> (Router, mpsc::Receiver<(Transport, Vec<u8>)>) {
        let (sender, taken) = mpsc::channel(1);
        let app = Router::new().fallback(any(move |request: Request| async move {
            tokio::spawn(async move {
                let upgraded = hyper::upgrade::on(request).await.unwrap();
                sender.send(Transport::take_over(upgraded).unwrap()).await.unwrap();
            });
            (StatusCode::SWITCHING_PROTOCOLS, [("connection", "upgrade"), ("upgrade", "x")])
        }));
        (app, taken)
    }

    async fn upgrade(stream: &mut (impl AsyncWrite + Unpin)) {
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nearly";
        stream.write_all(request).await.unwrap();
    }

    #[tokio::test]
    async fn a_tcp_socket_leaves_the_box_of_each_server() {
        for host in ["http1", "auto", "axum"] {
            let (app, mut taken) = takes_over();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            upgrade(&mut client).await;
            tokio::spawn(async move {
                if host == "axum" {
                    return axum::serve(listener, app).await.unwrap();
                }
                let io = TokioIo::new(listener.accept().await.unwrap().0);
                let service = TowerToHyperService::new(app);
                if host == "http1" {
                    let http1 = hyper::server::conn::http1::Builder::new();
                    return http1.serve_connection(io, service).with_upgrades().await.unwrap();
                }
                let auto = auto::Builder::new(TokioExecutor::new());
                auto.serve_connection_with_upgrades(io, service).await.unwrap();
            });
            let (transport, early) = taken.recv().await.unwrap();
            assert!(matches!(transport, Transport::Tcp(_)), "{host}: {transport:?}");
            assert_eq!(early, b"early", "{host}");
        }
    }

    #[tokio::test]
    async fn other_io_stays_in_its_box_with_what_was_read_ahead() {
        let (app, mut taken) = takes_over();
        let (mut client, server) = duplex(1024);
        upgrade(&mut client).await;
        let http1 = hyper::server::conn::http1::Builder::new();
        let connection = http1.serve_connection(TokioIo::new(server), TowerToHyperService::new(app));
        tokio::spawn(connection.with_upgrades());
        let (transport, early) = taken.recv().await.unwrap();
        assert!(early.is_empty() && matches!(transport, Transport::Boxed(_)), "{transport:?}");
        let mut socket = Socket::open(transport).await.unwrap();
        let mut read = [0; 5];
        socket.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"early");
    }

    async fn boxed(io: impl AsyncRead + AsyncWrite + Send + 'static) -> Socket {
        Socket::open(Transport::boxed(io)).await.unwrap()
    }

    async fn read(peer: &mut DuplexStream, bytes: usize) -> Vec<u8> {
        let mut read = vec![0; bytes];
        peer.read_exact(&mut read).await.unwrap();
        read
    }

    #[tokio::test]
    async fn a_full_socket_takes_a_part_and_waits_for_room() {
        let (ours, mut peer) = duplex(4);
        let mut socket = boxed(ours).await;
        assert_eq!(socket.try_write(b"abcdef").unwrap(), 4);
        assert_eq!(socket.try_write(b"ef").unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let reads = tokio::spawn(async move {
            let first = read(&mut peer, 4).await;
            (first, peer)
        });
        poll_fn(|cx| socket.poll_writable(cx)).await;
        assert_eq!(socket.try_write(b"ef").unwrap(), 2);
        let (first, mut peer) = reads.await.unwrap();
        assert_eq!((first, read(&mut peer, 2).await), (b"abcd".to_vec(), b"ef".to_vec()));
    }

    #[tokio::test]
    async fn bytes_that_the_io_keeps_are_passed_on_without_another_write() {
        let (ours, mut peer) = duplex(4);
        let mut socket = boxed(BufWriter::with_capacity(64, ours)).await;
        assert_eq!(socket.try_write(b"abcdefghij").unwrap(), 10, "the buffer takes it all");
        let reads = tokio::spawn(async move { read(&mut peer, 10).await });
        poll_fn(|cx| socket.poll_pass_on(cx)).await.unwrap();
        assert_eq!(reads.await.unwrap(), b"abcdefghij");
    }

    #[tokio::test]
    async fn a_panic_of_the_io_is_an_error_of_its_own_socket() {
        struct Panics(DuplexStream);

        impl AsyncRead for Panics {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(&mut self.0).poll_read(cx, buf)
            }
        }

        impl AsyncWrite for Panics {
            fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
                panic!("on purpose")
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }

        let mut socket = boxed(Panics(duplex(4).0)).await;
        assert_eq!(socket.try_write(b"a").unwrap_err().kind(), io::ErrorKind::Other);
    }

    #[tokio::test]
    async fn one_turn_writes_to_more_sockets_than_the_runtime_lets_one_task_poll() {
        let mut sockets = Vec::new();
        for _ in 0..1000 {
            let (ours, peer) = duplex(4);
            sockets.push((boxed(ours).await, peer));
        }
        tokio::task::yield_now().await;
        for (socket, _) in &mut sockets {
            assert_eq!(socket.try_write(b"a").unwrap(), 1);
        }
    }
}
