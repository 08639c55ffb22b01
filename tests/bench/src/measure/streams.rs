//! Event streams beside WebSockets: what a delivery costs, and the memory of a connection.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Faults, WARM_UP, rounds};
use crate::{
    feed::Feed,
    load::{Load, Outcome, Pace},
    options::Options,
    peer::Peer,
    table::{print, spread},
};

const PACE: Pace = Pace::PerSecond(100);

pub(crate) fn run(options: &Options, faults: &mut Faults) -> Result<()> {
    let subscribers = options.subscribers(1000);
    let peers = options.tidings().into_iter();
    let peers: Vec<Peer> = peers.flat_map(|peer| [peer.clone(), peer.with_event_streams()]).collect();
    let results = rounds(options.runs, &peers, |peer| measure(peer, options, subscribers))?;
    let mut rows = Vec::new();
    for (peer, results) in peers.iter().zip(&results) {
        results.iter().for_each(|(outcome, _)| faults.check("streams", &peer.label, outcome));
        let of = |value: &dyn Fn(&Outcome) -> f64, digits| {
            spread(results.iter().map(|(outcome, _)| value(outcome)), digits)
        };
        rows.push(vec![
            peer.label.clone(),
            spread(results.iter().map(|(_, bytes)| *bytes), 0),
            of(&Outcome::cpu_per_delivery, 2),
            of(&|outcome| outcome.latency(0.5), 2),
            of(&|outcome| outcome.latency(0.99), 2),
        ]);
    }
    print(
        &format!(
            "streams: 1 to {subscribers}, 100 events per second, {} bytes of payload",
            options.payload()
        ),
        &["", "bytes per connection", "CPU µs per delivery", "p50 ms", "p99 ms"],
        &rows,
    );
    Ok(())
}

/// Loads a server. Returns what came of it, and the bytes of a connection under that load.
fn measure(peer: &Peer, options: &Options, subscribers: usize) -> Result<(Outcome, f64)> {
    let loading = || format!("loading {}", peer.label);
    let feed = Feed::people(options.payload());
    let server = peer.start()?;
    // The first connections start what is there once only.
    Load::new(&server, peer.speech, &feed, 1)
        .and_then(|mut load| load.run(PACE, WARM_UP))
        .with_context(loading)?;
    let before = server.memory()?;
    let mut load = Load::new(&server, peer.speech, &feed, subscribers).with_context(loading)?;
    load.run(PACE, WARM_UP).with_context(loading)?;
    let outcome = load.run(PACE, Duration::from_secs(options.seconds)).with_context(loading)?;
    let bytes = server.memory()?.saturating_sub(before) as f64 / subscribers as f64;
    Ok((outcome, bytes))
}
