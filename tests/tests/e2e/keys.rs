//! The keys of a server that runs: they are changed without a restart, and what is bad changes nothing.

use std::{fs, path::PathBuf, process::Command};

use serde_json::{Value, json};
use tidings_tests::{
    Client, Incoming, Request, Server, eventually, finish, key_file, sample, tidings, token,
};

/// A file that is gone with the test.
struct TempFile(PathBuf);

impl TempFile {
    fn new(bytes: &[u8]) -> Self {
        let file = Self(std::env::temp_dir().join(format!("tidings-keys-{}", sample::uuid())));
        file.replace(bytes);
        file
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// As a deployment does it: whole, under its name.
    fn replace(&self, bytes: &[u8]) {
        let next = self.0.with_extension("next");
        fs::write(&next, bytes).unwrap();
        fs::rename(&next, &self.0).unwrap();
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn serve(flags: &[&str]) -> Server {
    let mut command = tidings();
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(flags);
    Server::run(command)
}

/// A token that a key of the set signed.
fn signed(algorithm: &str, name: &str) -> String {
    let key = key_file(&format!("{name}.key.pem"));
    let mut command = tidings();
    command.args(["token", "--jwt-algorithm", algorithm, "--jwt-key-file", &key, "--kid", name]);
    let finished = finish(command.args(["--tenant", "acme", "--subscribe", "*", "--publish", "*"]));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished.stdout.trim_end().to_owned()
}

fn publish(server: &Server, token: &str) -> u16 {
    let body = json!({ "event": sample::person_updated(&sample::uuid()) }).to_string();
    let bearer = format!("Bearer {token}");
    Request::post("/v1/publish").header("Authorization", &bearer).body(body).send(server.address()).status
}

/// The set that holds these of its keys.
fn set(names: &[&str]) -> Vec<u8> {
    let mut set: Value = serde_json::from_slice(&fs::read(key_file("jwks.json")).unwrap()).unwrap();
    set["keys"].as_array_mut().unwrap().retain(|key| names.contains(&key["kid"].as_str().unwrap()));
    set.to_string().into_bytes()
}

#[track_caller]
fn logs(server: &mut Server, words: &str) {
    eventually(&format!("the log says {words:?}"), || server.process().log().contains(words));
}

#[test]
fn a_key_that_is_added_to_the_file_opens_and_one_that_is_taken_out_does_not_without_a_restart() {
    let (rsa, ec) = (signed("RS256", "rsa"), signed("ES256", "ec"));
    let file = TempFile::new(&set(&["rsa"]));
    let mut server = serve(&["--jwks-file", file.path()]);
    assert_eq!([publish(&server, &rsa), publish(&server, &ec)], [200, 401]);
    let mut session = Client::with_token(&server, &rsa);
    session.subscribe(&["staff:people"], None, "live");
    file.replace(&set(&["rsa", "ec"]));
    eventually("the new key opens", || publish(&server, &ec) == 200);
    assert_eq!(publish(&server, &rsa), 200, "and so does the old one");
    session.expect("event");
    session.expect("event");
    file.replace(&set(&["ec"]));
    eventually("the old key does not open any more", || publish(&server, &rsa) == 401);
    assert_eq!(publish(&server, &ec), 200);
    while !matches!(session.ask(&json!({ "op": "ping", "ref": 9 })), Value::Object(frame) if frame["op"] == "pong")
    {
    }
    logs(&mut server, "the keys were read again");
}

#[test]
fn a_file_that_became_bad_leaves_the_old_keys_and_says_why_once() {
    let rsa = signed("RS256", "rsa");
    let file = TempFile::new(&set(&["rsa"]));
    let mut server = serve(&["--jwks-file", file.path()]);
    for (bad, said) in
        [(&b"{\"keys\":[]}"[..], "it has no key"), (b"{\"keys\":", "not a JWKS"), (b"", "not a JWKS")]
    {
        file.replace(bad);
        logs(&mut server, said);
        assert_eq!(publish(&server, &rsa), 200, "{said}");
    }
    fs::remove_file(file.path()).unwrap();
    logs(&mut server, "No such file");
    assert_eq!(publish(&server, &rsa), 200);
    let ec = signed("ES256", "ec");
    file.replace(&set(&["ec"]));
    eventually("it is good again", || publish(&server, &ec) == 200);
    let log = server.process().log();
    assert_eq!(log.matches("it has no key for signatures").count(), 1, "{log}");
    assert!(log.contains("--jwks-file") && log.contains(file.path()), "{log}");
}

#[test]
fn a_hangup_reads_the_key_file_at_once_and_ends_nothing() {
    let secret = fs::read(key_file("secret")).unwrap();
    let file = TempFile::new(&[b'x'; 32]);
    let mut server = serve(&["--jwt-key-file", file.path()]);
    let good = token(&["--tenant", "acme", "--subscribe", "*", "--publish", "*"]);
    assert_eq!(publish(&server, &good), 401);
    file.replace(&secret);
    server.process().signal("HUP");
    logs(&mut server, "the keys were read again");
    assert_eq!(publish(&server, &good), 200);
    // The same again is no fault.
    let mut session = Client::with_token(&server, &good);
    session.subscribe(&["staff:people"], None, "live");
    server.process().signal("HUP");
    assert_eq!(publish(&server, &good), 200);
    session.expect("event");
    file.replace(b"short");
    server.process().signal("HUP");
    logs(&mut server, "at least 32 bytes");
    assert_eq!(publish(&server, &good), 200);
    server.process().signal("TERM");
    session.expect("event");
    session.expect("goaway");
    assert!(matches!(session.read(), Incoming::Close(1012, _)));
    drop(session);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_hangup_of_a_server_for_development_ends_nothing() {
    let mut server = Server::start();
    let mut session = Client::subscribed(&server, &["staff:people"]);
    server.process().signal("HUP");
    logs(&mut server, "SIGHUP");
    server.publish(&sample::person_updated(&sample::uuid()));
    session.expect("event");
}

#[test]
fn a_key_that_came_through_a_pipe_is_not_read_again_and_stays_in_force() {
    let mut command = Command::new("sh");
    let script = "exec \"$0\" serve --listen 127.0.0.1:0 --jwt-key-file /dev/fd/3 3<<END\n$1\nEND";
    let secret = fs::read_to_string(key_file("secret")).unwrap();
    command.args(["-c", script]).arg(tidings().get_program()).arg(secret.trim());
    let mut server = Server::run(command);
    let good = token(&["--tenant", "acme", "--publish", "*"]);
    assert_eq!(publish(&server, &good), 200);
    server.process().signal("HUP");
    logs(&mut server, "it is not a regular file, so it can");
    assert_eq!(publish(&server, &good), 200);
}

#[test]
fn what_editors_put_around_keys_settings_and_tokens_is_none_of_them() {
    let around = |bytes: &[u8]| [b"\xef\xbb\xbf\r\n\n", bytes, b"\r\n\r\n \n"].concat();
    let secret = fs::read(key_file("secret")).unwrap();
    let good = token(&["--tenant", "acme", "--publish", "*"]);
    let (file, jwks) = (TempFile::new(&around(&secret)), TempFile::new(&around(&set(&["ec"]))));
    let pem = TempFile::new(&around(&fs::read(key_file("ec.pub.pem")).unwrap()));
    assert_eq!(publish(&serve(&["--jwt-key-file", file.path()]), &good), 200);
    let ec = signed("ES256", "ec");
    assert_eq!(publish(&serve(&["--jwks-file", jwks.path()]), &ec), 200);
    assert_eq!(publish(&serve(&["--jwt-algorithm", "ES256", "--jwt-key-file", pem.path()]), &ec), 200);
    let settings = format!("jwt-key-file = \"{}\"\nlisten = \"127.0.0.1:0\"\n", file.path());
    let settings = TempFile::new(&around(settings.as_bytes()));
    let mut command = tidings();
    command.args(["serve", "--config", settings.path()]);
    let server = Server::run(command);
    assert_eq!(publish(&server, &good), 200);
    let mut publish = tidings();
    publish.args([
        "publish",
        "--url",
        &server.url(),
        &format!("\u{feff}{}", sample::person_updated(&sample::uuid())),
    ]);
    let finished = finish(publish.env("TIDINGS_TOKEN", format!("\u{feff}{good}\r\n")));
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[test]
fn a_file_that_is_utf_16_is_told_to_be() {
    let utf_16 = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).unwrap();
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        TempFile::new(&[0xff, 0xfe].into_iter().chain(units).collect::<Vec<u8>>())
    };
    let (jwks, settings) = (utf_16(&set(&["ec"])), utf_16(b"dev = true\n"));
    let secret = utf_16(&fs::read(key_file("secret")).unwrap());
    for flags in
        [["--jwks-file", jwks.path()], ["--config", settings.path()], ["--jwt-key-file", secret.path()]]
    {
        let finished = finish(tidings().arg("check-config").args(flags));
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains("UTF-16: save it as UTF-8"), "{finished:?}");
    }
}
