//! The events of a write. They are announced after its commit.

use tidings_server::{Hub, PublishOptions};
use tidings_shared::domains::{catalogue, crm, projects, staff, store};

/// One event of one of the shipped domains.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Staff(staff::Event),
    Projects(projects::Event),
    Catalogue(catalogue::Event),
    Crm(crm::Event),
    Store(store::Event),
}

impl Change {
    fn announce(&self, hub: &Hub, options: PublishOptions) {
        match self {
            Self::Staff(event) => hub.announce_with(event, options),
            Self::Projects(event) => hub.announce_with(event, options),
            Self::Catalogue(event) => hub.announce_with(event, options),
            Self::Crm(event) => hub.announce_with(event, options),
            Self::Store(event) => hub.announce_with(event, options),
        }
    }
}

macro_rules! from_events {
    ($( $variant:ident $domain:ident ),+) => { $(
        impl From<$domain::Event> for Change {
            fn from(event: $domain::Event) -> Self {
                Self::$variant(event)
            }
        }
    )+ };
}
from_events!(Staff staff, Projects projects, Catalogue catalogue, Crm crm, Store store);

/// The events of one transaction, in the order of its changes.
#[derive(Debug, Default)]
pub(crate) struct Changes(Vec<Change>);

impl Changes {
    pub(crate) fn push(&mut self, event: impl Into<Change>) {
        self.0.push(event.into());
    }

    /// Announces the events. Call it after the commit: a page that gets an event loads at once.
    pub(crate) fn announce(self, hub: &Hub, origin: Option<&str>) {
        for change in self.0 {
            let options = PublishOptions { origin: origin.map(str::to_owned), ..PublishOptions::default() };
            change.announce(hub, options);
        }
    }
}
