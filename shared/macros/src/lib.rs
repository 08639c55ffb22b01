//! The derives behind `tidings_shared::derive`, where they are documented by use. Each file is one derive; what they
//! write is as little as possible over the traits of `tidings_shared`.

mod attrs;
mod choice;
mod event;
mod payload;
mod topic;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes an enum a domain's topics. Each variant has one pattern:
///
/// ```ignore
/// #[derive(Debug, Clone, PartialEq, Eq, Topic)]
/// #[topic(domain = "helpdesk")]
/// enum Topic {
///     /// The tickets that wait in a queue.
///     #[topic("queue:{name}")]
///     Queue(Segment),
///     /// One ticket.
///     #[topic("ticket:{uuid}")]
///     Ticket(Uuid),
/// }
/// ```
///
/// A field is a `Uuid` or a `Segment`; `{…}` names it, in the order of the fields.
#[proc_macro_derive(Topic, attributes(topic))]
pub fn topic(input: TokenStream) -> TokenStream {
    run(topic::derive, input)
}

/// Makes an enum a domain's events. Each variant holds one payload; its name on the wire is its own in snake_case.
///
/// ```ignore
/// #[derive(Debug, Clone, PartialEq, Event)]
/// enum Event {
///     /// A ticket is new.
///     Opened(Ticket),
/// }
/// ```
///
/// On the enum, `#[event(closed)]` refuses undeclared payload keys, `#[event(named)]` leaves the topics to the publisher,
/// and `#[event(computed_or_named)]` lets the publisher name others.
#[proc_macro_derive(Event, attributes(event))]
pub fn event(input: TokenStream) -> TokenStream {
    run(event::derive, input)
}

/// Makes a struct an event's payload, with its serde and its fan-out.
///
/// ```ignore
/// #[derive(Debug, Clone, PartialEq, Payload)]
/// #[payload(reaches(Queue(queue), Ticket(uuid)))]
/// struct Ticket {
///     /// Which one.
///     uuid: Uuid,
///     /// The queue that it waits in; none once somebody has it.
///     queue: Option<Segment>,
/// }
/// ```
///
/// `reaches` lists variants of the enum `Topic` that is in scope, with fields of this struct; an `Option` that is `None`
/// reaches nothing, and `Variant if field` asks a `bool`. `#[payload(topics = method)]` names a method instead.
/// On a field, `#[payload(null)]` writes `None` as `null` instead of leaving it out, and `#[payload(skip)]` keeps it off
/// the wire.
#[proc_macro_derive(Payload, attributes(payload))]
pub fn payload(input: TokenStream) -> TokenStream {
    run(payload::derive, input)
}

/// Makes an enum of names a payload's field: on the wire a variant is its own name in snake_case. One variant may hold a
/// `String`; it stands for the names that a later version has, which travel as they are.
#[proc_macro_derive(Choice)]
pub fn choice(input: TokenStream) -> TokenStream {
    run(choice::derive, input)
}

fn run(derive: fn(DeriveInput) -> syn::Result<proc_macro2::TokenStream>, input: TokenStream) -> TokenStream {
    derive(parse_macro_input!(input as DeriveInput)).unwrap_or_else(syn::Error::into_compile_error).into()
}
