//! The body of a request.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tidings_shared::Code;
use tokio::time::timeout;
use warp::Buf;

use crate::{Gateway, problem::Problem};

/// The whole body, within the bounds of size and time.
pub(super) async fn read<S, B, E>(gateway: &Gateway, body: S) -> Result<String, Problem>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    let (max, time): (usize, Duration) = (gateway.settings().max_body_bytes, gateway.settings().body_timeout);
    let bytes = timeout(time, gather(body, max))
        .await
        .map_err(|_| Problem::new(Code::InvalidFrame, "the body did not come in time"))??;
    String::from_utf8(bytes).map_err(|_| Problem::new(Code::InvalidFrame, "the body is not UTF-8"))
}

async fn gather<S, B, E>(body: S, max: usize) -> Result<Vec<u8>, Problem>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    let mut bytes = Vec::new();
    let mut body = std::pin::pin!(body);
    while let Some(chunk) = body.next().await {
        let mut chunk = chunk.map_err(|_| Problem::new(Code::InvalidFrame, "the body ended early"))?;
        if bytes.len() + chunk.remaining() > max {
            return Err(Problem::new(Code::TooLarge, format!("a body has at most {max} bytes")));
        }
        while chunk.has_remaining() {
            bytes.extend_from_slice(chunk.chunk());
            chunk.advance(chunk.chunk().len());
        }
    }
    Ok(bytes)
}
