//! Tokens, made by `tidings token` with the keys under `tests/keys`.

use crate::{finish, tidings};

/// Returns the path of a key of the tests.
pub fn key_file(name: &str) -> String {
    format!("{}/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Returns a token for servers that [`Server::keyed`](crate::Server::keyed) started. The flags are those of `tidings
/// token`.
#[track_caller]
pub fn token(flags: &[&str]) -> String {
    let mut command = tidings();
    command.args(["token", "--jwt-key-file", &key_file("secret")]).args(flags);
    let finished = finish(&mut command);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished.stdout.trim_end().to_owned()
}
