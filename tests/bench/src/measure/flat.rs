//! What a delivery costs by the number of subscribers, and by the number of topics that are held.

use std::time::Duration;

use anyhow::Result;

use super::{
    BUSY, Faults, load,
    publish::{Rate, publish},
    rounds, times,
};
use crate::{
    feed::Feed,
    load::Outcome,
    options::Options,
    peer::{LIMIT, Peer},
    table::{print, spread},
};

const SUBSCRIBERS: [usize; 4] = [10, 100, 1000, 10_000];

const TOPICS: [usize; 4] = [1, 1000, 10_000, 100_000];

/// Those that hold the topics: a session may have 128.
const HOLDERS: usize = 1000;

pub(crate) fn run(options: &Options, faults: &mut Faults) -> Result<()> {
    by_subscribers(options, faults)?;
    by_topics(options, faults)
}

fn by_subscribers(options: &Options, faults: &mut Faults) -> Result<()> {
    let feed = Feed::people(options.payload());
    let all = SUBSCRIBERS.map(|usual| options.subscribers(usual));
    let is_compared = |peer: &&Peer| peer.label == LIMIT;
    let peers: Vec<&Peer> =
        options.tidings().into_iter().chain(options.peers.iter().filter(is_compared)).collect();
    let cases: Vec<_> = all.iter().flat_map(|&count| peers.iter().map(move |&peer| (count, peer))).collect();
    let time = Duration::from_secs(options.seconds);
    let to_nobody = rounds(options.runs, &options.tidings(), |peer| publish(peer, options))?;
    let all_outcomes = rounds(options.runs, &cases, |(count, peer)| load(peer, &feed, *count, BUSY, time))?;
    let mut rows = Vec::new();
    for ((count, peer), outcomes) in cases.iter().zip(&all_outcomes) {
        outcomes.iter().for_each(|outcome| faults.check("flat", &peer.label, outcome));
        let is_limit = |case: &(usize, &Peer)| case.0 == *count && case.1.label == LIMIT;
        let limit = cases.iter().zip(&all_outcomes).find(|(case, _)| is_limit(case));
        let limit = limit.map_or(&[][..], |(_, outcomes)| outcomes);
        let mut row = row(format!("{}, to {count}", peer.label), outcomes);
        row.push(times(outcomes, limit, Outcome::cpu_per_delivery));
        let known = options.tidings().iter().position(|own| own.label == peer.label);
        let own = known.map_or(&[][..], |index| &to_nobody[index]);
        let beyond = |(outcome, own): (&Outcome, &Rate)| {
            (per_publication(outcome) - own.cpu) * outcome.published as f64 / outcome.deliveries as f64
        };
        row.push(spread(outcomes.iter().zip(own).map(beyond), 3));
        rows.push(row);
    }
    let more = ["× bare loop", "CPU µs per delivery, beyond a publication to nobody"];
    let head: Vec<_> = HEAD.into_iter().chain(more).collect();
    print("flat: by subscribers, up to 32 events in flight", &head, &rows);
    Ok(())
}

fn by_topics(options: &Options, faults: &mut Faults) -> Result<()> {
    let connections = options.subscribers(HOLDERS);
    // A tenth of the connections can hold a tenth of the topics.
    let feeds = TOPICS.map(|topics| {
        let topics = (topics * connections / HOLDERS).max(1);
        (topics, Feed::quiet(topics - 1, connections, options.payload()))
    });
    let peers = options.tidings();
    let cases: Vec<_> =
        feeds.iter().flat_map(|(topics, feed)| peers.iter().map(move |&peer| (topics, feed, peer))).collect();
    let time = Duration::from_secs(options.seconds);
    let outcomes = rounds(options.runs, &cases, |(_, feed, peer)| load(peer, feed, connections, BUSY, time))?;
    let mut rows = Vec::new();
    for ((topics, _, peer), outcomes) in cases.iter().zip(&outcomes) {
        outcomes.iter().for_each(|outcome| faults.check("flat", &peer.label, outcome));
        rows.push(row(format!("{}, {topics} topics", peer.label), outcomes));
    }
    print(
        &format!("flat: by topics that {connections} connections hold, up to 32 events in flight"),
        &HEAD,
        &rows,
    );
    Ok(())
}

const HEAD: [&str; 4] = ["", "deliveries/s", "CPU µs per delivery", "CPU µs per publication"];

fn row(label: String, outcomes: &[Outcome]) -> Vec<String> {
    vec![
        label,
        spread(outcomes.iter().map(Outcome::deliveries_per_second), 0),
        spread(outcomes.iter().map(Outcome::cpu_per_delivery), 3),
        spread(outcomes.iter().map(per_publication), 1),
    ]
}

fn per_publication(outcome: &Outcome) -> f64 {
    outcome.cpu.as_secs_f64() * 1e6 / outcome.published as f64
}
