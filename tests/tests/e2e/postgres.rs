//! The PostgreSQL server that other tests use.

use std::{sync::mpsc, thread, time::Duration};

use tidings_tests::{
    DEADLINE, PgBouncer, Postgres,
    postgres::{as_user, connect},
};

#[test]
fn a_killed_database_keeps_what_was_committed_and_a_frozen_one_answers_later() {
    let mut server = Postgres::start();
    let url = server.database();
    let mut client = connect(&url);
    client.batch_execute("CREATE TABLE kept(); INSERT INTO kept DEFAULT VALUES").unwrap();
    server.kill();
    client.simple_query("SELECT").expect_err("the connection is gone");
    server.start_again();
    let mut client = connect(&url);
    let count: i64 = client.query_one("SELECT count(*) FROM kept", &[]).unwrap().get(0);
    assert_eq!(count, 1);

    server.freeze();
    let (sender, answers) = mpsc::channel();
    thread::spawn(move || sender.send(client.simple_query("SELECT").map(drop)));
    let early = answers.recv_timeout(Duration::from_millis(50));
    server.thaw();
    assert!(early.is_err(), "it is frozen: {early:?}");
    answers.recv_timeout(DEADLINE).unwrap().expect("it was only late");
}

#[test]
fn each_test_has_a_database_of_its_own_and_passwords_are_checked() {
    let (one, other) = (Postgres::shared().database(), Postgres::shared().database());
    connect(&one).batch_execute("CREATE TABLE here()").unwrap();
    connect(&other).batch_execute("CREATE TABLE here()").unwrap();
    let wrong = as_user(&one, "owner", "wrong");
    assert!(::postgres::Client::connect(&wrong, ::postgres::NoTls).is_err());
}

#[test]
fn a_backup_comes_back_over_newer_commits_and_a_replica_takes_over_without_the_last_ones() {
    let count =
        |url: &str| -> i64 { connect(url).query_one("SELECT count(*) FROM kept", &[]).unwrap().get(0) };
    let insert = |url: &str| connect(url).batch_execute("INSERT INTO kept DEFAULT VALUES").unwrap();
    let mut server = Postgres::start();
    let url = server.database();
    connect(&url).batch_execute("CREATE TABLE kept()").unwrap();
    insert(&url);
    let replica = server.replica();
    let backup = server.back_up();
    insert(&url);
    replica.catch_up(&server);
    replica.stop_following();
    insert(&url);
    assert_eq!(count(&url), 3);
    server.restore(&backup);
    assert_eq!(count(&url), 1);
    let both = server.url_with(&replica, url.rsplit('/').next().unwrap());
    assert_eq!(count(&both), 1);
    server.kill();
    replica.promote();
    insert(&both);
    assert_eq!(count(&both), 3);
}

#[test]
fn pgbouncer_gives_a_connection_to_somebody_else_after_each_transaction() {
    let postgres = Postgres::shared();
    let pgbouncer = PgBouncer::start(postgres, 1);
    let url = pgbouncer.through(&postgres.database());
    let (mut one, mut other) = (connect(&url), connect(&url));
    let process = |client: &mut ::postgres::Client| -> i32 {
        let messages = client.simple_query("SELECT pg_backend_pid()").unwrap();
        let row = messages.iter().find_map(|message| match message {
            ::postgres::SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        row.unwrap().parse().unwrap()
    };
    assert_eq!(process(&mut one), process(&mut other));
}
