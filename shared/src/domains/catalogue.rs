//! The catalogue: one topic and one event, which says what kind of record changed and never what is in it.

use uuid::Uuid;

use crate::derive::{Choice, Event, Payload, Topic};

/// Where catalogue events appear.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Topic)]
#[topic(domain = "catalogue")]
pub enum Topic {
    /// Everything.
    #[topic("")]
    Catalogue,
}

/// What kind of record changed.
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
    /// A rule that fills a catalogue by itself.
    SmartRule,
    /// Links between items and manufacturers or suppliers.
    Links,
    /// A kind that came into being after this code; let through as it is.
    Other(String),
}

/// A change in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(reaches(Catalogue))]
pub struct Change {
    /// What kind of record changed.
    pub kind: Kind,
    /// Which record; `null` when no single one changed, as in a bulk sync of links.
    #[payload(null)]
    pub uuid: Option<Uuid>,
    /// The catalogue that holds the record, so that the page of another one can ignore the event.
    #[payload(null)]
    pub parent: Option<Uuid>,
}

/// What happens to the catalogue. No record data: prices and the like stay behind the application's own API.
#[derive(Debug, Clone, PartialEq, Eq, Event)]
#[event(closed)]
pub enum Event {
    /// Something changed.
    DataChanged(Change),
}
