//! The bridge: each committed change of the table `links` becomes an event. Any program may write.

use std::path::Path;

use tidings_server::{
    Hub,
    bridge::{Bridge, SourceError, SqliteSource},
};
use tidings_shared::domains::store;

use crate::records::Link;

/// Starts to publish the changes on the topic `store:links`. The hub holds the bridge, so it ends with the hub. It is not
/// stopped: the changes of other programs wait in the file for the next start.
///
/// # Errors
/// The file can't tell of its changes.
pub(crate) async fn start(hub: &Hub, file: &Path) -> Result<(), SourceError> {
    let topic = store::Topic::schema("links").map_err(|error| SourceError::Failed(error.to_string()))?;
    Bridge::<Link>::start(&hub.tenant(hub.home()), SqliteSource::new(file), "links", &topic).await?;
    Ok(())
}
