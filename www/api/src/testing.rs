//! For tests: databases in folders of their own, and hubs that get their events.

use std::{fs, path::PathBuf, sync::Arc};

use tidings_server::{Hub, HubSettings, Outbox, SystemHost, coverage::Coverage};
use uuid::Uuid;

use crate::{
    coverage::{Covered, tables},
    database::Database,
    schema,
};

/// A folder that is removed at the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("tidings-demo-{}", Uuid::now_v7()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn new_hub() -> Hub {
    Hub::new(HubSettings::new("dev".parse().unwrap()), SystemHost::start())
}

/// Opens the database of a folder, and publishes its outbox on the hub. When the last value is dropped, each write of the test
/// must have had its event.
pub(crate) async fn open(folder: &Folder, hub: &Hub) -> (Database, Arc<Outbox>, Covered) {
    let path = folder.0.join("demo.sqlite");
    let mut connection = schema::open(&path).unwrap();
    let coverage = Coverage::sqlite(tables()).unwrap();
    coverage.connect(&mut connection).unwrap();
    let address = format!("sqlite:{}", path.display()).parse().unwrap();
    let outbox = Arc::new(Outbox::start(hub, &address).await.unwrap());
    (Database::start(connection, Arc::clone(&outbox)).unwrap(), outbox, Covered(coverage))
}
