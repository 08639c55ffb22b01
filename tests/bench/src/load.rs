//! The load: subscribers that count and check what they get, and one publisher, on one thread.

use std::{
    io::{ErrorKind, Read, Write},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use crate::{
    connections::{Subscriber, publisher, subscribe},
    feed::Feed,
    peer::Speech,
    process::Server,
    table::percentile,
    wire::{offset_of, take_chunk, take_frame},
};

/// How fast events are published.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// So many that not every subscriber has got yet.
    InFlight(u64),
    /// So many in a second, whether the ones before have arrived or not.
    PerSecond(u32),
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) seconds: f64,
    pub(crate) published: u64,
    pub(crate) deliveries: u64,
    pub(crate) lost: u64,
    pub(crate) twice: u64,
    /// What the server spent on a core.
    pub(crate) cpu: Duration,
    /// From the moment that an event was due to each delivery, in microseconds; only of a fixed rate.
    pub(crate) latencies: Vec<u32>,
}

/// Bytes that one read takes at most.
const READ_BYTES: usize = 256 * 1024;

/// Events that may be under way; a fixed rate beyond what the server can do ends here.
const MAX_UNDER_WAY: u64 = 4096;

/// Nothing came for so long: what is missing is lost.
const SILENCE: Duration = Duration::from_secs(5);

const PUBLISHER: Token = Token(usize::MAX);

#[derive(Debug)]
struct Reader {
    stream: TcpStream,
    /// The begin of a frame.
    rest: Vec<u8>,
    /// The offset that it had last: each must be beyond it.
    offset: u64,
}

/// Subscribers and a publisher on one server.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    server: &'a Server,
    speech: Speech,
    feed: &'a Feed,
    poll: Poll,
    readers: Vec<Reader>,
    publisher: TcpStream,
    /// What the publisher's socket has not taken yet.
    unsent: Vec<u8>,
    /// The offset that was published last.
    offset: u64,
    /// Events that every subscriber has.
    complete: u64,
    published: u64,
    /// Deliveries that there should be.
    expected: u64,
    under_way: Vec<UnderWay>,
    outcome: Outcome,
}

/// An event, by its offset.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    delivered: usize,
    expected: usize,
    due: Instant,
}

impl<'a> Load<'a> {
    /// Connects so many subscribers to a feed.
    pub(crate) fn new(
        server: &'a Server,
        speech: Speech,
        feed: &'a Feed,
        subscribers: usize,
    ) -> Result<Self> {
        let poll = Poll::new()?;
        let mut readers = Vec::with_capacity(subscribers);
        let opened = subscribe(server, speech, subscribers, |index| feed.ask(index))?;
        for (index, Subscriber { stream, rest, offset, .. }) in opened.into_iter().enumerate() {
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
            readers.push(Reader { stream, rest, offset });
        }
        let publisher = publisher(server, speech)?;
        publisher.set_nonblocking(true)?;
        let mut publisher = TcpStream::from_std(publisher);
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut publisher, PUBLISHER, interest)?;
        let offset = readers.first().map_or(0, |reader| reader.offset);
        ensure!(readers.iter().all(|reader| reader.offset == offset), "nothing is published yet");
        let nothing = UnderWay { delivered: 0, expected: 0, due: Instant::now() };
        Ok(Self {
            server,
            speech,
            feed,
            poll,
            readers,
            publisher,
            unsent: Vec::new(),
            offset,
            complete: 0,
            published: 0,
            expected: 0,
            under_way: vec![nothing; MAX_UNDER_WAY as usize],
            outcome: Outcome::default(),
        })
    }

    /// Publishes for so long, and waits until all has arrived.
    pub(crate) fn run(&mut self, pace: Pace, time: Duration) -> Result<Outcome> {
        self.outcome = Outcome::default();
        (self.published, self.complete, self.expected) = (0, 0, 0);
        let cpu = self.server.cpu()?;
        let start = Instant::now();
        let mut heard = start;
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let now = Instant::now();
            let is_over = now >= start + time;
            if !is_over {
                self.publish(pace, start, now);
            }
            self.send()?;
            if is_over && (self.complete == self.published || now > heard + SILENCE) {
                break;
            }
            let wait = match pace {
                Pace::PerSecond(rate) if !is_over => {
                    due(start, self.published, rate).saturating_duration_since(now)
                }
                _ => Duration::from_millis(100),
            };
            self.poll.poll(&mut events, Some(wait))?;
            for event in &events {
                heard = Instant::now();
                match event.token() {
                    PUBLISHER => discard(&mut self.publisher, &mut buffer)?,
                    Token(index) => {
                        self.read(index, matches!(pace, Pace::PerSecond(_)), heard, &mut buffer)?
                    }
                }
            }
        }
        let mut outcome = std::mem::take(&mut self.outcome);
        outcome.latencies.sort_unstable();
        outcome.seconds = heard.duration_since(start).as_secs_f64();
        outcome.cpu = self.server.cpu()? - cpu;
        outcome.published = self.published;
        outcome.lost = self.expected - outcome.deliveries;
        Ok(outcome)
    }

    fn publish(&mut self, pace: Pace, start: Instant, now: Instant) {
        loop {
            let due = match pace {
                Pace::InFlight(most) if self.published - self.complete < most => now,
                Pace::PerSecond(rate) => due(start, self.published, rate),
                Pace::InFlight(_) => return,
            };
            if due > now || self.published - self.complete >= MAX_UNDER_WAY {
                return;
            }
            self.offset += 1;
            self.published += 1;
            let expected = self.feed.reach(self.offset, self.readers.len());
            self.expected += expected as u64;
            self.under_way[(self.offset % MAX_UNDER_WAY) as usize] = UnderWay { delivered: 0, expected, due };
            self.unsent.extend(self.feed.publication(self.speech, self.offset));
        }
    }

    fn send(&mut self) -> Result<()> {
        while !self.unsent.is_empty() {
            match self.publisher.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("publishing"),
            }
        }
        Ok(())
    }

    fn read(&mut self, index: usize, is_timed: bool, now: Instant, buffer: &mut [u8]) -> Result<()> {
        let Self { speech, readers, under_way, outcome, complete, .. } = self;
        let take = if *speech == Speech::EventStreams { take_chunk } else { take_frame };
        let reader = &mut readers[index];
        loop {
            let read = match reader.stream.read(buffer) {
                Ok(0) => anyhow::bail!("the server closed a subscriber"),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("reading"),
            };
            let mut rest = std::mem::take(&mut reader.rest);
            let mut bytes = if rest.is_empty() {
                &buffer[..read]
            } else {
                rest.extend_from_slice(&buffer[..read]);
                &rest
            };
            while let Some((payload, length)) = take(bytes) {
                bytes = &bytes[length..];
                let Some(offset) = offset_of(payload) else { continue };
                if offset <= reader.offset {
                    outcome.twice += 1;
                    continue;
                }
                reader.offset = offset;
                outcome.deliveries += 1;
                let event = &mut under_way[(offset % MAX_UNDER_WAY) as usize];
                event.delivered += 1;
                if event.delivered == event.expected {
                    *complete += 1;
                }
                if is_timed {
                    let latency = now.saturating_duration_since(event.due).as_micros();
                    outcome.latencies.push(u32::try_from(latency).unwrap_or(u32::MAX));
                }
            }
            reader.rest = bytes.to_vec();
            // Less than was asked for: there is no more.
            if read < buffer.len() {
                return Ok(());
            }
        }
    }
}

fn due(start: Instant, number: u64, rate: u32) -> Instant {
    start + Duration::from_secs_f64(number as f64 / f64::from(rate))
}

fn discard(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<()> {
    loop {
        match stream.read(buffer) {
            Ok(0) => anyhow::bail!("the server closed the publisher"),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

impl Outcome {
    pub(crate) fn deliveries_per_second(&self) -> f64 {
        self.deliveries as f64 / self.seconds
    }

    /// Microseconds of the server's core.
    pub(crate) fn cpu_per_delivery(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.deliveries as f64
    }

    /// In milliseconds; not a number where nothing was timed.
    pub(crate) fn latency(&self, part: f64) -> f64 {
        percentile(&self.latencies, part)
    }
}
