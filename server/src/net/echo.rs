//! A WebSocket echo for conformance suites. It has the codec of sessions.

use std::io;

use tokio::{
    io::AsyncWriteExt,
    time::{Duration, timeout},
};

use super::{
    socket::{lingering_close, read},
    transport::Socket,
};
use tidings_hub::websocket::{Awaited, Decoder, Incoming, Kind, put, put_close};
use tidings_shared::limits::{CLOSE_TIMEOUT, READ_BYTES};

/// Sends back every message, until the connection ends or a write takes longer than `write_timeout`. `early` holds
/// the bytes that the client sent right after its handshake.
pub(crate) async fn run(mut socket: Socket, mut early: Vec<u8>, max: usize, write_timeout: Duration) {
    let mut decoder = Decoder::new(max);
    let mut buffer = vec![0; READ_BYTES];
    let mut bytes = &mut early[..];
    loop {
        let (out, is_over) = answer(&mut decoder, bytes, max);
        if !matches!(timeout(write_timeout, write(&mut socket, &out)).await, Ok(Ok(()))) {
            return;
        }
        if is_over {
            let _ = timeout(CLOSE_TIMEOUT, lingering_close(socket, Some(&mut decoder))).await;
            return;
        }
        match read(&mut socket, &mut buffer).await {
            Ok(length) if length > 0 => bytes = &mut buffer[..length],
            _ => return,
        }
    }
}

/// Returns the bytes to send back, and whether they end with a Close.
fn answer(decoder: &mut Decoder, bytes: &mut [u8], max: usize) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let heard = decoder.read(bytes, |incoming| {
        match incoming {
            Incoming::Text(text) => put(&mut out, Kind::Text, text.as_bytes()),
            Incoming::Binary(bytes) => put(&mut out, Kind::Binary, bytes),
            Incoming::Ping(payload) => put(&mut out, Kind::Pong, payload),
            Incoming::Pong | Incoming::Fragment => {}
            Incoming::Close(code) => put_close(&mut out, code, ""),
        }
        Awaited::Messages(max)
    });
    if let Err(fault) = heard {
        put_close(&mut out, Some(fault.close()), "");
    }
    (out, heard.is_err() || decoder.is_closed())
}

async fn write(socket: &mut Socket, bytes: &[u8]) -> io::Result<()> {
    socket.write_all(bytes).await?;
    socket.flush().await
}
