//! The reader with a fake database. In some tests, the hub loses its journal for a while.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::Waker,
};

use futures_util::{FutureExt, StreamExt};
use tidings_hub::{Delivery, Driver, Host, HubSettings, Moment};
use tidings_shared::{TopicName, limits::PUBLISH_TIMEOUT};
use tokio::time::sleep;
use uuid::Uuid;

use super::*;
use crate::{
    journal::{SqliteJournal, Synchronous},
    outbox::{
        row::Field,
        store::{Last, Look, Waiting},
    },
};

/// A table in memory.
#[derive(Debug, Clone, Default)]
struct Table(Arc<Mutex<Rows>>);

#[derive(Debug, Default)]
struct Rows {
    rows: Vec<OutboxRow>,
    dead: Vec<i64>,
    /// The answers to the looks for the turn. The first look gets the last of them. When all are used, the reader has the turn.
    looks: Vec<Look>,
}

impl Table {
    fn with(rows: impl IntoIterator<Item = OutboxRow>) -> Self {
        Self(Arc::new(Mutex::new(Rows { rows: rows.into_iter().collect(), ..Rows::default() })))
    }

    fn ids(&self) -> Vec<i64> {
        self.0.lock().unwrap().rows.iter().map(|row| row.id.id).collect()
    }
}

impl Store for Table {
    async fn turn(&mut self) -> Result<Look, StoreError> {
        Ok(self.0.lock().unwrap().looks.pop().unwrap_or(Look::Own))
    }

    async fn read(&mut self, unsettled: &[RowId]) -> Result<Vec<OutboxRow>, StoreError> {
        let rows = &self.0.lock().unwrap().rows;
        Ok(rows.iter().filter(|row| !unsettled.contains(&row.id)).cloned().collect())
    }

    async fn settle(&mut self, published: &[RowId], dead: &[Dead]) -> Result<(), StoreError> {
        let mut table = self.0.lock().unwrap();
        table.dead.extend(dead.iter().map(|dead| dead.id.id));
        table.rows.retain(|row| !published.contains(&row.id) && dead.iter().all(|dead| dead.id != row.id));
        Ok(())
    }

    async fn changed(&mut self) {
        sleep(Duration::from_millis(5)).await;
    }

    async fn reopen(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn waiting(&mut self, _: Option<i64>) -> Result<Waiting, StoreError> {
        Ok(Waiting::default())
    }
}

/// A host with a clock in milliseconds. A test moves it on, and so does each look by one `step`.
#[derive(Debug, Clone, Default)]
struct TestHost {
    ms: Arc<AtomicU64>,
    step: u64,
}

impl Host for TestHost {
    fn now(&self) -> Moment {
        let ms = self.ms.fetch_add(self.step, Relaxed);
        Moment { since_start: Duration::from_millis(ms), unix_ms: 1_800_000_000_000 + ms }
    }

    fn new_key(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn new_epoch(&self) -> u64 {
        7
    }
}

fn row(id: i64, event: &str) -> OutboxRow {
    OutboxRow {
        id: RowId { id, nonce: vec![9; 16] },
        tenant: Field::Null,
        event: Field::Text(event.to_owned()),
        key: Field::Null,
        origin: Field::Null,
        topics: Field::Text(r#"["clock"]"#.to_owned()),
        age: Duration::ZERO,
        is_gap: false,
    }
}

/// Does the turns of a journal that answers.
fn turn(driver: &mut Driver, journal: &mut SqliteJournal) {
    while driver.turn(journal, Waker::noop()) == tidings_hub::Turn::Busy {}
}

fn tick(id: i64) -> OutboxRow {
    row(id, &format!(r#"{{"domain":"clock","event":"tick{id}","payload":{{}}}}"#))
}

/// Runs a reader of these rows. The journal is away while `away` runs, and nothing may leave the table. Then the journal comes
/// back. Returns what a subscriber got, the names of events and `sync`, and the dead letters.
fn away_and_back(
    rows: &[OutboxRow],
    host: &TestHost,
    away: impl AsyncFnOnce(&Hub),
) -> (Vec<String>, Vec<i64>) {
    let folder = std::env::temp_dir().join(format!("tidings-reader-{}", Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let mut journal =
        SqliteJournal::open(&folder.join("journal"), Synchronous::default(), Duration::ZERO).unwrap();
    let table = Table::with(rows.iter().cloned());
    let home: TenantId = "acme".parse().unwrap();
    let (hub, mut driver) = Hub::with_journal(HubSettings::new(home.clone()), host.clone());
    driver.open(&mut journal).unwrap();
    let control = Arc::new(Control::new());
    let reader = Reader::new(table.clone(), &hub, Some(home), "fake".to_owned(), Arc::clone(&control));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let deliveries = runtime.block_on(async {
        let test = async {
            let topics: [TopicName; 1] = ["clock".parse().unwrap()];
            let subscribing = hub.subscribe_raw(&topics);
            turn(&mut driver, &mut journal);
            let mut subscription = subscribing.await;
            // Nobody does the driver's turns.
            away(&hub).await;
            assert_eq!(table.ids().len(), rows.len());
            while !table.ids().is_empty() {
                turn(&mut driver, &mut journal);
                sleep(Duration::from_millis(5)).await;
            }
            control.stop.send_replace(Some(Instant::now() + Duration::from_secs(5)));
            let mut deliveries = Vec::new();
            while let Some(Some(delivery)) = subscription.next().now_or_never() {
                deliveries.push(match delivery {
                    Delivery::Event { publication, .. } => publication.event.event.clone(),
                    Delivery::Sync { .. } => "sync".to_owned(),
                });
            }
            deliveries
        };
        let (deliveries, ()) = tokio::join!(test, reader.run());
        deliveries
    });
    std::fs::remove_dir_all(folder).unwrap();
    let dead = table.0.lock().unwrap().dead.clone();
    (deliveries, dead)
}

/// Does the same. The journal is away for longer than the reader keeps answered rows in the table: the hub gives up everything
/// that waits, again and again.
fn long_away_and_back(rows: &[OutboxRow]) -> (Vec<String>, Vec<i64>) {
    let host = TestHost::default();
    away_and_back(rows, &host, async |hub| {
        for _ in 0..10 {
            sleep(Duration::from_millis(80)).await;
            host.ms.fetch_add(11_000, Relaxed);
            hub.handle_timeout(hub.now());
        }
    })
}

#[test]
fn while_the_journal_is_away_nothing_leaves_the_outbox_and_then_all_comes_in_order() {
    let (deliveries, dead) = long_away_and_back(&[tick(1), row(2, "no event"), tick(3), tick(4)]);
    let (syncs, events): (Vec<_>, Vec<_>) = deliveries.into_iter().partition(|what| what == "sync");
    assert_eq!(events, ["tick1", "tick3", "tick4"]);
    assert!(!syncs.is_empty());
    assert_eq!(dead, [2]);
}

#[test]
fn a_dead_letter_leaves_the_outbox_when_its_gap_is_in_the_journal() {
    let (deliveries, dead) = long_away_and_back(&[row(1, "no event")]);
    assert!(!deliveries.is_empty() && deliveries.iter().all(|what| what == "sync"), "{deliveries:?}");
    assert_eq!(dead, [1]);
}

#[test]
fn the_journal_comes_back_when_the_first_row_has_waited_for_too_long_and_the_order_stays() {
    // Each row is handed over a second after the one before it, if the reader hands over one by one.
    let host = TestHost { step: 1_000, ..TestHost::default() };
    let (deliveries, _) = away_and_back(&[tick(1), tick(2), tick(3), tick(4)], &host, async |hub| {
        let first = hub.now().since_start + Duration::from_secs(1);
        let at = |since_start| Moment { since_start, unix_ms: 0 };
        while hub.holdings(at(first)).journal_waiting < 4 {
            sleep(Duration::from_millis(5)).await;
        }
        hub.handle_timeout(at(first + PUBLISH_TIMEOUT));
    });
    assert_eq!(deliveries, ["tick1", "tick2", "tick3", "tick4"]);
}

/// Returns a row that is older than the events of the log.
fn old(row: OutboxRow) -> OutboxRow {
    OutboxRow { age: Duration::from_secs(601), ..row }
}

#[test]
fn old_rows_are_one_gap_of_their_tenant_and_no_dead_letters() {
    let of_other = OutboxRow { tenant: Field::Text("other".to_owned()), ..old(tick(4)) };
    let rows = [old(tick(1)), tick(2), old(row(3, "no event")), of_other, tick(5)];
    let (mut deliveries, dead) = away_and_back(&rows, &TestHost::default(), async |_| {});
    deliveries.sort();
    assert_eq!((deliveries, dead), (["sync", "tick2", "tick5"].map(str::to_owned).to_vec(), vec![]));
}

#[test]
fn an_old_row_leaves_the_outbox_when_its_gap_is_in_the_journal() {
    let (deliveries, dead) = long_away_and_back(&[old(tick(1)), old(tick(2))]);
    assert!(!deliveries.is_empty() && deliveries.iter().all(|what| what == "sync"), "{deliveries:?}");
    assert_eq!(dead, [0_i64; 0]);
}

fn change(id: i64, record: &str) -> OutboxRow {
    let payload = format!(r#"{{"schema":"links","key":"{id}","record":{record}}}"#);
    let event = format!(r#"{{"domain":"store","event":"upserted","payload":{payload}}}"#);
    OutboxRow { topics: Field::Text(r#"["store:links"]"#.to_owned()), ..row(id, &event) }
}

#[test]
fn what_is_lost_of_the_changes_of_a_table_is_a_gap_of_its_topic_alone() {
    let gap = OutboxRow { event: Field::Null, topics: Field::Null, is_gap: true, ..row(4, "") };
    let no_event = OutboxRow { topics: Field::Null, ..row(6, "no event") };
    let table =
        Table::with([change(1, "1"), change(2, "-2"), old(change(3, "3")), gap, change(5, "5"), no_event]);
    let hub = Hub::new(HubSettings::new("acme".parse().unwrap()), TestHost::default());
    let (topic, control): (TopicName, _) = ("store:links".parse().unwrap(), Arc::new(Control::new()));
    let check = CheckRecord::new(|event| match event.payload.get().contains("-2") {
        true => Err("the record is negative".to_owned()),
        false => Ok(()),
    });
    let home = Some(hub.home().clone());
    let reader = Reader::new(table.clone(), &hub, home, "fake".to_owned(), Arc::clone(&control));
    let reader = reader.of_changes(topic.clone(), check);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let names = |subscription: &mut tidings_hub::Subscription| {
        let mut names = Vec::new();
        while let Some(Some(delivery)) = subscription.next().now_or_never() {
            names.push(match delivery {
                Delivery::Event { publication, .. } => publication.event.payload.get().to_owned(),
                Delivery::Sync { .. } => "sync".to_owned(),
            });
        }
        names
    };
    runtime.block_on(async {
        let mut links = hub.subscribe_raw(&[topic]).await;
        let mut others = hub.subscribe_raw(&["store:pages".parse().unwrap()]).await;
        let test = async {
            while !table.ids().is_empty() {
                sleep(Duration::from_millis(5)).await;
            }
            control.stop.send_replace(Some(Instant::now() + Duration::from_secs(5)));
        };
        tokio::join!(test, reader.run());
        let links = names(&mut links);
        let (syncs, events): (Vec<_>, Vec<_>) = links.iter().partition(|what| *what == "sync");
        assert!(
            events.len() == 2 && events[0].contains(r#""record":1"#) && events[1].contains(r#""record":5"#)
        );
        // The dead letters have one each, and the rows that are too old or stand for a loss share one.
        assert_eq!(syncs.len(), 3, "{links:?}");
        assert_eq!(names(&mut others), [""; 0]);
    });
    assert_eq!(table.0.lock().unwrap().dead, [2, 6]);
}

#[test]
fn the_end_of_the_hub_ends_the_reader() {
    let hub = Hub::new(HubSettings::new("acme".parse().unwrap()), TestHost::default());
    let control = Arc::new(Control::new());
    let reader = Reader::new(Table::default(), &hub, None, "fake".to_owned(), control);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let end = async {
            sleep(Duration::from_millis(20)).await;
            drop(hub);
        };
        tokio::join!(end, reader.run());
    });
}

/// Runs a reader of one row, with these looks. Returns what a subscriber got.
fn deliveries_after(looks: impl IntoIterator<Item = Look>) -> Vec<String> {
    let table = Table::with([tick(1)]);
    table.0.lock().unwrap().looks = looks.into_iter().collect();
    table.0.lock().unwrap().looks.reverse();
    let home: TenantId = "acme".parse().unwrap();
    let hub = Hub::new(HubSettings::new(home.clone()), TestHost::default());
    let control = Arc::new(Control::new());
    let reader = Reader::new(table.clone(), &hub, Some(home), "fake".to_owned(), Arc::clone(&control));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let test = async {
            let mut subscription = hub.subscribe_raw(&["clock".parse::<TopicName>().unwrap()]).await;
            while !table.ids().is_empty() {
                sleep(Duration::from_millis(5)).await;
            }
            control.stop.send_replace(Some(Instant::now() + Duration::from_secs(5)));
            let mut deliveries = Vec::new();
            while let Some(Some(delivery)) = subscription.next().now_or_never() {
                deliveries.push(match delivery {
                    Delivery::Event { publication, .. } => publication.event.event.clone(),
                    Delivery::Sync { .. } => "sync".to_owned(),
                });
            }
            deliveries
        };
        tokio::join!(test, reader.run()).0
    })
}

#[test]
fn a_server_that_has_waited_for_an_outbox_takes_over_with_one_sync() {
    let [begins, others] = [Look::Begins(Last::default()), Look::Others(Last::default())];
    assert_eq!(deliveries_after([others.clone(), others, begins.clone()]), ["sync", "tick1"]);
    assert_eq!(deliveries_after([begins]), ["tick1"], "nobody has read before");
}
