//! Subscriptions, over one session and over several.

use super::*;
use crate::limits::MAX_SUBSCRIPTIONS;

#[test]
fn after_a_reconnect_one_frame_subscribes_to_everything_since_the_last_position() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.subscribe(&["staff:teams"]);
    bench.next_timeout();
    let frames = bench.frames();
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].get("since"), None);
    bench.subscribed(&frames[0], "p2", "live");
    bench.event(&["staff:people"], "p3");
    bench.outputs();

    let frames = bench.reconnect();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[1]["topics"], json!(["staff:people", "staff:teams"]));
    assert_eq!(frames[1]["since"], "p3");
    bench.subscribed(&frames[1], "p3", "resumed");
    bench.event(&["staff:teams"], "p4");
    assert_eq!(told(bench.outputs()), ["resumed 1", "resumed 2", "event p4 to 2[\"staff:teams\"]"]);
    assert_eq!(bench.reconnect()[1]["since"], "p4");
}

#[test]
fn a_resume_that_was_interrupted_starts_again_at_its_position() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    let frames = bench.reconnect();
    // The server's position is ahead of the events that still follow.
    bench.subscribed(&frames[1], "p9", "resumed");
    assert_eq!(bench.reconnect()[1]["since"], "p1");
}

#[test]
fn a_topic_that_could_not_be_resumed_makes_its_subscriptions_load_again() {
    let mut bench = Bench::new();
    bench.session(&["staff:people", "staff:teams"], "p1");
    bench.subscribe(&["staff:teams"]);
    assert_eq!(told(bench.outputs()), ["ready 2"]);
    let frames = bench.reconnect();
    bench.subscribed(&frames[1], "q1", "sync");
    let expected = [r#"sync 1["staff:people", "staff:teams"]"#, r#"sync 2["staff:teams"]"#];
    assert_eq!(told(bench.outputs()), expected);
    assert_eq!(bench.reconnect()[1]["since"], "q1");
}

#[test]
fn an_outcome_live_instead_of_resumed_counts_as_a_sync() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    let frames = bench.reconnect();
    bench.subscribed(&frames[1], "q1", "live");
    assert_eq!(told(bench.outputs()), [r#"sync 1["staff:people"]"#]);
}

#[test]
fn a_subscription_that_was_never_in_force_has_nothing_to_load_again() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.subscribe(&["staff:teams"]);
    let frames = bench.reconnect();
    assert_eq!(frames[1]["topics"], json!(["staff:people", "staff:teams"]));
    bench.subscribed(&frames[1], "q1", "sync");
    assert_eq!(told(bench.outputs()), ["ready 2", r#"sync 1["staff:people"]"#]);
}

#[test]
fn nothing_is_resumed_if_nothing_was_in_force() {
    let mut bench = Bench::new();
    let people = bench.session(&["staff:people"], "p1");
    bench.client.handle_unsubscribe(people);
    bench.subscribe(&["staff:teams"]);
    bench.close(1006);
    bench.next_timeout();
    bench.open();
    assert_eq!(bench.frames()[1].get("since"), None);
}

#[test]
fn a_sync_frame_reaches_every_subscription_of_its_topics() {
    let mut bench = Bench::new();
    bench.session(&["staff:people", "staff:teams"], "p1");
    bench.subscribe(&["staff:teams"]);
    bench.outputs();
    bench.receive(json!({"op": "sync", "position": "p5", "topics": ["staff:teams"]}));
    assert_eq!(told(bench.outputs()), [r#"sync 1["staff:teams"]"#, r#"sync 2["staff:teams"]"#]);
    assert_eq!(bench.reconnect()[1]["since"], "p5");
}

#[test]
fn an_event_on_several_topics_of_a_subscription_reaches_it_once() {
    let mut bench = Bench::new();
    bench.session(&["staff:people", "staff:teams"], "p1");
    bench.subscribe(&["staff:people"]);
    bench.outputs();
    bench.event(&["staff:teams", "staff:people", "staff:departments"], "p2");
    let to = r#"1["staff:people", "staff:teams"] 2["staff:people"]"#;
    assert_eq!(told(bench.outputs()), [format!("event p2 to {to}")]);
}

#[test]
fn a_topic_is_subscribed_with_its_first_holder_and_unsubscribed_with_its_last() {
    let mut bench = Bench::new();
    let first = bench.session(&["staff:people"], "p1");
    let second = bench.subscribe(&["staff:people"]);
    bench.client.handle_unsubscribe(first);
    assert_eq!(told(bench.outputs()), ["ready 2"]);
    bench.event(&["staff:people"], "p2");
    assert_eq!(told(bench.outputs()), [r#"event p2 to 2["staff:people"]"#]);
    bench.client.handle_unsubscribe(second);
    bench.client.handle_unsubscribe(second);
    bench.next_timeout();
    let frames = bench.frames();
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0]["op"], "unsubscribe");
    assert_eq!(frames[0]["topics"], json!(["staff:people"]));
    bench.event(&["staff:people"], "p3");
    assert_eq!(bench.outputs(), []);
}

#[test]
fn all_subscribes_of_one_turn_leave_in_one_frame() {
    let mut bench = Bench::new();
    let people = bench.session(&["staff:people"], "p1");
    bench.client.handle_unsubscribe(people);
    bench.subscribe(&["staff:people"]);
    bench.subscribe(&["staff:teams"]);
    let tasks = bench.subscribe(&["projects:tasks"]);
    bench.subscribe(&["projects:all"]);
    bench.client.handle_unsubscribe(tasks);
    assert_eq!(bench.next_timeout(), 0);
    let frames = bench.frames();
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0]["topics"], json!(["projects:all", "staff:teams"]));
}

#[test]
fn the_answer_to_an_old_subscribe_or_unsubscribe_cannot_hurt_a_new_subscription() {
    let mut bench = Bench::new();
    let people = bench.session(&["staff:people"], "p1");
    bench.client.handle_unsubscribe(people);
    bench.next_timeout();
    let unsubscribe = bench.frames().remove(0);
    let teams = bench.subscribe(&["staff:people"]);
    bench.next_timeout();
    let subscribe = bench.frames().remove(0);
    bench.client.handle_unsubscribe(teams);
    bench.next_timeout();
    bench.subscribe(&["staff:people"]);
    bench.next_timeout();
    let newest = bench.frames().remove(1);

    bench.receive(json!({"op": "unsubscribed", "ref": unsubscribe["ref"], "topics": ["staff:people"]}));
    bench.subscribed(&subscribe, "p2", "refused");
    bench.event(&["staff:people"], "p3");
    bench.receive(json!({"op": "unsubscribed", "topics": ["staff:people"], "code": "forbidden"}));
    assert_eq!(bench.outputs(), []);
    bench.subscribed(&newest, "p4", "live");
    assert_eq!(told(bench.outputs()), ["ready 3"]);
}

#[test]
fn a_refused_topic_fails_its_subscriptions_and_leaves_the_others() {
    let mut bench = Bench::new();
    bench.subscribe(&["staff:people", "staff:pepole"]);
    bench.subscribe(&["staff:people"]);
    bench.open();
    let subscribe = bench.frames().remove(1);
    bench.receive(json!({
        "op": "subscribed", "ref": subscribe["ref"], "position": "p1", "topics": [
            {"topic": "staff:people", "outcome": "live"},
            {"topic": "staff:pepole", "outcome": "refused", "code": "invalid_topic"},
        ],
    }));
    let expected = ["ready 2", r#"failed 1 Some("staff:pepole") invalid_topic"#];
    assert_eq!(told(bench.outputs()), expected);
    bench.event(&["staff:people"], "p2");
    assert_eq!(told(bench.outputs()), [r#"event p2 to 1["staff:people"] 2["staff:people"]"#]);
    assert_eq!(bench.reconnect()[1]["topics"], json!(["staff:people"]));
}

#[test]
fn a_new_subscription_can_try_a_refused_topic_again() {
    let mut bench = Bench::new();
    for round in 1..3 {
        bench.subscribe(&["staff:people"]);
        if round == 1 {
            bench.open();
        } else {
            bench.next_timeout();
        }
        let subscribe = bench.frames().pop().unwrap();
        bench.subscribed(&subscribe, "p1", "refused");
        assert_eq!(told(bench.outputs()), [format!("failed {round} Some(\"staff:people\") forbidden")]);
    }
}

#[test]
fn a_revoked_right_fails_the_subscription() {
    let mut bench = Bench::new();
    bench.session(&["staff:people", "staff:teams"], "p1");
    bench.receive(json!({"op": "unsubscribed", "topics": ["staff:people"], "code": "forbidden"}));
    assert_eq!(told(bench.outputs()), [r#"failed 1 Some("staff:people") forbidden"#]);
    assert_eq!(bench.reconnect()[1]["topics"], json!(["staff:teams"]));
}

#[test]
fn a_subscribe_that_was_refused_as_a_whole_fails_or_is_tried_again_as_its_code_says() {
    let mut bench = Bench::new();
    bench.subscribe(&["staff:people"]);
    bench.open();
    let subscribe = bench.frames().remove(1);
    bench.welcome();
    bench.outputs();
    let refusal = |code| json!({"op": "error", "ref": subscribe["ref"], "code": code, "message": "no"});
    bench.receive(refusal("overloaded"));
    assert_eq!(bench.outputs()[0], Output::Disconnect { connection: bench.connection() });
    bench.next_timeout();
    bench.open();
    let subscribe = bench.frames().remove(1);
    bench
        .receive(json!({"op": "error", "ref": subscribe["ref"], "code": "too_many_topics", "message": "no"}));
    assert_eq!(told(bench.outputs()), [r#"failed 1 Some("staff:people") too_many_topics"#]);
}

#[test]
fn a_uuid_in_a_topic_is_lower_case() {
    let mut bench = Bench::new();
    bench.session(&["staff:person:0198C0DE-0000-7000-8000-00000000002A"], "p1");
    bench.event(&["staff:person:0198c0de-0000-7000-8000-00000000002a"], "p2");
    assert_eq!(told(bench.outputs()).len(), 1);
}

#[test]
fn an_invalid_topic_is_refused_at_once_with_the_rule_that_it_breaks() {
    let mut bench = Bench::new();
    let now = bench.now();
    let mut error = |topics: &[&str]| bench.client.handle_subscribe(topics, now).unwrap_err();
    assert_eq!(error(&["staff::people"]).code, "invalid_topic");
    assert!(error(&["staff people"]).message.contains("' '"));
    assert!(error(&[]).message.contains("at least one"));
    assert!(error(&[&"ä".repeat(10_000)]).message.len() < 1_000);
    assert_eq!(bench.outputs(), []);
}

#[test]
fn subscriptions_are_bounded() {
    let mut bench = Bench::new();
    for _ in 0..MAX_SUBSCRIPTIONS {
        bench.subscribe(&["staff:people"]);
    }
    let now = bench.now();
    let error = bench.client.handle_subscribe(&["staff:people"], now).unwrap_err();
    assert_eq!(error.code, "too_many_topics");
}

#[test]
fn topics_that_change_all_the_time_stay_under_the_rate() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    let (mut sent, mut row) = (0, None);
    // A list that swaps a row every 4 ms for 10 s.
    for turn in 0..2_500 {
        bench.ms += 4;
        if let Some(row) = row.replace(bench.subscribe(&[&format!("row:{turn}")])) {
            bench.client.handle_unsubscribe(row);
        }
        let now = bench.now();
        if bench.client.poll_timeout().is_some_and(|due| due <= now.ms) {
            bench.client.handle_timeout(now);
        }
        sent += bench.frames().len();
    }
    // 100 per second, and the burst.
    assert!((900..=1_200).contains(&sent), "{sent}");
}

#[test]
fn a_quiet_client_resumes_from_the_position_of_the_last_ping() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.receive(json!({"op": "ping", "position": "p7"}));
    bench.receive(json!({"op": "ping"}));
    bench.outputs();
    assert_eq!(bench.reconnect()[1]["since"], "p7");
}

#[test]
fn the_position_of_a_ping_is_ignored_while_a_subscribe_is_not_answered() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    bench.reconnect();
    bench.welcome();
    bench.receive(json!({"op": "ping", "position": "p7"}));
    bench.outputs();
    assert_eq!(bench.reconnect()[1]["since"], "p1");
}

#[test]
fn a_subscription_that_another_client_served_before_gets_a_sync_for_each_topic_in_force() {
    let mut bench = Bench::new();
    bench.session(&["staff:people"], "p1");
    let id = bench.subscribe(&["staff:departments", "staff:people", "staff:teams"]);
    bench.client.handle_missed(id);
    bench.next_timeout();
    let frame = bench.frames().remove(0);
    assert_eq!(frame["topics"], json!(["staff:departments", "staff:people", "staff:teams"]));
    bench.receive(json!({"op": "subscribed", "ref": frame["ref"], "position": "p2", "topics": [
        {"topic": "staff:departments", "outcome": "refused", "code": "overloaded"},
        {"topic": "staff:people", "outcome": "live"},
        {"topic": "staff:teams", "outcome": "live"},
    ]}));
    let expected = [
        r#"waits 2 Some("staff:departments") overloaded"#,
        r#"sync 1["staff:people"]"#,
        r#"sync 2["staff:people", "staff:teams"]"#,
    ];
    assert_eq!(told(bench.outputs()), expected);
}
