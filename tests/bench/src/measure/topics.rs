//! Many topics, each with few subscribers.

use std::time::Duration;

use anyhow::Result;

use super::{BUSY, Faults, load, rounds};
use crate::{
    feed::Feed,
    load::Outcome,
    options::Options,
    table::{print, spread},
};

const OF_EACH: usize = 5;

pub(crate) fn run(options: &Options, faults: &mut Faults) -> Result<()> {
    let connections = options.subscribers(2000);
    let topics = connections;
    let feed = Feed::of_each(OF_EACH, topics, connections, options.payload());
    let title = format!("topics: {connections} connections with {OF_EACH} of {topics} topics each");
    let peers = options.tidings();
    let time = Duration::from_secs(options.seconds);
    let outcomes = rounds(options.runs, &peers, |peer| load(peer, &feed, connections, BUSY, time))?;
    let rows = peers.iter().zip(&outcomes).map(|(peer, outcomes)| {
        outcomes.iter().for_each(|outcome| faults.check(&title, &peer.label, outcome));
        let publications = |outcome: &Outcome| outcome.published as f64 / outcome.seconds;
        vec![
            peer.label.clone(),
            spread(outcomes.iter().map(publications), 0),
            spread(outcomes.iter().map(Outcome::deliveries_per_second), 0),
            spread(outcomes.iter().map(Outcome::cpu_per_delivery), 2),
        ]
    });
    let rows: Vec<_> = rows.collect();
    print(
        &title,
        &["", "publications/s", "deliveries/s", "CPU µs per delivery, the publication's included"],
        &rows,
    );
    Ok(())
}
