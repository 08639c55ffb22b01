//! The program with a journal: it is stopped or killed, and started again.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration};

use serde_json::{Value, json};
use tidings_client_core::Output;
use tidings_server::journal::{SqliteJournal, Synchronous};
use tidings_tests::{Client, Request, Response, Server, Tab, finish, key_file, sample, tidings, token};
use uuid::Uuid;

use crate::place::{Folder, Restore};

pub(crate) fn journal_of(folder: &Folder) -> String {
    format!("sqlite:{}", folder.path().display())
}

fn start(folder: &Folder) -> Server {
    Server::with(&["--journal", &journal_of(folder)])
}

fn number(frame: &Value) -> usize {
    usize::try_from(frame["event"]["payload"]["number"].as_u64().unwrap()).unwrap()
}

fn tick(server: &Server, number: usize) -> String {
    let answer = server.publish_to("clock", &sample::ticked(number));
    answer["position"].as_str().unwrap().to_owned()
}

#[test]
fn a_client_resumes_after_a_stop_and_after_a_kill() {
    let folder = Folder::new();
    let mut server = start(&folder);
    let since = tick(&server, 0);
    tick(&server, 1);
    server.process().signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
    assert!(!folder.file("-wal").exists(), "the file is closed");
    let mut server = start(&folder);
    tick(&server, 2);
    server.process().signal("KILL");
    assert_eq!(server.exit_code(), None);
    let server = start(&folder);
    let mut client = Client::hello(&server);
    client.subscribe(&["clock"], Some(&since), "resumed");
    for expected in 1..=2 {
        assert_eq!(number(&client.expect("event")), expected);
    }
    tick(&server, 3);
    assert_eq!(number(&client.expect("event")), 3);
}

#[test]
fn a_position_of_a_server_without_a_journal_is_a_sync() {
    let folder = Folder::new();
    let since = tick(&Server::with(&["--journal", "memory"]), 0);
    Client::hello(&start(&folder)).subscribe(&["clock"], Some(&since), "sync");
}

fn post(server: &Server, path: &str, token: &str, body: &Value) -> Response {
    let request = Request::post(path).header("Authorization", &format!("Bearer {token}"));
    request.body(body.to_string()).send(server.address())
}

#[test]
fn keys_and_revocations_survive_a_kill() {
    let folder = Folder::new();
    let journal = journal_of(&folder);
    let mut server = Server::keyed(&["--journal", &journal]);
    let admin = token(&["--tenant", "acme", "--subject", "admin", "--publish", "*", "--admin"]);
    let anna = token(&["--tenant", "acme", "--subject", "anna", "--publish", "*"]);
    let event = json!({ "event": sample::ticked(1), "topics": ["clock"], "key": Uuid::now_v7() });
    let first = post(&server, "/v1/publish", &anna, &event);
    assert_eq!(first.status, 200, "{first:?}");
    let revoked = post(&server, "/v1/admin/revoke", &admin, &json!({ "sub": "anna" }));
    assert_eq!(revoked.status, 200, "{revoked:?}");
    server.process().signal("KILL");
    server.exit_code();
    let server = Server::keyed(&["--journal", &journal]);
    let again = post(&server, "/v1/publish", &admin, &event);
    assert_eq!(again.json()["position"], first.json()["position"], "nothing twice");
    assert_eq!(post(&server, "/v1/publish", &anna, &event).status, 401);
}

#[test]
fn an_old_copy_under_the_running_server_is_one_sync_to_each_client() {
    let folder = Folder::new();
    let mut server = start(&folder);
    tick(&server, 0);
    server.process().signal("TERM");
    server.exit_code();
    let copy = fs::read(folder.path()).unwrap();
    let server = start(&folder);
    let mut tabs = [Tab::new(server.address()), Tab::new(server.address())];
    for tab in &mut tabs {
        tab.subscribed(&["clock"]);
    }
    let since = tick(&server, 1);
    for restore in [Restore::Rename, Restore::Overwrite] {
        restore.put(&copy, &folder.path());
        if let Restore::Rename = restore {
            // Otherwise the server finds it by itself.
            tick(&server, 2);
        }
        for tab in &mut tabs {
            let mut syncs = 0;
            while syncs == 0 {
                match tab.expect() {
                    Output::Sync { .. } => syncs += 1,
                    Output::Event { .. } | Output::Status(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        let last = tick(&server, 3);
        for tab in &mut tabs {
            loop {
                match tab.expect() {
                    Output::Event { publication, .. } if publication.position == last => break,
                    Output::Event { .. } | Output::Status(_) => {}
                    other => panic!("one sync is enough: {other:?}"),
                }
            }
        }
        Client::hello(&server).subscribe(&["clock"], Some(&since), "sync");
    }
}

/// Runs a command that must end with exit code 2. Returns the message.
#[track_caller]
fn refused(command: &mut Command) -> String {
    let finished = finish(command);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
    finished.stderr
}

fn serve(journal: &str) -> Command {
    let mut command = tidings();
    command.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--journal", journal]);
    command
}

#[test]
fn a_journal_that_cannot_be_is_exit_code_2() {
    let folder = Folder::new();
    let text = folder.file(".txt");
    fs::write(&text, "a text\n".repeat(100)).unwrap();
    for (journal, says) in [
        ("foo:bar".to_owned(), "\"foo\" is not known"),
        ("sqlite:".to_owned(), "has no path"),
        (format!("sqlite:{}", text.display()), "is no SQLite database"),
        (format!("sqlite:{}/no/folder/journal", text.display()), "make the folder"),
    ] {
        let said = refused(&mut serve(&journal));
        assert!(said.contains("--journal") && said.contains(says), "{said}");
        let mut check = tidings();
        check.args(["check-config", "--jwt-key-file", &key_file("secret"), "--journal", &journal]);
        assert_eq!(refused(&mut check), said);
    }
    assert_eq!(folder.bytes().len(), 1, "no file appears");
}

/// Returns the command for a user whom the rights of files bind. They don't bind `root` otherwise.
fn bound(command: &Command) -> Command {
    let mut bound = Command::new("setpriv");
    bound.args(["--bounding-set", "-dac_override", "--inh-caps", "-dac_override"]);
    bound.arg(command.get_program()).args(command.get_args());
    bound
}

#[test]
fn a_journal_that_cannot_be_written_is_exit_code_2() {
    let folder = Folder::new();
    let inner = folder.file(".folder");
    let (path, probe) = (inner.join("journal"), inner.join("probe"));
    fs::create_dir(&inner).unwrap();
    fs::write(&probe, "").unwrap();
    let rights = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    rights(&probe, 0o400);
    let is_root = fs::File::options().write(true).open(&probe).is_ok();
    let refused = || {
        let command = serve(&format!("sqlite:{}", path.display()));
        let said = refused(&mut if is_root { bound(&command) } else { command });
        assert!(said.contains("it can't be written; give this user the right"), "{said}");
    };
    rights(&inner, 0o500);
    refused();
    assert_eq!(fs::read_dir(&inner).unwrap().count(), 1, "no file appears");
    rights(&inner, 0o700);
    drop(SqliteJournal::open(&path, Synchronous::Full, Duration::ZERO).unwrap());
    let before = fs::read(&path).unwrap();
    rights(&path, 0o400);
    refused();
    rights(&path, 0o600);
    fs::remove_file(inner.join("journal-lock")).unwrap();
    rights(&inner, 0o500);
    refused();
    rights(&inner, 0o700);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_journal_in_use_is_waited_for_and_then_refused() {
    let folder = Folder::new();
    let journal = journal_of(&folder);
    let mut server = start(&folder);
    tick(&server, 0);
    let files = || {
        folder.bytes().into_iter().filter(|(path, _)| path.extension().is_some_and(|e| e != "journal-shm"))
    };
    let before: Vec<_> = files().collect();
    let said = refused(&mut serve(&journal));
    assert!(said.contains("another process has it open") && said.contains(&journal), "{said}");
    assert_eq!(files().collect::<Vec<_>>(), before);
    // The next server waits for the end of this one.
    let next = std::thread::spawn(move || Server::run(serve(&journal)));
    server.process().signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
    tick(&next.join().unwrap(), 1);
}
