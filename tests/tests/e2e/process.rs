//! The process: its settings, its exit codes, and its end.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::json;
use tidings_shared::limits::DRAIN_TIMEOUT;
use tidings_tests::{
    Client, Finished, Frame, Incoming, Opcode, RawSocket, Request, Server, eventually, finish, key_file,
    sample, tidings,
};

/// The exit code, and what was said on standard error.
#[track_caller]
fn run(command: &mut Command) -> (Option<i32>, String) {
    let Finished { code, stderr, .. } = finish(command);
    (code, stderr)
}

fn serve(flags: &[&str]) -> Command {
    let mut command = tidings();
    command.arg("serve").args(flags);
    command
}

/// A file that is gone with the test.
struct TempFile(PathBuf);

impl TempFile {
    fn new(text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidings-test-{}.toml", sample::uuid()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// What the server tells a client of its settings: heartbeat, topics, frames.
fn announced(server: &Server) -> (u64, u64, u64) {
    let welcome = Client::connect(server).ask(&json!({ "op": "hello" }));
    let limit = |name: &str| welcome["limits"][name].as_u64().unwrap();
    (welcome["heartbeat_ms"].as_u64().unwrap(), limit("max_topics_per_session"), limit("frames_per_second"))
}

#[test]
fn a_signal_sends_every_session_away_and_the_process_ends_well() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start();
        let mut idle: Vec<Client> = (0..10).map(|_| Client::subscribed(&server, &["staff:people"])).collect();
        let mut stranger = Client::connect(&server);
        let mut in_the_middle = RawSocket::hello(server.address());
        in_the_middle.send(&Frame::new(Opcode::TEXT, r#"{"op":"pi"#).unfinished());
        let keep_alive = TcpStream::connect(server.address()).unwrap();
        server.process().signal(signal);
        for client in &mut idle {
            let goaway = client.expect("goaway");
            assert!(goaway["retry_after_ms"].as_u64().unwrap() <= 5000, "{goaway}");
            client.expect_close(1012);
        }
        let close = loop {
            match stranger.read() {
                Incoming::Frame(frame) => assert_eq!(frame["op"], "goaway"),
                other => break other,
            }
        };
        assert!(matches!(close, Incoming::Close(1012, _)), "{close:?}");
        assert_eq!(in_the_middle.close_code(), Some(1012));
        assert_eq!(server.exit_code(), Some(0), "{signal}: {}", server.process().log());
        drop(keep_alive);
        assert!(TcpStream::connect(server.address()).is_err());
    }
}

#[test]
fn what_was_published_before_the_signal_is_delivered_before_the_goaway() {
    let mut server = Server::start();
    let mut client = Client::subscribed(&server, &["clock"]);
    for number in 0..50 {
        assert_eq!(server.post(&json!({ "event": sample::ticked(number), "topics": ["clock"] })).status, 200);
    }
    server.process().signal("TERM");
    for number in 0..50 {
        assert_eq!(client.expect("event")["event"]["payload"]["number"], json!(number));
    }
    client.expect("goaway");
    client.expect_close(1012);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_request_that_is_under_way_at_the_signal_is_still_answered() {
    let mut server = Server::start();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let uuid = sample::uuid();
    let event = json!({ "domain": "staff", "event": "person_updated", "payload": { "uuid": uuid } });
    let body = json!({ "event": event }).to_string();
    let (first, rest) = body.split_at(20);
    let length = body.len();
    write!(stream, "POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{first}")
        .unwrap();
    // The goaway shows that the drain has begun. Whether it found this request's header read or not, it is answered.
    let mut witness = Client::subscribed(&server, &["staff:people"]);
    server.process().signal("TERM");
    witness.expect("goaway");
    stream.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let is_published = answer.starts_with("HTTP/1.1 200") && answer.contains(&uuid.to_string());
    assert!(is_published || answer.starts_with("HTTP/1.1 503"), "{answer:?}");
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_drain_ends_at_its_deadline_also_when_a_client_reads_nothing() {
    let mut server = Server::with(&["--drain-timeout", "500ms", "--write-timeout", "60s"]);
    let mut stalled = RawSocket::hello(server.address());
    stalled.send(&Frame::text(r#"{"op":"subscribe","ref":1,"topics":["clock"]}"#));
    assert_eq!(stalled.next_frame()["op"], "subscribed");
    let event = json!({ "domain": "clock", "event": "ticked", "payload": { "text": "x".repeat(200_000) } });
    for _ in 0..60 {
        assert_eq!(server.post(&json!({ "event": event, "topics": ["clock"] })).status, 200);
    }
    server.process().signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn bad_usage_is_exit_code_2_and_names_the_setting() {
    for (flags, named) in [
        (&[][..], "--dev"),
        (&["--dev", "--listen", "0.0.0.0:0"], "--listen"),
        (&["--dev", "--listen", "[::]:0"], "--listen"),
        (&["--dev", "--listen", "192.0.2.1:0"], "--listen"),
        (&["--dev", "--listen", "nowhere"], "--listen"),
        (&["--dev", "--listen", "127.0.0.1:99999"], "--listen"),
        (&["--dev", "--heartbeat", "soon"], "--heartbeat"),
        (&["--dev", "--heartbeat", "0s"], "--heartbeat"),
        (&["--dev", "--hello-timeout=-1s"], "--hello-timeout"),
        (&["--dev", "--header-timeout", "2days"], "--header-timeout"),
        (&["--dev", "--max-message-bytes", "0"], "--max-message-bytes"),
        (&["--dev", "--max-message-bytes", "1.5"], "--max-message-bytes"),
        (&["--dev", "--max-topics-per-session=-1"], "--max-topics-per-session"),
        (&["--dev", "--max-connections", "0"], "--max-connections"),
        (&["--dev", "--frames-per-second", "0"], "--frames-per-second"),
        (&["--dev", "--frames-per-second", "4294967296"], "--frames-per-second"),
        (&["--dev", "--log-max-entries", "many"], "--log-max-entries"),
        (&["--dev", "--log-max-entries", "0"], "--log-max-entries"),
        (&["--dev", "--log-max-bytes", "0"], "--log-max-bytes"),
        (&["--dev", "--logs-max-bytes", "0"], "--logs-max-bytes"),
        (&["--dev", "--log-format", "xml"], "--log-format"),
        (&["--dev", "--no-such-flag"], "--no-such-flag"),
        (&["--dev", "extra"], "extra"),
        (&["--dev", "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"], "--listen"),
        (&["--dev", "--allow-origin", "https://app.example.com"], "--allow-origin"),
        (&["--dev", "--jwt-key-file", "/nowhere"], "--jwt-key-file"),
        (&["--dev", "--jwks-file", "/nowhere"], "--jwks-file"),
        (&["--dev", "--single-tenant", "acme"], "--single-tenant"),
        (&[], "--jwt-key-file"),
        (&["--jwt-algorithm", "RS256"], "--jwt-key-file"),
        (&["--jwt-key-file", "/nowhere"], "--jwt-key-file /nowhere"),
        (&["--jwt-key-file", &key_file("")], "--jwt-key-file"),
        (&["--jwt-key-file", "/dev/null"], "/dev/null: a secret for HS256 has at least 32 bytes"),
        (&["--jwt-key-file", &key_file("rsa.pub.pem")], "PEM"),
        (&["--jwt-algorithm", "RS256", "--jwt-key-file", &key_file("rsa.key.pem")], "private"),
        (&["--jwt-algorithm", "ES256", "--jwt-key-file", &key_file("rsa.pub.pem")], "ES256"),
        (&["--jwt-algorithm", "none", "--jwt-key-file", &key_file("secret")], "--jwt-algorithm"),
        (&["--jwt-algorithm", "HS512", "--jwt-key-file", &key_file("secret")], "--jwt-algorithm"),
        (&["--jwks-file", "/nowhere"], "--jwks-file /nowhere"),
        (&["--jwks-file", &key_file("secret")], "JWKS"),
        (&["--jwks-file", &key_file("jwks.json"), "--jwt-key-file", &key_file("secret")], "--jwt-key-file"),
        (&["--jwks-file", &key_file("jwks.json"), "--jwt-algorithm", "RS256"], "--jwt-algorithm"),
        (&["--jwt-key-file", &key_file("secret"), "--single-tenant", "a/b"], "--single-tenant"),
        (&["--jwt-key-file", &key_file("secret"), "--allow-origin", "app.example.com"], "--allow-origin"),
        (
            &["--jwt-key-file", &key_file("secret"), "--allow-origin", "https://app.example.com/"],
            "--allow-origin",
        ),
        (
            &["--jwt-key-file", &key_file("secret"), "--allow-origin", "https://App.example.com"],
            "--allow-origin",
        ),
        (
            &["--jwt-key-file", &key_file("secret"), "--allow-origin", "https://a.example.com:443"],
            "--allow-origin",
        ),
        (&["--jwt-key-file", &key_file("secret"), "--allow-origin", "*"], "--allow-origin"),
        (&["--jwt-key-file", &key_file("secret"), "--allow-origin", "null"], "--allow-origin"),
        (
            &["--jwt-key-file", &key_file("secret"), "--allow-origin", "https://*.example.com"],
            "--allow-origin",
        ),
        (&["--jwt-key-file", &key_file("secret"), "--jwt-audience", ""], "--jwt-audience"),
        (&["--jwt-key-file", &key_file("secret"), "--jwt-issuer="], "--jwt-issuer"),
        (&["--dev", "--shards", "0"], "--shards"),
        (&["--dev", "--shards", "1025"], "--shards"),
        (&["--dev", "--shards", "100000000"], "--shards"),
        (&["--dev", "--expiry-grace", "soon"], "--expiry-grace"),
    ] {
        for command in ["serve", "check-config"] {
            let (code, said) = run(tidings().arg(command).args(flags));
            assert_eq!(code, Some(2), "{command} {flags:?}: {said}");
            assert!(said.contains(named), "{command} {flags:?}: {said}");
        }
    }
    assert_eq!(run(&mut tidings()).0, Some(2));
    assert_eq!(run(tidings().arg("no-such-command")).0, Some(2));
}

#[test]
fn a_token_that_cannot_be_made_is_exit_code_2_and_names_the_setting() {
    let secret = key_file("secret");
    for (flags, named) in [
        (&["--tenant", "acme"][..], "--jwt-key-file"),
        (&["--jwt-key-file", "/nowhere", "--tenant", "acme"], "--jwt-key-file /nowhere"),
        (&["--jwt-key-file", &key_file("rsa.key.pem")], "PEM"),
        (&["--jwt-key-file", &key_file("rsa.pub.pem"), "--jwt-algorithm", "RS256"], "private"),
        (&["--jwt-key-file", &key_file("ec.pub.pem"), "--jwt-algorithm", "ES256"], "private"),
        (&["--jwt-key-file", &secret, "--jwt-algorithm", "EdDSA"], "private"),
        (&["--jwt-key-file", &secret, "--tenant", "a:b"], "--tenant"),
        (&["--jwt-key-file", &secret, "--subscribe", "staff:pe*"], "staff:pe*"),
        (&["--jwt-key-file", &secret, "--publish", ""], "--publish"),
        (&["--jwt-key-file", &secret, "--expires-in", "0s"], "--expires-in"),
        (&["--jwt-key-file", &secret, "--expires-in", "11y"], "--expires-in"),
    ] {
        let finished = finish(tidings().arg("token").args(flags));
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{flags:?}: {finished:?}");
        assert!(finished.stderr.contains(named), "{flags:?}: {finished:?}");
    }
}

#[test]
fn a_server_with_keys_may_listen_on_any_address_and_takes_them_from_its_file_too() {
    let file = TempFile::new(&format!(
        "listen = \"0.0.0.0:0\"\njwt-key-file = \"{}\"\nsingle-tenant = \"acme\"\n",
        key_file("secret")
    ));
    let server = Server::run(serve(&["--config", file.path()]));
    assert!(server.address().ip().is_unspecified() && !server.address().ip().is_loopback());
    assert_eq!(Request::get("/health").send(server.address()).status, 200);
}

#[test]
fn help_and_version_are_no_faults() {
    for arguments in [&["--help"][..], &["serve", "--help"], &["--version"], &["help"]] {
        let finished = finish(tidings().args(arguments));
        assert_eq!((finished.code, finished.stdout.is_empty()), (Some(0), false), "{arguments:?}");
    }
    assert!(finish(tidings().arg("--help")).stdout.contains("Exit codes: 0 "));
    for (command, name) in [("publish", "TIDINGS_TOKEN"), ("serve", "TIDINGS_JWT_KEY_FILE")] {
        let help = finish(tidings().args([command, "--help"]).env(name, "mine-alone")).stdout;
        assert!(help.contains(name) && !help.contains("mine-alone"), "{help}");
    }
}

#[test]
fn an_address_in_use_is_a_failure_that_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, said) = run(&mut serve(&["--dev", "--listen", &address]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&address), "{said}");
}

#[test]
fn a_file_sets_what_flags_set_and_flags_win_over_environment_and_environment_over_the_file() {
    let file = TempFile::new(
        "dev = true\nlisten = \"127.0.0.1:0\"\nheartbeat = \"3s\"\nmax-topics-per-session = 3\nframes-per-second = 3\n",
    );
    let server = Server::run(serve(&["--config", file.path()]));
    assert_eq!(announced(&server), (3000, 3, 3));
    let mut command = serve(&["--config", file.path(), "--frames-per-second", "5"]);
    command.env("TIDINGS_FRAMES_PER_SECOND", "4").env("TIDINGS_MAX_TOPICS_PER_SESSION", "4");
    assert_eq!(announced(&Server::run(command)), (3000, 4, 5));
    let mut command = serve(&[]);
    command.env("TIDINGS_CONFIG", file.path()).env("TIDINGS_HEARTBEAT", "4s");
    assert_eq!(announced(&Server::run(command)), (4000, 3, 3));
    let mut command = serve(&[]);
    command.env("TIDINGS_DEV", "true").env("TIDINGS_LISTEN", "127.0.0.1:0");
    assert_eq!(announced(&Server::run(command)), (25_000, 1_024, 100));
}

#[test]
fn a_flag_can_take_back_what_the_file_says() {
    let file = TempFile::new("dev = true\nlisten = \"127.0.0.1:0\"\n");
    let (code, said) = run(&mut serve(&["--config", file.path(), "--dev=false"]));
    assert_eq!(code, Some(2), "{said}");
}

#[test]
fn a_file_with_a_fault_is_exit_code_2_and_names_the_setting() {
    for (text, named) in [
        ("dev = true\nhartbeat = \"3s\"\n", "hartbeat"),
        ("dev = true\nmax_connections = 3\n", "max_connections"),
        ("dev = true\nheartbeat = 3\n", "heartbeat"),
        ("dev = true\nheartbeat = \"soon\"\n", "heartbeat"),
        ("dev = \"perhaps\"\n", "dev"),
        ("dev = true\nlisten = \"0.0.0.0:0\"\n", "listen"),
        ("dev = true\nmax-connections = 0\n", "max-connections"),
        ("dev = true\nmax-connections = 1.5\n", "max-connections"),
        ("dev = true\n[limits]\nmax-connections = 3\n", "limits"),
        ("dev = true\ndev = true\n", "dev"),
        ("dev = true\nconfig = \"other.toml\"\n", "config"),
        ("dev = true\nhelp = true\n", "help"),
        ("dev = true\nlog-format = \"xml\"\n", "log-format"),
        ("dev = true\nheartbeat = [\"1s\", \"2s\"]\n", "heartbeat"),
        ("dev = [true, true]\n", "dev"),
        ("not TOML", "TOML"),
    ] {
        let listen = if text.contains("listen") { "" } else { "listen = \"127.0.0.1:0\"\n" };
        let file = TempFile::new(&format!("{listen}{text}"));
        for command in ["serve", "check-config"] {
            let (code, said) = run(tidings().args([command, "--config", file.path()]));
            assert_eq!(code, Some(2), "{command}: {text}: {said}");
            assert!(named == "TOML" || said.contains(named), "{command}: {text}: {said}");
        }
    }
    let (code, said) = run(&mut serve(&["--config", "/no/such/file.toml"]));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("/no/such/file.toml"), "{said}");
}

#[test]
fn the_address_is_the_only_thing_on_standard_output() {
    let mut command = serve(&["--dev", "--listen", "127.0.0.1:0"]);
    command.env("RUST_LOG", "trace");
    let mut server = Server::run(command);
    assert!(server.address().ip().is_loopback() && server.address().port() != 0);
    assert_eq!(Request::get("/health").send(server.address()).status, 200);
    server.process().signal("TERM");
    let (status, rest) = server.process().wait();
    assert_eq!((status.code(), rest), (Some(0), vec![]));
    assert!(
        server.process().log().contains("no token"),
        "development is said aloud: {}",
        server.process().log()
    );
}

#[test]
fn the_example_of_a_configuration_is_good_but_for_its_key() {
    let [example, key] = ["../deploy/tidings.toml", "keys/secret"]
        .map(|file| format!("{}/{file}", env!("CARGO_MANIFEST_DIR")));
    let (code, said) = run(tidings().args(["check-config", "--config", &example]));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--jwt-key-file") && said.contains("/run/credentials"), "{said}");
    let good = finish(tidings().args(["check-config", "--config", &example, "--jwt-key-file", &key]));
    assert_eq!((good.code, good.stdout.trim()), (Some(0), "the configuration is valid"), "{}", good.stderr);
}

#[test]
fn the_image_sets_what_are_settings() {
    let deploy = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");
    let file = fs::read_to_string(format!("{deploy}/Containerfile")).unwrap();
    let variables = file.lines().filter_map(|line| line.strip_prefix("ENV ")).flat_map(str::split_whitespace);
    let variables: Vec<(&str, &str)> = variables.map(|variable| variable.split_once('=').unwrap()).collect();
    let help = finish(tidings().args(["serve", "--help"])).stdout;
    let is_known = |(name, _): &(&str, &str)| help.contains(&format!("[env: {name}]"));
    assert!(!variables.is_empty() && variables.iter().all(is_known));
    // With the example of a settings file, which looks for its key where the example of a command has it.
    let config = format!("{deploy}/tidings.toml");
    let (code, said) = run(tidings().args(["check-config", "--config", &config]).envs(variables));
    assert_eq!(code, Some(2), "{said}");
    let (_, key) = said.split_once("--jwt-key-file ").unwrap_or_else(|| panic!("{said}"));
    let key = key.split(':').next().unwrap();
    assert!(key.starts_with('/') && file.contains(&format!(":{key}:ro")), "{said}");
}

#[test]
fn what_stops_the_server_waits_longer_than_a_drain_and_does_not_start_one_with_a_fault_again() {
    let read =
        |name: &str| fs::read_to_string(format!("{}/../deploy/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (unit, image) = (read("tidings.service"), read("Containerfile"));
    let seconds = |text: &str, behind: &str| -> u64 {
        let (_, rest) = text.split_once(behind).unwrap_or_else(|| panic!("{behind} is not there"));
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
    };
    for waits in [seconds(&unit, "\nTimeoutStopSec="), seconds(&image, " --stop-timeout ")] {
        assert!(waits > DRAIN_TIMEOUT.as_secs(), "{waits} s");
    }
    assert_eq!(seconds(&unit, "\nRestartPreventExitStatus="), 2);
}

#[test]
fn a_shell_gets_completions_that_name_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = finish(tidings().args(["completions", shell]));
        assert_eq!(script.code, Some(0));
        assert!(script.stdout.contains("check-config") && script.stdout.contains("jwt-key-file"), "{shell}");
    }
}

#[test]
fn nobody_who_reads_on_is_no_fault_of_a_command() {
    let server = Server::start();
    let into_nothing = |arguments: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = tidings();
        command.args(arguments).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let ends_quietly = |command: Child| {
        let output = command.wait_with_output().unwrap();
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    };
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        ends_quietly(into_nothing(&["completions", shell]));
    }
    ends_quietly(into_nothing(&["--help"]));
    ends_quietly(into_nothing(&["token", "--jwt-key-file", &key_file("secret")]));
    // Of a domain that the server has: it would warn of another.
    let mut tail = into_nothing(&["tail", "--url", &server.url(), "staff:people"]);
    eventually("it ends with the first event", || {
        server.publish(&sample::person_updated(&sample::uuid()));
        tail.try_wait().unwrap().is_some()
    });
    ends_quietly(tail);
}
