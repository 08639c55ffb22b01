//! One publisher to many subscribers of a topic, side by side.

use std::time::Duration;

use anyhow::Result;

use super::{BUSY, Faults, load, rounds, times};
use crate::{
    feed::Feed,
    load::{Outcome, Pace},
    options::Options,
    peer::LIMIT,
    table::{print, spread},
};

pub(crate) fn run(options: &Options, name: &str, faults: &mut Faults) -> Result<()> {
    let pace = match name {
        "busy" => BUSY,
        "single" => Pace::InFlight(1),
        _ => Pace::PerSecond(100),
    };
    for (subscribers, payload) in options.fan_outs() {
        let feed = Feed::people(payload);
        let time = Duration::from_secs(options.seconds);
        let outcomes =
            rounds(options.runs, &options.peers, |peer| load(peer, &feed, subscribers, pace, time))?;
        let limit = options.peers.iter().position(|peer| peer.label == LIMIT).map(|index| &outcomes[index]);
        let title = format!("{name}: 1 to {subscribers}, {payload} bytes of payload");
        let of = |outcomes: &[Outcome], value: &dyn Fn(&Outcome) -> f64, digits| {
            spread(outcomes.iter().map(value), digits)
        };
        let times = |outcomes: &[Outcome], value: &dyn Fn(&Outcome) -> f64| {
            times(outcomes, limit.map_or(&[], Vec::as_slice), value)
        };
        let mut rows = Vec::new();
        for (peer, outcomes) in options.peers.iter().zip(&outcomes) {
            outcomes.iter().for_each(|outcome| faults.check(&title, &peer.label, outcome));
            let mut row = vec![
                peer.label.clone(),
                of(outcomes, &Outcome::deliveries_per_second, 0),
                of(outcomes, &Outcome::cpu_per_delivery, 3),
                times(outcomes, &Outcome::cpu_per_delivery),
            ];
            if name == "rate" {
                for part in [0.5, 0.99, 0.999] {
                    row.push(of(outcomes, &|outcome| outcome.latency(part), 2));
                    row.push(times(outcomes, &|outcome| outcome.latency(part)));
                }
            }
            row.push(outcomes.iter().map(|outcome| outcome.lost).sum::<u64>().to_string());
            row.push(outcomes.iter().map(|outcome| outcome.twice).sum::<u64>().to_string());
            rows.push(row);
        }
        let mut head = vec!["", "deliveries/s", "CPU µs per delivery", "× bare loop"];
        if name == "rate" {
            head.extend(["p50 ms", "×", "p99 ms", "×", "p99.9 ms", "×"]);
        }
        head.extend(["lost", "twice"]);
        print(&title, &head, &rows);
    }
    Ok(())
}
