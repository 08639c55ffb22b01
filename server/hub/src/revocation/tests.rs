use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Waker},
};

use serde_json::{Value, json};
use tidings_shared::{Code, limits::MAX_TOPICS_PER_PUBLICATION};

use super::*;
use crate::{
    Rights,
    test_support::{Access, Everybody, TestHost, at, topic},
};

/// Accepts each token `SUBJECT TENANT ISSUED`. `ISSUED` is a second, or `never`; without it, the token was issued at 50
/// s. The token expires at 1000 s.
#[derive(Debug)]
struct AsTheySay;

impl Access for AsTheySay {
    fn authenticate(&self, token: Option<&str>, _: u64) -> Result<Identity, AccessError> {
        let mut words = token.unwrap_or_default().split(' ');
        let (subject, tenant) = (words.next().unwrap_or_default(), words.next().unwrap_or("acme"));
        let issued_at = match words.next() {
            Some("never") => None,
            second => Some(at(second.and_then(|second| second.parse().ok()).unwrap_or(50)).unix_ms),
        };
        let expires_at = Some(at(1000).unix_ms);
        let identity = Identity::new(subject, tenant.parse().unwrap()).rights(Rights::all());
        let identity = identity.issued_at(issued_at).expires_at(expires_at);
        Ok(if words.next() == Some("looked-up") { identity.looked_up() } else { identity })
    }
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

fn anna() -> Revoke {
    Revoke::Subject("anna".to_owned())
}

fn has_changed(watch: &mut Watch) -> bool {
    watch.poll_changed(&Context::from_waker(Waker::noop())).is_ready()
}

fn admit(
    revocations: &Revocations,
    access: &dyn Access,
    token: Option<&str>,
    now: Moment,
) -> Result<Admitted, AccessError> {
    let identity = access.authenticate(token, now.unix_ms)?;
    match revocations.admit(identity, token, revocations.newest(), now) {
        Admission::Admitted(admitted) => Ok(admitted),
        Admission::Refused(error) => Err(error),
        Admission::AskAgain => panic!("nothing was revoked since"),
    }
}

fn may_enter(revocations: &Revocations, token: &str, now: Moment) -> bool {
    match admit(revocations, &AsTheySay, Some(token), now) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.code, Code::Unauthorized);
            false
        }
    }
}

#[test]
fn a_subject_that_was_revoked_is_kept_out_of_its_tenant_and_nobody_else_is() {
    let revocations = Revocations::default();
    revocations.add(&acme(), &anna(), at(100)).unwrap();
    for (token, is_in) in
        [("anna", false), ("anna acme again", false), ("Anna", true), ("bert", true), ("anna other", true)]
    {
        assert_eq!(may_enter(&revocations, token, at(100)), is_in, "{token}");
    }
}

#[test]
fn a_token_that_was_issued_later_is_taken_again_and_one_without_a_time_of_issue_is_not() {
    let revocations = Revocations::default();
    revocations.add(&acme(), &anna(), at(100)).unwrap();
    for (issued, is_in) in [("never", false), ("99", false), ("100", false), ("101", true)] {
        assert_eq!(may_enter(&revocations, &format!("anna acme {issued}"), at(102)), is_in, "{issued}");
    }
    revocations.add(&acme(), &anna(), at(200)).unwrap();
    assert!(!may_enter(&revocations, "anna acme 101", at(200)), "the later revocation counts");
}

#[test]
fn a_revocation_of_another_node_that_comes_late_does_not_shorten_a_later_one() {
    let revocations = Revocations::default();
    let of_other = |revoke: Revoke| JournalRevocation::of(acme(), revoke.into(), at(60));
    revocations.add(&acme(), &anna(), at(80)).unwrap();
    revocations.obey(&of_other(anna()), at(81));
    assert!(!may_enter(&revocations, "anna acme 70", at(90)));
    assert!(may_enter(&revocations, "anna acme 85", at(90)));

    let topics = Revoke::Topics { subject: "bert".to_owned(), topics: vec![topic("a")] };
    revocations.add(&acme(), &topics, at(80)).unwrap();
    revocations.obey(&of_other(topics), at(81));
    let admitted = admit(&revocations, &AsTheySay, Some("bert acme 70"), at(90)).unwrap();
    let mut allowed = [true];
    revocations.withdraw(&admitted, &[topic("a")], &mut allowed, at(90));
    assert_eq!(allowed, [false]);
}

#[test]
fn a_revoked_topic_stays_lost_after_a_restart_whatever_time_of_issue_its_token_names() {
    let revocations = Revocations::default();
    // The issuer's clock is ahead of ours.
    let open = admit(&revocations, &AsTheySay, Some("bert acme 130"), at(90)).unwrap();
    let topics = Revoke::Topics { subject: "bert".to_owned(), topics: vec![topic("a")] };
    revocations.add(&acme(), &topics, at(100)).unwrap();
    let (lost, _, known) = revocations.lost(&open, [topic("a")].iter(), open.newest_revocation, at(100));
    assert_eq!(lost, [topic("a")]);
    let restarted = Revocations::default();
    restarted.obey(&known.unwrap(), at(101));
    for (token, is_in) in [("bert acme 130", false), ("bert acme 131", true)] {
        let admitted = admit(&restarted, &AsTheySay, Some(token), at(101)).unwrap();
        let mut allowed = [true];
        restarted.withdraw(&admitted, &[topic("a")], &mut allowed, at(101));
        assert_eq!(allowed, [is_in], "{token}");
    }
}

#[test]
fn a_revoked_session_ends_whatever_time_of_issue_its_token_names() {
    let revocations = Revocations::default();
    let admit = |token| admit(&revocations, &AsTheySay, Some(token), at(100)).unwrap();
    // The issuer's clock is ahead of ours.
    let early = admit("anna acme 130");
    revocations.add(&acme(), &anna(), at(100)).unwrap();
    let late = admit("anna acme 140");
    assert!(revocations.ends(None, &early, at(100)) && revocations.ends(Some(Uuid::nil()), &early, at(100)));
    assert!(!revocations.ends(None, &late, at(100)), "it was let in after the revocation");
    revocations.keep_out(None, &late, at(100));
    revocations.keep_out(None, &early, at(100));
    for (issued, is_in) in [("130", false), ("131", true)] {
        assert_eq!(may_enter(&revocations, &format!("anna acme {issued}"), at(101)), is_in, "{issued}");
    }
    revocations.add(&acme(), &anna(), at(200)).unwrap();
    assert!(revocations.ends(None, &late, at(200)), "and another came");
}

#[test]
fn a_session_that_was_revoked_takes_its_token_with_it_until_that_has_ended() {
    let revocations = Revocations::default();
    let (id, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let admitted = admit(&revocations, &AsTheySay, Some("anna acme 1"), at(60)).unwrap();
    let ends = |session| {
        let ends = revocations.ends(Some(session), &admitted, at(60));
        if ends {
            revocations.keep_out(Some(session), &admitted, at(60));
        }
        ends
    };
    revocations.add(&"other".parse().unwrap(), &Revoke::Session(id), at(60)).unwrap();
    assert!(!ends(id), "a session of another tenant");
    revocations.add(&acme(), &Revoke::Session(id), at(60)).unwrap();
    let mut changed = revocations.watch();
    assert!(!ends(other) && !has_changed(&mut changed));
    assert!(ends(id));
    assert!(has_changed(&mut changed), "other sessions that have the token are looked at");
    assert!(ends(other), "it has the same token");
    assert!(!has_changed(&mut changed));
    assert!(!may_enter(&revocations, "anna acme 1", at(60)));
    assert!(may_enter(&revocations, "anna acme 2", at(60)), "another token of the same subject");
    assert!(
        !may_enter(&revocations, "anna acme 1", at(999)) && may_enter(&revocations, "anna acme 1", at(1000))
    );
}

#[test]
fn a_developer_without_a_token_can_come_back_after_a_revocation() {
    let revocations = Revocations::default();
    let admit = |now| admit(&revocations, &Everybody, None, now);
    let open = admit(at(100)).unwrap();
    let developer = Revoke::Subject(open.identity.subject.clone());
    revocations.add(&acme(), &developer, at(100)).unwrap();
    assert!(revocations.ends(None, &open, at(100)));
    revocations.keep_out(None, &open, at(100));
    assert!(admit(at(100)).is_err() && admit(at(101)).is_ok());
}

/// Adds as many revocations as a tenant may have.
fn fill(revocations: &Revocations, tenant: &TenantId, now: Moment) {
    for number in 0..MAX_REVOCATIONS_PER_TENANT {
        revocations.add(tenant, &Revoke::Subject(number.to_string()), now).unwrap();
    }
}

#[test]
fn old_revocations_are_forgotten_and_beyond_the_bound_nothing_is_revoked() {
    let revocations = Revocations::default();
    fill(&revocations, &acme(), at(100));
    assert_eq!(revocations.add(&acme(), &anna(), at(101)), Err(RevokeError::Tenant));
    assert!(may_enter(&revocations, "anna", at(101)));
    let later = at(100 + REVOCATION_MAX_AGE.as_secs());
    assert!(
        may_enter(&revocations, "0", later)
            && !may_enter(&revocations, "0", at(later.since_start.as_secs() - 1))
    );
    revocations.handle_timeout(later);
    revocations.add(&acme(), &anna(), later).unwrap();
    assert_eq!(revocations.len(), 1);
    revocations.handle_timeout(at(100 + 2 * REVOCATION_MAX_AGE.as_secs()));
    assert!(revocations.lock().tenants.is_empty(), "nothing is left of the tenant either");
}

#[test]
fn a_tenant_that_fills_its_share_leaves_others_theirs_and_can_revoke_again_what_it_has() {
    let revocations = Revocations::default();
    fill(&revocations, &acme(), at(100));
    let other: TenantId = "other".parse().unwrap();
    revocations.add(&other, &anna(), at(100)).unwrap();
    assert!(!may_enter(&revocations, "anna other", at(100)));
    revocations.add(&acme(), &Revoke::Subject("7".to_owned()), at(200)).unwrap();
    assert!(!may_enter(&revocations, "7 acme 150", at(200)), "the later revocation counts");
    let refused = revocations.add(&acme(), &Revoke::Session(Uuid::nil()), at(200)).unwrap_err().to_string();
    assert!(refused.contains("of this tenant") && refused.contains("try again later"), "{refused}");
}

#[test]
fn all_tenants_together_have_a_bound_too() {
    let revocations = Revocations::default();
    for tenant in 0..MAX_REVOCATIONS / MAX_REVOCATIONS_PER_TENANT {
        fill(&revocations, &format!("tenant-{tenant}").parse().unwrap(), at(100));
    }
    assert_eq!(revocations.add(&acme(), &anna(), at(101)), Err(RevokeError::Node));
    assert_eq!(revocations.len(), MAX_REVOCATIONS);
}

#[test]
fn the_token_of_a_revoked_session_needs_no_room_of_its_own() {
    let revocations = Revocations::default();
    let id = Uuid::from_u128(1);
    let admitted = admit(&revocations, &AsTheySay, Some("anna acme"), at(60)).unwrap();
    revocations.add(&acme(), &Revoke::Session(id), at(60)).unwrap();
    for number in 1..MAX_REVOCATIONS_PER_TENANT {
        revocations.add(&acme(), &Revoke::Subject(number.to_string()), at(60)).unwrap();
    }
    assert_eq!(revocations.add(&acme(), &anna(), at(60)), Err(RevokeError::Tenant));
    revocations.keep_out(Some(id), &admitted, at(60));
    assert!(!may_enter(&revocations, "anna acme", at(60)));
}

#[test]
fn a_revocation_is_of_a_subject_or_of_a_session_and_of_nothing_else() {
    let (subject, answer) = Revoke::parse(r#"{"sub":"anna","why":"passed over"}"#).unwrap();
    assert_eq!((subject, answer), (anna(), json!({ "sub": "anna" })));
    let id = Uuid::from_u128(7);
    let (session, answer) = Revoke::parse(&json!({ "session": id }).to_string()).unwrap();
    assert_eq!((session, answer), (Revoke::Session(id), json!({ "session": id })));
    let long = json!({ "sub": "x".repeat(256) }).to_string();
    for body in [
        "",
        "anna",
        "[]",
        "{}",
        "null",
        r#"{"sub":""}"#,
        r#"{"sub":7}"#,
        r#"{"session":"anna"}"#,
        r#"{"sub":null}"#,
    ]
    .into_iter()
    .chain([
        r#"{"sub":"anna","session":"00000000-0000-0000-0000-000000000007"}"#,
        r#"{"sub":["anna"]}"#,
        &long,
    ]) {
        assert_eq!(Revoke::parse(body).unwrap_err().code, Code::InvalidFrame, "{body}");
    }
}

#[test]
fn a_hub_tells_whoever_waits() {
    let hub = crate::Hub::new(crate::HubSettings::new(acme()), TestHost::default());
    let mut changed = hub.revocations().watch();
    hub.tenant(&acme()).revoke(&anna()).now_or_never().unwrap().unwrap();
    assert!(has_changed(&mut changed));
    assert!(!may_enter(hub.revocations(), "anna acme never", hub.now()));
}

#[test]
fn a_waiting_task_is_woken_once_and_a_dropped_watch_leaves_nothing() {
    let revocations = Revocations::default();
    let (mut watch, woken) = (revocations.watch(), Arc::new(Woken::default()));
    let waker = Waker::from(Arc::clone(&woken));
    assert!(watch.poll_changed(&Context::from_waker(&waker)).is_pending());
    (0..2).for_each(|_| revocations.add(&acme(), &anna(), at(0)).unwrap());
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert!(has_changed(&mut watch) && !has_changed(&mut watch));
    drop(watch);
    assert_eq!(Arc::strong_count(&woken), 2, "the test's own handle, and its waker's");
}

/// Counts wakes.
#[derive(Default)]
struct Woken(AtomicUsize);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn topics(names: &[&str]) -> Revoke {
    let topics = names.iter().map(|name| name.parse().unwrap()).collect();
    Revoke::Topics { subject: "anna".to_owned(), topics }
}

#[test]
fn each_topic_counts_as_an_entry_and_a_list_that_is_full_takes_none_of_them() {
    let revocations = Revocations::default();
    fill(&revocations, &acme(), at(100));
    assert_eq!(revocations.add(&acme(), &topics(&["t:1"]), at(100)), Err(RevokeError::Tenant));
    let (revocations, half) = (Revocations::default(), MAX_REVOCATIONS_PER_TENANT / 2);
    let many: Vec<String> = (0..half).map(|number| format!("t:{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    revocations.add(&acme(), &topics(&many), at(100)).unwrap();
    revocations.add(&acme(), &topics(&many), at(101)).unwrap();
    assert_eq!(revocations.len(), half, "a topic that is known is one entry");
    let more: Vec<String> = (0..=half).map(|number| format!("u:{number}")).collect();
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    assert_eq!(revocations.add(&acme(), &topics(&more), at(101)), Err(RevokeError::Tenant));
    assert_eq!(revocations.len(), half, "all of them or none");
    revocations.handle_timeout(at(101 + REVOCATION_MAX_AGE.as_secs()));
    assert_eq!(revocations.len(), 0);
}

#[test]
fn a_token_gives_no_right_to_a_topic_that_its_subject_lost_later() {
    let revocations = Revocations::default();
    let anna = |token| admit(&revocations, &AsTheySay, Some(token), at(100)).unwrap();
    let (old, ahead) = (anna("anna acme 99"), anna("anna acme 130"));
    // A token without a time of issue counts as older. A look-up is never old, whenever the login began.
    let undated = anna("anna acme never");
    let (looked_up, undated_look_up) = (anna("anna acme 99 looked-up"), anna("anna acme never looked-up"));
    revocations.add(&acme(), &topics(&["t:1"]), at(110)).unwrap();
    let (late, bert) = (anna("anna acme 111"), anna("bert acme 99"));
    let other = anna("anna other 99");
    let names = ["t:1", "t:2"].map(|name| name.parse().unwrap());
    for (admitted, expected) in [
        (&old, false),
        (&ahead, false),
        (&undated, false),
        (&late, true),
        (&bert, true),
        (&other, true),
        (&looked_up, true),
        (&undated_look_up, true),
    ] {
        let mut allowed = [true, true];
        revocations.withdraw(admitted, &names, &mut allowed, at(111));
        assert_eq!(allowed, [expected, true], "{admitted:?}");
        let mut denied = [false, false];
        revocations.withdraw(admitted, &names, &mut denied, at(111));
        assert_eq!(denied, [false, false], "it gives no right");
    }
}

#[test]
fn a_request_names_a_subject_a_session_or_topics_of_a_subject() {
    for (body, answer) in [
        (r#"{"sub":"anna","more":1}"#, r#"{"sub":"anna"}"#),
        (
            r#"{"sub":"anna","topics":["t:1","t:0198C0DE-0000-7000-8000-00000000000A","t:1"]}"#,
            r#"{"sub":"anna","topics":["t:1","t:0198c0de-0000-7000-8000-00000000000a"]}"#,
        ),
    ] {
        let (_, found) = Revoke::parse(body).unwrap();
        assert_eq!(found, serde_json::from_str::<Value>(answer).unwrap());
    }
    let many = vec!["t:1"; MAX_TOPICS_PER_PUBLICATION + 1];
    for (body, code) in [
        (json!({ "topics": ["t:1"] }), Code::InvalidFrame),
        (json!({ "sub": "anna", "topics": "t:1" }), Code::InvalidFrame),
        (json!({ "session": Uuid::nil(), "topics": ["t:1"] }), Code::InvalidFrame),
        (json!({ "sub": "anna", "topics": [] }), Code::InvalidFrame),
        (json!({ "sub": "anna", "topics": many }), Code::TooManyTopics),
        (json!({ "sub": "anna", "topics": ["a b"] }), Code::InvalidTopic),
        (json!({ "sub": "anna", "topics": [7] }), Code::InvalidTopic),
    ] {
        assert_eq!(Revoke::parse(&body.to_string()).unwrap_err().code, code, "{body}");
    }
}
