//! `tidings journal`, and what `serve` says about an outbox that it can't use.

use std::fs;

use serde_json::{Value, json};
use tidings_tests::{AppFile, Client, Finished, Request, eventually, finish, sample, tidings};

use super::{expect_empty, expect_tick, serve, tick};

/// Starts a server and the check of its settings, which must both fail.
#[track_caller]
fn refused(outboxes: &[&str]) -> String {
    let flags: Vec<&str> = outboxes.iter().flat_map(|url| ["--outbox", url]).collect();
    let run = |command: &str| -> Finished {
        finish(tidings().args([command, "--dev", "--listen", "127.0.0.1:0"]).args(&flags))
    };
    let (serve, check) = (run("serve"), run("check-config"));
    assert_eq!((serve.code, check.code), (Some(2), Some(2)), "{serve:?} {check:?}");
    assert_eq!((serve.stderr.contains("--outbox"), serve.stdout.as_str()), (true, ""), "{serve:?}");
    serve.stderr
}

#[test]
fn an_outbox_that_cannot_be_is_exit_2_with_the_remedy() {
    let file = AppFile::without_outbox("wal");
    let url = file.url();
    let bytes = fs::read(file.path()).unwrap();
    let message = refused(&[&url]);
    let remedy = format!("`tidings journal init --outbox {url}`");
    assert!(message.contains("has no table tidings_outbox") && message.contains(&remedy), "{message}");
    assert_eq!(fs::read(file.path()).unwrap(), bytes, "nothing in the file has changed");

    let missing = format!("{url}.missing");
    let message = refused(&[&missing]);
    assert!(message.contains("there is no such file"), "{message}");
    assert!(!fs::exists(file.path().with_extension("db.missing")).unwrap());

    file.open().execute_batch("CREATE TABLE tidings_outbox(id INTEGER PRIMARY KEY, event TEXT)").unwrap();
    let message = refused(&[&url]);
    assert!(message.contains("has no column `tenant`") && message.contains("--print"), "{message}");

    fs::write(file.path(), "no database ".repeat(100)).unwrap();
    let message = refused(&[&url]);
    assert!(message.contains("not a database"), "{message}");

    let folder = format!("sqlite:{}", file.path().parent().unwrap().display());
    assert!(refused(&[&folder]).contains("sqlite:"), "a folder");
    for (unknown, part) in [("sqlite:", "sqlite:PATH"), ("mysql://u:secret@h/d", "\"mysql\"")] {
        let message = refused(&[unknown]);
        assert!(message.contains(part), "{message}");
    }
    let file = AppFile::new("wal");
    assert!(refused(&[&file.url(), &file.url()]).contains("given twice"));
    let lock = format!("{}-outbox-lock", file.path().display());
    fs::create_dir(&lock).unwrap();
    let serve =
        finish(tidings().args(["serve", "--dev", "--listen", "127.0.0.1:0", "--outbox", &file.url()]));
    assert_eq!(serve.code, Some(2), "{serve:?}");
    assert!(serve.stderr.contains(&lock) && serve.stderr.contains("the right to write"), "{serve:?}");
}

#[test]
fn the_outbox_is_a_setting_like_any_other() {
    let (one, two) = (AppFile::new("wal"), AppFile::new("delete"));
    let config = one.path().with_extension("toml");
    fs::write(&config, format!("dev = true\noutbox = [{:?}, {:?}]\n", one.url(), two.url())).unwrap();
    let mut command = tidings();
    command.args(["serve", "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()]);
    let server = tidings_tests::Server::run(command);
    let mut client = Client::subscribed(&server, &["clock"]);
    for (file, number) in [(&one, 1), (&two, 2)] {
        tick(file, &file.open(), number);
        expect_tick(&mut client, number);
    }
    drop(server);
    let mut command = tidings();
    command.args(["serve", "--dev", "--listen", "127.0.0.1:0"]).env("TIDINGS_OUTBOX", one.url());
    let server = tidings_tests::Server::run(command);
    let mut client = Client::subscribed(&server, &["clock"]);
    tick(&one, &one.open(), 3);
    expect_tick(&mut client, 3);
}

#[test]
fn init_makes_the_tables_once_and_prints_them_without_a_change() {
    let file = AppFile::without_outbox("wal");
    let printed = file.command("init", &["--print"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    let tables = "sqlite_master WHERE name LIKE 'tidings_%'";
    assert_eq!(file.count(tables), 0);
    let init = file.command("init", &[]);
    assert_eq!((init.code, init.stdout), (Some(0), format!("{} has an outbox\n", file.url())));
    tick(&file, &file.open(), 1);
    assert_eq!(file.command("init", &[]).code, Some(0));
    assert_eq!((file.count(tables), file.count("tidings_outbox")), (2, 1), "the row is still there");
    // What is printed is what is run.
    let other = AppFile::without_outbox("delete");
    other.open().execute_batch(&printed.stdout).unwrap();
    let sql = |file: &AppFile| -> Vec<String> {
        let database = file.open();
        let mut statement = database.prepare(&format!("SELECT sql FROM {tables} ORDER BY name")).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(sql(&file), sql(&other));
    let missing = finish(tidings().args(["journal", "init", "--outbox", "sqlite:missing.db"]));
    assert_eq!(missing.code, Some(2), "{missing:?}");
}

#[test]
fn dead_letters_are_listed_tried_again_and_deleted() {
    let file = AppFile::new("wal");
    let server = serve(&file);
    let mut client = Client::subscribed(&server, &["clock"]);
    let database = file.open();
    let key = sample::uuid();
    let insert = "INSERT INTO tidings_outbox(event, key, topics) VALUES (?1, ?2, '[\"clock\"]')";
    for event in ["\u{1b}[31mno event", "{}", "[]"] {
        database.execute(insert, [event, &key]).unwrap();
    }
    expect_empty(&file);
    (0..3).for_each(|_| drop(client.expect("sync")));
    let text = file.command("dead-letters", &[]).stdout;
    assert!(text.contains("invalid_frame") && text.contains(&key) && !text.contains('\u{1b}'), "{text}");
    let letters = || -> Vec<Value> {
        let listed = file.command("dead-letters", &["--json"]).stdout;
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(letters()[1]["event"], json!("{}"));
    // The application has learnt what was wrong.
    database
        .execute("UPDATE tidings_dead_letters SET event = ?1 WHERE id = 2", [sample::ticked(2).to_string()])
        .unwrap();
    let retried = file.command("dead-letters", &["--retry", "2"]);
    assert_eq!((retried.code, retried.stdout.as_str()), (Some(0), "1 back in the outbox\n"));
    assert_eq!(expect_tick(&mut client, 2)["key"], json!(key));
    let unknown = file.command("dead-letters", &["--retry", "3", "99"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.stderr.contains("there is no dead letter 99"), "{unknown:?}");
    assert_eq!(letters().len(), 2, "nothing has changed");
    let deleted = file.command("dead-letters", &["--delete", "3"]);
    assert_eq!((deleted.code, deleted.stdout.as_str()), (Some(0), "1 deleted\n"));
    // Without a remedy, the row becomes a dead letter again, with a new id.
    let retried = file.command("dead-letters", &["--retry-all"]);
    assert_eq!((retried.code, retried.stdout.as_str()), (Some(0), "1 back in the outbox\n"));
    client.expect("sync");
    expect_empty(&file);
    assert_eq!(letters()[0]["id"], json!(4));
    let both = file.command("dead-letters", &["--retry-all", "--delete", "4"]);
    assert_eq!(both.code, Some(2), "{both:?}");
}

#[test]
fn metrics_say_what_waits_what_is_dead_and_that_the_outbox_is_away() {
    let file = AppFile::new("wal");
    let database = file.open();
    tick(&file, &database, 1);
    let insert = "INSERT INTO tidings_outbox(event, topics) VALUES ('no event', '[\"clock\"]')";
    database.execute(insert, []).unwrap();
    let server = serve(&file);
    let value = |name: &str| -> f64 {
        let page = Request::get("/metrics").send(server.address()).body;
        let line = format!("tidings_outbox_{name}{{outbox=\"{}\"}} ", file.url());
        page.lines()
            .find_map(|found| found.strip_prefix(&line))
            .unwrap_or_else(|| panic!("{line}: {page}"))
            .parse()
            .unwrap()
    };
    eventually("one is published", || value("published_total") == 1.0);
    eventually("one is dead", || value("dead_letters") == 1.0);
    eventually("none waits", || value("rows") == 0.0 && value("oldest_age_seconds") == 0.0);
    assert_eq!(value("silence_seconds"), 0.0);
    database.execute_batch("DROP TABLE tidings_outbox").unwrap();
    eventually("the outbox can't be read", || value("silence_seconds") > 0.0);
    assert_eq!(file.command("init", &[]).code, Some(0));
    eventually("it can be read again", || value("silence_seconds") == 0.0);
}
