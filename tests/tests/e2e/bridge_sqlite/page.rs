//! What a page knows of a table: a load at its position, and each event after it.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use rusqlite::{Connection, types::ValueRef};
use serde_json::{Value, json};
use tidings_server::{Delivery, Hub, hub::Subscription};
use tidings_tests::{AppFile, DEADLINE};
use tokio::time::timeout;

use super::topic;

/// The rows of the table `t` by their keys, as records. Rows with a key that nobody can tell are beside them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Rows {
    pub(super) by_key: BTreeMap<String, Value>,
    other: Vec<String>,
}

/// A subscriber of the bridge's topic.
pub(super) struct Page {
    subscription: Subscription,
    database: Connection,
    pub(super) rows: Rows,
    pub(super) syncs: usize,
}

/// What the page has just got.
#[derive(Debug, PartialEq)]
pub(super) enum Got {
    Sync,
    /// An event of this key, with the record or without one.
    Event(String, Option<Value>),
}

impl Page {
    pub(super) async fn open(hub: &Hub, file: &AppFile) -> Self {
        let subscription = hub.subscribe(&topic()).await;
        let mut page = Self { subscription, database: file.open(), rows: Rows::default(), syncs: 0 };
        page.rows = read(&page.database);
        page
    }

    /// Takes the next event or sync.
    #[track_caller]
    pub(super) fn next(&mut self) -> impl Future<Output = Got> + use<'_> {
        let caller = std::panic::Location::caller();
        async move {
            let next = timeout(DEADLINE, self.try_next()).await;
            next.unwrap_or_else(|_| panic!("nothing comes for the page at {caller}"))
        }
    }

    /// Does the same, for as long as it takes.
    pub(super) async fn try_next(&mut self) -> Got {
        let publication = match self.subscription.next().await {
            Some(Delivery::Event { publication, .. }) => publication,
            Some(Delivery::Sync { .. }) => {
                self.syncs += 1;
                self.rows = read(&self.database);
                return Got::Sync;
            }
            None => panic!("the hub has ended"),
        };
        let payload: Value = serde_json::from_str(publication.event.payload.get()).unwrap();
        assert_eq!(payload["schema"], "t");
        let key = payload["key"].as_str().unwrap().to_owned();
        let record = match publication.event.event.as_str() {
            "upserted" => Some(payload["record"].clone()),
            "deleted" => None,
            other => panic!("{other}"),
        };
        match &record {
            Some(record) => self.rows.by_key.insert(key.clone(), record.clone()),
            None => self.rows.by_key.remove(&key),
        };
        Got::Event(key, record)
    }

    /// Takes events until one of this key comes.
    pub(super) async fn until(&mut self, key: &str) {
        while !matches!(self.next().await, Got::Event(got, _) if got == key) {}
    }

    /// Checks that the page has what is in the table.
    #[track_caller]
    pub(super) fn assert_current(&self, says: &str) {
        assert_eq!(self.rows, read(&self.database), "{says}");
    }
}

/// Reads the table as an application does that shows it: in its own words, not in those of the bridge.
fn read(database: &Connection) -> Rows {
    let mut rows = Rows::default();
    let mut info =
        database.prepare("SELECT name FROM pragma_table_info('t') WHERE pk > 0 ORDER BY pk").unwrap();
    let keys: Vec<String> = info.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut select = match database.prepare("SELECT * FROM t") {
        Ok(select) => select,
        // A writer has just dropped it. It makes it again.
        Err(_) => return rows,
    };
    let names: Vec<String> = select.column_names().map(str::to_owned).collect();
    let mut found = select.query([]).unwrap();
    while let Some(row) = found.next().unwrap() {
        let value = |name: &String| match row.get_ref(name.as_str()).unwrap() {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => json!(number),
            ValueRef::Real(number) => json!(number),
            ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
            ValueRef::Blob(bytes) => {
                json!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
            }
        };
        let record: Value = names.iter().map(|name| (name.clone(), value(name))).collect();
        let values: Vec<Value> = keys.iter().map(value).collect();
        match &values[..] {
            values if values.contains(&Value::Null) => rows.other.push(record.to_string()),
            [Value::String(text)] => drop(rows.by_key.insert(text.clone(), record)),
            [one] => drop(rows.by_key.insert(one.to_string(), record)),
            many => drop(rows.by_key.insert(json!(many).to_string(), record)),
        }
    }
    rows.other.sort();
    rows
}
