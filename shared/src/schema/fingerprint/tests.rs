use super::*;
use crate::{
    domains::SHIPPED,
    schema::{EventSchema, FanOut, FieldSchema, PayloadSchema, TopicSchema},
};

/// The fingerprint of a domain with one field of this type.
fn of_type(ty: Type) -> Fingerprint {
    let fields = Box::leak(Box::new([FieldSchema { name: "field", ty, docs: "" }]));
    let payload = Box::leak(Box::new(PayloadSchema { name: "Payload", docs: "", fields, reaches: &[] }));
    let events = Box::leak(Box::new([EventSchema { name: "event", docs: "", payload }]));
    DomainSchema { events, ..SHIPPED[0] }.fingerprint()
}

#[test]
fn the_fingerprint_changes_with_what_a_type_accepts() {
    let types: &[Type] = &[
        Type::Integer { min: 0, max: 255 },
        Type::Integer { min: 0, max: 65_535 },
        Type::Integer { min: -1, max: 255 },
        Type::Number,
        Type::Float32,
        Type::Segment { max: 8 },
        Type::Segment { max: 9 },
        Type::String,
        Type::Uuid,
        Type::Bool,
        Type::Any,
        Type::Choice { names: &["a", "b"], is_open: false },
        Type::Choice { names: &["a", "b", "c"], is_open: false },
        Type::Choice { names: &["a, b"], is_open: false },
        Type::Option(&Type::Number),
        Type::Option(&Type::Integer { min: 0, max: 255 }),
        Type::List(&Type::Number),
        Type::List(&Type::Option(&Type::Number)),
        Type::Option(&Type::List(&Type::Number)),
    ];
    for (index, one) in types.iter().enumerate() {
        for other in &types[..index] {
            assert_ne!(of_type(*one), of_type(*other), "{one:?} and {other:?}");
        }
    }
}

#[test]
fn types_that_accept_the_same_have_the_same_fingerprint() {
    let choice = |names, is_open| of_type(Type::Choice { names, is_open });
    assert_eq!(choice(&["a", "b"], true), of_type(Type::String), "an open choice accepts every text");
    assert_eq!(choice(&["a", "b"], false), choice(&["b", "a"], false));
}

#[test]
fn the_fingerprint_of_a_domain_covers_each_name_and_no_order() {
    const TICKET: PayloadSchema =
        payload("Ticket", &[field("uuid", Type::Uuid), field("note", Type::String)]);
    const BASE: DomainSchema = DomainSchema {
        name: "helpdesk",
        topic_docs: "",
        event_docs: "",
        topics: &[topic("helpdesk:all"), topic("helpdesk:ticket:{uuid}")],
        events: &[event("opened", &TICKET), event("closed", &TICKET)],
        fan_out: FanOut::Computed,
        closed: false,
    };
    const TURNED: PayloadSchema = payload("Other", &[field("note", Type::String), field("uuid", Type::Uuid)]);
    const SAME: DomainSchema = DomainSchema {
        event_docs: "Other docs.",
        topics: &[topic("helpdesk:ticket:{uuid}"), topic("helpdesk:all")],
        events: &[event("closed", &TURNED), event("opened", &TICKET)],
        ..BASE
    };
    assert_eq!(SAME.fingerprint(), BASE.fingerprint());
    assert_eq!(BASE.fingerprint().to_string().len(), 16);

    const FEWER: PayloadSchema = payload("Ticket", &[field("uuid", Type::Uuid)]);
    const RENAMED: PayloadSchema =
        payload("Ticket", &[field("uuid", Type::Uuid), field("text", Type::String)]);
    const OTHERS: [DomainSchema; 8] = [
        DomainSchema { name: "desk", ..BASE },
        DomainSchema { closed: true, ..BASE },
        DomainSchema { topics: &[topic("helpdesk:all")], ..BASE },
        DomainSchema { events: &[event("opened", &TICKET)], ..BASE },
        DomainSchema { events: &[event("opened", &TICKET), event("solved", &TICKET)], ..BASE },
        DomainSchema { events: &[event("opened", &TICKET), event("closed", &FEWER)], ..BASE },
        DomainSchema { events: &[event("opened", &FEWER), event("closed", &TICKET)], ..BASE },
        DomainSchema { events: &[event("opened", &TICKET), event("closed", &RENAMED)], ..BASE },
    ];
    let mut all: Vec<Fingerprint> = OTHERS.iter().map(DomainSchema::fingerprint).collect();
    all.push(BASE.fingerprint());
    for (index, one) in all.iter().enumerate() {
        assert!(!all[..index].contains(one), "{:?}", OTHERS.get(index));
    }
}

const fn topic(pattern: &'static str) -> TopicSchema {
    TopicSchema { name: "Topic", builder: "topic", pattern, docs: "" }
}

const fn event(name: &'static str, payload: &'static PayloadSchema) -> EventSchema {
    EventSchema { name, docs: "", payload }
}

const fn payload(name: &'static str, fields: &'static [FieldSchema]) -> PayloadSchema {
    PayloadSchema { name, docs: "", fields, reaches: &[] }
}

const fn field(name: &'static str, ty: Type) -> FieldSchema {
    FieldSchema { name, ty, docs: "" }
}
