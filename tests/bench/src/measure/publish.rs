//! Publications that nobody subscribes to, over one WebSocket, each answered.

use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use super::{WARM_UP, rounds};
use crate::{
    connections::publisher,
    feed::Feed,
    options::Options,
    peer::{Peer, Speech},
    process::Server,
    table::{print, spread},
    wire::take_frame,
};

/// Publications that wait for their answer.
const UNANSWERED: u64 = 256;

#[derive(Debug)]
pub(super) struct Rate {
    per_second: f64,
    /// Microseconds of the server's core for each.
    pub(super) cpu: f64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let peers = options.tidings();
    let rates = rounds(options.runs, &peers, |peer| publish(peer, options))?;
    let rows = peers.iter().zip(&rates).map(|(peer, rates)| {
        vec![
            peer.label.clone(),
            spread(rates.iter().map(|rate| rate.per_second), 0),
            spread(rates.iter().map(|rate| rate.cpu), 2),
        ]
    });
    let title = format!("publish: no subscriber, {} bytes of payload", options.payload());
    print(&title, &["", "publications/s", "CPU µs per publication"], &rows.collect::<Vec<_>>());
    Ok(())
}

pub(super) fn publish(peer: &Peer, options: &Options) -> Result<Rate> {
    let server = peer.start()?;
    let feed = Feed::people(options.payload());
    publish_for(&server, &feed, WARM_UP)?;
    publish_for(&server, &feed, Duration::from_secs(options.seconds))
}

fn publish_for(server: &Server, feed: &Feed, time: Duration) -> Result<Rate> {
    let frame = feed.publication(Speech::Tidings, 1);
    let mut stream = publisher(server, Speech::Tidings)?;
    let (cpu, start) = (server.cpu()?, Instant::now());
    let (mut sent, mut answered) = (0, 0);
    let mut received = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        if start.elapsed() < time {
            let more = UNANSWERED - (sent - answered);
            stream.write_all(&frame.repeat(usize::try_from(more)?))?;
            sent += more;
        } else if answered == sent {
            break;
        }
        let read = stream.read(&mut buffer)?;
        ensure!(read > 0, "the server closed the publisher");
        received.extend_from_slice(&buffer[..read]);
        let mut start = 0;
        while let Some((payload, length)) = take_frame(&received[start..]) {
            let is_published = payload.starts_with(br#"{"op":"published""#);
            ensure!(is_published, "not published: {}", String::from_utf8_lossy(payload));
            answered += 1;
            start += length;
        }
        received.drain(..start);
    }
    let seconds = start.elapsed().as_secs_f64();
    let cpu = (server.cpu()? - cpu).as_secs_f64() * 1e6 / sent as f64;
    Ok(Rate { per_second: sent as f64 / seconds, cpu })
}
