//! Questions to an application that takes its time.

use super::*;
use crate::{AccessError, Answer, Question, QuestionId, Rights, test_support::topic};

const LATE: u64 = 5;

/// A session whose application is the test.
fn asking(hub: &Hub) -> Peer {
    Peer::new(Uuid::from_u128(1), hub.clone(), Arc::new(Silent), SessionSettings::default(), at(0))
}

/// Hands in a frame, and answers nothing.
fn hear(session: &mut Peer, frame: Value, now: Moment) -> Vec<Value> {
    Session::handle_text(session, &frame.to_string(), now);
    poll(session, now)
}

fn question(session: &mut Peer) -> (QuestionId, Question) {
    session.poll_question().expect("the session asks")
}

fn answer(session: &mut Peer, answer: Answer, now: Moment) -> Vec<Value> {
    let (id, _) = question(session);
    session.handle_answer(id, answer, now);
    poll(session, now)
}

fn anna() -> Identity {
    Identity::new("anna", "acme".parse().unwrap())
}

fn is_anna() -> Answer {
    Answer::Identity(Ok(anna()))
}

fn allowed(topics: &[bool]) -> Answer {
    Answer::Topics(Ok(topics.to_vec()))
}

/// Returns a session of anna. The application looks up her rights.
fn welcomed(hub: &Hub) -> Peer {
    let mut session = asking(hub);
    hear(&mut session, json!({ "op": "hello", "token": "t" }), at(0));
    assert_eq!(answer(&mut session, is_anna(), at(0))[0]["op"], "welcome");
    session
}

fn subscribe(topics: &[&str]) -> Value {
    json!({ "op": "subscribe", "ref": 1, "topics": topics })
}

fn publish_to(topics: &[&str]) -> Value {
    let event = json!({ "domain": "x", "event": "y", "payload": {} });
    json!({ "op": "publish", "ref": 3, "event": event, "topics": topics })
}

fn publish_elsewhere(hub: &Hub, name: &str) {
    let event = RawEvent::parse(r#"{"domain":"x","event":"y","payload":{}}"#).unwrap();
    at_once(hub.publish_raw(event, Some(&[topic(name)]), PublishOptions::default())).unwrap();
}

/// Never asked: the test answers.
#[derive(Debug)]
struct Silent;

impl Access for Silent {
    fn authenticate(&self, _: Option<&str>, _: u64) -> Result<Identity, AccessError> {
        panic!("the test answers")
    }
}

#[test]
fn a_frame_is_one_question_about_all_of_its_topics() {
    let hub = hub();
    let mut session = welcomed(&hub);
    assert!(hear(&mut session, subscribe(&["t:1", "a b", "t:2", "t:1"]), at(0)).is_empty());
    let (id, asked) = question(&mut session);
    let topics = vec![topic("t:1"), topic("t:2")];
    assert_eq!(asked, Question::Subscribe { identity: anna().into(), topics });
    assert_eq!(session.poll_question(), None, "once");
    session.handle_answer(id, allowed(&[false, true]), at(1));
    let codes: Vec<_> = poll(&mut session, at(1))[0]["topics"].as_array().unwrap().to_vec();
    let codes: Vec<_> = codes.iter().map(|topic| topic["code"].as_str()).collect();
    assert_eq!(codes, [Some("forbidden"), Some("invalid_topic"), None, Some("forbidden")]);
    session.handle_answer(id, allowed(&[true, true]), at(1));
    assert!(poll(&mut session, at(1)).is_empty(), "a second answer changes nothing");
}

#[test]
fn a_frame_without_a_topic_asks_nothing() {
    let hub = hub();
    let mut session = welcomed(&hub);
    assert_eq!(hear(&mut session, subscribe(&["a b"]), at(0))[0]["topics"][0]["code"], "invalid_topic");
    assert_eq!(session.poll_question(), None);
}

#[test]
fn the_frames_of_a_read_wait_for_the_answer_and_keep_their_order_while_deliveries_go_on() {
    let hub = hub();
    let mut session = welcomed(&hub);
    hear(&mut session, subscribe(&["t:1"]), at(0));
    answer(&mut session, allowed(&[true]), at(0));
    assert!(hear(&mut session, subscribe(&["t:2"]), at(0)).is_empty());
    assert!(!session.hears());
    for number in 5..8 {
        assert!(hear(&mut session, json!({ "op": "ping", "ref": number }), at(0)).is_empty());
    }
    assert!(hear(&mut session, subscribe(&["t:3"]), at(0)).is_empty());
    assert!(hear(&mut session, json!({ "op": "ping", "ref": 8 }), at(0)).is_empty());
    publish_elsewhere(&hub, "t:1");
    assert_eq!(ops(&poll(&mut session, at(0))), ["event"]);
    Session::handle_ping(&mut session, b"x", at(0));
    assert_eq!(poll(&mut session, at(0)), [json!("pong")]);
    assert_eq!(ops(&answer(&mut session, allowed(&[true]), at(1))), ["subscribed", "pong", "pong", "pong"]);
    assert!(!session.hears(), "the next question is open");
    assert_eq!(ops(&answer(&mut session, allowed(&[true]), at(1))), ["subscribed", "pong"]);
    assert!(session.hears());
}

#[test]
fn an_answer_that_is_late_refuses_the_frame_with_overloaded_and_then_changes_nothing() {
    let hub = hub();
    let mut session = asking(&hub);
    hear(&mut session, json!({ "op": "hello", "token": "t" }), at(0));
    let (id, _) = question(&mut session);
    assert_eq!(session.poll_timeout(), Some(at(LATE).since_start));
    session.handle_timeout(at(LATE));
    let frames = poll(&mut session, at(LATE));
    assert_eq!((&frames[0]["code"], &frames[1]["close"]), (&json!("overloaded"), &json!(4503)));
    session.handle_answer(id, is_anna(), at(LATE));
    assert!(poll(&mut session, at(LATE)).is_empty() && session.is_closed());

    let token = json!({ "op": "token", "ref": 3, "token": "u" });
    for (frame, is_topics) in [(subscribe(&["t:1"]), true), (publish_to(&["t:1"]), false), (token, false)] {
        let hub = self::hub();
        let mut session = welcomed(&hub);
        hear(&mut session, frame, at(0));
        let (id, _) = question(&mut session);
        session.handle_expiry(at(LATE - 1));
        assert!(session.awaits(id));
        session.handle_expiry(at(LATE));
        assert!(!session.awaits(id) && session.hears());
        let frames = poll(&mut session, at(LATE));
        let code = if is_topics { &frames[0]["topics"][0]["code"] } else { &frames[0]["code"] };
        assert_eq!((code, frames.len()), (&json!("overloaded"), 1), "{frames:?}");
        assert!(hub.refusals().of_clients()[0].contains("takes too long"));
        session.handle_answer(id, allowed(&[true]), at(LATE));
        assert!(poll(&mut session, at(LATE)).is_empty());
        assert_eq!(hub.counters().log_entries, 0);
    }
}

#[test]
fn a_panic_of_the_application_ends_the_session() {
    let mut session = welcomed(&hub());
    hear(&mut session, subscribe(&["t:1"]), at(0));
    let frames = answer(&mut session, Answer::Failed, at(0));
    assert_eq!((&frames[0]["code"], &frames[1]["close"]), (&json!("internal"), &json!(1011)));
}

#[test]
fn an_application_that_cannot_tell_refuses_with_its_code_and_a_missing_answer_means_no() {
    let hub = hub();
    let mut session = welcomed(&hub);
    hear(&mut session, subscribe(&["t:1", "t:2"]), at(0));
    let away = Answer::Topics(Err(AccessError::unavailable("the database is away")));
    assert_eq!(answer(&mut session, away, at(0))[0]["topics"][1]["code"], "overloaded");
    assert_eq!(hub.refusals().of_clients(), ["the database is away"], "the operator is told the reason");
    hear(&mut session, subscribe(&["t:1", "t:2"]), at(0));
    let frames = answer(&mut session, allowed(&[true]), at(0));
    assert_eq!(frames[0]["topics"][0]["outcome"], "live");
    assert_eq!(frames[0]["topics"][1]["code"], "forbidden");
    hear(&mut session, publish_to(&["t:1", "t:2"]), at(0));
    assert_eq!(answer(&mut session, allowed(&[true]), at(0))[0]["code"], "forbidden");
    assert_eq!(hub.counters().log_entries, 0);
}

#[test]
fn an_answer_that_is_older_than_a_revocation_is_asked_for_again() {
    let hub = hub();
    let mut session = welcomed(&hub);
    for (frame, op) in [(subscribe(&["t:1"]), "subscribed"), (publish_to(&["t:1"]), "error")] {
        hear(&mut session, frame, at(0));
        let (first, _) = question(&mut session);
        hub.revoke_topics("anna", &[topic("t:1")]).now_or_never().unwrap().unwrap();
        session.handle_answer(first, allowed(&[true]), at(0));
        assert!(poll(&mut session, at(0)).is_empty(), "the answer may be old");
        let frames = answer(&mut session, allowed(&[false]), at(0));
        assert_eq!(ops(&frames), [op]);
        assert!(frames[0].to_string().contains("forbidden"), "{frames:?}");
        // Revocations of others do not count.
        hear(&mut session, subscribe(&["t:2"]), at(0));
        hub.revoke_topics("bert", &[topic("t:2")]).now_or_never().unwrap().unwrap();
        hub.revoke_topics("anna", &[topic("t:3")]).now_or_never().unwrap().unwrap();
        assert_eq!(answer(&mut session, allowed(&[true]), at(0))[0]["topics"][0]["outcome"], "live");
    }
}

#[test]
fn a_client_that_is_revoked_while_it_waits_gets_nothing() {
    let hub = hub();
    let mut session = welcomed(&hub);
    hear(&mut session, subscribe(&["t:1"]), at(0));
    hub.revoke(&Revoke::Subject("anna".to_owned())).now_or_never().unwrap().unwrap();
    let frames = answer(&mut session, allowed(&[true]), at(0));
    assert_eq!((&frames[0]["code"], frames.len()), (&json!("forbidden"), 2));

    let mut hello = asking(&hub);
    hear(&mut hello, json!({ "op": "hello", "token": "t" }), at(0));
    let (first, _) = question(&mut hello);
    hub.revoke(&Revoke::Subject("anna".to_owned())).now_or_never().unwrap().unwrap();
    let fresh = || Answer::Identity(Ok(anna().issued_at(at(9).unix_ms)));
    hello.handle_answer(first, fresh(), at(0));
    assert!(poll(&mut hello, at(0)).is_empty(), "the application is asked again");
    assert_eq!(answer(&mut hello, fresh(), at(0))[0]["op"], "welcome", "it was issued later");
}

#[test]
fn revocations_that_go_on_do_not_move_the_deadline_of_a_question() {
    let hub = hub();
    let mut session = asking(&hub);
    hear(&mut session, json!({ "op": "hello", "token": "t" }), at(0));
    for second in 0..LATE {
        let (id, _) = question(&mut session);
        hub.revoke(&Revoke::Subject("anna".to_owned())).now_or_never().unwrap().unwrap();
        session.handle_answer(id, is_anna(), at(second));
        assert_eq!(session.poll_timeout(), Some(at(LATE).since_start));
    }
    session.handle_timeout(at(LATE));
    assert_eq!(poll(&mut session, at(LATE))[0]["code"], "overloaded");
}

#[test]
fn a_subject_that_loses_topics_is_told_and_its_token_gives_them_no_more() {
    let hub = hub();
    let issued = |second| Answer::Identity(Ok(anna().issued_at(at(second).unix_ms).rights(Rights::all())));
    let mut session = asking(&hub);
    hear(&mut session, json!({ "op": "hello", "token": "t" }), at(0));
    answer(&mut session, issued(0), at(0));
    hear(&mut session, subscribe(&["t:1", "t:2", "t:3"]), at(0));
    hub.revoke_topics("anna", &[topic("t:1"), topic("t:3"), topic("t:4")]).now_or_never().unwrap().unwrap();
    session.handle_revocation(at(0));
    let frames = poll(&mut session, at(0));
    let gone = json!({ "op": "unsubscribed", "topics": ["t:1", "t:3"], "code": "forbidden" });
    assert_eq!(frames, [gone]);
    for name in ["t:1", "t:2"] {
        publish_elsewhere(&hub, name);
    }
    assert_eq!(poll(&mut session, at(0))[0]["topics"], json!(["t:2"]));
    let again = hear(&mut session, subscribe(&["t:1", "t:4", "t:5"]), at(0));
    let codes: Vec<_> = (0..3).map(|index| again[0]["topics"][index]["code"].as_str()).collect();
    assert_eq!(codes, [Some("forbidden"), Some("forbidden"), None]);
    assert_eq!(hear(&mut session, publish_to(&["t:1"]), at(0))[0]["code"], "forbidden");
    hear(&mut session, json!({ "op": "token", "ref": 2, "token": "u" }), at(0));
    assert_eq!(ops(&answer(&mut session, issued(1), at(0))), ["token_accepted"]);
    let fresh = hear(&mut session, subscribe(&["t:1"]), at(0));
    assert_eq!(fresh[0]["topics"][0]["outcome"], "live", "{fresh:?}");
}

#[test]
fn the_next_look_up_decides_about_a_topic_that_was_revoked() {
    let hub = hub();
    let mut session = welcomed(&hub);
    hear(&mut session, subscribe(&["t:1"]), at(0));
    answer(&mut session, allowed(&[true]), at(0));
    hub.revoke_topics("anna", &[topic("t:1")]).now_or_never().unwrap().unwrap();
    // The session learns it before its next frame, although its shard has not come to it.
    assert_eq!(ops(&hear(&mut session, subscribe(&["t:1"]), at(0))), ["unsubscribed"]);
    let frames = answer(&mut session, allowed(&[true]), at(0));
    assert_eq!(frames[0]["topics"][0]["outcome"], "live");
    session.handle_revocation(at(0));
    hub.revoke_topics("anna", &[topic("t:2")]).now_or_never().unwrap().unwrap();
    session.handle_revocation(at(0));
    assert!(poll(&mut session, at(0)).is_empty(), "the right was given again after the revocation");
}

#[test]
fn the_time_of_a_question_counts_neither_for_a_ping_nor_for_a_pause() {
    let hub = hub();
    let settings = SessionSettings::default()
        .heartbeat(Duration::from_secs(10))
        .ping_timeout(Duration::from_secs(10))
        .answer_timeout(Duration::from_secs(60));
    let mut session = Peer::new(Uuid::nil(), hub.clone(), Arc::new(Silent), settings, at(0));
    hear(&mut session, json!({ "op": "hello", "token": "t" }), at(0));
    answer(&mut session, is_anna(), at(0));
    let mut first = subscribe(&["t:1"]);
    first["more"] = true.into();
    hear(&mut session, first, at(0));
    session.handle_timeout(at(10));
    assert_eq!(poll(&mut session, at(10))[0]["op"], "ping", "pings go on");
    assert_eq!(session.poll_timeout(), Some(at(60).since_start));
    session.handle_timeout(at(30));
    assert!(!session.is_closed(), "it can't read the answer to the ping");
    answer(&mut session, allowed(&[true]), at(30));
    assert!(session.is_paused());
    session.handle_timeout(at(34));
    assert!(session.is_paused() && !session.is_closed(), "the answer to the ping has 10 s from now on");
    let mut second = subscribe(&["t:2"]);
    second["more"] = true.into();
    hear(&mut session, second, at(34));
    session.handle_timeout(at(39));
    assert!(session.is_paused(), "the question is open for longer than a pause");
    answer(&mut session, allowed(&[true]), at(39));
    session.handle_timeout(Moment { since_start: Duration::from_millis(39_900), ..at(39) });
    assert!(session.is_paused(), "a second of the pause was left");
    session.handle_timeout(at(40));
    assert!(!session.is_paused());
}

#[test]
fn a_client_at_its_rate_is_not_ended_for_the_frames_of_a_question() {
    let hub = hub();
    let mut session = welcomed(&hub);
    hear(&mut session, subscribe(&["t:1"]), at(0));
    assert_eq!(ops(&answer(&mut session, allowed(&[true]), at(LATE - 1))), ["subscribed"]);
    // The client has sent 100 frames per second, and the session reads them all at once.
    for number in 0..(LATE - 1) * 100 {
        Session::handle_text(&mut session, &json!({ "op": "ping", "ref": number }).to_string(), at(LATE - 1));
    }
    assert!(!session.is_closed());
}

#[test]
fn the_answer_to_a_ping_has_its_time_after_a_question() {
    let hub = hub();
    let settings = SessionSettings::default()
        .heartbeat(Duration::from_secs(10))
        .ping_timeout(Duration::from_secs(10))
        .answer_timeout(Duration::from_secs(60));
    let mut session = Peer::new(Uuid::nil(), hub.clone(), Arc::new(Silent), settings, at(0));
    hear(&mut session, json!({ "op": "hello", "token": "t" }), at(0));
    answer(&mut session, is_anna(), at(0));
    hear(&mut session, subscribe(&["t:1"]), at(0));
    session.handle_timeout(at(10));
    assert_eq!(poll(&mut session, at(10))[0]["op"], "ping");
    answer(&mut session, allowed(&[true]), at(25));
    assert_eq!(session.poll_timeout(), Some(at(35).since_start));
    session.handle_timeout(at(34));
    assert!(!session.is_closed());
    session.handle_timeout(at(35));
    assert_eq!(poll(&mut session, at(35)).last().unwrap()["close"], 1001);
}

#[test]
fn an_answer_to_a_new_token_names_the_topics_that_it_takes_away() {
    let hub = hub();
    let mut session = welcomed(&hub);
    hear(&mut session, subscribe(&["t:1", "t:2"]), at(0));
    answer(&mut session, allowed(&[true, true]), at(0));
    hear(&mut session, json!({ "op": "token", "ref": 2, "token": "u" }), at(0));
    assert!(answer(&mut session, is_anna(), at(0)).is_empty());
    let (id, asked) = question(&mut session);
    let Question::Subscribe { topics, .. } = asked else { panic!("{asked:?}") };
    let answers = topics.iter().map(|topic| topic.as_str() == "t:1").collect::<Vec<_>>();
    session.handle_answer(id, allowed(&answers), at(0));
    let frames = poll(&mut session, at(0));
    assert_eq!(ops(&frames), ["token_accepted", "unsubscribed"]);
    assert_eq!(frames[1]["topics"], json!(["t:2"]));
}
