//! What readers that are too slow cost the others: the same server without them and with them.

use std::{
    io::{ErrorKind, Read},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Result, anyhow};

use super::{BUSY, Faults, rounds};
use crate::{
    connections::{Ask, Subscriber, subscribe},
    feed::Feed,
    load::{Load, Outcome, Pace},
    options::Options,
    peer::{Peer, Speech},
    process::Server,
    table::{print, spread},
    wire::{offset_of, synced_offset_of, take_frame},
};

const SUBSCRIBERS: usize = 1000;
const SLOW: usize = 200;

/// Bytes of the receive buffers of the slow ones, and what each reads in a turn: 20 KiB in a second.
const SLOW_BYTES: usize = 4096;
const SLOW_TURN: Duration = Duration::from_millis(200);

/// Until the server has let go of those that left, and its allocator of their memory, which takes 10 s.
const LEAVE: Duration = Duration::from_secs(15);

/// The log is full by then, of frames that were delivered, and takes no more memory.
const FILL: Duration = Duration::from_secs(1);

/// The system's buffers for the slow ones are full by then.
const SETTLE: Duration = Duration::from_secs(1);

const RATE: Pace = Pace::PerSecond(100);

#[derive(Debug)]
struct Comparison {
    /// Busy, and at a fixed rate.
    without: [Outcome; 2],
    with: [Outcome; 2],
    /// Bytes before the slow ones came, while they were there, and when they had gone.
    memory: [usize; 3],
    slow: Slow,
}

/// What the slow ones got.
#[derive(Debug, Default)]
struct Slow {
    events: u64,
    syncs: u64,
    /// Events that they did not get and that no sync spoke of.
    lost: u64,
}

pub(crate) fn run(options: &Options, faults: &mut Faults) -> Result<()> {
    let subscribers = options.subscribers(SUBSCRIBERS);
    let slow = (SLOW * subscribers / SUBSCRIBERS).max(1);
    let others = subscribers.saturating_sub(slow + 1).max(1);
    let peers = options.tidings();
    let comparisons = rounds(options.runs, &peers, |peer| compare(peer, others, slow, options))?;
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for (peer, all) in peers.iter().zip(&comparisons) {
        let label = &peer.label;
        for one in all {
            for outcome in one.without.iter().chain(&one.with) {
                faults.check("slow", label, outcome);
            }
            if one.slow.lost > 0 {
                faults.said.push(format!("slow, {label}: the slow ones lost {}", one.slow.lost));
            }
        }
        rows.push(row(format!("{label}, without them"), all.iter().map(|one| &one.without)));
        rows.push(row(format!("{label}, with them"), all.iter().map(|one| &one.with)));
        let times = |of: &dyn Fn(&[Outcome; 2]) -> f64| {
            spread(all.iter().map(|one| of(&one.with) / of(&one.without)), 2)
        };
        rows.push(vec![
            format!("{label}, ×"),
            times(&|pair| pair[0].deliveries_per_second()),
            times(&|pair| pair[0].cpu_per_delivery()),
            times(&|pair| pair[1].latency(0.5)),
            times(&|pair| pair[1].latency(0.99)),
        ]);
        let megabytes = |index: usize| spread(all.iter().map(|one| one.memory[index] as f64 / 1e6), 1);
        notes.push(vec![
            label.clone(),
            megabytes(0),
            megabytes(1),
            megabytes(2),
            spread(all.iter().map(|one| one.slow.events as f64), 0),
            spread(all.iter().map(|one| one.slow.syncs as f64), 0),
            all.iter().map(|one| one.slow.lost).sum::<u64>().to_string(),
        ]);
    }
    let title =
        format!("slow: {others} subscribers, and beside them {slow} slow ones and one that reads nothing");
    let head = ["", "deliveries/s, busy", "CPU µs per delivery, busy", "p50 ms at 100/s", "p99 ms at 100/s"];
    print(&title, &head, &rows);
    let head = [
        "",
        "memory before, MB",
        "with them",
        "when they have gone",
        "events to the slow ones",
        "syncs to them",
        "lost",
    ];
    print("slow: memory, and what the slow ones got", &head, &notes);
    Ok(())
}

fn row<'a>(label: String, pairs: impl Iterator<Item = &'a [Outcome; 2]> + Clone) -> Vec<String> {
    vec![
        label,
        spread(pairs.clone().map(|pair| pair[0].deliveries_per_second()), 0),
        spread(pairs.clone().map(|pair| pair[0].cpu_per_delivery()), 3),
        spread(pairs.clone().map(|pair| pair[1].latency(0.5)), 2),
        spread(pairs.map(|pair| pair[1].latency(0.99)), 2),
    ]
}

fn compare(peer: &Peer, others: usize, slow: usize, options: &Options) -> Result<Comparison> {
    let server = peer.start()?;
    let feed = Feed::people(options.payload());
    let time = Duration::from_secs(options.seconds);
    // To one subscriber, because that is quick.
    Load::new(&server, Speech::Tidings, &feed, 1)?.run(BUSY, FILL)?;
    let mut load = Load::new(&server, Speech::Tidings, &feed, others)?;
    load.run(BUSY, SETTLE)?;
    let without = [load.run(BUSY, time)?, load.run(RATE, time)?];
    let before = server.memory()?;
    let is_over = AtomicBool::new(false);
    let (with, during, slow) = std::thread::scope(|scope| -> Result<_> {
        let (stalled, readers) = slow_ones(&server, &feed, slow)?;
        let reading = scope.spawn(|| read_slowly(readers, &is_over));
        let with = load.run(BUSY, SETTLE).and_then(|_| Ok([load.run(BUSY, time)?, load.run(RATE, time)?]));
        let during = server.memory();
        is_over.store(true, Ordering::Relaxed);
        let slow = reading.join().map_err(|_| anyhow!("the slow readers' thread panicked"))??;
        drop(stalled);
        Ok((with?, during?, slow))
    })?;
    std::thread::sleep(LEAVE);
    Ok(Comparison { without, with, memory: [before, during, server.memory()?], slow })
}

/// The one that reads nothing, and those that read slowly.
fn slow_ones(server: &Server, feed: &Feed, slow: usize) -> Result<(Subscriber, Vec<SlowReader>)> {
    let ask = |index| Ask { buffer: Some(SLOW_BYTES), ..feed.ask(index) };
    let mut opened = subscribe(server, Speech::Tidings, slow + 1, ask)?;
    let stalled = opened.swap_remove(0);
    let reader = |Subscriber { stream, rest, offset, .. }| {
        stream.set_nonblocking(true)?;
        Ok(SlowReader { stream, rest, offset })
    };
    Ok((stalled, opened.into_iter().map(reader).collect::<Result<_>>()?))
}

#[derive(Debug)]
struct SlowReader {
    stream: TcpStream,
    /// The begin of a frame.
    rest: Vec<u8>,
    /// The offset up to which it has everything, or a sync.
    offset: u64,
}

fn read_slowly(mut readers: Vec<SlowReader>, is_over: &AtomicBool) -> Result<Slow> {
    let mut slow = Slow::default();
    let mut buffer = [0; SLOW_BYTES];
    while !is_over.load(Ordering::Relaxed) {
        std::thread::sleep(SLOW_TURN);
        for reader in &mut readers {
            match reader.stream.read(&mut buffer) {
                Ok(0) => anyhow::bail!("the server closed a slow reader"),
                Ok(read) => reader.take(&buffer[..read], &mut slow),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(slow)
}

impl SlowReader {
    fn take(&mut self, bytes: &[u8], slow: &mut Slow) {
        self.rest.extend_from_slice(bytes);
        let mut start = 0;
        while let Some((payload, length)) = take_frame(&self.rest[start..]) {
            start += length;
            if let Some(offset) = offset_of(payload) {
                slow.events += 1;
                // One that comes again is as wrong as one that does not come.
                slow.lost += offset.abs_diff(self.offset + 1);
                self.offset = offset;
            } else if let Some(offset) = synced_offset_of(payload) {
                slow.syncs += 1;
                self.offset = offset;
            }
        }
        self.rest.drain(..start);
    }
}
