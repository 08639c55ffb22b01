//! Connecting and subscribing, and what connections cost that only listen.

use std::time::Instant;

use anyhow::Result;

use super::rounds;
use crate::{
    connections::subscribe,
    feed::Feed,
    options::Options,
    table::{print, spread},
};

#[derive(Debug)]
struct Cost {
    bytes: f64,
    per_second: f64,
    cpu: f64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let subscribers = options.subscribers(10_000);
    let feed = Feed::people(options.payload());
    let costs = rounds(options.runs, &options.peers, |peer| {
        let server = peer.start()?;
        let (memory, spent, start) = (server.memory()?, server.cpu()?, Instant::now());
        let opened = subscribe(&server, peer.speech, subscribers, |index| feed.ask(index))?;
        let seconds = start.elapsed().as_secs_f64();
        let count = subscribers as f64;
        let cost = Cost {
            bytes: server.memory()?.saturating_sub(memory) as f64 / count,
            per_second: count / seconds,
            cpu: (server.cpu()? - spent).as_secs_f64() * 1e6 / count,
        };
        // The server goes first, so that no address of a client stays taken.
        drop(server);
        drop(opened);
        Ok(cost)
    })?;
    let rows = options.peers.iter().zip(&costs).map(|(peer, costs)| {
        vec![
            peer.label.clone(),
            spread(costs.iter().map(|cost| cost.bytes), 0),
            spread(costs.iter().map(|cost| cost.per_second), 0),
            spread(costs.iter().map(|cost| cost.cpu), 0),
        ]
    });
    print(
        &format!("connect: {subscribers} connections that subscribe"),
        &["", "bytes per connection", "connections/s", "CPU µs per connection"],
        &rows.collect::<Vec<_>>(),
    );
    Ok(())
}
