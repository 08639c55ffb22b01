//! The writer's side: typed events into `tidings_outbox`, in the transaction of the data.

use rusqlite::{Error, Result, Transaction, params};
use tidings_hub::{PublishOptions, TenantId};
use tidings_shared::{Event, RawEvent, Topic};

use crate::outbox::row::topics_to_name;

/// Inserts an event into the outbox, in the transaction of its data. The event is published if and only if the transaction
/// commits. It goes to the topics that the event computes itself. The tenant `None` is the home tenant of the server.
///
/// ```
/// use rusqlite::Connection;
/// use tidings_server::{PublishOptions, outbox::sqlite};
/// use tidings_shared::domains::staff;
///
/// fn rename(database: &mut Connection, person: staff::Person, name: &str) -> rusqlite::Result<()> {
///     let transaction = database.transaction()?;
///     transaction.execute("UPDATE people SET name = ?1 WHERE uuid = ?2", (name, person.uuid.to_string()))?;
///     sqlite::insert(&transaction, None, &staff::Event::PersonUpdated(person), PublishOptions::default())?;
///     transaction.commit()
/// }
/// ```
///
/// # Errors
/// The database has no outbox or does not take the row, or JSON cannot hold the payload
/// ([`Error::ToSqlConversionFailure`]).
pub fn insert<E: Event>(
    transaction: &Transaction<'_>,
    tenant: Option<&TenantId>,
    event: &E,
    options: PublishOptions,
) -> Result<()> {
    write(transaction, tenant, event, topics_to_name(event).as_deref(), options)
}

/// Does the same as [`insert`], with topics that the publisher names, as
/// [`Hub::publish_to`](tidings_hub::Hub::publish_to) does.
///
/// # Errors
/// The errors of [`insert`].
pub fn insert_to<E: Event>(
    transaction: &Transaction<'_>,
    tenant: Option<&TenantId>,
    event: &E,
    topics: &[E::Topic],
    options: PublishOptions,
) -> Result<()> {
    write(transaction, tenant, event, Some(topics), options)
}

fn write<E: Event>(
    transaction: &Transaction<'_>,
    tenant: Option<&TenantId>,
    event: &E,
    topics: Option<&[E::Topic]>,
    options: PublishOptions,
) -> Result<()> {
    let json = |error: serde_json::Error| Error::ToSqlConversionFailure(error.into());
    let event = RawEvent::from_event(event).and_then(|event| serde_json::to_string(&event)).map_err(json)?;
    let names = topics.map(|topics| topics.iter().map(Topic::name).collect::<Vec<_>>());
    let names = names.map(|names| serde_json::to_string(&names)).transpose().map_err(json)?;
    let PublishOptions { key, origin, .. } = options;
    let mut statement = transaction.prepare_cached(
        "INSERT INTO tidings_outbox(tenant, event, key, origin, topics) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let key = key.map(|key| key.to_string());
    statement.execute(params![tenant.map(TenantId::as_str), event, key, origin, names])?;
    Ok(())
}
