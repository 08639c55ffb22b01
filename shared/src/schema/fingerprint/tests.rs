use super::*;
use crate::{
    domains::SHIPPED,
    schema::{EventSchema, FieldSchema, PayloadSchema},
};

#[test]
fn the_fingerprint_changes_with_the_domains_and_not_with_their_order() {
    const ALL: Fingerprint = fingerprint(&SHIPPED);
    let mut reversed = SHIPPED;
    reversed.reverse();
    assert_eq!(ALL, fingerprint(&reversed));
    assert_eq!(ALL.to_string().len(), 16);
    for left_out in 0..SHIPPED.len() {
        let others: Vec<DomainSchema> =
            (0..SHIPPED.len()).filter(|i| *i != left_out).map(|i| SHIPPED[i]).collect();
        assert_ne!(ALL, fingerprint(&others));
    }
}

#[test]
fn a_set_of_more_domains_than_the_limit_is_compared_as_a_whole() {
    const NAMES: [&str; MAX_COMPARED_DOMAINS + 1] =
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q"];
    let all = NAMES.map(|name| DomainSchema { name, ..SHIPPED[0] });
    let most = &all[..MAX_COMPARED_DOMAINS];
    for part in [&all[..0], &all[..1], &all[3..9], most] {
        assert!(includes(most, fingerprint(part)));
    }
    assert!(!includes(most, fingerprint(&all[9..])));
    assert!(includes(&all, fingerprint(&all)));
    assert!(!includes(&all, fingerprint(&all[..1])), "too many domains to try all sums");
}

/// The fingerprint of a domain with one field of this type.
fn of_type(ty: Type) -> Fingerprint {
    let fields = Box::leak(Box::new([FieldSchema { name: "field", ty, docs: "" }]));
    let payload = Box::leak(Box::new(PayloadSchema { name: "Payload", docs: "", fields, reaches: &[] }));
    let events = Box::leak(Box::new([EventSchema { name: "event", docs: "", payload }]));
    fingerprint(&[DomainSchema { events, ..SHIPPED[0] }])
}

#[test]
fn the_fingerprint_changes_with_what_a_type_accepts() {
    const NAMES: &[&str] = &["a", "b"];
    let types = [
        Type::Integer { min: 0, max: 255 },
        Type::Integer { min: 0, max: 65_535 },
        Type::Integer { min: -1, max: 255 },
        Type::Number,
        Type::Float32,
        Type::Segment { max: 8 },
        Type::Segment { max: 9 },
        Type::String,
        Type::Choice { names: NAMES, is_open: false },
        Type::Choice { names: NAMES, is_open: true },
        Type::Option(&Type::Number),
        Type::List(&Type::Number),
    ];
    for (index, one) in types.iter().enumerate() {
        for other in &types[..index] {
            assert_ne!(of_type(*one), of_type(*other), "{one:?} and {other:?}");
        }
    }
}
