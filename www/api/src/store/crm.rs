//! Contacts and the interactions with them. A contact's own record travels in the `store` domain, which carries
//! records; an interaction's event says only that there was one, to each contact that took part.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::{Value, json};
use tidings_shared::domains::{crm, store};
use uuid::Uuid;

use crate::{
    events::Events,
    fault::Fault,
    records::{Contact, Interaction, Party, ToldInteraction},
    table::{Body, Field, Kind, Table, row, rows},
};

/// The most parties of an interaction, apart from its subject. The old and new parties of an update together stay below
/// the number of topics that a publication may reach. More are refused.
pub(crate) const MAX_PARTIES: usize = 40;

const CONTACTS: Table = Table {
    name: "contacts",
    noun: "contact",
    key: "uuid",
    fields: &[
        Field { name: "name", kind: Kind::Name },
        Field { name: "company", kind: Kind::Line },
        Field { name: "email", kind: Kind::Line },
        Field { name: "phone", kind: Kind::Line },
    ],
};

const INTERACTIONS: Table = Table {
    name: "interactions",
    noun: "interaction",
    key: "uuid",
    fields: &[
        Field { name: "subject_uuid", kind: Kind::Parent(&CONTACTS) },
        Field { name: "kind", kind: Kind::Choice(&["call", "email", "meeting", "note"]) },
        Field { name: "summary", kind: Kind::Prose },
        Field { name: "happened_at", kind: Kind::Count(1 << 53) },
    ],
};

/// All contacts, with how many interactions each took part in.
pub(crate) fn contacts(db: &Connection) -> Result<Vec<Contact>, Fault> {
    rows(db, "SELECT * FROM contacts ORDER BY name COLLATE NOCASE, uuid", [])
}

/// One contact.
pub(crate) fn contact(db: &Connection, uuid: Uuid) -> Result<Contact, Fault> {
    row(db, "contact", "SELECT * FROM contacts WHERE uuid = ?", [uuid])
}

/// A contact's interactions, the newest first: as subject or as a party.
pub(crate) fn interactions(db: &Connection, contact: Uuid) -> Result<Vec<Interaction>, Fault> {
    CONTACTS.expect(db, contact)?;
    let condition = "i.subject_uuid = ?1
            OR i.uuid IN (SELECT interaction_uuid FROM interaction_parties WHERE contact_uuid = ?1)";
    let told: Vec<ToldInteraction> = rows(db, &interaction_query(condition), [contact])?;
    told.into_iter().map(|told| with_party_names(db, told)).collect()
}

fn interaction(db: &Connection, uuid: Uuid) -> Result<Interaction, Fault> {
    with_party_names(db, row(db, "interaction", &interaction_query("i.uuid = ?"), [uuid])?)
}

fn interaction_query(condition: &'static str) -> String {
    format!(
        "SELECT i.*, s.name AS subject_name FROM interactions i JOIN contacts s ON s.uuid = i.subject_uuid
         WHERE {condition} ORDER BY i.happened_at DESC, i.uuid DESC"
    )
}

fn with_party_names(db: &Connection, interaction: ToldInteraction) -> Result<Interaction, Fault> {
    let parties = party_rows(db, interaction.uuid)?;
    Ok(Interaction { interaction, parties })
}

fn party_rows(db: &Connection, interaction: Uuid) -> Result<Vec<Party>, Fault> {
    rows(
        db,
        "SELECT c.uuid, c.name FROM interaction_parties p JOIN contacts c ON c.uuid = p.contact_uuid
         WHERE p.interaction_uuid = ? ORDER BY c.name COLLATE NOCASE, c.uuid",
        [interaction],
    )
}

pub(crate) fn create_contact(
    tx: &Transaction<'_>,
    body: &Body,
    events: &Events<'_>,
) -> Result<Contact, Fault> {
    let uuid = CONTACTS.insert(tx, body)?;
    push_contact(tx, uuid, events)
}

pub(crate) fn update_contact(
    tx: &Transaction<'_>,
    uuid: Uuid,
    body: &Body,
    events: &Events<'_>,
) -> Result<Contact, Fault> {
    CONTACTS.update(tx, uuid, body)?;
    push_contact(tx, uuid, events)
}

/// Interactions about this contact go with it; in others it is no longer a party.
pub(crate) fn delete_contact(tx: &Transaction<'_>, uuid: Uuid, events: &Events<'_>) -> Result<(), Fault> {
    let about = involved(tx, "subject_uuid = ?", uuid)?;
    let joined = involved(
        tx,
        "uuid IN (SELECT interaction_uuid FROM interaction_parties WHERE contact_uuid = ?1) AND subject_uuid <> ?1",
        uuid,
    )?;
    CONTACTS.delete(tx, uuid)?;
    for before in about {
        events.add(&crm::Event::InteractionDeleted(crm::Notice::of(&before)))?;
    }
    for before in joined {
        let after = one_involved(tx, before.uuid)?;
        events.add(&crm::Event::InteractionUpdated(crm::Notice::of_change(&before, &after)))?;
    }
    let deleted = store::Deleted { schema: schema()?, key: uuid.to_string() };
    events.add(&store::Event::<Value>::Deleted(deleted))?;
    Ok(())
}

/// `parties` in the body is a list of contacts' uuids.
pub(crate) fn create_interaction(
    tx: &Transaction<'_>,
    body: &Body,
    events: &Events<'_>,
) -> Result<Interaction, Fault> {
    let (body, parties) = split_parties(body)?;
    let uuid = INTERACTIONS.insert(tx, &body)?;
    set_parties(tx, uuid, parties.as_deref().unwrap_or_default())?;
    events.add(&crm::Event::InteractionCreated(crm::Notice::of(&one_involved(tx, uuid)?)))?;
    interaction(tx, uuid)
}

/// Updates an interaction. The event reaches the contacts who took part before, and the contacts who take part now.
pub(crate) fn update_interaction(
    tx: &Transaction<'_>,
    uuid: Uuid,
    body: &Body,
    events: &Events<'_>,
) -> Result<Interaction, Fault> {
    let before = one_involved(tx, uuid)?;
    let (body, parties) = split_parties(body)?;
    INTERACTIONS.update(tx, uuid, &body)?;
    if let Some(parties) = parties {
        set_parties(tx, uuid, &parties)?;
    }
    let after = one_involved(tx, uuid)?;
    events.add(&crm::Event::InteractionUpdated(crm::Notice::of_change(&before, &after)))?;
    interaction(tx, uuid)
}

pub(crate) fn delete_interaction(tx: &Transaction<'_>, uuid: Uuid, events: &Events<'_>) -> Result<(), Fault> {
    let before = one_involved(tx, uuid)?;
    INTERACTIONS.delete(tx, uuid)?;
    events.add(&crm::Event::InteractionDeleted(crm::Notice::of(&before)))?;
    Ok(())
}

fn push_contact(tx: &Transaction<'_>, uuid: Uuid, events: &Events<'_>) -> Result<Contact, Fault> {
    let record = contact(tx, uuid)?;
    events.add(&store::Event::Upserted(store::Upserted {
        schema: schema()?,
        key: uuid.to_string(),
        record: json!(record),
    }))?;
    Ok(record)
}

/// The schema of contacts in the `store` domain; its topic is `store:contacts`.
fn schema() -> Result<store::Schema, Fault> {
    store::Schema::parse("contacts").map_err(|_| Fault::internal())
}

/// Takes `parties` out of the body: they have a table of their own.
fn split_parties(body: &Body) -> Result<(Body, Option<Vec<Uuid>>), Fault> {
    let mut body = body.clone();
    let Some(parties) = body.remove("parties") else { return Ok((body, None)) };
    let parties: Option<Vec<Uuid>> = parties
        .as_array()
        .filter(|parties| parties.len() <= MAX_PARTIES)
        .and_then(|parties| parties.iter().map(|party| Uuid::parse_str(party.as_str()?).ok()).collect());
    let rule = format!("`parties` is not accepted: give a list of at most {MAX_PARTIES} uuids of contacts");
    Ok((body, Some(parties.ok_or_else(|| Fault::field("parties", rule))?)))
}

fn set_parties(tx: &Transaction<'_>, uuid: Uuid, parties: &[Uuid]) -> Result<(), Fault> {
    tx.execute("DELETE FROM interaction_parties WHERE interaction_uuid = ?", [uuid])?;
    for party in parties {
        CONTACTS.expect(tx, *party).map_err(|_| {
            Fault::field(
                "parties",
                format!("the contact {party} does not exist; leave it out or choose another"),
            )
        })?;
        tx.execute("INSERT OR IGNORE INTO interaction_parties VALUES (?, ?)", params![uuid, party])?;
    }
    Ok(())
}

/// The interactions that fulfil a condition, in the form of the events.
fn involved(db: &Connection, condition: &'static str, uuid: Uuid) -> Result<Vec<crm::Interaction>, Fault> {
    let sql = format!("SELECT uuid, subject_uuid FROM interactions WHERE {condition} ORDER BY uuid");
    let mut statement = db.prepare_cached(&sql)?;
    let found = statement
        .query_map([uuid], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(Uuid, Uuid)>, _>>()?;
    found.into_iter().map(|(uuid, subject)| with_parties(db, uuid, subject)).collect()
}

fn one_involved(db: &Connection, uuid: Uuid) -> Result<crm::Interaction, Fault> {
    let sql = "SELECT subject_uuid FROM interactions WHERE uuid = ?";
    let subject: Option<Uuid> = db.query_row(sql, [uuid], |row| row.get(0)).optional()?;
    with_parties(db, uuid, subject.ok_or_else(|| Fault::missing("interaction"))?)
}

fn with_parties(db: &Connection, uuid: Uuid, subject: Uuid) -> Result<crm::Interaction, Fault> {
    let sql = "SELECT contact_uuid FROM interaction_parties WHERE interaction_uuid = ? ORDER BY contact_uuid";
    let parties = db
        .prepare_cached(sql)?
        .query_map([uuid], |row| Ok(crm::Party { contact: row.get(0)? }))?
        .collect::<Result<_, _>>()?;
    Ok(crm::Interaction { uuid, subject: Some(subject), parties: Some(parties) })
}
