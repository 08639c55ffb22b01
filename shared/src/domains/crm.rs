//! Interactions with contacts. Each involved contact has a topic, and none of them learns of the others.

use std::collections::HashSet;

use uuid::Uuid;

use crate::derive::{Event, Payload, Topic};

/// Where interactions appear.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Topic)]
#[topic(domain = "crm")]
pub enum Topic {
    /// The interactions of one contact.
    #[topic("contact:{uuid}:interactions")]
    Interactions(Uuid),
}

/// An interaction as the application has it, from which the involved contacts follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interaction {
    /// Which one.
    pub uuid: Uuid,
    /// The contact that it is about, if any.
    pub subject: Option<Uuid>,
    /// Everybody else who took part; `None` when they were not loaded, which counts as nobody.
    pub parties: Option<Vec<Party>>,
}

/// Somebody who took part in an interaction, and the contact that they were resolved to, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Party {
    /// The contact.
    pub contact: Option<Uuid>,
}

impl Interaction {
    /// The contacts involved: the subject, then the resolved parties, each once.
    pub fn contacts(&self) -> Vec<Uuid> {
        let parties = self.parties.iter().flatten().filter_map(|party| party.contact);
        once_each(self.subject.into_iter().chain(parties))
    }
}

fn once_each(contacts: impl IntoIterator<Item = Uuid>) -> Vec<Uuid> {
    let mut known = HashSet::new();
    contacts.into_iter().filter(|contact| known.insert(*contact)).collect()
}

/// The payload, and the contacts that it goes to; these steer the fan-out and are never part of the payload.
#[derive(Debug, Clone, PartialEq, Eq, Payload)]
#[payload(topics = topics)]
pub struct Notice {
    /// The interaction.
    pub interaction_uuid: Uuid,
    /// Whom it reaches; empty in an event that came over the wire.
    #[payload(skip)]
    pub contacts: Vec<Uuid>,
}

impl Notice {
    /// To the contacts that an interaction involves.
    pub fn of(interaction: &Interaction) -> Self {
        Self::to(interaction.uuid, interaction.contacts())
    }

    /// To the contacts that an interaction involves now or involved before.
    pub fn of_change(before: &Interaction, after: &Interaction) -> Self {
        Self::to(after.uuid, before.contacts().into_iter().chain(after.contacts()))
    }

    /// To an explicit set of contacts.
    pub fn to(interaction_uuid: Uuid, contacts: impl IntoIterator<Item = Uuid>) -> Self {
        Self { interaction_uuid, contacts: once_each(contacts) }
    }

    fn topics(&self) -> Vec<Topic> {
        self.contacts.iter().copied().map(Topic::Interactions).collect()
    }
}

/// What happens to interactions.
#[derive(Debug, Clone, PartialEq, Eq, Event)]
#[event(closed, named)]
pub enum Event {
    /// An interaction is new.
    InteractionCreated(Notice),
    /// An interaction changed; it reaches those involved before and those involved now.
    InteractionUpdated(Notice),
    /// An interaction is gone.
    InteractionDeleted(Notice),
}
