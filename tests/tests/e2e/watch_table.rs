//! `tidings watch-table`: plain writes of an application reach the topics of its rows.

mod postgres;

use rusqlite::Connection;
use serde_json::json;
use tidings_tests::{AppFile, Client, Finished, Server, eventually, finish, sample, tidings};

const TEAM: [&str; 15] = [
    "team",
    "--domain",
    "staff",
    "--created",
    "team_created",
    "--updated",
    "team_updated",
    "--deleted",
    "team_deleted",
    "--field",
    "uuid=id",
    "--field",
    "department_uuid=department",
    "--field",
    "previous_department_uuid=old.department",
];

/// Returns a file with an outbox and a table.
fn new_file() -> (AppFile, Connection) {
    let file = AppFile::new("wal");
    let connection = file.open();
    connection.execute_batch("CREATE TABLE team(id TEXT PRIMARY KEY, department TEXT, name TEXT)").unwrap();
    (file, connection)
}

fn watch(file: &AppFile, arguments: &[&str]) -> Finished {
    finish(tidings().args(["watch-table", "--db", &file.url()]).args(arguments))
}

/// Returns how many triggers a file has.
fn triggers(connection: &Connection) -> usize {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'";
    usize::try_from(connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()).unwrap()
}

/// Reads the next event of a client's only topic, and returns its name.
fn event(client: &mut Client, topic: &str) -> String {
    let frame = client.expect("event");
    assert_eq!(frame["topics"], json!([topic]));
    frame["event"]["event"].as_str().unwrap().to_owned()
}

#[test]
fn a_row_that_moves_reaches_its_old_and_its_new_parent_whoever_writes_it() {
    let (file, connection) = new_file();
    let printed = watch(&file, &TEAM);
    assert_eq!((printed.code, triggers(&connection)), (Some(0), 0), "it prints only: {printed:?}");
    assert!(printed.stdout.contains("CREATE TRIGGER \"tidings:team:staff:update\""), "{}", printed.stdout);
    let applied = watch(&file, &[&TEAM[..], &["--apply"]].concat());
    assert_eq!((applied.code, applied.stderr.as_str()), (Some(0), ""), "{applied:?}");
    assert_eq!(applied.stdout.strip_suffix("-- applied\n"), Some(printed.stdout.as_str()));

    let server = Server::with(&["--outbox", &file.url()]);
    let (team, old, new) = (sample::uuid(), sample::uuid(), sample::uuid());
    let (topic_of_old, topic_of_new) = (format!("staff:department:{old}"), format!("staff:department:{new}"));
    let mut of_old = Client::subscribed(&server, &[&topic_of_old]);
    let mut of_new = Client::subscribed(&server, &[&topic_of_new]);

    connection.execute("INSERT INTO team VALUES (?1, ?2, 'it''s \"one\"')", [&team, &old]).unwrap();
    assert_eq!(event(&mut of_old, &topic_of_old), "team_created");
    // Another program, with a SQLite of its own.
    let python = "database.execute('UPDATE team SET department = ?', [arguments[0]])";
    assert_eq!(finish(&mut file.python(python, &[&new])).code, Some(0));
    assert_eq!(event(&mut of_old, &topic_of_old), "team_updated");
    assert_eq!(event(&mut of_new, &topic_of_new), "team_updated");
    connection.execute("DELETE FROM team", []).unwrap();
    assert_eq!(event(&mut of_new, &topic_of_new), "team_deleted");
    assert_eq!(file.count("tidings_dead_letters"), 0);
}

#[test]
fn numbers_arrive_as_they_are_and_a_value_that_does_not_fit_is_a_dead_letter() {
    let (file, connection) = new_file();
    connection.execute_batch("CREATE TABLE thing(id INTEGER PRIMARY KEY, weight REAL, schema TEXT)").unwrap();
    let flags = [
        "thing",
        "--domain",
        "store",
        "--created",
        "upserted",
        "--field",
        "key=id",
        "--field",
        "record=weight",
    ];
    let applied = watch(&file, &[&flags[..], &["--apply"]].concat());
    assert_eq!(applied.code, Some(0), "{applied:?}");
    assert!(applied.stderr.contains("`schema` may be NULL"), "{applied:?}");
    let server = Server::with(&["--outbox", &file.url()]);
    let mut client = Client::subscribed(&server, &["store:things"]);
    // Older versions of SQLite round a number that becomes a text.
    let python =
        "database.execute('INSERT INTO thing VALUES (9223372036854775807, 0.1 + 0.2, \\'things\\')')";
    assert_eq!(finish(&mut file.python(python, &[])).code, Some(0));
    let payload = &client.expect("event")["event"]["payload"];
    assert_eq!((&payload["key"], &payload["record"]), (&json!(i64::MAX.to_string()), &json!(0.1 + 0.2)));
    // Nobody knows the topics of this row, so all subscribers load again.
    connection.execute("INSERT INTO thing VALUES (1, 1, NULL)", []).unwrap();
    client.expect("sync");
    eventually("the row is a dead letter", || file.count("tidings_dead_letters") == 1);
}

#[test]
fn the_printed_sql_does_the_same_and_what_is_watched_can_be_listed_and_removed() {
    let (file, connection) = new_file();
    let listed = watch(&file, &[]);
    assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), "note: no table is watched\n"), "{listed:?}");
    connection.execute_batch(&watch(&file, &TEAM).stdout).unwrap();
    assert_eq!(triggers(&connection), 5);
    let listed = watch(&file, &[]);
    assert_eq!(listed.stdout, "team → staff: its triggers are in place\n", "{listed:?}");

    // As a migration does it.
    connection
        .execute_batch(
            "CREATE TABLE new(id TEXT, department TEXT); DROP TABLE team; ALTER TABLE new RENAME TO team",
        )
        .unwrap();
    let listed = watch(&file, &[]);
    assert_eq!(listed.code, Some(1), "{listed:?}");
    assert!(listed.stdout.contains("its triggers are gone"), "{listed:?}");
    let checked = finish(tidings().args(["check-config", "--dev", "--outbox", &file.url()]));
    assert_eq!(checked.code, Some(2), "{checked:?}");
    assert!(checked.stderr.contains("the table `team` does not announce its changes"), "{checked:?}");
    let mut server = Server::with(&["--outbox", &file.url()]);
    eventually("the server says it, too", || {
        server.process().log().contains("does not announce its changes")
    });
    let again = listed.stderr.lines().find_map(|line| line.split_once("tidings watch-table ")).unwrap().1;
    let again = finish(tidings().arg("watch-table").args(again.split(' ')));
    assert_eq!((again.code, triggers(&connection)), (Some(0), 5), "{again:?}");

    let removed = watch(&file, &["team", "--remove", "--apply"]);
    assert_eq!((removed.code, triggers(&connection)), (Some(0), 0), "{removed:?}");
    let removed = watch(&file, &["team", "--remove", "--apply"]);
    assert_eq!(removed.code, Some(2), "{removed:?}");
    assert!(removed.stderr.contains("nothing watches the table `team`"), "{removed:?}");
}

#[test]
fn the_example_of_the_help_works() {
    let file = AppFile::new("wal");
    let connection = file.open();
    connection.execute_batch("CREATE TABLE team(id TEXT PRIMARY KEY, department_id TEXT)").unwrap();
    let help = finish(tidings().args(["watch-table", "--help"])).stdout;
    let example =
        help.split_once("Example:\n").unwrap().1.replace('\\', " ").replace("sqlite:app.db", &file.url());
    let words: Vec<&str> = example.split_whitespace().collect();
    let applied = finish(tidings().args(&words[1..]).arg("--apply"));
    assert_eq!((applied.code, triggers(&connection)), (Some(0), 5), "{words:?}: {applied:?}");
}

#[test]
fn what_can_not_be_watched_is_exit_2_with_the_remedy() {
    let (file, connection) = new_file();
    let without = AppFile::without_outbox("wal");
    for (arguments, part) in [
        (vec!["team"], "write --domain NAME: this program knows catalogue, staff"),
        (vec!["team", "--domain", "staf"], "do you mean `staff`?"),
        (vec!["team", "--domain", "staff"], "name at least one event"),
        (vec!["team", "--domain", "staff", "--created", "team_create"], "do you mean `team_created`?"),
        (vec!["team", "--domain", "staff", "--created", "team_created"], "add --field uuid=COLUMN"),
        (
            vec!["team", "--domain", "staff", "--created", "team_created", "--field", "uuid"],
            "write FIELD=COLUMN",
        ),
        (vec!["tem", "--domain", "staff", "--created", "team_created"], "do you mean `team`?"),
    ] {
        let refused = watch(&file, &[&arguments[..], &["--apply"]].concat());
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{arguments:?}: {refused:?}");
        assert!(refused.stderr.contains(part), "{arguments:?}: {}", refused.stderr);
    }
    assert_eq!(triggers(&connection), 0);
    let refused = watch(&without, &TEAM);
    let remedy = format!("run `tidings journal init --outbox {}`", without.url());
    assert!(refused.code == Some(2) && refused.stderr.contains(&remedy), "{refused:?}");
}
