//! Fresh tokens, and clients that misuse them.

use super::*;

/// Tokens are `SUBJECT LIFE`, with the life in seconds. Each is issued now.
#[derive(Debug)]
struct Living;

impl Access for Living {
    fn authenticate(&self, token: Option<&str>, now_unix_ms: u64) -> Result<Identity, crate::AccessError> {
        let (subject, life) = token.and_then(|token| token.split_once(' ')).unwrap();
        let expires_at = life.parse().ok().map(|life: u64| now_unix_ms + life * 1000);
        let tenant = "acme".parse().unwrap();
        Ok(Identity::new(subject, tenant).expires_at(expires_at).issued_at(now_unix_ms))
    }

    fn may_subscribe(&self, _: &Identity, _: &TopicName) -> bool {
        true
    }

    fn may_publish(&self, _: &Identity, _: &TopicName) -> bool {
        true
    }
}

fn session(hub: &Hub, token: &str) -> Peer {
    let (id, settings) = (Uuid::from_u128(1), SessionSettings::default());
    let mut session = Peer::new(id, hub.clone(), Arc::new(Living), settings, at(0));
    say(&mut session, json!({ "op": "hello", "token": token }));
    session
}

fn refresh(session: &mut Peer, token: &str, now: Moment) -> Vec<Value> {
    session.handle_text(&json!({ "op": "token", "ref": 2, "token": token }).to_string(), now);
    poll(session, now)
}

/// Returns the second in which a session ends, if its token is not refreshed.
fn end(session: &Peer) -> Option<u64> {
    session.poll_expiry().map(|at| at.as_secs())
}

#[test]
fn how_long_a_token_lives_is_said_whatever_the_peers_clock() {
    let hub = hub();
    let mut session = Peer::new(Uuid::nil(), hub, Arc::new(Living), SessionSettings::default(), at(10));
    session.handle_text(r#"{"op":"hello","token":"anna 60"}"#, at(10));
    assert_eq!(poll(&mut session, at(10))[0]["expires_in_ms"], 60_000);
    assert_eq!(refresh(&mut session, "anna 90", at(40))[0]["expires_in_ms"], 90_000);
    let endless = &refresh(&mut session, "anna ever", at(40))[0];
    assert_eq!((endless.get("expires_in_ms"), endless.get("expires_at")), (None, None));
}

#[test]
fn a_session_lives_as_long_as_its_last_token() {
    let mut session = session(&hub(), "anna 60");
    assert_eq!(end(&session), Some(65));
    for (token, expected) in [("anna 90", Some(100)), ("anna 20", Some(30)), ("anna ever", None)] {
        refresh(&mut session, token, at(5));
        assert_eq!(end(&session), expected, "{token}");
    }
    refresh(&mut session, "bert 1", at(5));
    assert_eq!(end(&session), None, "what is refused changes nothing");
}

#[test]
fn a_session_that_was_revoked_cannot_slip_away_under_a_fresh_token() {
    let (session_id, anna) = (Uuid::from_u128(1), "anna".to_owned());
    for revoke in [Revoke::Subject(anna), Revoke::Session(session_id)] {
        let hub = hub();
        let mut session = session(&hub, "anna 60");
        say(&mut session, json!({ "op": "subscribe", "ref": 1, "topics": ["t:1"] }));
        hub.revocations().add(hub.home(), &revoke, at(5)).unwrap();
        // This token is issued after the revocation. It comes before the shard has handled the revocation.
        let frames = refresh(&mut session, "anna 90", at(6));
        assert_eq!(frames[0]["code"], "forbidden", "{frames:?}");
        assert_eq!(frames[1]["close"], 4403);
    }
}

#[test]
fn a_flood_of_tokens_ends_the_session_and_leaves_nothing() {
    let hub = hub();
    let mut session = session(&hub, "anna 60");
    let per_second = SessionSettings::default().frames_per_second;
    let taken = (0..4 * per_second).take_while(|count| {
        let token = format!("{} {count}", if count % 2 == 0 { "anna" } else { "bert" });
        session.handle_text(&json!({ "op": "token", "ref": 1, "token": token }).to_string(), at(0));
        !session.is_closed()
    });
    assert!(taken.count() <= 2 * per_second as usize);
    assert_eq!(poll(&mut session, at(0)).last().unwrap()["close"], 4429);
    drop(session);
    assert_eq!(hub.counters(), crate::Counters::default());
}
