//! The outbox in an application's PostgreSQL database: what is committed arrives, and nothing else.

mod old;

use std::{
    thread,
    time::{Duration, Instant},
};

use ::postgres::{Client as Database, NoTls};
use serde_json::{Value, json};
use tidings_tests::{
    Client, Finished, Postgres, Server, eventually, finish,
    postgres::{as_user, connect},
    sample, tidings,
};

const TOPIC: &str = "clock:ticks";

/// The SQL that publishes an event with a number.
fn tick(number: usize) -> String {
    let event = sample::ticked(number);
    format!("SELECT tidings.publish('{event}', topics => ARRAY['{TOPIC}'])")
}

/// Runs `tidings journal` on the outbox of a database.
#[track_caller]
fn journal(command: &str, url: &str, flags: &[&str]) -> Finished {
    finish(tidings().args(["journal", command, "--outbox", url]).args(flags))
}

/// Makes the outbox in a database.
#[track_caller]
fn init(url: &str) {
    let made = journal("init", url, &[]);
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
}

/// Returns the URL of a new database with an outbox.
#[track_caller]
fn new_outbox(server: &Postgres) -> String {
    let url = server.database();
    init(&url);
    url
}

/// Starts a server on an outbox.
#[track_caller]
fn serve(url: &str) -> Server {
    Server::with(&["--outbox", url])
}

/// Reads the next event, which must have this number.
#[track_caller]
fn expect_tick(client: &mut Client, number: usize) -> Value {
    let event = client.expect("event");
    assert_eq!(event["event"], sample::ticked(number), "{event}");
    event
}

fn count(database: &mut Database, table: &str) -> i64 {
    database.query_one(&format!("SELECT count(*) FROM tidings.{table}"), &[]).unwrap().get(0)
}

#[track_caller]
fn expect_empty(database: &mut Database) {
    eventually("the outbox is empty", || count(database, "outbox") == 0);
}

#[test]
fn committed_events_arrive_once_and_a_late_commit_is_not_lost() {
    let url = new_outbox(Postgres::shared());
    let server = serve(&url);
    let mut subscriber = Client::subscribed(&server, &[TOPIC]);
    let (mut database, mut other) = (connect(&url), connect(&url));

    // This transaction has the smallest id, and commits last.
    let mut late = other.transaction().unwrap();
    late.batch_execute(&tick(3)).unwrap();

    let mut rolled_back = database.transaction().unwrap();
    rolled_back.batch_execute(&tick(100)).unwrap();
    rolled_back.rollback().unwrap();
    let mut committed = database.transaction().unwrap();
    committed.batch_execute(&tick(1)).unwrap();
    committed.batch_execute(&tick(2)).unwrap();
    committed.commit().unwrap();
    expect_tick(&mut subscriber, 1);
    expect_tick(&mut subscriber, 2);
    // Its id is smaller than those of rows that have left the table.
    expect_empty(&mut database);
    late.commit().unwrap();
    expect_tick(&mut subscriber, 3);

    // More rows than one read takes, in one transaction.
    let event = sample::ticked(4);
    let many =
        format!("SELECT tidings.publish('{event}', topics => ARRAY['{TOPIC}']) FROM generate_series(1, 700)");
    database.batch_execute(&many).unwrap();
    for _ in 0..700 {
        expect_tick(&mut subscriber, 4);
    }
    database.batch_execute(&tick(5)).unwrap();
    expect_tick(&mut subscriber, 5);
    expect_empty(&mut database);
    assert_eq!(count(&mut database, "dead_letters"), 0);
}

#[test]
fn a_row_has_its_key_its_origin_and_its_tenant() {
    let url = new_outbox(Postgres::shared());
    let server = Server::keyed(&["--outbox", &url]);
    let token = tidings_tests::token(&["--tenant", "acme", "--subscribe", "*"]);
    let mut subscriber = Client::with_token(&server, &token);
    subscriber.subscribe(&["staff:people"], None, "live");
    let mut database = connect(&url);
    let event = sample::person_updated(&sample::uuid());
    let key = uuid::Uuid::now_v7();
    let publish = "SELECT tidings.publish($1, $2, $3::text::uuid, $4)";
    for _ in 0..2 {
        database.execute(publish, &[&event.to_string(), &"acme", &key.to_string(), &"tab-1"]).unwrap();
    }
    let other = sample::person_updated(&sample::uuid());
    database.execute(publish, &[&other.to_string(), &"acme", &None::<String>, &None::<String>]).unwrap();
    let arrived = subscriber.expect("event");
    assert_eq!((&arrived["event"], &arrived["origin"]), (&event, &json!("tab-1")), "{arrived}");
    assert_eq!(arrived["key"], json!(key.to_string()), "{arrived}");
    // The second row has the same key, so it is published already.
    assert_eq!(subscriber.expect("event")["event"], other);
    // This server has several tenants.
    database.batch_execute(&tick(1)).unwrap();
    eventually("a row without a tenant is a dead letter", || count(&mut database, "dead_letters") == 1);
}

#[test]
fn a_row_that_cannot_be_published_is_a_dead_letter_and_its_subscribers_load_again() {
    let (name, shared) = (format!("ascii_{}", std::process::id()), Postgres::shared());
    // In this encoding, a text may have bytes that are no UTF-8.
    let create = format!("CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0");
    connect(&shared.url("postgres")).batch_execute(&create).unwrap();
    let url = shared.url(&name);
    init(&url);
    let server = serve(&url);
    let mut subscriber = Client::subscribed(&server, &[TOPIC, "staff:people"]);
    let mut database = connect(&url);
    let long = format!("SELECT tidings.publish(repeat('x', 300000), topics => ARRAY['{TOPIC}'])");
    let no_utf8 = format!("SELECT tidings.publish(E'\\xff', topics => ARRAY['{TOPIC}'])");
    let many = format!(
        "SELECT tidings.publish('{}', topics => array_fill('{TOPIC}'::text, ARRAY[100000]))",
        sample::ticked(0)
    );
    for (sql, op, reason) in [
        (format!("SELECT tidings.publish('no JSON', topics => ARRAY['{TOPIC}'])"), "sync", "`event`"),
        (long, "sync", "300000 bytes"),
        (no_utf8, "sync", "not UTF-8"),
        (many, "sync", "topic"),
        (
            format!("SELECT tidings.publish('{}', topics => ARRAY['{TOPIC}', NULL])", sample::ticked(0)),
            "sync",
            "list of texts",
        ),
        (
            r#"SELECT tidings.publish('{"domain":"staff","event":"person_updated","payload":{}}')"#
                .to_owned(),
            "sync",
            "uuid",
        ),
        (
            format!("SELECT tidings.publish('{}', tenant => 'no tenant')", sample::ticked(0)),
            "event",
            "`tenant`",
        ),
    ] {
        let before = count(&mut database, "dead_letters");
        database.batch_execute(&sql).unwrap();
        if op == "sync" {
            let sync = subscriber.next_frame();
            assert_eq!(sync["op"], "sync", "{sql}: {sync}");
        }
        eventually(&format!("a dead letter: {:.100}", sql), || {
            count(&mut database, "dead_letters") == before + 1
        });
        let found: String = database
            .query_one("SELECT reason FROM tidings.dead_letters ORDER BY id DESC LIMIT 1", &[])
            .unwrap()
            .get(0);
        assert!(found.contains(reason), "{sql}: {found}");
    }
    // It blocks nothing.
    database.batch_execute(&tick(1)).unwrap();
    expect_tick(&mut subscriber, 1);

    let listed = journal("dead-letters", &url, &["--json"]);
    let letters: Vec<Value> = listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(letters.len(), 7, "{listed:?}");
    let first = &letters[0];
    assert_eq!(
        (&first["event"], &first["topics"]),
        (&json!("no JSON"), &json!(r#"["clock:ticks"]"#)),
        "{first}"
    );
    let missing = journal("dead-letters", &url, &["--retry", "999"]);
    assert_eq!((missing.code, count(&mut database, "dead_letters")), (Some(1), 7), "{missing:?}");
    assert!(missing.stderr.contains("no dead letter 999"), "{missing:?}");
    database.batch_execute("UPDATE tidings.dead_letters SET tenant = NULL, topics = ARRAY['clock:ticks'] WHERE tenant IS NOT NULL").unwrap();
    let id = letters[6]["id"].to_string();
    assert_eq!(journal("dead-letters", &url, &["--retry", &id]).code, Some(0));
    expect_tick(&mut subscriber, 0);
    assert_eq!(journal("dead-letters", &url, &["--delete", "1", "2"]).code, Some(0));
    assert_eq!(count(&mut database, "dead_letters"), 4);
}

#[test]
fn nothing_is_lost_when_the_database_or_the_server_dies() {
    let mut postgres = Postgres::start();
    // An owner that may not create roles, as in many hosted databases.
    let mut database = connect(&postgres.database());
    database.batch_execute("CREATE ROLE app LOGIN PASSWORD 'app'").unwrap();
    database.batch_execute("CREATE DATABASE app OWNER app").unwrap();
    let url = as_user(&postgres.url("app"), "app", "app");
    let made = journal("init", &url, &[]);
    assert!(made.code == Some(0) && made.stderr.contains("CREATEROLE"), "{made:?}");

    database.batch_execute("ALTER SYSTEM SET ssl = off").unwrap();
    database.batch_execute("SELECT pg_reload_conf()").unwrap();
    let encrypted = format!("{url}?sslmode=require");
    eventually("the database refuses TLS", || {
        journal("init", &encrypted, &[]).stderr.contains("does not support TLS: configure")
    });

    let mut server = serve(&url);
    let mut subscriber = Client::subscribed(&server, &[TOPIC]);
    connect(&url).batch_execute(&tick(1)).unwrap();
    expect_tick(&mut subscriber, 1);
    postgres.kill();
    eventually("the server notices it", || server.process().log().contains("the outbox can't be read"));
    server.publish_to(TOPIC, &sample::ticked(2));
    expect_tick(&mut subscriber, 2);
    postgres.start_again();
    connect(&url).batch_execute(&tick(3)).unwrap();
    expect_tick(&mut subscriber, 3);

    postgres.freeze();
    server.publish_to(TOPIC, &sample::ticked(4));
    expect_tick(&mut subscriber, 4);
    let frozen = Instant::now();
    let outcome = finish(tidings().args(["serve", "--dev", "--listen", "127.0.0.1:0", "--outbox", &url]));
    assert!(frozen.elapsed() < Duration::from_secs(12), "{:?}", frozen.elapsed());
    assert!(outcome.code == Some(1) && outcome.stderr.contains("did not answer"), "{outcome:?}");
    postgres.thaw();
    let mut database = connect(&url);
    database.batch_execute(&tick(5)).unwrap();
    expect_tick(&mut subscriber, 5);
    expect_empty(&mut database);

    // Between the publication and the deletion.
    database.batch_execute(&tick(6)).unwrap();
    let first = expect_tick(&mut subscriber, 6);
    server.process().signal("KILL");
    server.exit_code();
    assert_eq!(count(&mut database, "outbox"), 1, "the server deletes later");
    let server = serve(&url);
    expect_empty(&mut database);
    let mut subscriber = Client::subscribed(&server, &[TOPIC]);
    // The row was published again with its first key, so this is a repetition.
    let again = json!({ "event": sample::ticked(6), "topics": [TOPIC], "key": first["key"] });
    assert_eq!(server.post(&again).status, 200);
    database.batch_execute(&tick(7)).unwrap();
    expect_tick(&mut subscriber, 7);
}

#[test]
fn one_server_reads_an_outbox_and_the_next_takes_over_when_it_ends() {
    let url = new_outbox(Postgres::shared());
    let mut database = connect(&url);
    let mut one = serve(&url);
    let mut with_one = Client::subscribed(&one, &[TOPIC]);
    database.batch_execute(&tick(1)).unwrap();
    expect_tick(&mut with_one, 1);
    // The open transaction of the reader keeps vacuum from nothing.
    let holding = "SELECT count(*), count(backend_xid), count(backend_xmin) FROM pg_stat_activity \
        WHERE datname = current_database() AND state = 'idle in transaction'";
    let row = database.query_one(holding, &[]).unwrap();
    assert_eq!([row.get::<_, i64>(0), row.get(1), row.get(2)], [1, 0, 0]);

    let other = serve(&url);
    let mut with_other = Client::subscribed(&other, &[TOPIC]);
    database.batch_execute(&tick(2)).unwrap();
    expect_tick(&mut with_one, 2);
    expect_empty(&mut database);
    one.process().signal("KILL");
    one.exit_code();
    database.batch_execute(&tick(3)).unwrap();
    // It has missed the event of the first server.
    with_other.expect("sync");
    expect_tick(&mut with_other, 3);
}

#[test]
fn each_role_may_do_its_part_and_no_more() {
    let url = new_outbox(Postgres::shared());
    let mut database = connect(&url);
    let users = "CREATE ROLE writer LOGIN PASSWORD 'w' IN ROLE tidings_publisher; \
        CREATE ROLE node LOGIN PASSWORD 'n' IN ROLE tidings_node; CREATE ROLE stranger LOGIN PASSWORD 's'";
    database.batch_execute(users).unwrap();
    let server = serve(&as_user(&url, "node", "n"));
    let mut subscriber = Client::subscribed(&server, &[TOPIC]);
    let mut writer = connect(&as_user(&url, "writer", "w"));
    writer.batch_execute(&tick(1)).unwrap();
    expect_tick(&mut subscriber, 1);
    for refused in
        ["SELECT FROM tidings.outbox", "DELETE FROM tidings.outbox", "SELECT FROM tidings.dead_letters"]
    {
        let error = writer.batch_execute(refused).unwrap_err();
        assert_eq!(error.code(), Some(&::postgres::error::SqlState::INSUFFICIENT_PRIVILEGE), "{refused}");
    }
    let mut stranger = connect(&as_user(&url, "stranger", "s"));
    stranger.batch_execute(&tick(2)).expect_err("the schema is not for everybody");

    // A caller can't redirect the function to a table of its own.
    writer
        .batch_execute(&format!("CREATE TEMP TABLE outbox(); SET search_path = pg_temp; {}", tick(3)))
        .unwrap();
    expect_tick(&mut subscriber, 3);
}

#[test]
fn an_outbox_that_cannot_be_used_is_a_sentence_with_the_remedy() {
    let shared = Postgres::shared();
    let (empty, url) = (shared.database(), new_outbox(shared));
    connect(&url).batch_execute("CREATE ROLE nobody_here LOGIN PASSWORD 'n'").unwrap();
    let newer = new_outbox(shared);
    connect(&newer).batch_execute("UPDATE tidings.versions SET version = 9, oldest = 9").unwrap();
    let latin = format!("latin_{}", std::process::id());
    let create = format!("CREATE DATABASE {latin} ENCODING 'LATIN1' TEMPLATE template0");
    connect(&shared.url("postgres")).batch_execute(&create).unwrap();
    let stranger = as_user(&url, "nobody_here", "n");
    let no_server = "postgres://u:secret@127.0.0.1:1/d";
    for (command, url, remedy) in [
        ("serve", no_server, "is a PostgreSQL server there? Check the host and the port"),
        ("serve", "postgres://u:secret@no-such-host.invalid/d", "Check the host and the port"),
        ("serve", &as_user(&url, "owner", "wrong"), "check the user and the password"),
        ("serve", &shared.url("no_such_database"), "create the database"),
        ("serve", &empty, "tidings journal init --outbox"),
        ("serve", &stranger, "GRANT tidings_node TO nobody_here"),
        ("serve", &newer, "use a newer tidings"),
        ("serve", &format!("{url}?sslmode=maybe"), "verify-full"),
        ("serve", &format!("{url}?sslcert=a"), "`sslcert`"),
        ("init", no_server, "is a PostgreSQL server there?"),
        ("init", &as_user(&empty, "nobody_here", "n"), "as the owner of the database"),
        ("init", &newer, "use a newer tidings"),
        ("init", &shared.url(&latin), "UTF8"),
        ("dead-letters", &empty, "tidings journal init --outbox"),
    ] {
        let start = Instant::now();
        let outcome = match command {
            "serve" => finish(tidings().args(["serve", "--dev", "--listen", "127.0.0.1:0", "--outbox", url])),
            _ => journal(command, url, &[]),
        };
        // A supervisor starts the server again if nobody answers there now.
        let is_away = command == "serve" && remedy.contains("the port");
        assert_eq!(outcome.code, Some(if is_away { 1 } else { 2 }), "{command} {url}: {outcome:?}");
        assert!(outcome.stderr.contains(remedy), "{command} {url}: {outcome:?}");
        assert!(outcome.stderr.contains("--outbox") && !outcome.stderr.contains("secret"), "{outcome:?}");
        assert!(start.elapsed() < Duration::from_secs(12), "{command} {url}: {:?}", start.elapsed());
    }
}

#[test]
fn a_connection_is_encrypted_and_the_certificate_checked_as_the_url_says() {
    let shared = Postgres::shared();
    let url = new_outbox(shared);
    let elsewhere = url.replace("127.0.0.1", "localhost");
    let authority = shared.authority();
    let with = |url: &str, mode: &str| format!("{url}?sslmode={mode}&sslrootcert={}", authority.display());
    for (url, fault) in [
        (format!("{url}?sslmode=disable"), ""),
        (format!("{url}?sslmode=require&channel_binding=require"), ""),
        // The authorities of the system have not signed it.
        (format!("{url}?sslmode=verify-full"), "sslrootcert=FILE"),
        (format!("{url}?sslmode=verify-full&sslrootcert=/no/such/file"), "/no/such/file"),
        (with(&url, "verify-full"), ""),
        (with(&url, "verify-ca"), ""),
        // The certificate is for another host.
        (with(&elsewhere, "require"), ""),
        (with(&elsewhere, "verify-full"), "certificate"),
    ] {
        let made = journal("init", &url, &[]);
        let expected = if fault.is_empty() { 0 } else { 2 };
        assert_eq!(made.code, Some(expected), "{url}: {made:?}");
        assert!(made.stderr.contains(fault), "{url}: {made:?}");
    }
    let _server = serve(&format!("{url}?sslmode=require"));
    let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
        WHERE datname = current_database() AND application_name = 'tidings'";
    let mut database = connect(&url);
    assert!(database.query_one(encrypted, &[]).unwrap().get::<_, bool>(0));
}

#[test]
fn programs_with_other_libraries_publish_in_their_transactions() {
    let url = new_outbox(Postgres::shared());
    let server = serve(&url);
    let mut subscriber = Client::subscribed(&server, &[TOPIC]);
    // `cargo xtask soak sqlx` names a program that uses sqlx.
    let others = std::env::var("TIDINGS_WRITERS").unwrap_or_default();
    for writer in std::iter::once("psql").chain(others.split_whitespace()) {
        for (number, end) in [(1, "COMMIT"), (2, "ROLLBACK"), (3, "COMMIT")] {
            let mut command = std::process::Command::new(writer);
            command.args(["--quiet", "--no-psqlrc", &url, "--command", "BEGIN"]);
            let finished = finish(command.args(["--command", &tick(number), "--command", end]));
            assert_eq!(finished.code, Some(0), "{writer}: {finished:?}");
        }
        expect_tick(&mut subscriber, 1);
        expect_tick(&mut subscriber, 3);
    }
}

#[test]
fn a_rust_program_writes_typed_events_in_its_transaction() {
    use tidings_server::{
        PublishOptions,
        outbox::postgres::{insert, insert_to},
    };
    use tidings_shared::domains::staff;
    let url = new_outbox(Postgres::shared());
    let server = Server::with(&["--outbox", &url]);
    let mut subscriber = Client::subscribed(&server, &["staff:people"]);
    let (kept, key) = (uuid::Uuid::now_v7(), uuid::Uuid::now_v7());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let (mut client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let event = |uuid| staff::Event::PersonUpdated(staff::Person { uuid });
        let transaction = client.transaction().await.unwrap();
        insert(&transaction, None, &event(uuid::Uuid::now_v7()), PublishOptions::default()).await.unwrap();
        transaction.rollback().await.unwrap();
        let transaction = client.transaction().await.unwrap();
        insert(&transaction, None, &event(kept), PublishOptions::default().key(key)).await.unwrap();
        transaction.commit().await.unwrap();
        let transaction = client.transaction().await.unwrap();
        // `staff` computes its topics.
        insert_to(&transaction, None, &event(kept), &[staff::Topic::People], PublishOptions::default())
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    });
    let event = subscriber.expect("event");
    assert_eq!(event["event"], sample::person_updated(&kept.to_string()));
    assert_eq!(event["key"], json!(key.to_string()));
    let mut database = connect(&url);
    eventually("the topics are refused", || count(&mut database, "dead_letters") == 1);
}

#[test]
fn the_printed_sql_makes_the_same_outbox_and_may_run_again_in_two_databases_at_once() {
    let shared = Postgres::shared();
    let printed = journal("init", &shared.url("no_such_database"), &["--print"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    let urls = [shared.database(), shared.database()];
    thread::scope(|scope| {
        for url in &urls {
            for _ in 0..2 {
                scope.spawn(|| connect(url).batch_execute(&printed.stdout).unwrap());
            }
        }
    });
    connect(&urls[0]).batch_execute(&tick(1)).unwrap();
    init(&urls[0]);
    let server = serve(&urls[0]);
    expect_empty(&mut connect(&urls[0]));
    drop(server);
    assert!(Database::connect(&urls[1], NoTls).unwrap().batch_execute(&tick(1)).is_ok());
}
