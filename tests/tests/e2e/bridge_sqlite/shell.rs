//! Other programs write, with a SQLite of their own, and clients on sockets hear of it.

use serde_json::{Value, json};
use tidings_tests::finish;

use super::{file, start};
use crate::embedded::Embedded;

#[test]
fn what_another_program_commits_reaches_a_client_with_all_digits_and_what_it_rolls_back_does_not() {
    let file = file(
        "wal",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, size INT, hash BLOB, meta JSON, is_read BOOLEAN)",
    );
    let embedded = Embedded::start(|_| ());
    let bridge = embedded.runtime.block_on(start(&embedded.hub, &file)).unwrap();
    let mut client = embedded.client(&["store:t"]);
    let program = r#"
run = database.execute
run("INSERT INTO t VALUES (1, 'one', 9007199254740993, x'00FF', '{\"a\":[1.50]}', 1)")
run("BEGIN")
run("INSERT INTO t(id) VALUES (2)")
run("SAVEPOINT s")
run("INSERT INTO t(id) VALUES (3)")
run("ROLLBACK TO s")
run("COMMIT")
run("BEGIN")
run("DELETE FROM t")
run("ROLLBACK")
run("REPLACE INTO t(id, name) VALUES (4, 'one')")
run("DELETE FROM t")
"#;
    let written = finish(&mut file.python(program, &[]));
    assert_eq!(written.code, Some(0), "{written:?}");
    // The bridge reads a record when it publishes it. So it may tell of the end only.
    let mut left = vec!["1", "2", "4"];
    while !left.is_empty() {
        let frame = client.expect("event");
        let (event, key) = (&frame["event"]["event"], frame["event"]["payload"]["key"].as_str().unwrap());
        assert_ne!(key, "3", "{frame}");
        if event == "deleted" {
            left.retain(|left| *left != key);
        }
    }

    file.open()
        .execute("INSERT INTO t VALUES (9007199254740993, 'ä\"', -9223372036854775808, x'00FF', '{\"a\":[1.50]}', 0)", [])
        .unwrap();
    let record = r#"{"id":9007199254740993,"name":"ä\"","size":-9223372036854775808,"hash":"00ff","meta":{"a":[1.50]},"is_read":false}"#;
    let frame = client.expect("event");
    let payload = json!({ "schema": "t", "key": "9007199254740993", "record": serde_json::from_str::<Value>(record).unwrap() });
    assert_eq!(frame["event"], json!({ "domain": "store", "event": "upserted", "payload": payload }));
    embedded.runtime.block_on(bridge.stop());
    embedded.stop();
}
