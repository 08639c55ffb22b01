//! `GET /v1/events`: from a request to an event stream (server-sent events) in a shard.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream::pending;
use hyper::{
    HeaderMap,
    header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue},
};
use tidings_hub::{
    event_stream::{EventStream, StreamAccess},
    problem::Problem,
    session::NamedTopics,
};
use warp::{Reply, reply::Response};

use super::{
    authenticate,
    comeback::{self, LAST_EVENT_ID},
    listen::Asked,
    page, upgrade,
};
use crate::{
    gateway::Gateway,
    net::{
        accept::Permit,
        hand_over::{HandOver, Handed},
        transport::Transport,
        worker::{Arrival, Purpose},
    },
};

/// Answers with an event stream. When hyper has written the head of the answer, the connection goes to a shard.
pub(super) async fn answer(
    gateway: &Gateway,
    headers: &HeaderMap,
    permit: Option<Permit>,
    query: Vec<(String, String)>,
) -> Result<Response, Problem> {
    let peer = permit.as_ref().map(Permit::peer);
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
    let (allowed, asked_at) = gateway.questions().may_subscribe(&admitted, topics.names()).await?;
    let access = StreamAccess { admitted, asked_at, allowed };
    let stream = EventStream::open(hub, settings, access, topics, since, hub.now())?;
    let stream = stream.coming_back_after(comeback::retry());
    let unknown = stream.unknown_domains().and_then(|names| HeaderValue::try_from(names).ok());
    // hyper never polls this body: by then, the connection has left HTTP.
    let mut response = warp::reply::stream(pending::<Result<Bytes, Infallible>>()).into_response();
    let answer = response.headers_mut();
    answer.insert(CONTENT_TYPE, comeback::EVENT_STREAM);
    answer.insert(CACHE_CONTROL, comeback::UNTOUCHED);
    // The connection ends with the stream. A proxy must not keep it for another request.
    answer.insert(CONNECTION, HeaderValue::from_static("close"));
    // A proxy that buffers answers would hold events back.
    answer.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    if let Some(unknown) = unknown {
        answer.insert(HeaderName::from_static("tidings-unknown-domains"), unknown);
    }
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
    Ok(page::for_pages(response))
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
        let routes = gateway.routes().map(|mut answer: Response| {
            answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            let body = pending::<Result<Bytes, Infallible>>();
            *answer.body_mut() = warp::reply::stream(body).into_response().into_body();
            answer
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        tokio::spawn(async move { gateway.serve(listener, routes, std::future::pending()).await });
        client.write_all(b"GET /v1/events?topic=t:1 HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
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
