//! The same with PostgreSQL: the command calls `tidings.watch`.

use ::postgres::Client as Database;
use serde_json::json;
use tidings_tests::{Client, Finished, Postgres, Server, finish, postgres::connect, sample, tidings};

use super::{TEAM, event};

/// Returns a database with an outbox and tables.
fn new_database() -> (String, Database) {
    let url = Postgres::shared().database();
    let init = finish(tidings().args(["journal", "init", "--outbox", &url]));
    assert_eq!(init.code, Some(0), "{init:?}");
    let mut database = connect(&url);
    let sql = "CREATE TABLE team(id uuid PRIMARY KEY, department uuid, size bigint);
               CREATE SCHEMA \"my work\";
               CREATE TABLE \"my work\".assignment(id uuid PRIMARY KEY, project uuid);
               CREATE TABLE thing(id bigint PRIMARY KEY, weight float8)";
    database.batch_execute(sql).unwrap();
    (url, database)
}

fn watch(url: &str, arguments: &[&str]) -> Finished {
    finish(tidings().arg("watch-table").args(arguments).env("TIDINGS_DB", url))
}

#[track_caller]
fn apply(url: &str, arguments: &[&str]) -> String {
    let applied = watch(url, &[arguments, &["--apply"]].concat());
    assert_eq!(applied.code, Some(0), "{applied:?}");
    applied.stdout
}

#[test]
fn a_row_of_postgresql_that_moves_reaches_its_old_and_its_new_parent() {
    let (url, mut database) = new_database();
    let triggers = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal";
    let mut count = || database.query_one(triggers, &[]).unwrap().get::<_, i64>(0);
    let printed = watch(&url, &TEAM);
    assert_eq!((printed.code, count()), (Some(0), 0), "it prints only: {printed:?}");
    assert!(printed.stdout.contains("SELECT tidings.watch("), "{}", printed.stdout);
    assert_eq!(apply(&url, &TEAM), format!("{}-- applied\n", printed.stdout));
    assert!(count() > 0);
    // Its payload has no field for the old project.
    let assignment = ["\"my work\".assignment", "--domain=projects", "--updated=assignment_updated"];
    apply(&url, &[&assignment[..], &["--field=uuid=id", "--field=project_uuid=project"]].concat());
    let thing =
        ["thing", "--domain=store", "--created=upserted", "--deleted=deleted", "--value=schema=things"];
    apply(&url, &[&thing[..], &["--field=key=id", "--field=record=weight"]].concat());

    let server = Server::with(&["--outbox", &url]);
    let (row, old, new) = (sample::uuid(), sample::uuid(), sample::uuid());
    let topics = |kind: &str| [&old, &new].map(|parent| format!("{kind}:{parent}"));
    let [old_team, new_team] = topics("staff:department");
    let [old_project, new_project] = topics("projects:project");
    let mut clients = [&old_team, &new_team, &old_project, &new_project, "store:things"]
        .map(|topic| Client::subscribed(&server, &[topic]));
    let [of_old_team, of_new_team, of_old_project, of_new_project, of_things] = &mut clients;

    database.batch_execute(&format!("INSERT INTO team VALUES ('{row}', '{old}', 1)")).unwrap();
    assert_eq!(event(of_old_team, &old_team), "team_created");
    database.batch_execute(&format!("UPDATE team SET department = '{new}'")).unwrap();
    assert_eq!(event(of_old_team, &old_team), "team_updated");
    assert_eq!(event(of_new_team, &new_team), "team_updated");
    database.batch_execute("DELETE FROM team").unwrap();
    assert_eq!(event(of_new_team, &new_team), "team_deleted");

    let work = format!("INSERT INTO \"my work\".assignment VALUES ('{row}', '{old}')");
    database.batch_execute(&work).unwrap();
    database.batch_execute(&format!("UPDATE \"my work\".assignment SET project = '{new}'")).unwrap();
    assert_eq!(event(of_old_project, &old_project), "assignment_updated");
    assert_eq!(event(of_new_project, &new_project), "assignment_updated");

    database.batch_execute("INSERT INTO thing VALUES (9223372036854775807, 0.1::float8 + 0.2)").unwrap();
    let payload = of_things.expect("event")["event"]["payload"].clone();
    assert_eq!((&payload["key"], &payload["record"]), (&json!(i64::MAX.to_string()), &json!(0.1 + 0.2)));
    database.batch_execute("DELETE FROM thing").unwrap();
    let payload = of_things.expect("event")["event"]["payload"].clone();
    assert_eq!(payload, json!({"schema": "things", "key": i64::MAX.to_string()}));
}

#[test]
fn what_can_not_be_watched_in_postgresql_is_exit_2_and_a_watch_can_be_removed() {
    let (url, mut database) = new_database();
    for (arguments, part) in [
        (vec!["nothing", "--domain=staff", "--created=team_created"], "there is no table `nothing`"),
        (vec!["team", "--domain=staff", "--created=team_created", "--field=uuid=size"], "`size` is bigint"),
        (vec!["team", "--domain=staff", "--created=team_created", "--field=uuid=idd"], "do you mean `id`?"),
        (vec!["team", "--domain=crm", "--created=interaction_created"], "does not contain its topics"),
    ] {
        let refused = watch(&url, &arguments);
        assert_eq!(refused.code, Some(2), "{arguments:?}: {refused:?}");
        assert!(refused.stderr.contains(part), "{arguments:?}: {}", refused.stderr);
        assert!(!refused.stderr.contains("secret"), "{}", refused.stderr);
    }
    assert_eq!(watch(&url, &[]).stderr, "note: no table is watched\n");
    apply(&url, &TEAM);
    let listed = watch(&url, &[]).stdout;
    assert!(
        listed.contains("team → staff: insert\n") && listed.contains("team → staff: update\n"),
        "{listed}"
    );
    apply(&url, &["team", "--remove"]);
    let triggers = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal";
    assert_eq!(database.query_one(triggers, &[]).unwrap().get::<_, i64>(0), 0);
}
