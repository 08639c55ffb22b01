//! The README's commands do what the README says. (Its Rust and TypeScript are compiled by `cargo xtask test readmes`.)

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use tidings_tests::{
    AppFile, Client, Finished, Postgres, Process, Server, example, finish,
    postgres::{as_user, connect},
    sample, tidings, token,
};

/// The block of commands that has this text.
fn block(text: &str) -> String {
    block_of("sh", text)
}

fn block_of(language: &str, text: &str) -> String {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let begin = format!("```{language}\n");
    let mut blocks = readme.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.find(|block| block.contains(text)).expect("the README shows it").to_owned()
}

/// Returns a shell in which `tidings` is the tested binary.
fn shell(script: &str) -> Command {
    let program = tidings().get_program().to_owned();
    let folder = Path::new(&program).parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-ec", script]).env_clear().env("PATH", format!("{folder}:{path}"));
    shell
}

#[test]
fn an_event_that_curl_publishes_reaches_four_topics() {
    let server = Server::start();
    let script = block("curl").replace("http://127.0.0.1:7700", &server.url());
    let finished: Finished = finish(&mut shell(&script));
    let answer: Value = serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:?}"));
    assert_eq!(answer["topics"].as_array().map(Vec::len), Some(4), "{answer}");
}

#[test]
fn a_server_with_a_key_takes_what_is_published_with_a_token_of_it() {
    let folder = std::env::temp_dir().join(format!("tidings-readme-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    // An address of loopback that nobody else uses, so that the port is free.
    let [.., high, low] = std::process::id().to_be_bytes();
    let address = format!("127.77.{high}.{}:7700", low.clamp(1, 254));
    let script = format!("trap 'kill $!' EXIT\n{}", block("tidings token"));
    let mut shell = shell(&script);
    shell
        .current_dir(&folder)
        .env("TIDINGS_LISTEN", &address)
        .env("TIDINGS_URL", format!("http://{address}"));
    let finished = finish(&mut shell);
    fs::remove_dir_all(folder).unwrap();
    let answer =
        finished.stdout.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{finished:?}"));
    let answer: Value = serde_json::from_str(answer).unwrap();
    let person = "staff:person:0198c0de-0000-7000-8000-000000000001";
    assert_eq!(answer["topics"], json!(["staff:people", person]));
}

#[test]
fn a_row_of_the_outbox_reaches_the_topics_of_its_event() {
    let file = AppFile::without_outbox("wal");
    let script = block("tidings journal").replace("sqlite:app.db", &file.url());
    let (init, serve) = script.trim_end().split_once('\n').unwrap();
    let finished = finish(&mut shell(init));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let server = Server::run(shell(&format!("exec {serve} --listen 127.0.0.1:0")));
    let mut client = Client::subscribed(&server, &["staff:people"]);
    file.open().execute_batch(&block_of("sql", "tidings_outbox")).unwrap();
    client.expect("event");
}

#[test]
fn a_table_that_is_watched_announces_a_plain_write() {
    let file = AppFile::new("wal");
    file.open().execute_batch("CREATE TABLE team(id TEXT, department TEXT)").unwrap();
    let script = block("tidings watch-table").replace("sqlite:app.db", &file.url());
    let finished = finish(&mut shell(&script));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let server = Server::with(&["--outbox", &file.url()]);
    let mut client = Client::subscribed(&server, &["staff:teams"]);
    file.open().execute("INSERT INTO team(id) VALUES (?1)", [sample::uuid()]).unwrap();
    client.expect("event");
}

#[test]
fn the_bridge_tells_of_what_a_shell_writes() {
    let folder = std::env::temp_dir().join(format!("tidings-readme-bridge-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let shown = block("--example bridge");
    let (_, arguments) = shown.trim_end().split_once(" -- ").unwrap();
    let mut command = example("bridge");
    command.args(arguments.split(' ')).current_dir(&folder);
    let mut bridge = Process::start(command);
    assert!(bridge.first_line().starts_with("listening on http://"));
    // The bridge may be writing.
    fs::write(folder.join(".sqliterc"), ".timeout 15000\n").unwrap();
    let finished = finish(shell(&block("sqlite3 links.db")).current_dir(&folder).env("HOME", &folder));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let told = std::iter::repeat_with(|| bridge.next_line()).find(|line| !line.starts_with("load"));
    drop(bridge);
    fs::remove_dir_all(folder).unwrap();
    assert_eq!(told.unwrap(), "link 1 is https://example.org, with the tags []");
}

#[test]
fn the_roles_and_the_function_of_postgresql_are_enough_for_a_writer_and_a_server() {
    let url = Postgres::shared().database();
    let init = finish(tidings().args(["journal", "init", "--outbox", &url]));
    assert_eq!(init.code, Some(0), "{init:?}");
    let mut owner = connect(&url);
    for user in ["shop_app", "shop_tidings"] {
        owner.batch_execute(&format!("CREATE ROLE {user} LOGIN PASSWORD 'p'")).unwrap();
    }
    owner.batch_execute(&block_of("sql", "GRANT tidings_publisher")).unwrap();
    let server = Server::keyed(&["--outbox", &as_user(&url, "shop_tidings", "p")]);
    let mut client = Client::with_token(&server, &token(&["--tenant", "acme", "--subscribe", "*"]));
    client.subscribe(&["clock:ticks"], None, "live");
    connect(&as_user(&url, "shop_app", "p")).batch_execute(&block_of("sql", "tidings.publish")).unwrap();
    client.expect("event");
}

#[test]
fn a_journal_in_postgresql_is_made_once_and_serves_several_nodes() {
    let url = Postgres::shared().database();
    let script = block("journal init --journal");
    let (init, serve) = script.trim_end().split_once('\n').unwrap();
    let with_url = |command: &str| {
        let (command, _) = command.rsplit_once(' ').unwrap();
        format!("exec {command} '{url}'")
    };
    let finished = finish(&mut shell(&with_url(init)));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let user = "CREATE ROLE several_nodes LOGIN PASSWORD 'n' IN ROLE tidings_node";
    connect(&url).batch_execute(user).unwrap();
    let serve = with_url(serve).replace(&url, &as_user(&url, "several_nodes", "n"));
    let nodes = [(); 2].map(|()| Server::run(shell(&format!("{serve} --listen 127.0.0.1:0"))));
    let mut client = Client::subscribed(&nodes[0], &["staff:people"]);
    nodes[1].publish(&tidings_tests::sample::person_updated(&tidings_tests::sample::uuid()));
    client.expect("event");
    let publish = "SELECT tidings.publish($1)";
    let event = tidings_tests::sample::person_updated(&tidings_tests::sample::uuid());
    connect(&url).execute(publish, &[&event.to_string()]).unwrap();
    assert_eq!(client.expect("event")["event"], event, "the nodes read the outbox by themselves");
}
