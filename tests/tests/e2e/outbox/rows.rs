//! From a row to an event, or to a dead letter.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidings_tests::{AppFile, Client, Server, eventually, finish, sample};

use super::{expect_empty, expect_tick, serve, tick};

#[test]
fn what_is_committed_arrives_in_order_and_what_is_rolled_back_does_not_in_both_journal_modes() {
    for mode in ["wal", "delete"] {
        let file = AppFile::new(mode);
        let server = serve(&file);
        let mut client = Client::subscribed(&server, &["clock"]);
        let mut database = file.open();
        tick(&file, &database, 0);
        let transaction = database.transaction().unwrap();
        tick(&file, &transaction, 1);
        tick(&file, &transaction, 2);
        transaction.execute("INSERT INTO data VALUES (1)", []).unwrap();
        transaction.commit().unwrap();
        let transaction = database.transaction().unwrap();
        tick(&file, &transaction, 3);
        transaction.rollback().unwrap();
        // Another process, in another language.
        let insert = r#"
for number, end in ((4, "ROLLBACK"), (5, "COMMIT")):
    event = '{"domain":"clock","event":"ticked","payload":{"number":%d}}' % number
    database.execute("BEGIN")
    database.execute("INSERT INTO tidings_outbox(event, topics) VALUES (?, ?)", (event, '["clock"]'))
    database.execute(end)
"#;
        let python = finish(&mut file.python(insert, &[]));
        assert_eq!(python.code, Some(0), "{python:?}");
        tick(&file, &database, 6);
        for number in [0, 1, 2, 5, 6] {
            expect_tick(&mut client, number);
        }
        expect_empty(&file);
        assert_eq!(file.count("tidings_dead_letters"), 0, "{mode}");
    }
}

#[test]
fn a_row_has_what_a_publish_has_and_its_key_is_published_once() {
    let file = AppFile::new("wal");
    let server = serve(&file);
    let (person, key) = (sample::uuid(), sample::uuid());
    let mut client = Client::subscribed(&server, &["staff:people", "clock"]);
    let event = sample::person_updated(&person).to_string();
    let database = file.open();
    let insert = "INSERT INTO tidings_outbox(tenant, event, key, origin) VALUES ('dev', ?1, ?2, 'tab-7')";
    for _ in 0..3 {
        database.execute(insert, [&event, &key]).unwrap();
    }
    tick(&file, &database, 1);
    let frame = client.expect("event");
    assert_eq!((&frame["key"], &frame["origin"]), (&json!(key), &json!("tab-7")), "{frame}");
    assert_eq!(
        (&frame["topics"], &frame["event"]),
        (&json!(["staff:people"]), &sample::person_updated(&person))
    );
    expect_tick(&mut client, 1);
    expect_empty(&file);
    assert_eq!(file.count("tidings_dead_letters"), 0);
}

#[test]
fn a_row_without_a_tenant_is_for_the_one_tenant_or_a_dead_letter_if_there_are_many() {
    let file = AppFile::new("wal");
    let token = tidings_tests::token(&["--tenant", "acme", "--subscribe", "*"]);
    let one = Server::keyed(&["--single-tenant", "acme", "--outbox", &file.url()]);
    let mut client = Client::with_token(&one, &token);
    client.subscribe(&["clock"], None, "live");
    tick(&file, &file.open(), 1);
    expect_tick(&mut client, 1);
    expect_empty(&file);
    drop(one);
    let _many = Server::keyed(&["--outbox", &file.url()]);
    tick(&file, &file.open(), 2);
    eventually("the row is a dead letter", || file.count("tidings_dead_letters") == 1);
    let listed = file.command("dead-letters", &[]).stdout;
    assert!(listed.contains("name the tenant"), "{listed}");
}

/// Rows that can't be published: the values of `tenant`, `event`, `key`, `origin`, `topics` as SQL, and the code.
fn invalid() -> Vec<(String, &'static str)> {
    let person = format!("'{}'", sample::person_updated(&sample::uuid()));
    let tick = format!("'{}'", sample::ticked(1));
    let many: Vec<String> = (0..1_025).map(|number| format!("clock:{number}")).collect();
    let many = json!(many);
    [
        ("NULL, 'not JSON', NULL, NULL, NULL".to_owned(), "invalid_frame"),
        ("NULL, x'00ff', NULL, NULL, NULL".to_owned(), "invalid_frame"),
        ("NULL, CAST(x'7bff7d' AS TEXT), NULL, NULL, NULL".to_owned(), "invalid_frame"),
        ("NULL, '{}' || char(0), NULL, NULL, NULL".to_owned(), "invalid_frame"),
        ("NULL, printf('%.*c', 300000, 'x'), NULL, NULL, NULL".to_owned(), "too_large"),
        (
            r#"NULL, '{"domain":"staff","event":"nope","payload":{}}', NULL, NULL, NULL"#.to_owned(),
            "unknown_event",
        ),
        (
            r#"NULL, '{"domain":"staff","event":"person_updated","payload":{}}', NULL, NULL, NULL"#
                .to_owned(),
            "invalid_event",
        ),
        (format!("NULL, {person}, NULL, NULL, '[\"staff:people\"]'"), "invalid_event"),
        (format!("NULL, {tick}, NULL, NULL, NULL"), "invalid_event"),
        (format!("NULL, {tick}, NULL, NULL, '{many}'"), "too_many_topics"),
        (format!("NULL, {tick}, NULL, NULL, '[\"cl ock\"]'"), "invalid_topic"),
        (format!("NULL, {tick}, NULL, NULL, 'clock'"), "invalid_frame"),
        (format!("NULL, {tick}, 'seven', NULL, '[\"clock\"]'"), "invalid_frame"),
        (format!("NULL, {tick}, NULL, printf('%.*c', 65, 'x'), '[\"clock\"]'"), "invalid_event"),
        (format!("'a b', {tick}, NULL, NULL, '[\"clock\"]'"), "invalid_frame"),
        (format!("printf('%.*c', 65, 'x'), {tick}, NULL, NULL, '[\"clock\"]'"), "invalid_frame"),
    ]
    .into()
}

#[test]
fn invalid_rows_of_every_kind_block_nothing_and_become_dead_letters_with_code_and_reason() {
    let file = AppFile::new("wal");
    let server = serve(&file);
    let mut client = Client::subscribed(&server, &["other"]);
    let database = file.open();
    let rows = invalid();
    for (values, _) in &rows {
        let insert =
            format!("INSERT INTO tidings_outbox(tenant, event, key, origin, topics) VALUES ({values})");
        database.execute(&insert, []).unwrap_or_else(|error| panic!("{error}: {values}"));
    }
    let event = sample::ticked(7).to_string();
    database
        .execute("INSERT INTO tidings_outbox(event, topics) VALUES (?1, '[\"other\"]')", [&event])
        .unwrap();
    expect_empty(&file);
    let listed = file.command("dead-letters", &["--json"]);
    let letters: Vec<Value> = listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut codes: Vec<&str> = letters.iter().map(|letter| letter["code"].as_str().unwrap()).collect();
    let mut expected: Vec<&str> = rows.iter().map(|(_, code)| *code).collect();
    codes.sort_unstable();
    expected.sort_unstable();
    assert_eq!(codes, expected, "{}", listed.stdout);
    assert!(letters.iter().all(|letter| !letter["reason"].as_str().unwrap().is_empty()));
    // Some rows do not tell their topics. One sync of the whole tenant, or a few, stand for all of them.
    server.publish_to("other", &sample::ticked(8));
    let (mut events, mut syncs) = (Vec::new(), 0);
    while events.len() < 2 {
        let frame = client.next_frame();
        match frame["op"].as_str() {
            Some("sync") => syncs += 1,
            _ => events.push(frame["event"].clone()),
        }
    }
    assert_eq!(events, [sample::ticked(7), sample::ticked(8)]);
    assert!(syncs >= 1);
}

#[test]
fn the_subscribers_of_the_topics_of_a_dead_letter_load_again_and_no_others_do() {
    let file = AppFile::new("wal");
    let server = serve(&file);
    let mut named = Client::subscribed(&server, &["clock"]);
    let mut person = Client::subscribed(&server, &["staff:people"]);
    let mut other = Client::subscribed(&server, &["other"]);
    let database = file.open();
    let insert = "INSERT INTO tidings_outbox(event, topics) VALUES (?1, ?2)";
    database.execute(insert, ["no event", r#"["clock"]"#]).unwrap();
    // The domain computes the topics, so the row must not name them.
    let event = sample::person_updated(&sample::uuid()).to_string();
    database.execute(insert, [event.as_str(), r#"["staff:teams"]"#]).unwrap();
    assert_eq!(named.expect("sync")["topics"], json!(["clock"]));
    assert_eq!(person.expect("sync")["topics"], json!(["staff:people"]));
    expect_empty(&file);
    server.publish_to("other", &sample::ticked(1));
    expect_tick(&mut other, 1);
}

#[test]
fn a_row_with_the_key_of_another_publication_is_a_dead_letter() {
    let file = AppFile::new("wal");
    let server = serve(&file);
    let mut client = Client::subscribed(&server, &["one", "two"]);
    let (database, key, event) = (file.open(), sample::uuid(), sample::ticked(1));
    for topic in ["one", "two"] {
        let topics = json!([topic]).to_string();
        let insert = "INSERT INTO tidings_outbox(event, key, topics) VALUES (?1, ?2, ?3)";
        database.execute(insert, [event.to_string(), key.clone(), topics]).unwrap();
    }
    expect_tick(&mut client, 1);
    assert_eq!(client.expect("sync")["topics"], json!(["two"]));
    eventually("the row is a dead letter", || file.count("tidings_dead_letters") == 1);
    let listed = file.command("dead-letters", &[]).stdout;
    assert!(listed.contains("forbidden") && listed.contains(&key), "{listed}");
}

#[test]
fn a_tenant_loads_everything_again_at_most_once_a_second() {
    let file = AppFile::new("wal");
    let server = serve(&file);
    let mut client = Client::subscribed(&server, &["clock"]);
    let (database, start) = (file.open(), Instant::now());
    let mut rows = 0;
    while start.elapsed() < Duration::from_millis(2_500) {
        database.execute("INSERT INTO tidings_outbox(event) VALUES ('no event')", []).unwrap();
        rows += 1;
        std::thread::sleep(Duration::from_millis(5));
    }
    expect_empty(&file);
    assert_eq!(file.count("tidings_dead_letters"), rows);
    server.publish_to("clock", &sample::ticked(1));
    let mut syncs = 0;
    while client.next_frame()["op"] == "sync" {
        syncs += 1;
    }
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    assert!((2..=seconds + 1).contains(&syncs), "{syncs} syncs in {seconds} s for {rows} rows");
}
