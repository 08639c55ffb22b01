//! What becomes of a row.

use ::postgres::Client as Database;
use serde_json::{Value, json};
use tidings_tests::{eventually, postgres::connect};

use super::{Link, Node, Told, link, new_journal, new_outbox, run, with_links};

#[test]
fn each_write_of_a_plain_client_is_the_event_of_its_record() {
    for has_journal in [true, false] {
        let (url, mut database) = with_links(has_journal);
        let mut node = Node::bridged(&url, has_journal);
        assert_eq!(node.next(), Told::Sync);
        let mut steps = |statements: &str, expected: &[Told]| {
            run(&mut database, statements);
            // Several writes of one transaction may come in the order of the last change of each record.
            let mut told: Vec<_> = expected.iter().map(|_| node.next()).collect();
            told.sort_by_key(|told| format!("{told:?}"));
            assert_eq!(told, expected, "{statements}");
        };
        steps("INSERT INTO links VALUES (1, 10)", &[link(1, 10)]);
        steps("UPDATE links SET v = 11", &[link(1, 11)]);
        steps("UPDATE links SET id = 2", &[Told::Deleted("1".to_owned()), link(2, 11)]);
        steps(
            "INSERT INTO links VALUES (2, 12) ON CONFLICT (id) DO UPDATE SET v = excluded.v",
            &[link(2, 12)],
        );
        steps("BEGIN; UPDATE links SET v = 13; UPDATE links SET v = 14; COMMIT", &[link(2, 14)]);
        steps(
            "BEGIN; SAVEPOINT a; INSERT INTO links VALUES (3, 1); ROLLBACK TO a; INSERT INTO links VALUES (4, 1); COMMIT",
            &[link(4, 1)],
        );
        steps(
            "BEGIN; INSERT INTO links VALUES (5, 1); ROLLBACK; INSERT INTO links VALUES (6, 1)",
            &[link(6, 1)],
        );
        steps("COPY links FROM PROGRAM 'printf \"7\\t1\\n8\\t1\\n\"'", &[link(7, 1), link(8, 1)]);
        steps("TRUNCATE links", &[Told::Sync]);
        steps("INSERT INTO links VALUES (9, 1), (10, 1)", &[link(10, 1), link(9, 1)]);
        steps("DELETE FROM links", &[Told::Deleted("10".to_owned()), Told::Deleted("9".to_owned())]);
        eventually("nothing waits", || {
            database.query_one("SELECT count(*) FROM tidings.changes", &[]).unwrap().get::<_, i64>(0) == 0
        });
    }
}

#[test]
fn a_record_has_every_value_as_it_is_and_its_key_as_text() {
    for has_journal in [true, false] {
        let url = if has_journal { new_journal() } else { new_outbox() };
        let mut database = connect(&url);
        run(
            &mut database,
            r#"CREATE SCHEMA "Odd ""schema";
            CREATE TYPE mood AS ENUM ('so-so', 'ok');
            CREATE TABLE "Odd ""schema"."a.b ' c"(
                "Key ""1" text, key2 bigint, at timestamptz, big numeric, bytes bytea, array_of int[], document jsonb,
                plain json, mood mood, nothing text, double bigint GENERATED ALWAYS AS (key2 * 2) STORED,
                number float8, PRIMARY KEY ("Key ""1", key2))"#,
        );
        let mut node = Node::new(&url, has_journal);
        let _bridge = node.start::<Value>(r#""Odd ""schema"."a.b ' c""#).unwrap();
        assert_eq!(node.next(), Told::Sync);
        // The session's own settings change no text.
        run(
            &mut database,
            r#"SET timezone = 'Asia/Tokyo'; SET bytea_output = 'escape'; SET extra_float_digits = -5;
            INSERT INTO "Odd ""schema"."a.b ' c" VALUES ('x"y', 9007199254740993, '2026-01-02 03:04:05+00',
                12345678901234567890.50, '\x00ff', '{1,NULL}', '{"b": 1.50, "a": null}', '{"b" :1, "n":"\u0000"}', 'ok', NULL,
                DEFAULT, 0.1)"#,
        );
        let Told::Upserted(key, record) = node.next() else { panic!("an event") };
        assert_eq!(key, r#"["x\"y",9007199254740993]"#);
        let expected: Value = serde_json::from_str(
            r#"{"Key \"1":"x\"y","key2":9007199254740993,"at":"2026-01-02T03:04:05+00:00","big":12345678901234567890.50,
                "bytes":"\\x00ff","array_of":[1,null],"document":{"a": null, "b": 1.50},"plain":{"b" :1, "n":"\u0000"},
                "mood":"ok","nothing":null,"double":18014398509481986,"number":0.1}"#,
        )
        .unwrap();
        assert_eq!(record, expected);
        run(&mut database, r#"UPDATE "Odd ""schema"."a.b ' c" SET number = 'NaN', bytes = NULL"#);
        let Told::Upserted(_, record) = node.next() else { panic!("an event") };
        assert_eq!((&record["number"], &record["bytes"]), (&json!("NaN"), &Value::Null));
    }
}

#[test]
fn a_record_that_no_event_can_carry_is_a_sync_and_a_dead_letter_until_it_can() {
    for has_journal in [true, false] {
        let (url, mut database) = with_links(has_journal);
        run(&mut database, "ALTER TABLE links ADD long text");
        let mut node = Node::new(&url, has_journal);
        let _bridge = node.start::<Link>("links").unwrap();
        assert_eq!(node.next(), Told::Sync);
        run(
            &mut database,
            "INSERT INTO links VALUES (1, NULL, NULL), (2, 2, repeat('x', 300000)), (3, 3, NULL)",
        );
        let mut told: Vec<_> = (0..2).map(|_| node.next()).collect();
        told.sort_by_key(|told| format!("{told:?}"));
        let three = json!({ "id": 3, "v": 3, "long": null });
        assert_eq!(told[0], Told::Sync, "one or two syncs, and the event: {told:?}");
        if told[1] == Told::Sync {
            assert_eq!(node.next(), Told::Upserted("3".to_owned(), three));
        } else {
            assert_eq!(told[1], Told::Upserted("3".to_owned(), three));
        }
        let letters = "SELECT key, code, reason FROM tidings.bridge_dead_letters ORDER BY key";
        eventually("two dead letters", || database.query(letters, &[]).unwrap().len() == 2);
        let letters: Vec<_> = database.query(letters, &[]).unwrap();
        let row = |index: usize| letters[index].get::<_, String>("code");
        assert_eq!((row(0), row(1)), ("invalid_event".to_owned(), "too_large".to_owned()));
        assert!(letters[0].get::<_, &str>("reason").contains("does not decode"), "{letters:?}");
        run(&mut database, "UPDATE links SET v = 1, long = NULL WHERE id < 3");
        while node.next() != Told::Upserted("2".to_owned(), json!({ "id": 2, "v": 1, "long": null })) {}
        eventually("no dead letters", || {
            let count = "SELECT count(*) FROM tidings.bridge_dead_letters";
            database.query_one(count, &[]).unwrap().get::<_, i64>(0) == 0
        });
    }
}

#[test]
fn a_key_may_be_longer_than_an_index_takes() {
    for has_journal in [true, false] {
        let url = if has_journal { new_journal() } else { new_outbox() };
        let mut database = connect(&url);
        run(&mut database, "CREATE TABLE links(id bytea PRIMARY KEY, v bigint)");
        let mut node = Node::new(&url, has_journal);
        // No record decodes: this key is no number.
        let _bridge = node.start::<Link>("links").unwrap();
        assert_eq!(node.next(), Told::Sync);
        let long = "(SELECT string_agg(sha256(n::text::bytea), '') FROM generate_series(1, 80) n)";
        run(&mut database, &format!("INSERT INTO links VALUES ({long}, 1)"));
        assert_eq!(node.next(), Told::Sync);
        let count = "SELECT count(*), max(length(key)) FROM tidings.bridge_dead_letters";
        eventually("a dead letter", || {
            let row = database.query_one(count, &[]).unwrap();
            (row.get(0), row.get(1)) == (1_i64, Some(5_122))
        });
        run(&mut database, "UPDATE links SET v = 2");
        assert_eq!(node.next(), Told::Sync);
        run(&mut database, "DELETE FROM links");
        assert!(matches!(node.next(), Told::Deleted(key) if key.len() == 5_122));
        let has_none =
            |database: &mut Database| database.query_one(count, &[]).unwrap().get::<_, i64>(0) == 0;
        eventually("no dead letter", || has_none(&mut database));
        // A node never reads one of more than 64 kB.
        run(&mut database, "INSERT INTO links VALUES (convert_to(repeat('a', 40000), 'UTF8'), 1)");
        assert_eq!(node.next(), Told::Sync);
        assert!(has_none(&mut database));
    }
}

#[test]
fn a_changed_definition_fails_no_writer_and_is_a_sync() {
    let (url, mut database) = with_links(true);
    let mut node = Node::bridged(&url, true);
    assert_eq!(node.next(), Told::Sync);
    run(&mut database, "INSERT INTO links VALUES (1, 1)");
    assert_eq!(node.next(), link(1, 1));
    // The trigger does not know the new name of the key, so it can't tell which record has changed.
    run(&mut database, "ALTER TABLE links RENAME COLUMN id TO number");
    run(&mut database, "UPDATE links SET v = 2");
    assert_eq!(node.next(), Told::Sync);
    // The node notices both within 10 s, and makes the trigger again.
    run(&mut database, "DROP TRIGGER tidings_bridge_1 ON links");
    loop {
        run(&mut database, "UPDATE links SET v = v + 1");
        if node.next() != Told::Sync {
            break;
        }
    }
    run(&mut database, "ALTER TABLE links ALTER COLUMN number TYPE text");
    run(&mut database, "INSERT INTO links VALUES ('a', 1)");
    run(&mut database, "DROP TABLE links");
}

#[test]
fn the_rows_of_partitions_are_rows_of_their_table() {
    let url = new_journal();
    let mut database = connect(&url);
    run(
        &mut database,
        "CREATE TABLE links(id bigint, v bigint, PRIMARY KEY (id)) PARTITION BY RANGE (id);
        CREATE TABLE few PARTITION OF links FOR VALUES FROM (0) TO (100);
        CREATE TABLE many PARTITION OF links FOR VALUES FROM (100) TO (200)",
    );
    let mut node = Node::bridged(&url, true);
    assert_eq!(node.next(), Told::Sync);
    run(&mut database, "INSERT INTO links VALUES (1, 1)");
    assert_eq!(node.next(), link(1, 1));
    run(&mut database, "INSERT INTO many VALUES (101, 1)");
    assert_eq!(node.next(), link(101, 1));
    run(&mut database, "UPDATE links SET id = 102 WHERE id = 1");
    assert_eq!((node.next(), node.next()), (Told::Deleted("1".to_owned()), link(102, 1)));
    run(&mut database, "TRUNCATE many");
    assert_eq!(node.next(), Told::Sync);
    // A trigger tells of a new partition's rows. Rows that come with a partition are a sync within 10 s.
    run(
        &mut database,
        "CREATE TABLE more(id bigint PRIMARY KEY, v bigint); INSERT INTO more VALUES (201, 1);
        ALTER TABLE links ATTACH PARTITION more FOR VALUES FROM (200) TO (300)",
    );
    assert_eq!(node.next(), Told::Sync);
    run(&mut database, "INSERT INTO links VALUES (202, 1)");
    assert_eq!(node.next(), link(202, 1));
}

#[test]
fn equal_keys_with_different_texts_are_different_records() {
    let url = new_journal();
    let mut database = connect(&url);
    run(
        &mut database,
        "CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE links(id text COLLATE any_case, number numeric, v bigint, PRIMARY KEY (id, number))",
    );
    let mut node = Node::bridged(&url, true);
    assert_eq!(node.next(), Told::Sync);
    let record = |id: &str, number: &str, v: i64| {
        let record = format!(r#"{{"id":"{id}","number":{number},"v":{v}}}"#);
        Told::Upserted(format!(r#"["{id}","{number}"]"#), serde_json::from_str(&record).unwrap())
    };
    run(&mut database, "INSERT INTO links VALUES ('Ada', 1.0, 1)");
    assert_eq!(node.next(), record("Ada", "1.0", 1));
    run(&mut database, "UPDATE links SET id = 'ada', v = 2");
    assert_eq!(node.next(), Told::Deleted(r#"["Ada","1.0"]"#.to_owned()));
    assert_eq!(node.next(), record("ada", "1.0", 2));
    run(&mut database, "BEGIN; DELETE FROM links; INSERT INTO links VALUES ('ada', 1.00, 3); COMMIT");
    assert_eq!(node.next(), Told::Deleted(r#"["ada","1.0"]"#.to_owned()));
    assert_eq!(node.next(), record("ada", "1.00", 3));
}

#[test]
fn any_error_of_one_record_holds_up_no_other() {
    for has_journal in [true, false] {
        let url = if has_journal { new_journal() } else { new_outbox() };
        let mut database = connect(&url);
        run(&mut database, "CREATE DOMAIN code AS text; CREATE TABLE links(id code PRIMARY KEY, v bigint)");
        let mut node = Node::bridged(&url, has_journal);
        assert_eq!(node.next(), Told::Sync);
        run(
            &mut database,
            "BEGIN; INSERT INTO links VALUES ('bad', 1), ('good-1', 1);
            ALTER DOMAIN code ADD CONSTRAINT has_hyphen CHECK (VALUE LIKE '%-%') NOT VALID; COMMIT",
        );
        let good = Told::Upserted("good-1".to_owned(), json!({ "id": "good-1", "v": 1 }));
        while node.next() != good {}
        let letters = "SELECT key, code FROM tidings.bridge_dead_letters";
        eventually("a dead letter", || database.query(letters, &[]).unwrap().len() == 1);
        assert_eq!(database.query_one(letters, &[]).unwrap().get::<_, &str>("key"), "bad");
    }
}
