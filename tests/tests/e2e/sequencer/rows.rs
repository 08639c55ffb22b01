//! Rows that can't be published, and rows that wait.

use ::postgres::Client as Database;
use serde_json::{Value, json};
use tidings_tests::{Client, postgres::connect, sample};

use super::{TOPIC, count, dead_letters, expect_empty, expect_tick, new_journal, node, tick};

/// Rows that can't be published: the arguments of `tidings.publish`, the code, and the topics that load again. Nobody does
/// if there is no such tenant.
fn invalid() -> Vec<(String, &'static str, Option<Value>)> {
    let tick = sample::ticked(1);
    let person = sample::person_updated(&sample::uuid());
    let many = "(SELECT array_agg('clock:' || n) FROM generate_series(1, 1025) AS n)";
    let topics = |topics: &[&str]| Some(json!(topics));
    [
        (format!("'not JSON', topics => ARRAY['{TOPIC}']"), "invalid_frame", topics(&[TOPIC])),
        (format!("repeat('x', 300000), topics => ARRAY['{TOPIC}']"), "too_large", topics(&[TOPIC])),
        (
            r#"'{"domain":"staff","event":"person_updated","payload":{"uuid":"\u0000"}}'"#.to_owned(),
            "invalid_event",
            topics(&[TOPIC, "staff:people"]),
        ),
        (
            format!("'{person}', topics => ARRAY['{TOPIC}']"),
            "invalid_event",
            topics(&[TOPIC, "staff:people"]),
        ),
        (
            format!("'{tick}', topics => ARRAY['{TOPIC}', NULL]"),
            "invalid_frame",
            topics(&[TOPIC, "staff:people"]),
        ),
        (format!("'{tick}', topics => ARRAY['cl ock']"), "invalid_topic", topics(&[TOPIC, "staff:people"])),
        (format!("'{tick}', topics => {many}"), "too_many_topics", topics(&[TOPIC, "staff:people"])),
        (
            format!("'{tick}', origin => repeat('x', 65), topics => ARRAY['{TOPIC}']"),
            "invalid_event",
            topics(&[TOPIC]),
        ),
        (format!("'{tick}', tenant => 'no tenant', topics => ARRAY['{TOPIC}']"), "invalid_frame", None),
    ]
    .into()
}

fn publish(database: &mut Database, arguments: &str) {
    database.batch_execute(&format!("SELECT tidings.publish({arguments})")).unwrap();
}

#[test]
fn dead_letters_of_every_kind_block_nothing_and_their_subscribers_load_again_on_all_nodes() {
    let url = new_journal();
    let nodes = [node(&url), node(&url)];
    let mut clients = nodes.each_ref().map(|node| Client::subscribed(node, &[TOPIC, "staff:people"]));
    let mut database = connect(&url);
    for (number, (arguments, code, syncs)) in invalid().into_iter().enumerate() {
        publish(&mut database, &arguments);
        database.batch_execute(&tick(number)).unwrap();
        for client in &mut clients {
            // The gap of a tenant may have to wait for a second, and blocks no later row meanwhile.
            let (mut has_event, mut left) = (false, syncs.clone());
            while !has_event || left.is_some() {
                let frame = client.next_frame();
                if frame["op"] == "event" {
                    assert_eq!(frame["event"], sample::ticked(number), "{arguments:.60}: {frame}");
                    has_event = true;
                } else {
                    assert_eq!(
                        (&frame["op"], Some(&frame["topics"])),
                        (&json!("sync"), left.as_ref()),
                        "{arguments:.60}: {frame}"
                    );
                    left = None;
                }
            }
        }
        let found: String = database
            .query_one("SELECT code FROM tidings.dead_letters ORDER BY id DESC LIMIT 1", &[])
            .unwrap()
            .get(0);
        assert_eq!(found, code, "{arguments:.60}");
    }
    expect_empty(&mut database);
    let letters = dead_letters(&url);
    assert_eq!(letters.len(), invalid().len());
    assert!(letters.iter().all(|letter| !letter["reason"].as_str().unwrap().is_empty()));
}

#[test]
fn a_row_with_the_key_of_another_publication_is_a_dead_letter_and_one_that_comes_again_is_not() {
    let url = new_journal();
    let node = node(&url);
    let mut client = Client::subscribed(&node, &["one", "two"]);
    let (mut database, key, event) = (connect(&url), sample::uuid(), sample::ticked(1));
    for topics in ["'one', 'two'", "'two', 'one'", "'two'"] {
        publish(&mut database, &format!("'{event}', key => '{key}', topics => ARRAY[{topics}]"));
    }
    expect_tick(&mut client, 1);
    assert_eq!(client.expect("sync")["topics"], json!(["two"]));
    expect_empty(&mut database);
    let letters = dead_letters(&url);
    assert_eq!((letters.len(), &letters[0]["code"]), (1, &json!("forbidden")));
    // A publish over HTTP has the same keys.
    let again = node.post(&json!({ "event": event, "topics": ["one", "two"], "key": key }));
    assert_eq!(again.status, 200);
    database.batch_execute(&tick(2).replace(TOPIC, "one")).unwrap();
    expect_tick(&mut client, 2);
}

#[test]
fn a_tenant_loads_everything_again_at_most_once_a_second() {
    let url = new_journal();
    let node = node(&url);
    let mut client = Client::subscribed(&node, &[TOPIC]);
    let (mut database, start) = (connect(&url), std::time::Instant::now());
    let mut rows = 0;
    while start.elapsed() < std::time::Duration::from_millis(2_500) {
        publish(&mut database, "'no event'");
        rows += 1;
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    expect_empty(&mut database);
    assert_eq!(count(&mut database, "dead_letters"), rows);
    database.batch_execute(&tick(1)).unwrap();
    let mut syncs = 0;
    while client.next_frame()["op"] == "sync" {
        syncs += 1;
    }
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    assert!((2..=seconds + 1).contains(&syncs), "{syncs} syncs in {seconds} s for {rows} rows");
}
