//! The rights, the expiry and the revocation of tokens.

use super::*;

/// Tokens are lists of topics, and expire after 100 s.
#[derive(Debug)]
struct ByList;

impl Access for ByList {
    fn authenticate(&self, token: Option<&str>, now_unix_ms: u64) -> Result<Identity, crate::AccessError> {
        let mut words = token.unwrap_or_default().split(' ');
        let subject = words.next().unwrap_or_default();
        let tenant = words.next().unwrap_or("acme").parse().unwrap();
        Ok(Identity::new(subject, tenant).expires_at(now_unix_ms + 100_000))
    }

    fn may_subscribe(&self, identity: &Identity, topic: &TopicName) -> bool {
        identity.subject != "less" || topic.as_str() != "t:2"
    }

    fn may_publish(&self, _: &Identity, topic: &TopicName) -> bool {
        topic.as_str() == "t:3"
    }
}

/// Does the same as `ByList`. A token `less` is for the same subject, with fewer rights.
#[derive(Debug)]
pub(super) struct Shrinking(pub(super) std::sync::atomic::AtomicBool);

impl Access for Shrinking {
    fn authenticate(&self, token: Option<&str>, now_unix_ms: u64) -> Result<Identity, crate::AccessError> {
        self.0.store(token == Some("less"), std::sync::atomic::Ordering::Relaxed);
        ByList.authenticate(Some("same acme"), now_unix_ms)
    }

    fn may_subscribe(&self, _: &Identity, topic: &TopicName) -> bool {
        !self.0.load(std::sync::atomic::Ordering::Relaxed) || topic.as_str() != "t:2"
    }

    fn may_publish(&self, _: &Identity, _: &TopicName) -> bool {
        false
    }
}

fn session_with(access: impl Access + 'static) -> Peer {
    let mut session =
        Peer::new(Uuid::from_u128(1), hub(), Arc::new(access), SessionSettings::default(), at(0));
    say(&mut session, json!({ "op": "hello", "token": "more" }));
    session
}

#[test]
fn a_fresh_token_with_fewer_rights_takes_topics_away_and_says_so() {
    let mut session = session_with(Shrinking(false.into()));
    say(&mut session, json!({ "op": "subscribe", "ref": 1, "topics": ["t:1", "t:2"] }));
    let frames = say(&mut session, json!({ "op": "token", "ref": 2, "token": "less" }));
    assert_eq!(ops(&frames), ["token_accepted", "unsubscribed"]);
    assert_eq!(frames[1], json!({ "op": "unsubscribed", "topics": ["t:2"], "code": "forbidden" }));
}

#[test]
fn a_token_of_somebody_else_changes_nothing_and_forbidden_topics_are_refused() {
    let mut session = session_with(ByList);
    let frames = say(&mut session, json!({ "op": "token", "ref": 2, "token": "other acme" }));
    assert_eq!(frames[0]["code"], "forbidden");
    let event = json!({ "domain": "x", "event": "y", "payload": {} });
    let publish = json!({ "op": "publish", "ref": 3, "event": event, "topics": ["t:1"] });
    assert_eq!(say(&mut session, publish)[0]["code"], "forbidden");
    let mut less = Peer::new(Uuid::from_u128(1), hub(), Arc::new(ByList), SessionSettings::default(), at(0));
    say(&mut less, json!({ "op": "hello", "token": "less" }));
    let frames = say(&mut less, json!({ "op": "subscribe", "ref": 1, "topics": ["t:2"] }));
    assert_eq!(frames[0]["topics"][0]["code"], "forbidden");
}

#[test]
fn a_key_does_not_tell_which_other_topics_its_event_reached() {
    let hub = hub();
    let key = Uuid::from_u128(5);
    let event = json!({ "domain": "x", "event": "y", "payload": {} });
    let topics = ["t:3".parse().unwrap(), "secret:7".parse().unwrap()];
    let options = PublishOptions { key: Some(key), ..PublishOptions::default() };
    let raw = RawEvent::parse(&event.to_string()).unwrap();
    at_once(hub.publish_raw(raw, Some(&topics), options)).unwrap();
    let access = Arc::new(ByList);
    let mut session = Peer::new(Uuid::from_u128(1), hub.clone(), access, SessionSettings::default(), at(0));
    say(&mut session, json!({ "op": "hello" }));
    let publish =
        |key: Uuid| json!({ "op": "publish", "ref": 3, "event": event, "topics": ["t:3"], "key": key });
    let refused = say(&mut session, publish(key));
    assert_eq!((&refused[0]["code"], refused[0].get("topics")), (&json!("forbidden"), None));
    assert_eq!(say(&mut session, publish(Uuid::from_u128(6)))[0]["op"], "published");
}

#[test]
fn a_session_ends_with_its_token_unless_that_is_refreshed() {
    let mut session = session_with(Shrinking(false.into()));
    let alive = |session: &mut Peer, second| {
        session.handle_text(r#"{"op":"pong"}"#, at(second));
        session.handle_timeout(at(second));
        !session.is_closed()
    };
    assert!(alive(&mut session, 104));
    session.handle_text(r#"{"op":"token","ref":1,"token":"more"}"#, at(104));
    assert!(alive(&mut session, 106) && alive(&mut session, 208));
    session.handle_timeout(at(209));
    let frames = poll(&mut session, at(209));
    assert_eq!(frames[frames.len() - 2]["code"], "token_expired");
    assert_eq!(frames[frames.len() - 1]["close"], 4401);
}

#[test]
fn a_machine_that_slept_ends_the_sessions_whose_tokens_ended_meanwhile() {
    // The clock that never jumps stood still.
    let woken = |second| Moment { unix_ms: at(second).unix_ms, ..at(1) };
    let mut session = session_with(ByList);
    session.handle_timeout(Moment { unix_ms: woken(105).unix_ms - 1, ..at(1) });
    assert!(!session.is_closed());
    session.handle_timeout(woken(105));
    assert_eq!(poll(&mut session, woken(105))[0]["code"], "token_expired");
}

#[test]
fn a_session_that_was_revoked_ends_and_its_token_opens_no_other() {
    let hub = hub();
    let open = |id, token: &str| {
        let access = Arc::new(ByList);
        let mut session =
            Peer::new(Uuid::from_u128(id), hub.clone(), access, SessionSettings::default(), at(0));
        let answer = say(&mut session, json!({ "op": "hello", "token": token })).remove(0);
        (session, answer)
    };
    let ends = |session: &mut Peer| {
        session.handle_revocation(at(0));
        poll(session, at(0))
    };
    let (mut first, _) = open(1, "anna acme 1");
    let (mut second, _) = open(2, "anna acme 2");
    say(&mut first, json!({ "op": "subscribe", "ref": 1, "topics": ["t:3"] }));
    assert_eq!(ends(&mut first), Vec::<Value>::new());
    hub.revoke(&Revoke::Session(Uuid::from_u128(1))).now_or_never().unwrap().unwrap();
    assert_eq!(ends(&mut second), Vec::<Value>::new(), "another session of the same subject");
    for _ in 0..3 {
        let event = RawEvent::parse(r#"{"domain":"x","event":"y","payload":{}}"#).unwrap();
        let topics = ["t:3".parse().unwrap()];
        at_once(hub.publish_raw(event, Some(&topics), PublishOptions::default())).unwrap();
    }
    assert!(matches!(first.poll_output(at(0)), Some(Output::Frame(_))), "the first of three that were read");
    let end = ends(&mut first);
    assert_eq!(end.len(), 2, "nothing more of the topic: {end:?}");
    assert_eq!((&end[0]["code"], &end[1]["close"]), (&json!("forbidden"), &json!(4403)));
    assert_eq!(hub.counters().followers, 2, "its shard has still to take account of it");
    assert_eq!(open(3, "anna acme 1").1["code"], "unauthorized");
    let same = say(&mut second, json!({ "op": "token", "ref": 1, "token": "anna acme 1" }));
    assert_eq!((same.len(), &same[0]["code"]), (1, &json!("unauthorized")));
    hub.revoke(&Revoke::Subject("anna".to_owned())).now_or_never().unwrap().unwrap();
    assert_eq!(ends(&mut second)[0]["code"], "forbidden");
    assert_eq!(open(4, "anna acme 4").1["code"], "unauthorized");
    assert_eq!(open(5, "bert acme").1["op"], "welcome");
}

/// Tokens of an issuer whose clock is far ahead.
#[derive(Debug)]
struct Ahead;

impl Access for Ahead {
    fn authenticate(&self, token: Option<&str>, now_unix_ms: u64) -> Result<Identity, crate::AccessError> {
        Ok(ByList.authenticate(token, now_unix_ms)?.issued_at(u64::MAX))
    }
}

#[test]
fn neither_a_token_of_later_nor_a_fresh_one_saves_a_session_that_was_revoked() {
    for is_refreshed in [false, true] {
        let mut session = session_with(Ahead);
        session.hub.revoke(&Revoke::Subject("more".to_owned())).now_or_never().unwrap().unwrap();
        if is_refreshed {
            session.handle_text(r#"{"op":"token","ref":1,"token":"more acme"}"#, at(1));
        } else {
            session.handle_revocation(at(0));
        }
        let frames = poll(&mut session, at(1));
        assert_eq!((frames.len(), &frames[0]["code"]), (2, &json!("forbidden")), "{frames:?}");
    }
}
