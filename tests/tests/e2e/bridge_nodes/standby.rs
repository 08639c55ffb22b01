//! A standby of the database.

use serde_json::Value;
use tidings_server::{
    Hub, HubSettings, SystemHost,
    bridge::{Bridge, SourceError, postgres::PostgresSource},
};
use tidings_shared::domains::store;
use tidings_tests::{Postgres, postgres::connect};
use tokio::runtime::Runtime;

use super::{
    Node, ONCE, insert,
    page::{Page, load, read},
    with_links,
};

#[test]
fn a_standby_is_refused_and_one_that_takes_over_without_the_last_commits_has_the_bridge() {
    let mut first = Postgres::start();
    let url = with_links(&first, "--journal");
    let standby = first.replica();
    let database = url.rsplit('/').next().unwrap().to_owned();
    standby.catch_up(&first);

    let hub = Hub::new(HubSettings::new("acme".parse().unwrap()), SystemHost::start());
    let source = PostgresSource::new(&standby.url(&database)).unwrap();
    let (tenant, topic) = (hub.tenant(hub.home()), store::Topic::schema("links").unwrap());
    let start = Bridge::<Value>::start(&tenant, source, "links", &topic);
    let refused = Runtime::new().unwrap().block_on(start).unwrap_err();
    assert!(
        matches!(&refused, SourceError::NotSupported(why) if why.contains("name the primary server")),
        "{refused:?}"
    );

    let both = first.url_with(&standby, &database);
    let nodes = [(); 2].map(|()| Node::start(&both, &both));
    let pages = nodes.each_ref().map(|node| Page::open(&[node.address], load(&both)));
    insert(&both, ONCE);
    for page in &pages {
        page.until("it hears of the row", |known| known.rows.contains_key(&ONCE));
    }
    standby.catch_up(&first);
    standby.stop_following();
    insert(&both, ONCE + 1);
    for page in &pages {
        page.until("it hears of the row", |known| known.rows.contains_key(&(ONCE + 1)));
    }
    first.kill();
    standby.promote();
    insert(&both, ONCE + 2);
    let table = read(&mut connect(&both)).unwrap();
    assert_eq!(table.keys().copied().collect::<Vec<_>>(), [ONCE, ONCE + 2]);
    for page in &pages {
        page.until("it has the table", |known| known.rows == table);
    }
}
