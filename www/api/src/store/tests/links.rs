//! Links are written by the API and by other programs, and the bridge alone tells of them.

use futures_util::StreamExt;
use rusqlite::Connection;
use serde_json::{Value, json};
use tidings_server::{Delivery, hub::Subscription};

use super::world::{World, hear, object};
use crate::{bridge, store::links};

/// The next event of the bridge.
async fn next(subscription: &mut Subscription) -> (String, Value) {
    loop {
        match subscription.next().await.unwrap() {
            Delivery::Event { publication, .. } => {
                let payload = serde_json::from_str(publication.event.payload.get()).unwrap();
                return (publication.event.event.clone(), payload);
            }
            // The first start tells to load.
            Delivery::Sync { .. } => {}
        }
    }
}

#[tokio::test]
async fn a_change_of_a_link_is_told_once_with_its_record_whoever_writes() {
    let world = World::new().await;
    let file = world.folder.0.join("demo.sqlite");
    bridge::start(world.hub(), &file).await.unwrap();
    let mut changes = hear(world.hub(), &["store:links".to_owned()]);
    let body = object(json!({ "title": "A", "url": "https://example.org", "tags": ["x"] }));
    let made = world.database.write(None, move |tx, events| links::create_link(tx, &body, events)).await;
    let id = i64::try_from(made.unwrap().id).unwrap();
    let mut record = json!({ "id": id, "title": "A", "url": "https://example.org", "note": "", "tags": ["x"], "votes": 0 });
    let mut upserted = json!({ "schema": "links", "key": id.to_string(), "record": record });
    assert_eq!(next(&mut changes).await, ("upserted".to_owned(), upserted.clone()));
    let stored = world.database.read(links::links).await.unwrap();
    assert_eq!(json!(stored[0]), record, "the API answers the same record");

    let other = Connection::open(&file).unwrap();
    other.busy_timeout(std::time::Duration::from_secs(15)).unwrap();
    other.execute("UPDATE links SET votes = 7 WHERE id = ?", [id]).unwrap();
    record["votes"] = 7.into();
    upserted["record"] = record;
    assert_eq!(next(&mut changes).await, ("upserted".to_owned(), upserted));

    world.database.write(None, move |tx, events| links::delete_link(tx, id, events)).await.unwrap();
    let deleted = json!({ "schema": "links", "key": id.to_string() });
    assert_eq!(next(&mut changes).await, ("deleted".to_owned(), deleted));
    // Whatever the outbox had for these writes would come before its marker.
    assert_eq!(world.heard(&mut changes).await, []);
}
