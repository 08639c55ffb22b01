//! `GET /v1/events`: from a request to an event stream (server-sent events) in a shard.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    stream::{pending, poll_fn},
};
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use tidings_hub::{
    event_stream::{EventStream, Framing, StreamAccess},
    problem::Problem,
    session::NamedTopics,
};
use tidings_shared::{
    Code,
    limits::{LOAD_TIMEOUT, WRITE_BYTES},
};
use tokio::{
    io::{AsyncRead, DuplexStream, ReadBuf, duplex},
    time::timeout,
};
use warp::{Reply, reply::Response};

use super::{
    authenticate,
    comeback::{self, LAST_EVENT_ID},
    head::Head,
    listen::Asked,
    page, upgrade,
};
use crate::{
    gateway::Gateway,
    net::{
        hand_over::{HandOver, Handed},
        transport::Transport,
        worker::{Arrival, Permits, Purpose},
    },
};

/// Bytes between a shard and an event stream in the server of an application. It is the most that a shard writes at
/// once. If they are full, the shard waits, as it does for a socket.
const PIPE_BYTES: usize = WRITE_BYTES;

/// Bytes of one read from this pipe.
const READ_BYTES: usize = 4096;

/// Answers with an event stream. On a connection of our own accept loop, the shard takes the connection when hyper has
/// written the head of the answer. Elsewhere the shard writes into a pipe, and the other end is the body.
pub(super) async fn answer(
    gateway: &Gateway,
    head: Head,
    query: Vec<(String, String)>,
) -> Result<Response, Problem> {
    let Head { headers, peer, permit, .. } = head;
    let headers = &headers;
    let admitted = authenticate(gateway, headers, peer).await?;
    let permits = upgrade::permits(gateway, headers, permit)?;
    let Asked { topics, last_event_id } = Asked::parse(query)?;
    // A header that is not text is not a position. With two headers, the server can't know the right one: it uses none.
    let mut ids = headers.get_all(LAST_EVENT_ID).iter();
    let since = match (ids.next(), ids.next()) {
        (id, None) => id.map(|id| id.to_str().unwrap_or_default()),
        _ => Some(""),
    };
    let since = since.or(last_event_id.as_deref());
    let (hub, settings) = (gateway.hub(), gateway.settings().session);
    let topics = NamedTopics::parse(hub, &topics);
    EventStream::check(&topics, settings)?;
    let (allowed, asked_at) = gateway.questions().may_subscribe(&admitted, topics.names()).await?;
    let history = hub.tenant(&admitted.identity.tenant).catch_up(since);
    let is_late = timeout(LOAD_TIMEOUT, history).await.is_err();
    if is_late && hub.tenant(&admitted.identity.tenant).catch_up(None).now_or_never().is_none() {
        let message = "the history of this tenant can't be loaded at the moment";
        return Err(Problem::new(Code::Overloaded, message));
    }
    let access = StreamAccess { admitted, asked_at, allowed };
    let stream = EventStream::open(hub, settings, access, topics, since, hub.now())?;
    let stream = stream.coming_back_after(comeback::retry());
    let unknown = stream.unknown_domains().and_then(|names| HeaderValue::try_from(names).ok());
    let mut response = if permits.0.is_some() {
        hand_over(gateway, stream, permits)
    } else {
        pipe(gateway, stream, permits)
    };
    let answer = response.headers_mut();
    answer.insert(CONTENT_TYPE, comeback::EVENT_STREAM);
    answer.insert(CACHE_CONTROL, comeback::UNTOUCHED);
    // A proxy that buffers answers would hold events back.
    answer.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    if let Some(unknown) = unknown {
        answer.insert(HeaderName::from_static("tidings-unknown-domains"), unknown);
    }
    Ok(page::for_pages(response))
}

/// Returns an answer after which the connection goes to a shard.
fn hand_over(gateway: &Gateway, stream: EventStream, permits: Permits) -> Response {
    // hyper never polls this body: by then, the connection has left HTTP.
    let mut response = warp::reply::stream(pending::<Result<Bytes, Infallible>>()).into_response();
    // The connection ends with the stream. A proxy must not keep it for another request.
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    let (hand_over, mut handed) = HandOver::new();
    response.extensions_mut().insert(hand_over);
    let gateway = gateway.clone();
    tokio::spawn(async move {
        if let (Some(Handed { stream: tcp, framing }), Some(workers)) =
            (handed.recv().await, gateway.workers())
        {
            let protocol = Box::new(stream.framed(framing)).into();
            let purpose = Purpose::Client { protocol, caller: None };
            let transport = Transport::Tcp(tcp);
            workers.send(Arrival { transport, early: Vec::new(), purpose, permits }).await;
        }
    });
    response
}

/// Returns an answer with a body that a shard writes. When hyper drops the body, the shard ends the stream.
fn pipe(gateway: &Gateway, stream: EventStream, permits: Permits) -> Response {
    let (ours, body) = duplex(PIPE_BYTES);
    let gateway = gateway.clone();
    tokio::spawn(async move {
        if let Some(workers) = gateway.workers() {
            let protocol = Box::new(stream.framed(Framing::UntilClose)).into();
            let purpose = Purpose::Client { protocol, caller: None };
            let transport = Transport::boxed(ours);
            workers.send(Arrival { transport, early: Vec::new(), purpose, permits }).await;
        }
    });
    let mut body = body;
    warp::reply::stream(poll_fn(move |cx| poll_chunk(&mut body, cx))).into_response()
}

/// Reads the next bytes of a body. Returns `None` at the end.
fn poll_chunk(body: &mut DuplexStream, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
    let mut bytes = [0; READ_BYTES];
    let mut chunk = ReadBuf::new(&mut bytes);
    let read = ready!(Pin::new(body).poll_read(cx, &mut chunk));
    let filled = chunk.filled();
    Poll::Ready(match read {
        Ok(()) if filled.is_empty() => None,
        Ok(()) => Some(Ok(Bytes::copy_from_slice(filled))),
        Err(error) => Some(Err(error)),
    })
}

#[cfg(test)]
mod tests {
    use hyper::header::CONTENT_ENCODING;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };
    use warp::Filter;

    use super::*;
    use crate::{DevAccess, GatewaySettings, Hub, HubSettings, SystemHost};

    #[tokio::test]
    async fn an_application_that_compresses_all_answers_changes_no_stream() {
        let hub = Hub::new(HubSettings::new("acme".parse().unwrap()), SystemHost::start());
        let access = DevAccess::new(hub.home().clone());
        let gateway = Gateway::new(hub, access, GatewaySettings::development());
        let routes = warp::path("live").and(gateway.routes()).map(|mut answer: Response| {
            answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            let body = pending::<Result<Bytes, Infallible>>();
            *answer.body_mut() = warp::reply::stream(body).into_response().into_body();
            answer
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        tokio::spawn(
            async move { gateway.serve(listener, warp::service(routes), std::future::pending()).await },
        );
        client.write_all(b"GET /live/v1/events?topic=t:1 HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        while !answer.ends_with("\n\n\r\n") {
            let mut bytes = [0; 1024];
            let read = client.read(&mut bytes).await.unwrap();
            assert_ne!(read, 0, "{answer}");
            answer.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        assert!(!answer.contains("gzip"), "{answer}");
        assert!(answer.contains("\nevent: subscribed\n"), "{answer}");
    }
}
