//! Rows that have waited for longer than the log keeps events.

use tidings_tests::{Client, Postgres, eventually, postgres::connect, sample};

use super::{TOPIC, count, expect_empty, new_outbox, serve};

#[test]
fn rows_that_are_older_than_the_events_of_the_log_are_one_sync() {
    let url = new_outbox(Postgres::shared());
    let mut server = serve(&url);
    let mut subscriber = Client::subscribed(&server, &[TOPIC]);
    let mut database = connect(&url);
    let insert = |number: usize, at: &str, rows: usize| {
        let event = sample::ticked(number);
        format!(
            "INSERT INTO tidings.outbox(event, topics, at) SELECT '{event}', ARRAY['{TOPIC}'], {at} \
             FROM generate_series(1, {rows});"
        )
    };
    let rows = [
        insert(1, "clock_timestamp() - interval '601 seconds'", 100),
        insert(2, "'infinity'", 1),
        insert(3, "'-infinity'", 1),
        insert(4, "clock_timestamp() + interval '1 day'", 1),
        insert(5, "clock_timestamp() - interval '599 seconds'", 1),
        insert(6, "'4713-01-01 BC'", 1),
        insert(7, "clock_timestamp()", 1),
    ];
    database.batch_execute(&rows.concat()).unwrap();
    expect_empty(&mut database);
    server.publish_to(TOPIC, &sample::ticked(8));
    let (mut numbers, mut syncs) = (Vec::new(), 0);
    while numbers.last() != Some(&8) {
        let frame = subscriber.next_frame();
        match frame["event"]["payload"]["number"].as_u64() {
            Some(number) => numbers.push(number),
            None => syncs += usize::from(frame["op"] == "sync"),
        }
    }
    assert_eq!((numbers.as_slice(), syncs), (&[2, 3, 4, 5, 7, 8][..], 1));
    assert_eq!(count(&mut database, "dead_letters"), 0);
    eventually("the log says it", || server.process().log().contains("rows=101"));
}
