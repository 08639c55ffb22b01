//! What is measured, each with a table.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::{
    feed::Feed,
    load::{Load, Outcome, Pace},
    peer::Peer,
    table::spread,
};

pub(crate) mod connect;
pub(crate) mod fan_out;
pub(crate) mod flat;
pub(crate) mod publish;
pub(crate) mod resume;
pub(crate) mod rights;
pub(crate) mod slow;
pub(crate) mod streams;
pub(crate) mod topics;

/// Before what counts.
const WARM_UP: Duration = Duration::from_millis(300);

/// Events in flight of a server that is busy.
const BUSY: Pace = Pace::InFlight(32);

/// What must not be, in words; it makes the run fail once all is printed.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) said: Vec<String>,
}

impl Faults {
    /// Looks for events that were lost or came twice.
    fn check(&mut self, what: &str, label: &str, outcome: &Outcome) {
        let Outcome { lost, twice, .. } = outcome;
        if (*lost, *twice) != (0, 0) {
            self.said.push(format!("{what}, {label}: {lost} lost, {twice} twice"));
        }
    }
}

/// Starts a server, loads it, and warms it up before what counts.
fn load(peer: &Peer, feed: &Feed, subscribers: usize, pace: Pace, time: Duration) -> Result<Outcome> {
    let loading = || format!("loading {} with {subscribers} subscribers", peer.label);
    let server = peer.start()?;
    let mut load = Load::new(&server, peer.speech, feed, subscribers).with_context(loading)?;
    load.run(pace, WARM_UP).with_context(loading)?;
    load.run(pace, time).with_context(loading)
}

/// Runs something for each of several rows, round after round, so that what else the machine does hits all of them.
fn rounds<R, T>(runs: usize, rows: &[R], mut run: impl FnMut(&R) -> Result<T>) -> Result<Vec<Vec<T>>> {
    let mut results: Vec<Vec<T>> = rows.iter().map(|_| Vec::with_capacity(runs)).collect();
    for _ in 0..runs {
        for (row, results) in rows.iter().zip(&mut results) {
            results.push(run(row)?);
        }
    }
    Ok(results)
}

/// How many times a value is that of the practical limit's, each as measured in the same round.
fn times(outcomes: &[Outcome], limit: &[Outcome], value: impl Fn(&Outcome) -> f64) -> String {
    spread(outcomes.iter().zip(limit).map(|(own, limit)| value(own) / value(limit)), 2)
}
