//! The derives of `tidings_shared::derive`. Each file is one derive. Its output implements a trait of `tidings_shared`.

mod attrs;
mod choice;
mod event;
mod payload;
mod topic;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes an enum the topics of a domain. Each variant has one pattern:
///
/// ```ignore
/// #[derive(Debug, Clone, PartialEq, Eq, Topic)]
/// #[topic(domain = "helpdesk")]
/// enum Topic {
///     /// The tickets in a queue.
///     #[topic("queue:{name}")]
///     Queue(Segment),
///     /// One ticket.
///     #[topic("ticket:{uuid}")]
///     Ticket(Uuid),
/// }
/// ```
///
/// A field is a `Uuid` or a `Segment`. `{…}` names the fields, in their order.
#[proc_macro_derive(Topic, attributes(topic))]
pub fn topic(input: TokenStream) -> TokenStream {
    run(topic::derive, input)
}

/// Makes an enum the events of a domain. Each variant holds one payload. The event's name on the wire is the variant's name
/// in snake_case.
///
/// ```ignore
/// #[derive(Debug, Clone, PartialEq, Event)]
/// enum Event {
///     /// A customer opened a ticket.
///     Opened(Ticket),
/// }
/// ```
///
/// On the enum, `#[event(closed)]` refuses undeclared payload keys. With `#[event(named)]` the publisher names the topics.
/// With `#[event(computed_or_named)]` the publisher may name other topics. On a variant, `#[event(name = "…")]` sets the
/// event's name. A type parameter is a type of the caller, as in [`macro@Payload`], if it has `#[any]`.
#[proc_macro_derive(Event, attributes(any, event))]
pub fn event(input: TokenStream) -> TokenStream {
    run(event::derive, input)
}

/// Makes a struct the payload of events: it implements serde and the fan-out.
///
/// ```ignore
/// #[derive(Debug, Clone, PartialEq, Payload)]
/// #[payload(reaches(Queue(queue), Ticket(uuid)))]
/// struct Ticket {
///     /// The ticket's id.
///     uuid: Uuid,
///     /// The queue, until an agent takes the ticket.
///     queue: Option<Segment>,
/// }
/// ```
///
/// `reaches` lists variants of the enum `Topic` in scope, with fields of this struct. With an `Option` that is `None`, the
/// payload does not reach the topic. With `Variant if field`, it reaches the topic if the `bool` is true.
/// `#[payload(topics = method)]` names a method that returns the topics. `#[payload(topic = Type)]` names another enum.
///
/// A field that is `None` is absent on the wire. With `#[payload(null)]` it is `null`. With `#[payload(skip)]` a field is never
/// on the wire.
///
/// A field may have a type parameter as its type: `record: R`. With `#[any]` on the parameter (`struct Upserted<#[any] R>`), the
/// caller may use any type that serde can read and write. On the wire it is any JSON.
#[proc_macro_derive(Payload, attributes(any, payload))]
pub fn payload(input: TokenStream) -> TokenStream {
    run(payload::derive, input)
}

/// Makes an enum of names a type for fields of payloads. On the wire a variant is its name in snake_case. One variant may hold
/// a `String`: it takes the names of later versions unchanged.
#[proc_macro_derive(Choice)]
pub fn choice(input: TokenStream) -> TokenStream {
    run(choice::derive, input)
}

fn run(derive: fn(DeriveInput) -> syn::Result<proc_macro2::TokenStream>, input: TokenStream) -> TokenStream {
    derive(parse_macro_input!(input as DeriveInput)).unwrap_or_else(syn::Error::into_compile_error).into()
}
