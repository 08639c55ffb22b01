//! Servers of applications that do less with the gateway's answers than they should.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper::{Request, Response, StatusCode};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde_json::{json, value::RawValue};
use tidings_server::{DevAccess, Gateway, GatewaySettings, Hub, HubSettings, PublishOptions, SystemHost};
use tidings_shared::{RawEvent, limits::CLOSE_TIMEOUT};
use tidings_tests::{Client, EventStream, RawSocket, at_once, eventually};
use tokio::{net::TcpListener, runtime, time::Instant};
use tower::Service;

fn gateway() -> Gateway {
    let hub = Hub::new(HubSettings::new("acme".parse().unwrap()), SystemHost::start());
    let access = DevAccess::new(hub.home().clone());
    Gateway::new(hub, access, GatewaySettings::development())
}

type Answer = Response<UnsyncBoxBody<Bytes, String>>;

/// Asks as a server does, and leaves the body of the answer to the test.
async fn call(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path).header("Host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let answer = gateway.service().call(request).await.unwrap();
    answer.map(|body| body.map_err(|error| error.to_string()).boxed_unsync())
}

fn publish_big(hub: &Hub) {
    let payload = RawValue::from_string(json!("x".repeat(50_000)).to_string()).unwrap();
    let event = RawEvent { domain: "a".into(), event: "b".into(), payload };
    at_once(hub.publish_raw(event, Some(&["a".parse().unwrap()]), PublishOptions::default())).unwrap();
}

#[test]
fn a_stream_whose_body_is_dropped_or_never_read_leaves_nothing_and_delays_a_drain_by_little() {
    let runtime = runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let gateway = gateway();
    let open = || runtime.block_on(call(&gateway, "/v1/events?topic=a", &[]));
    drop(open());
    eventually("a dropped body ends its stream", || gateway.sessions() == 0);
    let unread = open();
    assert_eq!(unread.status(), StatusCode::OK);
    eventually("it is in its shard", || gateway.hub().counters().followers == 1);
    // More than the pipe holds.
    (0..10).for_each(|_| publish_big(gateway.hub()));
    let begun = Instant::now();
    assert!(runtime.block_on(gateway.drain()), "the drain waits for nobody who reads nothing");
    assert!(begun.elapsed() < CLOSE_TIMEOUT * 3);
    // What was in the pipe is still there, and then the body ends.
    let body = runtime.block_on(unread.into_body().collect()).unwrap().to_bytes();
    assert!(body.starts_with(b"retry: "), "{body:?}");
}

#[test]
fn a_server_without_upgrades_keeps_no_session() {
    let runtime = runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let gateway = gateway();
    let headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let refused = runtime.block_on(call(&gateway, "/v1/ws", &headers));
    assert_eq!((refused.status(), gateway.sessions()), (StatusCode::BAD_REQUEST, 0));

    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let service = TowerToHyperService::new(gateway.service());
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // The server forgets `with_upgrades`.
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service.clone()));
        }
    });
    for _ in 0..3 {
        let answer = RawSocket::handshake().header("Connection", "Upgrade").send(address);
        assert_eq!(answer.status, 101);
    }
    eventually("no session is left", || gateway.sessions() == 0);
}

#[test]
fn one_thread_is_enough_for_a_server() {
    let gateway = gateway();
    let (tell, told) = std::sync::mpsc::channel();
    let app = axum::Router::new().layer(gateway.service());
    std::thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
    });
    let address = told.recv().unwrap();
    let mut client = Client::hello_to(address);
    client.subscribe(&["a"], None, "live");
    let mut stream = EventStream::open(address, &["a"], None);
    stream.expect("subscribed");
    publish_big(gateway.hub());
    client.expect("event");
    stream.expect("event");
    drop((client, stream));
    eventually("both are gone", || gateway.sessions() == 0);
}
