//! The bounds of the driver and of what waits for it, and the revocations.

use tidings_shared::Position;

use super::*;
use crate::journal::JournalRevocation;

#[test]
fn a_node_answers_its_publishes_while_another_node_appends_without_a_pause() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    node.driver = node.driver.with_entries_per_read(1);
    let _reader = node.subscribe(&mut paper, "a");
    paper.busy = Some(node.hub.home().clone());
    let publishing = node.publish(1, "a", None);
    paper.followed.clear();
    // A full read may always have left out something.
    assert_eq!(node.driver.turn(&mut paper, Waker::noop()), Turn::Idle(Duration::from_secs(1)));
    assert!(publishing.now_or_never().unwrap().is_ok());
    assert_eq!(paper.followed, [1], "it reads up to its own entry");
    node.clock.pass(1_000);
    paper.followed.clear();
    assert_eq!(node.driver.turn(&mut paper, Waker::noop()), Turn::Busy, "it goes on in the next turn");
    assert_eq!(paper.followed.len(), following::FULL_READS);
}

#[test]
fn a_known_key_in_a_batch_does_not_hide_a_new_entry_of_its_tenant() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    node.driver = node.driver.with_entries_per_read(1);
    let mut reader = node.subscribe(&mut paper, "a");
    let _first = node.publish(1, "a", Some(7));
    node.turn(&mut paper);
    assert_eq!(read(&mut reader).len(), 1);
    for _ in 0..3 {
        paper.append_by_another(node.hub.home());
    }
    let new = node.publish(2, "a", None);
    let known = node.publish(1, "a", Some(7));
    paper.followed.clear();
    node.driver.turn(&mut paper, Waker::noop());
    assert!(new.now_or_never().unwrap().is_ok() && known.now_or_never().unwrap().is_ok());
    assert_eq!(paper.followed, [1; 4], "the log has the new entry when its publisher has the answer");
}

#[test]
fn a_position_that_somebody_waits_for_makes_the_node_read_only_that_tenant() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    let tenants = ["acme", "bell", "zeta"].map(|name| node.hub.tenant(&name.parse().unwrap()));
    let positions = tenants.each_ref().map(crate::Tenant::position);
    node.turn(&mut paper);
    let [_, bell, _] = positions.map(|position| position.now_or_never().unwrap());
    let ahead = Position { offset: 9, ..bell }.to_string();
    let mut wait = tenants[1].catch_up(Some(&ahead));
    assert!(wait.poll_ready(Waker::noop()).is_pending());
    paper.followed.clear();
    node.turn(&mut paper);
    assert!(wait.poll_ready(Waker::noop()).is_ready());
    assert_eq!(paper.followed, [1]);
}

#[test]
fn when_too_many_tenants_have_lost_something_every_tenant_of_the_journal_gets_a_gap() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    // Nobody reads this tenant here.
    let elsewhere: TenantId = "elsewhere".parse().unwrap();
    let other = Node::start(&mut paper);
    let _published = other.hub.tenant(&elsewhere).sync_all();
    { other }.turn(&mut paper);
    let mut reader = node.subscribe(&mut paper, "a");
    let lose = |tenant: &TenantId| node.driver.outgoing().lose(tenant, vec![topic("a")]);
    lose(&elsewhere);
    for number in 0..=crate::hub::lost::MAX_TENANTS {
        lose(&format!("tenant-{number}").parse().unwrap());
    }
    assert!(!node.driver.is_idle());
    paper.is_away = true;
    assert!(matches!(node.turn(&mut paper), Turn::Pause(_)));
    paper.is_away = false;
    node.turn(&mut paper);
    assert!(node.driver.is_idle());
    assert_eq!(read(&mut reader), ["sync"]);
    let entries = &paper.tenants[&elsewhere].entries;
    assert_eq!(entries.len(), 2);
    assert!(matches!(entries[1].content, Content::Gap) && entries[1].topics.is_empty());
}

#[test]
fn many_lost_topics_become_gaps_of_whole_tenants() {
    let mut lost = crate::hub::lost::Lost::default();
    let of = |tenant: u32| (0..1_000).map(|number| topic(&format!("t:{tenant}-{number}"))).collect();
    for tenant in 0..70 {
        lost.add(&format!("tenant-{tenant}").parse().unwrap(), of(tenant));
    }
    let taken = lost.take(100, |_| false);
    let whole = taken.iter().filter(|(_, topics)| topics.is_empty()).count();
    assert_eq!((taken.len(), whole), (70, 5));
    assert!(lost.is_empty());
}

#[test]
fn the_revocation_of_a_session_is_answered_when_the_journal_has_its_token_or_nobody_has_the_session() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    let (here, elsewhere) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let mut revoking = [here, elsewhere].map(|session| node.hub.revoke(&Revoke::Session(session)));
    node.turn(&mut paper);
    let is_answered = |revoking: &mut crate::Revoking| {
        std::pin::Pin::new(revoking).poll(&mut std::task::Context::from_waker(Waker::noop())).is_ready()
    };
    assert!(!is_answered(&mut revoking[0]) && !node.driver.is_idle(), "its token may come in again");
    let identity = crate::access::Identity::new("anna", node.hub.home().clone());
    let crate::revocation::Admission::Admitted(admitted) =
        node.hub.revocations().admit(identity, Some("a token"), 0, node.hub.now())
    else {
        panic!("the token is good")
    };
    node.hub.keep_out(Some(here), &admitted, node.hub.now());
    assert!(!is_answered(&mut revoking[0]), "it is not in the journal yet");
    node.turn(&mut paper);
    assert!(is_answered(&mut revoking[0]) && !is_answered(&mut revoking[1]));
    node.clock.pass(1_000);
    node.turn(&mut paper);
    assert!(is_answered(&mut revoking[1]) && node.driver.is_idle());
}

#[test]
fn a_clock_that_is_ahead_for_some_hours_lets_nobody_in_again() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    let hour = 60 * 60 * 1_000;
    let expires_at = node.hub.now().unix_ms + hour;
    let revocation = JournalRevocation {
        tenant: node.hub.home().clone(),
        revoked: crate::journal::Revoked::Subject("anna".to_owned()),
        at: node.hub.now().unix_ms,
        until: expires_at,
    };
    paper.revoke(&[revocation]).unwrap();
    let clock = node.clock.clone();
    clock.0.ahead.store(20 * hour, Ordering::Relaxed);
    node.driver.open(&mut paper).unwrap();
    clock.0.ahead.store(0, Ordering::Relaxed);
    let identity =
        crate::access::Identity::new("anna", node.hub.home().clone()).issued_at(node.hub.now().unix_ms - 1);
    let admission = node.hub.revocations().admit(identity, Some("a token"), 1, node.hub.now());
    assert!(matches!(admission, crate::revocation::Admission::Refused(_)), "{admission:?}");
}

#[test]
fn a_journal_that_has_news_all_the_time_is_heard() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    let _reader = node.subscribe(&mut paper, "a");
    let home = node.hub.home().clone();
    for _ in 0..1_500 {
        paper.has_news = true;
        node.clock.pass(10);
        paper.append_by_another(&home);
        node.driver.turn(&mut paper, Waker::noop());
        node.hub.handle_timeout(node.hub.now());
        assert_eq!(node.hub.health(), Health::Good);
    }
}
