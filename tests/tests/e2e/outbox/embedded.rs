//! An outbox in a program that embeds the hub.

use futures_util::{FutureExt, StreamExt};
use tidings_server::{
    Delivery, Hub, HubSettings, Outbox, PublishOptions, SystemHost, TenantId, outbox::sqlite,
};
use tidings_shared::domains::{crm, staff};
use tidings_tests::{AppFile, DEADLINE};
use tokio::{runtime::Runtime, time::timeout};
use uuid::Uuid;

use super::expect_empty;

fn person() -> staff::Event {
    staff::Event::PersonUpdated(staff::Person { uuid: Uuid::now_v7() })
}

#[test]
fn typed_events_of_a_transaction_are_published_until_the_outbox_is_stopped() {
    let file = AppFile::without_outbox("wal");
    let mut database = file.open();
    // An application may make the tables in its own migrations.
    database.execute_batch(sqlite::SCHEMA).unwrap();
    Runtime::new().unwrap().block_on(async {
        let hub = Hub::new(HubSettings::new("acme".parse().unwrap()), SystemHost::start());
        let other: TenantId = "other".parse().unwrap();
        let interaction = Uuid::now_v7();
        let contact = crm::Topic::Interactions(Uuid::now_v7());
        let mut people = hub.subscribe(&staff::Topic::People).await;
        let mut others = hub.tenant(&other).subscribe(&contact).await;
        let outbox = Outbox::start(&hub, &file.url().parse().unwrap()).await.unwrap();
        let options = PublishOptions::default().origin("tab-7".to_owned()).key(Uuid::from_u128(7));
        let (committed, rolled_back) = (person(), person());
        let transaction = database.transaction().unwrap();
        sqlite::insert(&transaction, None, &rolled_back, options.clone()).unwrap();
        drop(transaction);
        let transaction = database.transaction().unwrap();
        sqlite::insert(&transaction, None, &committed, options).unwrap();
        let deleted = crm::Event::InteractionDeleted(crm::Notice::to(interaction, []));
        sqlite::insert_to(&transaction, Some(&other), &deleted, &[contact], PublishOptions::default())
            .unwrap();
        transaction.commit().unwrap();
        outbox.wake();
        let next = timeout(DEADLINE, people.next()).await.unwrap();
        let Some(Delivery::Event { publication, .. }) = next else { panic!("{next:?}") };
        assert_eq!(publication.event.decode::<staff::Event>().unwrap(), committed);
        assert_eq!((publication.origin.as_deref(), publication.key), (Some("tab-7"), Uuid::from_u128(7)));
        let next = timeout(DEADLINE, others.next()).await.unwrap();
        let Some(Delivery::Event { publication, .. }) = next else { panic!("{next:?}") };
        assert_eq!(publication.event.decode::<crm::Event>().unwrap(), deleted);
        outbox.stop().await;
        expect_empty(&file);

        let late = person();
        let transaction = database.transaction().unwrap();
        sqlite::insert(&transaction, None, &late, PublishOptions::default()).unwrap();
        transaction.commit().unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert!(people.next().now_or_never().is_none(), "nobody reads the outbox");
        let outbox = Outbox::start(&hub, &file.url().parse().unwrap()).await.unwrap();
        let next = timeout(DEADLINE, people.next()).await.unwrap();
        let Some(Delivery::Event { publication, .. }) = next else { panic!("{next:?}") };
        assert_eq!(publication.event.decode::<staff::Event>().unwrap(), late);
        // A drop ends it, too.
        drop(outbox);
        expect_empty(&file);
    });
}
