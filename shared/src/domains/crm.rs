//! Interactions with contacts. Each contact has a topic. Its subscribers do not learn which other contacts took part.

use std::collections::HashSet;

use uuid::Uuid;

use crate::derive::{Event, Payload, Topic};

/// The topics of interactions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Topic)]
#[topic(domain = "crm")]
pub enum Topic {
    /// The interactions of one contact.
    #[topic("contact:{uuid}:interactions")]
    Interactions(Uuid),
}

/// An interaction, as the application stores it. The fan-out takes the contacts from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interaction {
    /// The interaction's id.
    pub uuid: Uuid,
    /// The contact that it is about, if any.
    pub subject: Option<Uuid>,
    /// The other participants. `None` if the application did not load them: then only the subject counts.
    pub parties: Option<Vec<Party>>,
}

/// A participant of an interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Party {
    /// The contact of this participant, if the application knows it.
    pub contact: Option<Uuid>,
}

impl Interaction {
    /// Returns the contacts that took part, each once: the subject, then the parties.
    pub fn contacts(&self) -> Vec<Uuid> {
        let parties = self.parties.iter().flatten().filter_map(|party| party.contact);
        once_each(self.subject.into_iter().chain(parties))
    }
}

fn once_each(contacts: impl IntoIterator<Item = Uuid>) -> Vec<Uuid> {
    let mut known = HashSet::new();
    contacts.into_iter().filter(|contact| known.insert(*contact)).collect()
}

/// The payload of all events. The contacts determine the fan-out. They are never on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(topics = topics)]
pub struct Notice {
    /// The interaction.
    pub interaction_uuid: Uuid,
    /// The contacts that it reaches. Empty in an event from the wire.
    #[payload(skip)]
    pub contacts: Vec<Uuid>,
}

impl Notice {
    /// Makes a notice to the contacts of an interaction.
    pub fn of(interaction: &Interaction) -> Self {
        Self::to(interaction.uuid, interaction.contacts())
    }

    /// Makes a notice to the contacts of an interaction, before and after a change.
    pub fn of_change(before: &Interaction, after: &Interaction) -> Self {
        Self::to(after.uuid, before.contacts().into_iter().chain(after.contacts()))
    }

    /// Makes a notice to these contacts.
    pub fn to(interaction_uuid: Uuid, contacts: impl IntoIterator<Item = Uuid>) -> Self {
        Self { interaction_uuid, contacts: once_each(contacts) }
    }

    fn topics(&self) -> Vec<Topic> {
        self.contacts.iter().copied().map(Topic::Interactions).collect()
    }
}

/// The changes of interactions.
#[derive(Debug, Clone, PartialEq, Eq, Event)]
#[event(closed, named)]
pub enum Event {
    /// An interaction was created.
    InteractionCreated(Notice),
    /// An interaction changed. The event reaches the contacts before and after the change.
    InteractionUpdated(Notice),
    /// An interaction was deleted.
    InteractionDeleted(Notice),
}
