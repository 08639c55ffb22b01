//! What an application that takes its time to check rights costs the neighbours on the same shard. The server is an
//! application of this project's tests: it looks up the rights to `slow:1` for 2 s, and never answers about `never:1`.

use std::{
    io::Write,
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Result, anyhow};

use super::{Faults, WARM_UP, rounds};
use crate::{
    connections::publisher,
    feed::Feed,
    load::{Load, Outcome, Pace},
    options::Options,
    peer::{Peer, Speech},
    process::Server,
    table::{print, spread},
    wire::{masked_text, next_text},
};

/// The neighbours.
const SUBSCRIBERS: usize = 100;

/// Sessions that wait for their rights. It is below the bound of open questions.
const WAITING: usize = 200;

const RATE: Pace = Pace::PerSecond(100);

/// The topics that the waiting sessions ask for, one after the other.
const TOPICS: [&str; 2] = ["slow:1", "never:1"];

/// Without waiting sessions, and with those of each topic.
type Comparison = [(Outcome, f64); 1 + TOPICS.len()];

pub(crate) fn run(options: &Options, faults: &mut Faults) -> Result<()> {
    let subscribers = options.subscribers(SUBSCRIBERS);
    let peers = Peer::applications()?;
    let comparisons = rounds(options.runs, &peers, |peer| compare(peer, subscribers, options))?;
    let mut rows = Vec::new();
    for (peer, all) in peers.iter().zip(&comparisons) {
        for (index, beside) in
            ["alone", "200 look-ups of 2 s", "200 look-ups without an answer"].iter().enumerate()
        {
            for comparison in all {
                faults.check("rights", &peer.label, &comparison[index].0);
            }
            let of = |value: &dyn Fn(&(Outcome, f64)) -> f64, digits| {
                spread(all.iter().map(|comparison| value(&comparison[index])), digits)
            };
            rows.push(vec![
                format!("{}, {beside}", peer.label),
                of(&|(outcome, _)| outcome.latency(0.5), 2),
                of(&|(outcome, _)| outcome.latency(0.99), 2),
                of(&|(outcome, _)| outcome.cpu_per_delivery(), 2),
                of(&|(_, answers)| *answers, 0),
            ]);
        }
    }
    let title = format!("rights: {subscribers} neighbours on one shard, 100 events per second");
    let head =
        ["", "p50 ms", "p99 ms", "CPU µs per delivery, look-ups included", "answers to those that wait"];
    print(&title, &head, &rows);
    Ok(())
}

fn compare(peer: &Peer, subscribers: usize, options: &Options) -> Result<Comparison> {
    let server = peer.start()?;
    let feed = Feed::people(options.payload());
    // Longer than the longest wait.
    let time = Duration::from_secs(options.seconds.max(6));
    let mut load = Load::new(&server, Speech::Tidings, &feed, subscribers)?;
    load.run(RATE, WARM_UP)?;
    let alone = (load.run(RATE, time)?, 0.0);
    let mut beside = |topic| beside_waiting(&server, &mut load, topic, time);
    Ok([alone, beside(TOPICS[0])?, beside(TOPICS[1])?])
}

/// Runs the load while sessions wait for the rights to a topic. Returns the number of their answers, too.
fn beside_waiting(server: &Server, load: &mut Load, topic: &str, time: Duration) -> Result<(Outcome, f64)> {
    let open = |_| Ok((publisher(server, Speech::Tidings)?, Vec::new()));
    let mut waiting: Vec<Waiting> = (0..WAITING).map(open).collect::<Result<_>>()?;
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&mut waiting, topic, &is_over));
        let outcome = load.run(RATE, time);
        is_over.store(true, Ordering::Relaxed);
        let answers = asking.join().map_err(|_| anyhow!("the thread of those that wait panicked"))??;
        Ok((outcome?, answers as f64))
    })
}

/// A session, and the bytes that came behind its last frame.
type Waiting = (TcpStream, Vec<u8>);

/// Lets every session ask for a topic, and wait, again and again.
fn ask(waiting: &mut [Waiting], topic: &str, is_over: &AtomicBool) -> Result<usize> {
    let subscribe = masked_text(&format!(r#"{{"op":"subscribe","ref":1,"topics":["{topic}"]}}"#));
    let mut answers = 0;
    while !is_over.load(Ordering::Relaxed) {
        for (stream, _) in waiting.iter_mut() {
            stream.write_all(&subscribe)?;
        }
        for (stream, rest) in waiting.iter_mut() {
            while !next_text(stream, rest)?.contains(r#""op":"subscribed""#) {}
            answers += 1;
        }
    }
    Ok(answers)
}
