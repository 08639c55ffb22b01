//! A tenant with a damaged history, and the others.

use super::*;

/// Returns a node with three tenants that somebody reads. The second of them is damaged from now on.
fn node_with_a_damaged_tenant(paper: &mut Paper) -> (Node, [TenantId; 3], [Subscription; 3]) {
    let mut node = Node::start(paper);
    let tenants = ["acme", "bell", "zeta"].map(|name| name.parse::<TenantId>().unwrap());
    let readers = tenants.each_ref().map(|tenant| node.hub.tenant(tenant).subscribe_raw(&[topic("a")]));
    node.turn(paper);
    paper.damaged = Some(tenants[1].clone());
    (node, tenants, readers.map(|reader| reader.now_or_never().unwrap()))
}

fn publish(node: &Node, tenant: &TenantId) -> crate::Publishing {
    let event = RawEvent::parse(r#"{"domain":"x","event":"y","payload":1}"#).unwrap();
    node.hub.tenant(tenant).publish_raw(event, Some(&[topic("a")]), PublishOptions::default())
}

#[test]
fn a_damaged_tenant_is_loaded_later_and_stops_no_other() {
    let mut paper = Paper { damaged: Some("bell".parse().unwrap()), ..Paper::default() };
    let mut node = Node::start(&mut paper);
    let [acme, bell, zeta] =
        ["acme", "bell", "zeta"].map(|name| node.hub.tenant(&name.parse().unwrap()).position());
    let publishing = node.publish(1, "a", None);
    assert!(matches!(node.turn(&mut paper), Turn::Idle(_)), "the others do not wait");
    assert_eq!(publishing.now_or_never().unwrap().unwrap().position.offset, 1);
    assert!(acme.now_or_never().is_some() && zeta.now_or_never().is_some());
    paper.damaged = None;
    node.clock.pass(20);
    node.turn(&mut paper);
    assert!(bell.now_or_never().is_some(), "it is tried again");
}

#[test]
fn a_tenant_that_cannot_be_followed_stops_no_other_and_its_clients_are_sent_away_soon() {
    let mut paper = Paper::default();
    let (mut node, tenants, mut readers) = node_with_a_damaged_tenant(&mut paper);
    // Another node appends.
    paper.damaged = None;
    let other = Node::start(&mut paper);
    let _published = tenants.each_ref().map(|tenant| publish(&other, tenant));
    { other }.turn(&mut paper);
    paper.damaged = Some(tenants[1].clone());
    node.clock.pass(1_000);
    assert!(matches!(node.turn(&mut paper), Turn::Idle(_)));
    assert_eq!(readers.each_mut().map(|reader| read(reader).len()), [1, 0, 1]);
    for _ in 0..11 {
        node.clock.pass(1_000);
        assert!(matches!(node.turn(&mut paper), Turn::Idle(_)));
    }
    node.hub.handle_timeout(node.hub.now());
    assert_eq!(node.hub.health(), Health::Good, "the others are well");
    // Its log has ended. Whoever comes waits for the history.
    assert_eq!(read(&mut readers[1]), [""; 0]);
    let mut waits = node.hub.tenant(&tenants[1]).catch_up(None);
    assert!(waits.poll_ready(Waker::noop()).is_pending());
    paper.damaged = None;
    node.clock.pass(30_000);
    node.turn(&mut paper);
    assert!(waits.poll_ready(Waker::noop()).is_ready());
    assert_eq!(read(&mut readers[1]), ["sync"]);
}

#[test]
fn a_tenant_that_cannot_be_appended_to_stops_no_other_and_its_announcements_become_a_gap() {
    let mut paper = Paper::default();
    let (mut node, tenants, mut readers) = node_with_a_damaged_tenant(&mut paper);
    let mut publishing = tenants.each_ref().map(|tenant| publish(&node, tenant));
    node.hub.tenant(&tenants[1]).announce(&staff::Event::PersonUpdated(staff::Person { uuid: Uuid::nil() }));
    assert!(matches!(node.turn(&mut paper), Turn::Idle(_)));
    let answers = publishing.each_mut().map(|publishing| publishing.poll_answer(Waker::noop()).is_ready());
    assert_eq!(answers, [true, false, true]);
    assert_eq!(readers.each_mut().map(|reader| read(reader).len()), [1, 0, 1]);
    assert_eq!(node.hub.holdings(node.hub.now()).journal_waiting, 2);
    for _ in 0..11 {
        node.clock.pass(1_000);
        assert!(matches!(node.turn(&mut paper), Turn::Idle(_)));
    }
    let std::task::Poll::Ready(answer) = publishing[1].poll_answer(Waker::noop()) else {
        panic!("it waits no longer than with a journal that is away")
    };
    assert_eq!(answer, Err(PublishError::Overloaded));
    let again = publish(&node, &tenants[0]);
    node.turn(&mut paper);
    assert!(again.now_or_never().unwrap().is_ok(), "the others go on");
    paper.damaged = None;
    node.clock.pass(30_000);
    node.turn(&mut paper);
    let entries = &paper.tenants[&tenants[1]].entries;
    assert!(matches!(entries[..], [Entry { content: Content::Gap, .. }]), "{entries:?}");
    assert!(node.driver.is_idle());
}

#[test]
fn a_journal_that_cannot_forget_is_followed_all_the_same() {
    let mut paper = Paper { cannot_trim: true, ..Paper::default() };
    let mut node = Node::start(&mut paper);
    node.clock.pass(5_000);
    assert!(matches!(node.turn(&mut paper), Turn::Idle(_)));
}

#[test]
fn a_journal_that_fails_for_every_tenant_is_away() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    let error = || JournalError::damage("damaged");
    let name = |number: usize| format!("tenant-{number}").parse::<TenantId>().unwrap();
    for number in 0..1_024 {
        node.driver.fails(&name(number), error(), node.clock.now()).unwrap();
    }
    assert_eq!(node.driver.fails(&name(1_024), error(), node.clock.now()), Err(error()));
    node.driver.fails(&name(0), error(), node.clock.now()).unwrap();
    node.clock.pass(120_000);
    node.turn(&mut paper);
    node.driver.fails(&name(1_024), error(), node.clock.now()).unwrap();
}
