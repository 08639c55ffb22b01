//! The writer's side: typed events into the outbox, in the transaction of the data.

use tidings_hub::{PublishOptions, TenantId};
use tidings_shared::{Event, RawEvent, Topic};
use tokio_postgres::{
    Transaction,
    types::{ToSql, Type},
};

use crate::outbox::row::topics_to_name;

/// Why an event is not in the outbox. The message says the reason.
#[derive(Debug)]
#[non_exhaustive]
pub enum InsertError {
    /// JSON cannot hold the payload, for example because a float is infinite.
    Payload(serde_json::Error),
    /// The database has no outbox, or does not take the row. The transaction can only be rolled back.
    Database(tokio_postgres::Error),
}

/// Inserts an event into the outbox, in the transaction of its data. The event is published if and only if the transaction
/// commits. It goes to the topics that the event computes itself. The tenant `None` is the home tenant of the server.
///
/// The user needs the role `tidings_publisher`, or is the owner.
///
/// ```
/// use tidings_server::{PublishOptions, outbox::postgres};
/// use tidings_shared::domains::staff;
///
/// # use std::error::Error;
/// # use uuid::Uuid;
/// async fn rename(database: &mut tokio_postgres::Client, uuid: Uuid, name: &str) -> Result<(), Box<dyn Error>> {
///     let transaction = database.transaction().await?;
///     transaction.execute("UPDATE people SET name = $1 WHERE uuid = $2", &[&name, &uuid]).await?;
///     let event = staff::Event::PersonUpdated(staff::Person { uuid });
///     postgres::insert(&transaction, None, &event, PublishOptions::default()).await?;
///     Ok(transaction.commit().await?)
/// }
/// ```
///
/// A writer in another language, or with another crate, executes one line of SQL in its transaction:
///
/// ```sql
/// SELECT tidings.publish('{"domain":"staff","event":"person_deleted","payload":{…}}')
/// ```
///
/// # Errors
/// [`InsertError`].
pub async fn insert<E: Event>(
    transaction: &Transaction<'_>,
    tenant: Option<&TenantId>,
    event: &E,
    options: PublishOptions,
) -> Result<(), InsertError> {
    write(transaction, tenant, event, topics_to_name(event).as_deref(), options).await
}

/// Does the same as [`insert`], with topics that the publisher names, as
/// [`Hub::publish_to`](tidings_hub::Hub::publish_to) does.
///
/// # Errors
/// The errors of [`insert`].
pub async fn insert_to<E: Event>(
    transaction: &Transaction<'_>,
    tenant: Option<&TenantId>,
    event: &E,
    topics: &[E::Topic],
    options: PublishOptions,
) -> Result<(), InsertError> {
    write(transaction, tenant, event, Some(topics), options).await
}

async fn write<E: Event>(
    transaction: &Transaction<'_>,
    tenant: Option<&TenantId>,
    event: &E,
    topics: Option<&[E::Topic]>,
    options: PublishOptions,
) -> Result<(), InsertError> {
    let event = RawEvent::from_event(event).and_then(|event| serde_json::to_string(&event));
    let event = event.map_err(InsertError::Payload)?;
    let topics = topics.map(|topics| topics.iter().map(|topic| topic.name().to_string()).collect::<Vec<_>>());
    let PublishOptions { key, origin, .. } = options;
    let tenant = tenant.map(TenantId::as_str);
    let values: [(&(dyn ToSql + Sync), Type); 5] = [
        (&event, Type::TEXT),
        (&tenant, Type::TEXT),
        (&key, Type::UUID),
        (&origin, Type::TEXT),
        (&topics, Type::TEXT_ARRAY),
    ];
    let published = transaction.query_typed("SELECT tidings.publish($1, $2, $3, $4, $5)", &values).await;
    published.map(drop).map_err(InsertError::Database)
}

impl std::fmt::Display for InsertError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Payload(error) => write!(f, "the event can't be written as JSON: {error}"),
            Self::Database(error) => match error.as_db_error() {
                Some(refusal) => write!(f, "the event is not in the outbox: {}", refusal.message()),
                None => write!(f, "the event is not in the outbox: {error}"),
            },
        }
    }
}

impl std::error::Error for InsertError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Payload(error) => Some(error),
            Self::Database(error) => Some(error),
        }
    }
}
