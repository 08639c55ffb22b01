use std::task::{Context, Poll, Waker};

use super::*;
use crate::test_support::at;

fn silence() -> u64 {
    DEGRADED_AFTER.as_secs()
}

#[test]
fn a_hub_is_degraded_when_its_journal_has_been_silent_for_ten_seconds() {
    let hearing = Hearing::default();
    hearing.look(at(100));
    assert_eq!(hearing.health(), Health::Good, "without a journal nothing is silent");
    hearing.answered(at(100));
    hearing.look(at(100 + silence() - 1));
    assert_eq!(hearing.health(), Health::Good);
    for second in [silence(), silence() + 7] {
        hearing.look(at(100 + second));
        assert_eq!(hearing.health(), Health::Degraded { since: at(100) });
    }
    hearing.answered(at(130));
    assert_eq!(hearing.health(), Health::Good);
    hearing.look(at(130 + silence()));
    assert_eq!(hearing.health(), Health::Degraded { since: at(130) });
}

#[test]
fn a_watch_hears_of_each_change_and_of_nothing_else() {
    let hearing = Hearing::default();
    let mut watch = hearing.watch();
    let mut changed = || watch.poll_changed(&Context::from_waker(Waker::noop()));
    hearing.answered(at(0));
    hearing.answered(at(1));
    hearing.look(at(silence()));
    assert_eq!(changed(), Poll::Pending);
    hearing.look(at(1 + silence()));
    assert_eq!((changed(), changed()), (Poll::Ready(()), Poll::Pending));
    hearing.look(at(50));
    assert_eq!(changed(), Poll::Pending);
    hearing.answered(at(60));
    assert_eq!((changed(), changed()), (Poll::Ready(()), Poll::Pending));
}

#[test]
fn a_client_hears_of_each_state_once_and_of_the_good_one_when_it_has_everything() {
    let (bad, mut told) = (Health::Degraded { since: at(3) }, Told::default());
    assert!(!told.is_outdated(Health::Good) && told.is_outdated(bad));
    assert_eq!((told.look(bad, 7), told.look(bad, 8)), (Some(at(3)), None));
    assert!(!told.is_outdated(bad) && told.is_outdated(Health::Good));
    assert!(!told.reached(u64::MAX), "the hub hears nothing");
    assert_eq!(told.look(Health::Good, 9), None);
    assert!(!told.is_outdated(Health::Good));
    assert_eq!(told.look(Health::Good, 20), None, "the awaited offset stays");
    assert_eq!((told.reached(8), told.reached(9), told.reached(10)), (false, true, false));
    assert_eq!(told, Told::Good);
}

#[test]
fn a_client_that_has_not_caught_up_hears_of_no_second_silence() {
    let (bad, mut told) = (Health::Degraded { since: at(3) }, Told::default());
    told.look(bad, 7);
    told.look(Health::Good, 9);
    assert!(told.is_outdated(bad));
    assert_eq!(told.look(Health::Degraded { since: at(40) }, 9), None);
    assert!(!told.reached(9));
    told.look(Health::Good, 12);
    assert_eq!((told.reached(11), told.reached(12)), (false, true));
}
