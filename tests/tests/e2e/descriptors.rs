//! A process that may open few files: it accepts fewer connections, and still answers a prober of `/health`.

use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tidings_tests::{Frame, RawSocket, Request, Server, eventually, tidings_with_files};

/// For an answer to who asks how the server is, behind hundreds that say nothing: a prober's patience.
const HEALTH: Duration = Duration::from_secs(5);

/// A server that may have so many files open.
fn server(files: usize, flags: &[&str]) -> Server {
    let mut command = tidings_with_files(files);
    command.args(["serve", "--dev", "--listen", "127.0.0.1:0"]).args(flags);
    Server::run(command)
}

fn ping(socket: &mut RawSocket, number: usize) {
    socket.send(&Frame::text(json!({ "op": "ping", "ref": number }).to_string()));
    assert_eq!(socket.next_frame(), json!({ "op": "pong", "ref": number }));
}

#[test]
fn connections_stay_32_below_the_limit_of_files_the_rest_is_refused_and_nobody_is_evicted() {
    let mut server = server(256, &["--header-timeout", "60s", "--shards", "2"]);
    let mut sessions: Vec<RawSocket> = (0..200).map(|_| RawSocket::hello(server.address())).collect();
    let silent: Vec<TcpStream> = (0..24).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    eventually("the operator is told", || server.process().log().contains("limit of file descriptors"));
    for _ in 0..20 {
        for path in ["/v1/ws", "/v1/publish", "/v1/events?topic=a", "/nowhere"] {
            let refused = Request::get(path).send(server.address());
            refused.assert_problem(503, "overloaded");
            assert_eq!(
                (refused.header("retry-after"), refused.header("connection")),
                (Some("5"), Some("close"))
            );
        }
        for path in ["/health", "/ready", "/metrics"] {
            assert_eq!(Request::get(path).send(server.address()).status, 200, "{path}");
        }
    }
    // Also while hundreds more are there, which say nothing.
    let crowd: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    let start = Instant::now();
    assert_eq!(Request::get("/health").send(server.address()).status, 200);
    assert!(start.elapsed() < HEALTH, "{:?}", start.elapsed());
    drop(crowd);
    sessions.iter_mut().enumerate().for_each(|(number, session)| ping(session, number));
    drop((sessions, silent));
    let start = Instant::now();
    eventually("a permit is free", || Request::get("/v1/events").send(server.address()).status != 503);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    let mut again: Vec<RawSocket> = (0..200).map(|_| RawSocket::hello(server.address())).collect();
    again.iter_mut().enumerate().for_each(|(number, session)| ping(session, number));
}

#[test]
fn a_server_without_a_descriptor_for_another_connection_waits_and_serves_who_is_there() {
    let mut server = server(21, &["--header-timeout", "60s", "--shards", "1"]);
    let mut session = RawSocket::hello(server.address());
    let crowd: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    let (before, start) = (server.process().cpu_time(), Instant::now());
    while start.elapsed() < Duration::from_millis(500) {
        ping(&mut session, 1);
        thread::park_timeout(Duration::from_millis(10));
    }
    let used = server.process().cpu_time().zip(before).map(|(after, before)| after - before);
    assert!(used.is_none_or(|used| used < Duration::from_millis(150)), "it spins: {used:?} of half a second");
    eventually("it is said", || server.process().log().contains("could not be accepted"));
    drop(crowd);
    assert_eq!(Request::get("/health").send(server.address()).status, 200);
    ping(&mut session, 2);
}
