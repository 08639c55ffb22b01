//! What somebody does to the tables or to the database, under a journal that runs.

use std::{thread, time::Duration};

use postgres::Client;
use tidings_hub::{
    LogLimits, TenantId,
    journal::{Followed, Journal as _, JournalDraft, JournalLimits, JournalRevocation, Revoked},
};
use tidings_server::{
    journal::{POSTGRES_SCHEMA, PostgresJournal},
    outbox::postgres::SCHEMA,
};
use tidings_shared::Position;
use tidings_tests::{
    eventually, finish,
    journal_contract::{EPOCH, Place as _, acme, draft, fill, follow, history, numbers},
    postgres::{as_user, connect},
    tidings,
};

use super::place::{PostgresPlace, TABLES, journal_database};

fn init(url: &str) {
    connect(url).batch_execute(&format!("{SCHEMA}{POSTGRES_SCHEMA}")).unwrap();
}

fn number(client: &mut Client, statement: &str) -> i64 {
    client.query_one(statement, &[]).unwrap().get(0)
}

fn revocation(name: &str) -> JournalRevocation {
    let revoked = Revoked::Subject(name.to_owned());
    JournalRevocation { tenant: acme(), revoked, at: 1, until: u64::MAX >> 1 }
}

/// Each call answers or fails with a message. None of them ends the process.
#[test]
fn a_journal_goes_on_whatever_table_was_emptied() {
    let url = journal_database();
    for table in
        TABLES.into_iter().chain(["journal, tidings.tenants, tidings.log, tidings.keys, tidings.revocations"])
    {
        let mut journal = PostgresJournal::open(&url).unwrap();
        let tail = history(&mut journal).tail;
        fill(&mut journal, 1..=3);
        let held = history(&mut journal).entries.last().map_or(tail, |entry| entry.position);
        assert!(follow(&mut journal, held).is_none());
        journal.revoke(&[revocation("ann")]).unwrap();
        connect(&url).batch_execute(&format!("TRUNCATE tidings.{table}")).unwrap();
        let followed = journal.follow(&[(acme(), held)], 10).map_err(|error| error.message);
        if table.starts_with("journal") {
            let error = followed.unwrap_err();
            assert!(error.contains("tidings.journal is empty: run `tidings journal init`"), "{error}");
            let error = PostgresJournal::open(&url).unwrap_err().message;
            assert!(error.contains("tidings.journal is empty; run `tidings journal init"), "{error}");
            let status = finish(tidings().args(["journal", "status", "--journal", &url]));
            assert!(status.code == Some(2) && status.stderr.contains("journal init"), "{status:?}");
            journal.append(&[draft(4)], 0, &mut || EPOCH).unwrap_err();
            init(&url);
        }
        journal.recent(&acme(), &LogLimits::default(), 0, EPOCH + 1).unwrap();
        journal.follow(&[(acme(), held)], 10).unwrap();
        journal.follow_changed(&mut |_| Some(held), 10).unwrap();
        journal.revocations(0, 10, 0).unwrap();
        journal.renew(&acme(), EPOCH + 1, EPOCH + 2).unwrap();
        journal.trim(&JournalLimits::new(LogLimits::default()), 0).unwrap();
        journal.append(&[draft(5)], 0, &mut || EPOCH).unwrap();
        assert!(numbers(&history(&mut journal).entries).contains(&5), "{table}");
        // All begins again with the next table.
        drop(PostgresPlace::emptied(&url));
    }
}

/// The tenant's row is gone when its news is read.
#[test]
fn news_of_a_tenant_that_is_gone_make_it_a_stranger() {
    let url = journal_database();
    let mut journal = PostgresJournal::open(&url).unwrap();
    let held = fill(&mut journal, 1..=1)[0];
    history(&mut journal);
    fill(&mut PostgresJournal::open(&url).unwrap(), 2..=2);
    connect(&url).batch_execute("DELETE FROM tidings.tenants").unwrap();
    assert!(matches!(follow(&mut journal, held), Some(Followed::RolledBack)));
}

/// Of an append to two tenants, the row of the first one vanishes. Its draft must not get the place of the other tenant.
#[test]
fn an_append_to_a_tenant_that_vanishes_is_an_error() {
    let url = journal_database();
    let mut journal = PostgresJournal::open(&url).unwrap();
    let vanish = "CREATE FUNCTION vanish() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
        CREATE TRIGGER vanish BEFORE INSERT ON tidings.tenants FOR EACH ROW WHEN (new.name = 'umbrella') EXECUTE FUNCTION vanish()";
    connect(&url).batch_execute(vanish).unwrap();
    let drafts = [JournalDraft { tenant: "umbrella".parse().unwrap(), ..draft(1) }, draft(2)];
    let error = journal.append(&drafts, 0, &mut || EPOCH).unwrap_err();
    assert!(error.message.contains("a tenant is gone"), "{error}");
    assert!(history(&mut journal).entries.is_empty());
}

/// A table that the nodes need is locked for a while. Each call ends, and no connection stays in the database after it. It
/// takes eight seconds.
#[test]
fn a_locked_table_makes_each_call_an_error_and_leaves_no_connection_behind() {
    let url = journal_database();
    let mut journal = PostgresJournal::open(&url).unwrap();
    let held = fill(&mut journal, 1..=1)[0];
    let mut other = connect(&url);
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    other.batch_execute("BEGIN; LOCK TABLE tidings.log, tidings.tenants").unwrap();
    let error = journal.append(&[draft(2)], 0, &mut || EPOCH).unwrap_err();
    assert!(error.message.contains("look at pg_locks"), "{error}");
    let error = journal.follow(&[(acme(), held)], 10).unwrap_err();
    assert!(error.message.contains("look at pg_locks"), "{error}");
    assert_eq!(number(&mut other, waiting), 0);
    other.batch_execute("COMMIT; ALTER FUNCTION tidings.tenant_names RESET lock_timeout").unwrap();
    // The node itself gives up.
    eventually("the journal connects again", || follow(&mut journal, held).is_none());
    other.batch_execute("BEGIN; LOCK TABLE tidings.tenants").unwrap();
    let error = journal.tenants(None, 10).unwrap_err();
    assert!(error.message.contains("did not answer") && error.message.contains("pg_locks"), "{error}");
    eventually("the database has ended the call", || number(&mut other, waiting) == 0);
    other.batch_execute("COMMIT").unwrap();
    assert_eq!(journal.tenants(None, 10).unwrap(), [acme()]);
}

#[test]
fn rows_without_a_tenant_go_when_they_are_old() {
    let place = PostgresPlace::new();
    let mut journal = place.open();
    let umbrella = |number| {
        let tenant = "umbrella".parse().unwrap();
        JournalDraft { tenant, may_come_again: true, ..draft(number) }
    };
    journal.append(&[umbrella(1), umbrella(2)], 0, &mut || EPOCH).unwrap();
    let limits = JournalLimits::new(LogLimits::default().max_age(Duration::from_secs(3_600)));
    journal.trim(&JournalLimits::new(LogLimits::default().max_entries(1)), 0).unwrap();
    fill(&mut *journal, 3..=3);
    let mut client = place.connect();
    client.batch_execute("DELETE FROM tidings.tenants WHERE name = 'umbrella'").unwrap();
    let rows = "SELECT (SELECT count(*) FROM tidings.log) * 10 + (SELECT count(*) FROM tidings.keys)";
    // An hour, as below.
    let hour_ago = "(extract(epoch FROM clock_timestamp() - interval '1 hour') * 1000)::bigint";
    let remove = format!("SELECT tidings.remove_orphans(0, 1000, {hour_ago}, {hour_ago}, 1000)");
    client.batch_execute(&remove).unwrap();
    assert_eq!(number(&mut client, rows), 21, "a dump is perhaps being restored");
    place.age(Duration::from_secs(24 * 60 * 60 * 30));
    fill(&mut *journal, 4..=4);
    // One of 64 calls looks for them.
    eventually("only the young one is left", || {
        journal.trim(&limits, 0).unwrap();
        number(&mut client, rows) == 10
    });
    assert_eq!(numbers(&history(&mut *journal).entries), [4]);
}

/// Any user of the database may take any advisory lock.
#[test]
fn a_user_without_rights_can_keep_nobody_from_publishing() {
    let url = journal_database();
    let mut owner = connect(&url);
    owner.batch_execute("CREATE ROLE nobody_else LOGIN PASSWORD 'secret'").unwrap();
    let mut nobody = connect(&as_user(&url, "nobody_else", "secret"));
    let locks =
        "SELECT pg_advisory_lock(n) FROM generate_series(8388346184940876500, 8388346184940876600) AS n";
    nobody.batch_execute(locks).unwrap();
    let mut journal = PostgresJournal::open(&url).unwrap();
    fill(&mut journal, 1..=3);
    let few = JournalLimits::new(LogLimits::default().max_entries(2));
    journal.trim(&few, 0).unwrap();
    assert_eq!(numbers(&history(&mut journal).entries), [2, 3]);
    let refused =
        nobody.batch_execute("BEGIN; LOCK TABLE tidings.append_lock IN ACCESS SHARE MODE").unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "42501", "{refused}");
}

/// Nodes of two versions may run at the same time, and the owner may run the script again.
#[test]
fn init_beside_nodes_changes_nothing_and_holds_up_nobody() {
    let url = journal_database();
    let run = || finish(tidings().args(["journal", "init", "--journal", &url]));
    let mut writer = connect(&url);
    // As long as an append.
    writer
        .batch_execute(
            "BEGIN; LOCK TABLE tidings.log, tidings.keys, tidings.revocations IN ROW EXCLUSIVE MODE",
        )
        .unwrap();
    let made = run();
    assert_eq!(made.code, Some(0), "{made:?}");
    let again = "COMMIT; DROP INDEX tidings.log_key; BEGIN; LOCK TABLE tidings.log IN ROW EXCLUSIVE MODE";
    writer.batch_execute(again).unwrap();
    let refused = run();
    assert!(refused.code != Some(0) && refused.stderr.contains("look at pg_locks"), "{refused:?}");
    writer.batch_execute("COMMIT; DROP FUNCTION tidings.stop_sequencing").unwrap();
    let error = PostgresJournal::open(&url).unwrap_err().message;
    assert!(error.contains("functions of the journal are missing; run `tidings journal init"), "{error}");
    assert_eq!(run().code, Some(0));
    PostgresJournal::open(&url).unwrap();
    writer
        .batch_execute("UPDATE tidings.versions SET version = 0, oldest = 0 WHERE part = 'journal'")
        .unwrap();
    assert_eq!(run().code, Some(0));
    assert_eq!(number(&mut writer, "SELECT version::bigint FROM tidings.versions WHERE part = 'journal'"), 1);
    // An older server may use this schema, and must not put its functions over newer ones.
    writer
        .batch_execute("UPDATE tidings.versions SET version = 2, oldest = 1 WHERE part = 'journal'")
        .unwrap();
    PostgresJournal::open(&url).unwrap();
    let refused = run();
    assert!(refused.code == Some(2) && refused.stderr.contains("use a newer tidings"), "{refused:?}");
    let refused = writer.batch_execute(POSTGRES_SCHEMA).unwrap_err();
    assert!(refused.to_string().contains("db error"), "{refused}");
}

/// A history that takes longer than the deadline of a call comes in pages. It takes five seconds.
#[test]
fn a_history_over_a_slow_link_is_loaded() {
    let url = journal_database();
    let mut journal = PostgresJournal::open(&url).unwrap();
    let large = |number| {
        let payload = serde_json::value::to_raw_value(&format!("{number}{}", "x".repeat(400_000))).unwrap();
        let mut one = draft(number);
        if let tidings_hub::journal::Content::Event(event) = &mut one.content {
            event.payload = payload;
        }
        one
    };
    for first in [1, 9, 17, 25] {
        journal.append(&(first..first + 8).map(large).collect::<Vec<_>>(), 0, &mut || EPOCH).unwrap();
    }
    let mut slow = PostgresJournal::open(&through_slow_link(&url)).unwrap();
    assert_eq!(numbers(&history(&mut slow).entries), (1..=32).collect::<Vec<_>>());
}

/// Returns the URL of a proxy that passes on four megabytes in a second.
fn through_slow_link(url: &str) -> String {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    const BYTES: usize = 40_000;
    const PAUSE: Duration = Duration::from_millis(10);
    fn pass(mut from: TcpStream, mut to: TcpStream, pause: Duration) {
        let mut buffer = vec![0; BYTES];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..count]).is_err() {
                return;
            }
            thread::sleep(pause.mul_f64(count as f64 / BYTES as f64));
        }
    }
    let (before, rest) = url.split_once('@').unwrap();
    let (address, database) = rest.split_once('/').unwrap();
    let server: std::net::SocketAddr = address.parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(up) = TcpStream::connect(server) else { return };
            let (client_copy, up_copy) = (client.try_clone().unwrap(), up.try_clone().unwrap());
            thread::spawn(move || pass(client_copy, up_copy, Duration::ZERO));
            thread::spawn(move || pass(up, client, PAUSE));
        }
    });
    format!("{before}@{own}/{database}")
}

/// The message names what the operator can do.
#[test]
fn a_user_with_other_settings_learns_the_remedy() {
    let url = journal_database();
    let mut owner = connect(&url);
    let make = "CREATE ROLE no_inherit LOGIN NOINHERIT PASSWORD 'secret'; GRANT tidings_node TO no_inherit; \
        CREATE ROLE \"my-node\" LOGIN PASSWORD 'secret'; \
        CREATE ROLE timed LOGIN PASSWORD 'secret'; GRANT tidings_node TO timed; ALTER ROLE timed SET statement_timeout = '1'; \
        CREATE ROLE reads LOGIN PASSWORD 'secret'; ALTER ROLE reads SET default_transaction_read_only = on; \
        CREATE ROLE single LOGIN PASSWORD 'secret' CONNECTION LIMIT 1; GRANT tidings_node TO single";
    owner.batch_execute(make).unwrap();
    let open =
        |user: &str| PostgresJournal::open(&as_user(&url, user, "secret")).map(drop).unwrap_err().message;
    let expected = [
        ("no_inherit", "`ALTER ROLE no_inherit INHERIT`"),
        ("my-node", "`GRANT tidings_node TO \"my-node\"`"),
        ("reads", "name the primary server"),
    ];
    for (user, remedy) in expected {
        let said = open(user);
        assert!(said.contains(remedy), "{user}: {said}");
    }
    let single = as_user(&url, "single", "secret");
    let _first = connect(&single);
    let said = open("single");
    assert!(said.contains("raise its CONNECTION LIMIT"), "{said}");
    let mut journal = PostgresJournal::open(&as_user(&url, "node_of_late", "secret"));
    assert!(journal.is_err());
    owner
        .batch_execute("CREATE ROLE node_of_late LOGIN PASSWORD 'secret'; GRANT tidings_node TO node_of_late")
        .unwrap();
    journal = PostgresJournal::open(&as_user(&url, "node_of_late", "secret"));
    let mut journal = journal.unwrap();
    fill(&mut journal, 1..=1);
    owner.batch_execute("REVOKE tidings_node FROM node_of_late").unwrap();
    let said = journal.append(&[draft(2)], 0, &mut || EPOCH).unwrap_err().message;
    assert!(said.contains("`GRANT tidings_node TO node_of_late`"), "{said}");
    let grant =
        "GRANT tidings_node TO node_of_late; REVOKE EXECUTE ON FUNCTION tidings.append FROM tidings_node";
    owner.batch_execute(grant).unwrap();
    let said = journal.append(&[draft(2)], 0, &mut || EPOCH).unwrap_err().message;
    assert!(said.contains("lacks rights that belong to it; run `tidings journal init"), "{said}");
    owner
        .batch_execute(
            "GRANT EXECUTE ON FUNCTION tidings.append TO tidings_node; ALTER FUNCTION tidings.append RENAME TO appended",
        )
        .unwrap();
    let said = journal.append(&[draft(2)], 0, &mut || EPOCH).unwrap_err().message;
    assert!(said.contains("run `tidings journal init"), "{said}");
    owner
        .batch_execute(
            "ALTER FUNCTION tidings.appended RENAME TO append; UPDATE tidings.log SET payload = NULL",
        )
        .unwrap();
    let error = journal.recent(&acme(), &LogLimits::default(), 0, EPOCH).unwrap_err();
    assert!(error.is_damage && error.message.contains("tenant acme at the offset 1"), "{error}");
}

/// The ids of tenants begin again, and the entries of the old ones are still there.
#[test]
fn a_new_tenant_never_gets_the_entries_of_another_one() {
    let url = journal_database();
    let mut journal = PostgresJournal::open(&url).unwrap();
    fill(&mut journal, 1..=3);
    connect(&url).batch_execute("TRUNCATE tidings.tenants RESTART IDENTITY").unwrap();
    let bell: TenantId = "bell".parse().unwrap();
    let limits = LogLimits::default();
    assert!(journal.recent(&bell, &limits, 0, EPOCH).unwrap().entries.is_empty());
    journal.append(&[JournalDraft { tenant: bell.clone(), ..draft(4) }], 0, &mut || EPOCH).unwrap();
    for mut journal in [journal, PostgresJournal::open(&url).unwrap()] {
        let entries = journal.recent(&bell, &limits, 0, EPOCH).unwrap().entries;
        assert_eq!(numbers(&entries), [4]);
        let held = (bell.clone(), Position::new(EPOCH, 0, 0));
        let followed = journal.follow(&[held], 10).unwrap();
        let entries = followed.into_iter().map(|(_, followed)| match followed {
            Followed::Entries(entries) => numbers(&entries),
            other => panic!("{other:?}"),
        });
        assert_eq!(entries.collect::<Vec<_>>(), [[4]]);
    }
}

/// During a restore, a table has its rows before its constraints.
#[test]
fn no_tenant_is_added_while_the_table_lacks_its_constraint() {
    let url = journal_database();
    let mut journal = PostgresJournal::open(&url).unwrap();
    connect(&url).batch_execute("ALTER TABLE tidings.tenants DROP CONSTRAINT tenants_name_key").unwrap();
    journal.recent(&acme(), &LogLimits::default(), 0, EPOCH).unwrap_err();
    journal.append(&[draft(1)], 0, &mut || EPOCH).unwrap_err();
    assert_eq!(
        connect(&url).query_one("SELECT count(*) FROM tidings.tenants", &[]).unwrap().get::<_, i64>(0),
        0
    );
}
