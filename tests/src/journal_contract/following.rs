//! What follows a position that a node has, and new epochs.

use tidings_hub::{
    LogLimits,
    journal::{Followed, JournalDraft},
};
use tidings_shared::Position;

use super::{
    EPOCH, Place, RENEWED, acme, append, draft, fill, follow, history, key, now, numbers, outcome, tenant,
    trim,
};

pub(super) fn only_tenants_with_news_are_answered(place: &dyn Place) {
    let mut journal = place.open();
    let names = ["a", "b", "c", "d"];
    let of = |name: &str, number| JournalDraft { tenant: tenant(name), ..draft(number) };
    let drafts: Vec<JournalDraft> = names.iter().zip(1..).map(|(name, number)| of(name, number)).collect();
    let positions = append(&mut *journal, &drafts);
    let held: Vec<_> = names.iter().map(|name| tenant(name)).zip(positions).collect();
    assert!(journal.follow(&held, 100).expect("the journal answers").is_empty());
    append(&mut *journal, &[of("b", 5), of("d", 6), of("b", 7)]);
    let followed = journal.follow(&held, 100).expect("the journal answers");
    let mut news: Vec<_> =
        followed.into_iter().map(|(tenant, followed)| (tenant, outcome(Some(followed)))).collect();
    news.sort();
    assert_eq!(news, [(tenant("b"), Ok(vec![5, 7])), (tenant("d"), Ok(vec![6]))]);
}

pub(super) fn what_a_call_does_not_ask_for_comes_with_the_next(place: &dyn Place) {
    let mut journal = place.open();
    let of = |name: &str, number| JournalDraft { tenant: tenant(name), ..draft(number) };
    let positions = append(&mut *journal, &[of("a", 1), of("b", 2)]);
    let mut held = vec![(tenant("a"), positions[0]), (tenant("b"), positions[1])];
    assert!(journal.follow(&held, 100).expect("the journal answers").is_empty());
    let mut expected = 3;
    for round in 0..3 {
        let positions = append(&mut *journal, &[of("a", expected), of("b", expected + 1)]);
        let some = journal.follow(&held[..1], 100).expect("the journal answers");
        let outcomes = |followed: Vec<(_, Followed)>| {
            let outcome = |(tenant, followed)| (tenant, outcome(Some(followed)));
            followed.into_iter().map(outcome).collect::<Vec<_>>()
        };
        assert_eq!(outcomes(some), [(tenant("a"), Ok(vec![expected]))], "round {round}");
        held[0].1 = positions[0];
        let rest = journal.follow(&held, 100).expect("the journal answers");
        assert_eq!(outcomes(rest), [(tenant("b"), Ok(vec![expected + 1]))], "round {round}");
        held[1].1 = positions[1];
        assert!(journal.follow(&held, 100).expect("the journal answers").is_empty());
        expected += 2;
    }
}

pub(super) fn many_tenants_are_followed_at_once(place: &dyn Place) {
    let mut journal = place.open();
    let of = |index: usize, number| JournalDraft { tenant: tenant(&format!("t{index}")), ..draft(number) };
    let drafts: Vec<JournalDraft> = (0..300).map(|index| of(index, index as u128 + 1)).collect();
    let positions = append(&mut *journal, &drafts);
    let mut held: Vec<_> =
        positions.into_iter().enumerate().map(|(index, at)| (tenant(&format!("t{index}")), at)).collect();
    for round in 0..3_u128 {
        assert!(journal.follow(&held, 1_000).expect("the journal answers").is_empty());
        let number = 1_000 + 10 * round;
        let positions = append(&mut *journal, &[of(7, number), of(299, number + 1), of(7, number + 2)]);
        let followed = journal.follow(&held, 1_000).expect("the journal answers");
        let mut news: Vec<_> =
            followed.into_iter().map(|(tenant, followed)| (tenant, outcome(Some(followed)))).collect();
        news.sort();
        let expected = [(tenant("t299"), Ok(vec![number + 1])), (tenant("t7"), Ok(vec![number, number + 2]))];
        assert_eq!(news, expected, "round {round}");
        (held[7].1, held[299].1) = (positions[2], positions[1]);
    }
}

pub(super) fn no_more_than_so_many_entries_come_at_once(place: &dyn Place) {
    let mut journal = place.open();
    let names = ["a", "b", "c"];
    let drafts: Vec<JournalDraft> =
        (0..30).map(|n| JournalDraft { tenant: tenant(names[n % 3]), ..draft(n as u128 + 1) }).collect();
    append(&mut *journal, &drafts);
    let mut held: Vec<_> = names.iter().map(|name| (tenant(name), Position::new(EPOCH, 0, 0))).collect();
    let mut seen: Vec<u128> = Vec::new();
    for _ in 0..30 {
        let followed = journal.follow(&held, 7).expect("the journal answers");
        let mut came = 0;
        for (tenant, followed) in followed {
            let Followed::Entries(entries) = followed else { panic!("nothing was lost") };
            came += entries.len();
            seen.extend(numbers(&entries));
            let (_, position) = held.iter_mut().find(|(held, _)| *held == tenant).expect("it was asked for");
            for entry in entries {
                assert_eq!(entry.position.offset, position.offset + 1, "in order");
                *position = entry.position;
            }
        }
        assert!(came <= 7, "at most seven in all: {came}");
        if came < 7 {
            // An answer that is not full has all that there was.
            break;
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=30).collect::<Vec<_>>(), "all come, each once");
}

pub(super) fn trimmed_entries_are_reported(place: &dyn Place) {
    let mut journal = place.open();
    let positions = fill(&mut *journal, 1..=5);
    trim(&mut *journal, &LogLimits::default().max_entries(2), now());
    let before_all = Position::new(EPOCH, 0, 0);
    assert_eq!(outcome(follow(&mut *journal, before_all)), Err("trimmed"));
    assert_eq!(outcome(follow(&mut *journal, positions[1])), Err("trimmed"));
    assert_eq!(outcome(follow(&mut *journal, positions[2])), Ok(vec![4, 5]), "the tail has a position");
    assert_eq!(outcome(follow(&mut *journal, positions[4])), Ok(vec![]));
}

pub(super) fn a_position_that_the_journal_does_not_have_is_rolled_back(place: &dyn Place) {
    let mut journal = place.open();
    let positions = fill(&mut *journal, 1..=5);
    trim(&mut *journal, &LogLimits::default().max_entries(3), now());
    let rolled_back = |held: Position| Some((held, Err("rolled back")));
    let [Position { epoch, offset, tag }] = positions[4..] else { panic!("there are five") };
    let tail = positions[1];
    let strange = [
        rolled_back(Position::new(epoch, offset + 1, tag)),
        rolled_back(Position::new(epoch, u64::MAX >> 1, tag)),
        rolled_back(Position::new(epoch, u64::MAX, tag)),
        rolled_back(Position::new(epoch, offset, tag ^ 1)),
        rolled_back(Position::new(epoch, 3, tag)),
        rolled_back(Position::new(epoch, tail.offset, tail.tag ^ 1)),
        rolled_back(Position::new(epoch ^ 1, offset, tag)),
        rolled_back(Position::new(epoch ^ 1, 0, 0)),
    ];
    for (held, expected) in strange.into_iter().flatten() {
        assert_eq!(outcome(follow(&mut *journal, held)), expected, "{held}");
    }
    let unknown = [(tenant("umbrella"), Position::new(EPOCH, 0, 0))];
    let followed = journal.follow(&unknown, 10).expect("the journal answers");
    assert!(matches!(&followed[..], [(_, Followed::RolledBack)]), "an unknown tenant: {followed:?}");
    let fresh = journal.recent(&unknown[0].0, &LogLimits::default(), 0, EPOCH).expect("the journal answers");
    assert_eq!(fresh.tail, Position::new(EPOCH, 0, 0));
    let with_tag = [(unknown[0].0.clone(), Position::new(EPOCH, 0, 1))];
    let followed = journal.follow(&with_tag, 10).expect("the journal answers");
    assert!(matches!(&followed[..], [(_, Followed::RolledBack)]), "before the first is no tag: {followed:?}");
}

pub(super) fn a_rolled_back_tenant_does_not_hold_up_the_others(place: &dyn Place) {
    let mut journal = place.open();
    let of = |name: &str, number| JournalDraft { tenant: tenant(name), ..draft(number) };
    let positions = append(&mut *journal, &[of("a", 1), of("b", 2), of("b", 3)]);
    let held =
        [(tenant("a"), Position { tag: positions[0].tag ^ 1, ..positions[0] }), (tenant("b"), positions[1])];
    let followed = journal.follow(&held, 10).expect("the journal answers");
    let mut outcomes: Vec<_> =
        followed.into_iter().map(|(tenant, followed)| (tenant, outcome(Some(followed)))).collect();
    outcomes.sort();
    assert_eq!(outcomes, [(tenant("a"), Err("rolled back")), (tenant("b"), Ok(vec![3]))]);
}

pub(super) fn a_renewed_epoch_goes_on_from_the_head(place: &dyn Place) {
    let mut journal = place.open();
    let head = *fill(&mut *journal, 1..=5).last().expect("there are five");
    journal.renew(&acme(), EPOCH, RENEWED).expect("the journal renews");
    assert_eq!(outcome(follow(&mut *journal, head)), Err("rolled back"));
    drop(journal);
    let mut journal = place.open();
    let renewed = history(&mut *journal);
    assert_eq!((renewed.tail.epoch, renewed.tail.offset), (RENEWED, 5), "offsets go on");
    assert!(renewed.entries.is_empty(), "entries of the old epoch are dropped");
    assert_eq!(outcome(follow(&mut *journal, renewed.tail)), Ok(vec![]));
    let next = fill(&mut *journal, 6..=6)[0];
    assert_eq!(next, Position::new(RENEWED, 6, Position::tag_of(key(6))));
    assert_eq!(outcome(follow(&mut *journal, renewed.tail)), Ok(vec![6]));
}

pub(super) fn an_epoch_is_renewed_by_the_first_who_asks(place: &dyn Place) {
    let mut journal = place.open();
    fill(&mut *journal, 1..=2);
    journal.renew(&acme(), EPOCH ^ 1, RENEWED).expect("the journal answers");
    assert_eq!(history(&mut *journal).entries.len(), 2, "it has another epoch");
    journal.renew(&acme(), EPOCH, RENEWED).expect("the journal renews");
    fill(&mut *journal, 3..=3);
    journal.renew(&acme(), EPOCH, RENEWED ^ 1).expect("the journal answers");
    let renewed = history(&mut *journal);
    assert_eq!((renewed.tail.epoch, numbers(&renewed.entries)), (RENEWED, vec![3]), "another was faster");
    journal.renew(&tenant("umbrella"), EPOCH, RENEWED).expect("an unknown tenant is no error");
    // Of a random number, an epoch is the low bits.
    let random = u64::MAX - 7;
    journal.renew(&acme(), RENEWED, random).expect("the journal renews");
    let epoch = history(&mut *journal).tail.epoch;
    assert_eq!(epoch, Position::new(random, 0, 0).epoch);
    journal.renew(&acme(), epoch, EPOCH).expect("the journal renews");
    assert_eq!(history(&mut *journal).tail.epoch, EPOCH);
}
