//! `tidings journal status` and `tidings journal trim`.

use serde_json::Value;
use tidings_tests::{Server, finish, sample, tidings};

use crate::{place::Folder, process::journal_of};

#[test]
fn an_operator_sees_what_is_in_a_journal_and_trims_it_while_no_server_has_it() {
    let folder = Folder::new();
    let journal = journal_of(&folder);
    let command = |name: &str, more: &[&str]| {
        finish(tidings().args(["journal", name, "--journal", &journal]).args(more))
    };
    let status = || -> Value { serde_json::from_str(&command("status", &["--json"]).stdout).unwrap() };

    let missing = command("status", &[]);
    assert_eq!(missing.code, Some(2));
    let said = missing.stderr;
    assert!(said.contains(&journal) && said.contains("`tidings serve --journal` makes it"), "{said}");
    assert!(!folder.path().exists(), "it made no file");

    let mut server = Server::with(&["--journal", &journal]);
    for number in 0..3 {
        server.publish_to("clock", &sample::ticked(number));
    }
    let found = status();
    assert_eq!(
        (&found["in_use"], &found["publications"], &found["tenants"]),
        (&true.into(), &3.into(), &1.into())
    );
    let refused = command("trim", &["--log-max-entries", "1"]);
    let said = refused.stderr;
    assert!(refused.code == Some(2) && said.contains("another process has it open"), "{said}");

    server.process().signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
    let trimmed = command("trim", &["--log-max-entries", "1"]);
    let said = trimmed.stdout;
    assert!(said.contains("2 publications and 0 revocations removed"), "{said}");
    let found = status();
    assert_eq!((&found["in_use"], &found["publications"]), (&false.into(), &1.into()));
    let text = command("status", &[]).stdout;
    assert!(
        text.contains("1 publications, the oldest from 20") && text.contains("no server has it"),
        "{text}"
    );
}

#[test]
fn a_journal_in_memory_has_no_status() {
    let answer = finish(tidings().args(["journal", "status", "--journal", "memory"]));
    let said = answer.stderr;
    assert!(answer.code == Some(2) && said.contains("write sqlite:PATH"), "{said}");
}
