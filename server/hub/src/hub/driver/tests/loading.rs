//! Many, long and unreadable histories hold up nobody else.

use super::*;

#[test]
fn while_many_tenants_are_loaded_entries_are_appended() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    paper.load_takes = Some((node.clock.clone(), 20));
    let positions: Vec<_> =
        (0..100).map(|n| node.hub.tenant(&format!("tenant-{n}").parse().unwrap()).position()).collect();
    assert_eq!(node.driver.turn(&mut paper, Waker::noop()), Turn::Busy);
    let took = node.clock.now().since_start;
    assert!(took < Duration::from_millis(100), "a turn took {took:?}");
    let publishing = node.publish(1, "a", None);
    assert_eq!(node.driver.turn(&mut paper, Waker::noop()), Turn::Busy);
    assert!(publishing.now_or_never().is_some_and(|answer| answer.is_ok()));
    while node.driver.turn(&mut paper, Waker::noop()) == Turn::Busy {}
    assert!(positions.into_iter().all(|position| position.now_or_never().is_some()));
}

#[test]
fn a_long_history_is_loaded_in_parts_and_holds_up_no_other_tenant() {
    let mut paper = Paper::default();
    let mut node = Node::start(&mut paper);
    let tenant = |name: &str| name.parse::<TenantId>().unwrap();
    paper.long = Some((tenant("a-long"), 5));
    let long = node.hub.tenant(&tenant("a-long")).position();
    // A call takes as long as a turn loads.
    let clock = node.clock.clone();
    for turn in 0..5 {
        let other = node.hub.tenant(&tenant(&format!("short-{turn}"))).position();
        let publishing = node.publish(turn, "a", None);
        assert_eq!(paper.long.as_ref().map(|(_, parts)| *parts), Some(5 - turn as usize));
        paper.load_takes = Some((clock.clone(), 60));
        assert_eq!(node.driver.turn(&mut paper, Waker::noop()), Turn::Busy, "it goes on");
        assert!(other.now_or_never().is_some(), "{turn}");
        assert!(publishing.now_or_never().is_some_and(|answer| answer.is_ok()), "{turn}");
    }
    node.turn(&mut paper);
    assert!(long.now_or_never().is_some());
}

#[test]
fn when_many_histories_come_too_late_fewer_are_asked_for() {
    let mut paper = Paper { max_tenants: Some(5), ..Paper::default() };
    let mut node = Node::start(&mut paper);
    let positions: Vec<_> =
        (0..100).map(|n| node.hub.tenant(&format!("tenant-{n}").parse().unwrap()).position()).collect();
    let mut turns = 0;
    while node.driver.turn(&mut paper, Waker::noop()) == Turn::Busy {
        turns += 1;
        assert!(turns < 20, "it ends");
    }
    assert!(positions.into_iter().all(|position| position.now_or_never().is_some()));
}

#[test]
fn a_history_that_always_comes_too_late_stops_no_other_tenant() {
    let mut paper = Paper { late: Some("a-late".parse().unwrap()), ..Paper::default() };
    let mut node = Node::start(&mut paper);
    let late = node.hub.tenant(&"a-late".parse().unwrap()).position();
    let other = node.hub.tenant(&"other".parse().unwrap()).position();
    let publishing = node.publish(1, "a", None);
    for _ in 0..5 {
        let turn = node.driver.turn(&mut paper, Waker::noop());
        assert!(!matches!(turn, Turn::Pause(_)), "the journal answers");
    }
    assert!(other.now_or_never().is_some());
    assert!(publishing.now_or_never().is_some_and(|answer| answer.is_ok()));
    paper.late = None;
    node.clock.pass(60_000);
    while node.driver.turn(&mut paper, Waker::noop()) == Turn::Busy {}
    assert!(late.now_or_never().is_some(), "it is tried again");
}
