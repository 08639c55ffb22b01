//! Order, density, and what comes back.

use tidings_hub::journal::{Appended, Content, JournalDraft};
use tidings_shared::{Position, RawEvent, limits::MAX_TOPICS_PER_PUBLICATION};

use super::{
    EPOCH, Place, acme, append, draft, event, fill, follow, history, history_of, key, now, numbers, outcome,
    payload, tenant, topics,
};

pub(super) fn positions_are_dense_and_in_the_order_of_the_drafts(place: &dyn Place) {
    let mut journal = place.open();
    let mut positions = fill(&mut *journal, 1..=1);
    positions.extend(fill(&mut *journal, 2..=500));
    positions.extend(fill(&mut *journal, 501..=502));
    let expected: Vec<Position> =
        (1..=502).map(|n| Position::new(EPOCH, n, Position::tag_of(key(n.into())))).collect();
    assert_eq!(positions, expected);
    let history = history(&mut *journal);
    assert_eq!(history.tail, Position::new(EPOCH, 0, 0));
    assert_eq!(numbers(&history.entries), (1..=502).collect::<Vec<_>>());
}

pub(super) fn each_tenant_has_offsets_and_an_epoch_of_its_own(place: &dyn Place) {
    let mut journal = place.open();
    let names = ["a", "b", "c"];
    let mut epochs = 0..;
    let drafts: Vec<JournalDraft> =
        (0..9).map(|n| JournalDraft { tenant: tenant(names[n % 3]), ..draft(n as u128 + 1) }).collect();
    let answers = journal.append(&drafts, now(), &mut || epochs.next().expect("it has no end"));
    let answers = answers.expect("the journal appends");
    let offset = |answer: &Appended| match answer {
        Appended::New { position, .. } => position.offset,
        Appended::Known { .. } => panic!("the key is new"),
    };
    assert_eq!(answers.iter().map(offset).collect::<Vec<_>>(), [1, 1, 1, 2, 2, 2, 3, 3, 3]);
    let mut seen = Vec::new();
    for (name, expected) in names.iter().zip([[1, 4, 7], [2, 5, 8], [3, 6, 9]]) {
        let history = history_of(&mut *journal, &tenant(name));
        assert_eq!(numbers(&history.entries), expected);
        assert!(!seen.contains(&history.tail.epoch), "an epoch of its own");
        seen.push(history.tail.epoch);
    }
    // The epoch stays, whatever is offered later.
    append(&mut *journal, &[JournalDraft { tenant: tenant("a"), ..draft(10) }]);
    assert_eq!(history_of(&mut *journal, &tenant("a")).tail.epoch, seen[0]);
}

pub(super) fn tenants_come_in_order_a_few_at_a_time(place: &dyn Place) {
    let mut journal = place.open();
    assert_eq!(journal.tenants(None, 10), Ok(vec![]));
    let names = ["a", "a-b", "ab", "b", "b0"].map(tenant);
    let drafts: Vec<JournalDraft> = (1..)
        .zip(names.iter().rev())
        .map(|(n, tenant)| JournalDraft { tenant: tenant.clone(), ..draft(n) })
        .collect();
    append(&mut *journal, &drafts);
    assert_eq!(journal.tenants(None, 10), Ok(names.to_vec()));
    assert_eq!(journal.tenants(None, 2), Ok(names[..2].to_vec()));
    assert_eq!(journal.tenants(Some(&names[1]), 2), Ok(names[2..4].to_vec()));
    assert_eq!(journal.tenants(Some(&names[4]), 2), Ok(vec![]));
}

pub(super) fn an_entry_comes_back_as_it_was_appended(place: &dyn Place) {
    let mut journal = place.open();
    let many: Vec<String> = (0..MAX_TOPICS_PER_PUBLICATION).map(|n| format!("clock:{n}")).collect();
    let many: Vec<&str> = many.iter().rev().map(String::as_str).collect();
    let longest = "é".repeat(32);
    let Content::Event(event) = event("{}") else { panic!("an event is an event") };
    let odd = Content::Event(RawEvent { event: "\u{0}'é".to_owned(), ..event });
    let drafts = [
        JournalDraft { origin: Some("tab 7 \"x\"".to_owned()), may_come_again: true, ..draft(1) },
        JournalDraft { origin: Some(String::new()), topics: topics(&["clock:b", "clock:a"]), ..draft(2) },
        JournalDraft { origin: Some(longest), topics: topics(&many), ..draft(3) },
        JournalDraft { origin: Some("\u{0}".to_owned()), content: odd, ..draft(4) },
        JournalDraft { key: uuid::Uuid::nil(), ..draft(0) },
        JournalDraft { key: uuid::Uuid::max(), ..draft(u128::MAX) },
    ];
    let before = now();
    let answers = journal.append(&drafts, before, &mut || EPOCH).expect("the journal appends");
    let entries = history(&mut *journal).entries;
    for ((entry, draft), answer) in entries.iter().zip(&drafts).zip(&answers) {
        let Appended::New { position, at } = *answer else { panic!("the key is new") };
        assert_eq!((entry.position, entry.at), (position, at));
        assert_eq!((entry.key, entry.may_come_again), (draft.key, draft.may_come_again));
        assert_eq!((&entry.origin, &entry.topics), (&draft.origin, &draft.topics));
        let (Content::Event(entry), Content::Event(draft)) = (&entry.content, &draft.content) else {
            panic!("an event is an event")
        };
        assert_eq!((&entry.domain, &entry.event), (&draft.domain, &draft.event));
    }
    let hour = 60 * 60 * 1000;
    let is_now = |at: u64| at.abs_diff(before) < hour;
    assert!(entries.iter().all(|entry| is_now(entry.at)), "the time of the append");
}

pub(super) fn text_is_carried_byte_for_byte(place: &dyn Place) {
    let large = format!(r#"{{"text":"{}"}}"#, "x€".repeat(50 * 1024));
    let payloads = [
        "{}",
        "null",
        r#""text""#,
        r#"{"b":1,"a":2,"b":3}"#,
        r#"{ "spaces" :	[ 1 ,2 ] }"#,
        r#"{"n":[1e400,-0,-0.0,1.0,1E+2,9007199254740993,123456789012345678901234567890]}"#,
        r#"{"nul":"\u0000","\u0000":0}"#,
        r#"{"lone":"\ud800","other":"\udc00\ud800","pair":"\ud83d\ude00"}"#,
        r#"{"escapes":"\/\"\\\b\f\n\r\t\u00e9é😀"}"#,
        r#"{"quotes":"'; DROP TABLE entry; --"}"#,
        "{\"separators\":\"\u{2028}\u{2029}\u{7f}\u{feff}\"}",
        large.as_str(),
    ];
    let drafts: Vec<JournalDraft> = (1..)
        .zip(payloads)
        .map(|(number, payload)| JournalDraft { content: event(payload), ..draft(number) })
        .collect();
    append(&mut *place.open(), &drafts);
    let mut journal = place.open();
    let entries = history(&mut *journal).entries;
    let read: Vec<Option<&str>> = entries.iter().map(|entry| payload(&entry.content)).collect();
    for (read, written) in read.iter().zip(payloads) {
        assert_eq!(*read, Some(written));
    }
    assert_eq!(read.len(), payloads.len());
}

pub(super) fn gaps_are_entries(place: &dyn Place) {
    let mut journal = place.open();
    let gap = |number, names: &[&str]| JournalDraft {
        topics: topics(names),
        content: Content::Gap,
        ..draft(number)
    };
    let positions =
        append(&mut *journal, &[draft(1), gap(2, &["clock", "staff:people"]), gap(3, &[]), draft(4)]);
    let Some(tidings_hub::journal::Followed::Entries(entries)) = follow(&mut *journal, positions[0]) else {
        panic!("three entries follow")
    };
    assert_eq!(numbers(&entries), [2, 3, 4]);
    let is_gap: Vec<bool> = entries.iter().map(|entry| matches!(entry.content, Content::Gap)).collect();
    assert_eq!(is_gap, [true, true, false]);
    assert_eq!(entries[0].topics, topics(&["clock", "staff:people"]));
    assert!(entries[1].topics.is_empty(), "a gap of the whole tenant");
}

pub(super) fn nothing_is_a_call_too(place: &dyn Place) {
    let mut journal = place.open();
    let answers = journal.append(&[], now(), &mut || panic!("no tenant is new"));
    assert_eq!(answers, Ok(vec![]));
    assert!(journal.follow(&[], 10).expect("the journal answers").is_empty());
    assert_eq!(journal.revoke(&[]), Ok(vec![]));
}

pub(super) fn everything_survives_a_reopen(place: &dyn Place) {
    let mut journal = place.open();
    let head = *fill(&mut *journal, 1..=10).last().expect("there are ten");
    drop(journal);
    let mut journal = place.open();
    assert_eq!(outcome(follow(&mut *journal, head)), Ok(vec![]));
    assert_eq!(fill(&mut *journal, 11..=11)[0].offset, 11);
    drop(journal);
    let mut journal = place.open();
    assert_eq!(numbers(&history(&mut *journal).entries), (1..=11).collect::<Vec<_>>());
    assert_eq!(outcome(follow(&mut *journal, head)), Ok(vec![11]));
}

pub(super) fn a_probe_takes_no_offset(place: &dyn Place) {
    let mut journal = place.open();
    fill(&mut *journal, 1..=1);
    for _ in 0..3 {
        journal.probe().expect("the journal answers");
    }
    assert_eq!(fill(&mut *journal, 2..=2)[0].offset, 2);
    assert_eq!(history_of(&mut *journal, &acme()).entries.len(), 2);
}
