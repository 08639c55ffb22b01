//! Connections that come back: to a server that was restarted and has lost its log, and to one that lost nothing.

use std::{
    io::Read,
    net::TcpStream,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{Faults, rounds};
use crate::{
    connections::{Ask, Subscriber, publisher, subscribe},
    feed::Feed,
    load::{Load, Pace},
    options::Options,
    peer::{Peer, Speech},
    process::Server,
    table::{print, spread},
    wire::{offset_of, take_frame},
};

/// Events that those missed who were cut off.
const MISSED: u64 = 100;

/// How they are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Restart,
    Connections,
}

#[derive(Debug)]
struct Return {
    /// Until all are subscribed again.
    seconds: f64,
    /// Until all have what they missed.
    caught_up: f64,
    cpu: f64,
    resumed: usize,
    synced: usize,
}

pub(crate) fn run(options: &Options, faults: &mut Faults) -> Result<()> {
    let subscribers = options.subscribers(5000);
    let cases: Vec<_> = options
        .tidings()
        .into_iter()
        .flat_map(|peer| [(peer, Cut::Restart), (peer, Cut::Connections)])
        .collect();
    let returns = rounds(options.runs, &cases, |(peer, cut)| come_back(peer, *cut, subscribers, options))?;
    let mut rows = Vec::new();
    for ((peer, cut), returns) in cases.iter().zip(&returns) {
        let says = match cut {
            Cut::Restart => "the server restarts without its log".to_owned(),
            Cut::Connections => format!("cut off, {MISSED} events missed"),
        };
        let expected = if *cut == Cut::Restart { (0, subscribers) } else { (subscribers, 0) };
        for Return { resumed, synced, .. } in returns {
            if (*resumed, *synced) != expected {
                faults
                    .said
                    .push(format!("resume, {}, {says}: {resumed} resumed, {synced} synced", peer.label));
            }
        }
        rows.push(vec![
            format!("{}: {says}", peer.label),
            spread(returns.iter().map(|one| one.seconds), 2),
            spread(returns.iter().map(|one| one.caught_up), 2),
            spread(returns.iter().map(|one| one.cpu), 0),
            expected.0.to_string(),
            expected.1.to_string(),
        ]);
    }
    print(
        &format!("resume: {subscribers} connections come back at once"),
        &[
            "",
            "s until all are subscribed",
            "s until all have caught up",
            "CPU µs per connection",
            "resumed",
            "synced",
        ],
        &rows,
    );
    Ok(())
}

fn come_back(peer: &Peer, cut: Cut, subscribers: usize, options: &Options) -> Result<Return> {
    let mut server = peer.start()?;
    let feed = Feed::people(options.payload());
    // Somebody who has had some events: positions are of a log that was used.
    let mut load = Load::new(&server, Speech::Tidings, &feed, 1)?;
    load.run(Pace::InFlight(1), Duration::from_millis(10))?;
    drop(load);
    let before = subscribe(&server, Speech::Tidings, subscribers, |index| feed.ask(index))?;
    let positions: Vec<String> = before.iter().map(|subscriber| subscriber.position.clone()).collect();
    let missed = match cut {
        Cut::Restart => {
            let address = server.address.to_string();
            // The server goes first: it is its end that clients learn of.
            drop(server);
            drop(before);
            server = peer.start_on(&address)?;
            0
        }
        Cut::Connections => {
            drop(before);
            publish_missed(&server, &feed)?;
            MISSED
        }
    };
    let (cpu, start) = (server.cpu()?, Instant::now());
    let ask = |index: usize| Ask { since: Some(positions[index].clone()), ..feed.ask(index) };
    let back = subscribe(&server, Speech::Tidings, subscribers, ask)?;
    let seconds = start.elapsed().as_secs_f64();
    let resumed = back.iter().filter(|subscriber| subscriber.outcome == "resumed").count();
    let synced = back.iter().filter(|subscriber| subscriber.outcome == "sync").count();
    for subscriber in back {
        catch_up(subscriber, missed)?;
    }
    let caught_up = start.elapsed().as_secs_f64();
    let cpu = (server.cpu()? - cpu).as_secs_f64() * 1e6 / subscribers as f64;
    Ok(Return { seconds, caught_up, cpu, resumed, synced })
}

fn publish_missed(server: &Server, feed: &Feed) -> Result<()> {
    let mut stream = publisher(server, Speech::Tidings)?;
    for offset in 1..=MISSED {
        std::io::Write::write_all(&mut stream, &feed.publication(Speech::Tidings, offset))?;
    }
    let mut received = Vec::new();
    read_frames(&mut stream, &mut received, MISSED, |payload| payload.starts_with(br#"{"op":"published""#))
}

/// Reads as many events as it missed, in order, each once.
fn catch_up(subscriber: Subscriber, missed: u64) -> Result<()> {
    let Subscriber { mut stream, mut rest, offset, .. } = subscriber;
    let mut next = offset;
    read_frames(&mut stream, &mut rest, missed, |payload| {
        next += 1;
        offset_of(payload) == Some(next)
    })
}

fn read_frames(
    stream: &mut TcpStream,
    received: &mut Vec<u8>,
    count: u64,
    mut is_expected: impl FnMut(&[u8]) -> bool,
) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut taken = 0;
    while taken < count {
        let mut start = 0;
        while let Some((payload, length)) = take_frame(&received[start..]) {
            ensure!(is_expected(payload), "out of turn: {}", String::from_utf8_lossy(payload));
            taken += 1;
            start += length;
        }
        received.drain(..start);
        if taken < count {
            let read = stream.read(&mut buffer).context("waiting for what was missed")?;
            ensure!(read > 0, "the server closed");
            received.extend_from_slice(&buffer[..read]);
        }
    }
    Ok(())
}
