//! The PostgreSQL server that other tests use.

use std::{sync::mpsc, thread, time::Duration};

use tidings_tests::{
    DEADLINE, Postgres,
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
