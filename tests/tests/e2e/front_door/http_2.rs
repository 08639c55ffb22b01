//! The gateway in a server that also speaks HTTP/2.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{StatusCode, Version, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tidings_server::{AccessError, Authorize, Credentials, DevAccess, HubSettings, Identity};
use tidings_tests::eventually;

use crate::hosts::{Host, Hosted};

/// Sends a request over HTTP/2, without TLS.
async fn over_http_2(
    address: SocketAddr,
    request: hyper::http::request::Builder,
) -> hyper::Response<Incoming> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap()
}

#[test]
fn http_2_has_event_streams_and_no_websockets() {
    for host in [Host::Axum, Host::Auto] {
        let hosted = Hosted::start(host, |_| {});
        hosted.runtime.block_on(async {
            let refused = over_http_2(hosted.address, hyper::Request::get("http://localhost/v1/ws")).await;
            assert_eq!((refused.version(), refused.status()), (Version::HTTP_2, StatusCode::BAD_REQUEST));
            let body = refused.into_body().collect().await.unwrap().to_bytes();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert!(body["detail"].as_str().unwrap().contains("HTTP/1.1"), "{body}");
            let request = hyper::Request::get("http://localhost/v1/events?topic=clock");
            let mut stream = over_http_2(hosted.address, request).await;
            assert_eq!(stream.status(), StatusCode::OK);
            let mut text = String::new();
            while !text.contains("event: subscribed\n") {
                let frame = stream.body_mut().frame().await.unwrap().unwrap();
                text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
            }
            drop(stream);
            let foreign = hyper::Request::get("http://evil.example/v1/events?topic=clock");
            assert_eq!(over_http_2(hosted.address, foreign).await.status(), StatusCode::FORBIDDEN);
        });
        eventually("the stream is gone", || hosted.gateway.sessions() == 0);
        hosted.stop();
    }
}

/// Knows one user, by a cookie.
#[derive(Debug)]
struct ByCookie(DevAccess);

impl Authorize for ByCookie {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Identity, AccessError> {
        match credentials.cookie("login") {
            Some("anna") => self.0.authenticate(credentials).await,
            _ => Err(AccessError::unauthorized("log in first")),
        }
    }
}

#[test]
fn a_cookie_of_the_own_origin_counts_over_http_2() {
    let hub = HubSettings::new("acme".parse().unwrap());
    let access = ByCookie(DevAccess::new(hub.home.clone()));
    let hosted = Hosted::start_hub(Host::Auto, hub, access, |_| {});
    for (origin, status) in [("http://localhost:80", 401), ("http://localhost", 200)] {
        let request = hyper::Request::get("http://localhost/v1/events?topic=a");
        let request = request.header("cookie", "login=anna").header("origin", origin);
        let answer = hosted.runtime.block_on(over_http_2(hosted.address, request));
        assert_eq!(answer.status(), status, "{origin}");
    }
    hosted.stop();
}
