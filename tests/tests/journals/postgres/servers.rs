//! Two servers on one database, and the command line.

use serde_json::{Value, json};
use tidings_tests::{
    Client, PgBouncer, Postgres, Request, Server, finish,
    postgres::{as_user, connect},
    sample, tidings, token,
};
use uuid::Uuid;

use super::place::journal_database;

fn tick(server: &Server, number: usize) -> String {
    let answer = server.publish_to("clock", &sample::ticked(number));
    answer["position"].as_str().unwrap().to_owned()
}

fn number(frame: &Value) -> u64 {
    frame["event"]["payload"]["number"].as_u64().unwrap()
}

#[test]
fn what_one_server_publishes_the_clients_of_the_other_get() {
    let journal = journal_database();
    let start = || Server::with(&["--journal", &journal]);
    let (mut one, other) = (start(), start());
    let mut clients = [Client::subscribed(&one, &["clock"]), Client::subscribed(&other, &["clock"])];
    let mut positions = Vec::new();
    for (server, index) in [(&one, 0), (&other, 1), (&one, 2)] {
        positions.push(tick(server, index));
    }
    for client in &mut clients {
        for (index, position) in positions.iter().enumerate() {
            let event = client.expect("event");
            assert_eq!((number(&event), event["position"].as_str()), (index as u64, Some(position.as_str())));
        }
    }
    // A client goes on at the other server, with what it has missed.
    one.process().signal("KILL");
    one.exit_code();
    tick(&other, 3);
    let mut client = Client::hello(&other);
    client.subscribe(&["clock"], Some(&positions[1]), "resumed");
    assert_eq!([0; 2].map(|_| number(&client.expect("event"))), [2, 3]);
    let again = start();
    Client::hello(&again).subscribe(&["clock"], Some(&positions[2]), "resumed");
}

/// pgbouncer drops what a connection has asked to be told. So the servers look by themselves.
#[test]
fn servers_behind_pgbouncer_get_what_another_publishes() {
    let pgbouncer = PgBouncer::start(Postgres::shared(), 2);
    let journal = pgbouncer.through(&journal_database());
    let start = || Server::with(&["--journal", &journal]);
    let (one, other, third) = (start(), start(), start());
    let mut clients = [&one, &other, &third].map(|server| Client::subscribed(server, &["clock"]));
    for number in 0..3 {
        let position = tick(&one, number);
        for client in &mut clients {
            assert_eq!(client.expect("event")["position"].as_str(), Some(position.as_str()));
        }
    }
}

fn post(server: &Server, path: &str, token: &str, body: &Value) -> tidings_tests::Response {
    let request = Request::post(path).header("Authorization", &format!("Bearer {token}"));
    request.body(body.to_string()).send(server.address())
}

#[test]
fn keys_and_revocations_count_on_each_server() {
    let journal = journal_database();
    let start = || Server::keyed(&["--journal", &journal]);
    let (one, other) = (start(), start());
    let admin = token(&["--tenant", "acme", "--subject", "admin", "--publish", "*", "--admin"]);
    let anna = token(&["--tenant", "acme", "--subject", "anna", "--publish", "*", "--subscribe", "*"]);
    let event = json!({ "event": sample::ticked(1), "topics": ["clock"], "key": Uuid::now_v7() });
    let first = post(&one, "/v1/publish", &anna, &event);
    assert_eq!(first.status, 200, "{first:?}");
    let again = post(&other, "/v1/publish", &anna, &event);
    assert_eq!(again.json()["position"], first.json()["position"], "nothing twice");
    let mut session = Client::with_token(&other, &anna);
    let revoked = post(&one, "/v1/admin/revoke", &admin, &json!({ "sub": "anna" }));
    assert_eq!(revoked.status, 200, "{revoked:?}");
    session.expect_end("forbidden", 4403);
    assert_eq!(post(&other, "/v1/publish", &anna, &event).status, 401);
    assert_eq!(post(&start(), "/v1/publish", &anna, &event).status, 401, "a server that starts later");
}

#[test]
fn the_owner_makes_a_journal_and_the_role_of_a_node_is_enough_for_a_server() {
    let owner = Postgres::shared().database();
    let run = |arguments: &[&str]| finish(tidings().arg("journal").args(arguments));
    let (user, role) = ("node_user", "node_secret");
    let node = as_user(&owner, user, role);
    let serve =
        |url: &str| finish(tidings().args(["serve", "--dev", "--listen", "127.0.0.1:0", "--journal", url]));

    let away = serve("postgres://u:secret@127.0.0.1:1/d");
    let said = &away.stderr;
    assert!(
        away.code == Some(1) && said.contains("--journal") && said.contains("Check the host"),
        "{away:?}"
    );
    let missing = serve(&owner);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("run `tidings journal init --journal"), "{missing:?}");
    let sql = run(&["init", "--journal", &owner, "--print"]);
    assert_eq!(sql.code, Some(0), "{sql:?}");
    assert!(sql.stdout.contains("tidings.append(") && sql.stdout.contains("tidings.publish("), "both parts");
    for _ in 0..2 {
        let made = run(&["init", "--journal", &owner]);
        assert_eq!(made.code, Some(0), "{made:?}");
        assert!(made.stdout.contains("has a journal and an outbox"), "{made:?}");
    }
    connect(&owner).batch_execute(&format!("CREATE ROLE {user} LOGIN PASSWORD '{role}'")).unwrap();
    let forbidden = serve(&node);
    assert_eq!(forbidden.code, Some(2), "{forbidden:?}");
    assert!(forbidden.stderr.contains("GRANT tidings_node TO node_user"), "{forbidden:?}");
    assert!(!forbidden.stderr.contains(role), "{forbidden:?}");
    connect(&owner).batch_execute(&format!("GRANT tidings_node TO {user}")).unwrap();

    let server = Server::with(&["--journal", &node]);
    for number in 0..3 {
        tick(&server, number);
    }
    let tables = "SELECT has_table_privilege($1, 'tidings.log', 'SELECT, INSERT, UPDATE, DELETE')";
    let may: bool = connect(&owner).query_one(tables, &[&user]).unwrap().get(0);
    assert!(!may, "the tables are private");
    let status = run(&["status", "--journal", &node, "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!((&status["publications"], &status["in_use"]), (&3.into(), &Value::Null), "{status}");
    let trimmed = run(&["trim", "--journal", &node, "--log-max-entries", "1"]);
    assert!(trimmed.stdout.contains("2 publications and 0 revocations removed"), "{trimmed:?}");

    let newer = "UPDATE tidings.versions SET version = 9, oldest = 9 WHERE part = 'journal'";
    connect(&owner).batch_execute(newer).unwrap();
    let refused = serve(&node);
    assert!(refused.code == Some(2) && refused.stderr.contains("use a newer tidings"), "{refused:?}");
    let older = "UPDATE tidings.versions SET oldest = 1 WHERE part = 'journal'";
    connect(&owner).batch_execute(older).unwrap();
    tick(&Server::with(&["--journal", &node]), 4);
}
