//! The limits that other tests meet with their defaults are settings too.

use std::time::{Duration, Instant};

use serde_json::json;
use tidings_shared::limits::{LimitValue, SETTINGS};
use tidings_tests::{Client, Frame, RawSocket, Request, Server, finish, sample, tidings};

/// A hello of so many bytes.
fn hello_of(bytes: usize) -> String {
    let bare = r#"{"op":"hello","more":""}"#;
    format!(r#"{{"op":"hello","more":"{}"}}"#, "x".repeat(bytes - bare.len()))
}

#[test]
fn a_hello_may_have_as_many_bytes_as_was_set() {
    let server = Server::with(&["--max-hello-bytes", "100"]);
    for (bytes, is_good) in [(100, true), (101, false)] {
        let mut socket = RawSocket::connect(server.address());
        socket.send(&Frame::text(hello_of(bytes)));
        let first = socket.next_frame();
        assert_eq!(first["op"], if is_good { "welcome" } else { "error" }, "{bytes}: {first}");
        if !is_good {
            assert_eq!((&first["code"], socket.close_code()), (&json!("too_large"), Some(1009)));
        }
    }
}

#[test]
fn a_body_may_have_as_many_bytes_and_as_long_as_was_set() {
    let body = json!({ "event": sample::person_updated(&sample::uuid()) }).to_string();
    let max = body.len().to_string();
    let server = Server::with(&["--max-body-bytes", &max, "--body-timeout", "300ms"]);
    let publish = |body: String| Request::post("/v1/publish").body(body).send(server.address());
    assert_eq!(publish(body.clone()).status, 200);
    publish(format!("{body} ")).assert_problem(413, "too_large");
    let start = Instant::now();
    let late = Request::post("/v1/publish").header("Content-Length", &max).send(server.address());
    assert_eq!(late.status, 408, "{late:?}");
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_ping_is_to_be_answered_as_soon_as_was_set() {
    let server = Server::with(&["--heartbeat", "200ms", "--ping-timeout", "300ms"]);
    let start = Instant::now();
    let mut socket = RawSocket::hello(server.address());
    assert_eq!(socket.close_code(), Some(1001));
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_millis(500), "{elapsed:?}");
    assert!(elapsed < Duration::from_secs(8), "the default is 10 s: {elapsed:?}");
}

#[test]
fn clients_come_back_within_the_time_that_was_set() {
    let mut server = Server::with(&["--drain-spread", "0s"]);
    let mut client = Client::hello(&server);
    server.process().signal("TERM");
    assert_eq!(client.expect("goaway")["retry_after_ms"], 0);
}

#[test]
fn every_setting_of_the_limits_is_a_flag_with_that_default() {
    let help = finish(tidings().args(["serve", "--help"])).stdout;
    for limit in SETTINGS {
        let flag = limit.setting.expect(limit.name);
        let about =
            help.split_once(&format!("\n      {flag} <")).map(|(_, rest)| rest.split("\n      --").next());
        let about = about.flatten().unwrap_or_else(|| panic!("`tidings serve` has no {flag}"));
        let default = about.split_once("[default: ").and_then(|(_, rest)| rest.split(']').next());
        let default = default.unwrap_or_else(|| panic!("{flag} has no default"));
        let is_same = match limit.value {
            LimitValue::Number(number) => default == number.to_string(),
            LimitValue::Time(time) => {
                let seconds = time.as_secs();
                default == format!("{seconds}s") || default == format!("{}m", seconds / 60)
            }
        };
        assert!(is_same, "{flag}: {default}, but {} is {:?}", limit.name, limit.value);
    }
}
