//! The catalogue: one topic and one event. The event names the kind of record that changed, and never its data.

use uuid::Uuid;

use crate::derive::{Choice, Event, Payload, Topic};

/// The topic of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Topic)]
#[topic(domain = "catalogue")]
pub enum Topic {
    /// All changes.
    #[topic("")]
    Catalogue,
}

/// The kind of a record.
#[derive(Debug, Clone, PartialEq, Eq, Choice)]
pub enum Kind {
    /// A catalogue.
    Catalogue,
    /// A category.
    Category,
    /// An item.
    Item,
    /// A manufacturer.
    Manufacturer,
    /// A supplier.
    Supplier,
    /// A rule that fills a catalogue automatically.
    SmartRule,
    /// Links between items and manufacturers or suppliers.
    Links,
    /// A kind of a later version. It is carried unchecked.
    Other(String),
}

/// A change in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(Catalogue))]
pub struct Change {
    /// The kind of record that changed.
    pub kind: Kind,
    /// The record that changed. `null` if several changed, for example in a bulk import of links.
    #[payload(null)]
    pub uuid: Option<Uuid>,
    /// The catalogue that contains the record, so that the page of another catalogue can ignore the event.
    #[payload(null)]
    pub parent: Option<Uuid>,
}

/// The changes of the catalogue. Data such as prices stays behind the application's own API.
#[derive(Debug, Clone, PartialEq, Eq, Event)]
#[event(closed)]
pub enum Event {
    /// A record changed.
    DataChanged(Change),
}
