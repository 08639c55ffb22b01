//! Clients that stop reading for a while: what they cost, what other clients notice, and what they get afterwards.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidings_tests::{Client, Frame, Process, RawSocket, Server, rounds, sample, tidings};

/// Events that pass while a reader does not read.
const EVENTS: usize = 100_000;

/// Events that are published and read by all who read before the next ones are.
const BATCH: usize = 250;

/// Bytes of the log: more than sockets hold, and less than a quarter of the events, so that it is full when the memory
/// is first looked at.
const LOG_BYTES: &str = "24000000";

/// The KiB by which the server may grow after its log is full. It mostly remembers keys of evicted publications, and
/// they are bounded too. The frames that pass meanwhile are 12,000 KiB.
const MARGIN_KIB: usize = 8192;

/// Publishes numbered events, and reads all of them as a neighbour of those who do not.
struct Traffic {
    writer: RawSocket,
    reader: Client,
    count: usize,
}

impl Traffic {
    fn new(server: &Server) -> Self {
        let reader = Client::subscribed(server, &["clock"]);
        Self { writer: RawSocket::hello(server.address()), reader, count: 0 }
    }

    /// Publishes so many, which the neighbour gets at once, once, and in order.
    fn pass(&mut self, events: usize) {
        let publish = |number: usize| {
            let event = sample::ticked(number);
            Frame::text(json!({ "op": "publish", "ref": 1, "event": event, "topics": ["clock"] }).to_string())
        };
        let numbers = self.count..self.count + events;
        self.writer.write(&numbers.clone().flat_map(|number| publish(number).bytes()).collect::<Vec<u8>>());
        self.count = numbers.end;
        for number in numbers {
            assert_eq!(number_of(&self.reader.expect("event")), number);
        }
        (0..events).for_each(|_| assert_eq!(self.writer.next_frame()["op"], "published"));
    }

    /// From a publish to the neighbour's having it: the median and the 99th of a hundred, with the others as they are.
    fn latency(&mut self) -> (Duration, Duration) {
        let once = |_| {
            let start = Instant::now();
            self.pass(1);
            start.elapsed()
        };
        let mut times: Vec<Duration> = (0..rounds(1000)).map(once).collect();
        times.sort_unstable();
        (times[times.len() / 2], times[times.len() * 99 / 100])
    }
}

fn number_of(frame: &Value) -> usize {
    frame["event"]["payload"]["number"].as_u64().unwrap_or_else(|| panic!("{frame}")) as usize
}

/// A subscriber that reads only when it is told to. Its socket's buffer is the system's: with a smaller one packets are
/// lost, and the system waits ever longer before it sends them again.
fn subscribe_without_reading(server: &Server, topic: &str) -> RawSocket {
    let mut socket = RawSocket::hello(server.address());
    socket.send(&Frame::text(json!({ "op": "subscribe", "ref": 1, "topics": [topic] }).to_string()));
    assert_eq!(socket.next_frame()["op"], "subscribed");
    socket
}

/// Reads what comes: every event from `first` on, up to the newest or to a sync, after which the next one comes. Says
/// how many came before the sync, if there was one.
fn catch_up(mut next: impl FnMut() -> Value, first: usize, traffic: &mut Traffic) -> Option<usize> {
    for expected in first..traffic.count {
        let frame = next();
        if frame["op"] == "sync" {
            assert_eq!(frame["topics"], json!(["clock"]));
            traffic.pass(1);
            let live = number_of(&next());
            (live + 1..traffic.count).for_each(|expected| assert_eq!(number_of(&next()), expected));
            return Some(expected - first);
        }
        assert_eq!(number_of(&frame), expected, "no hole without a sync");
    }
    None
}

#[test]
fn a_reader_that_does_not_read_costs_nothing_more_while_100_000_events_pass_and_then_gets_the_rest_or_a_sync()
{
    let limits = ["--log-max-bytes", LOG_BYTES, "--frames-per-second", "1000000"];
    let times = ["--write-timeout", "10m", "--heartbeat", "10m"];
    let mut server = Server::with(&[limits, times].concat());
    let mut traffic = Traffic::new(&server);
    let undisturbed = traffic.latency();

    // What the log holds comes, though it is more than the sockets hold.
    let mut short = subscribe_without_reading(&server, "big");
    let text = "x".repeat(200_000);
    let big =
        |number| json!({ "domain": "big", "event": "big", "payload": { "number": number, "text": text } });
    (0..35).for_each(|number| drop(server.publish_to("big", &big(number))));
    (0..35).for_each(|number| assert_eq!(number_of(&short.next_frame()), number));
    drop(short);

    let (mut stalled, first_of_stalled) = (subscribe_without_reading(&server, "clock"), traffic.count);
    let mut tail = tail(&server, &mut traffic);
    tail.signal("STOP");
    let first_of_tail = traffic.count;
    let mut pass_up_to = |events: usize| {
        while traffic.count < first_of_tail + events {
            traffic.pass(BATCH);
        }
        server.process().memory_kib()
    };
    let memory = [EVENTS / 4, EVENTS / 2, EVENTS].map(|events| pass_up_to(events * rounds(1)));
    let disturbed = traffic.latency();
    tail.signal("CONT");
    let of_stalled = catch_up(|| stalled.next_frame(), first_of_stalled, &mut traffic);
    let of_tail = catch_up(|| parse(&tail.next_line()), first_of_tail, &mut traffic);

    println!(
        "{} events; the server's memory after a quarter, half and all of them: {memory:?} KiB\n\
         p50 and p99 of a neighbour without and with two that don't read: {undisturbed:?}, {disturbed:?}\n\
         before its sync, a socket got {of_stalled:?} and a stopped process {of_tail:?}",
        EVENTS * rounds(1)
    );
    assert!(of_stalled.is_some() && of_tail.is_some(), "sockets hold no 100,000 events, nor does the log");
    assert!(memory[2] < memory[0] + MARGIN_KIB, "it grows with what passes: {memory:?} KiB");
}

/// A `tidings tail` that has printed all that was published.
fn tail(server: &Server, traffic: &mut Traffic) -> Process {
    let mut command = tidings();
    command.args(["tail", "--url", &server.url(), "clock"]);
    let mut tail = Process::start(command);
    let first = loop {
        traffic.pass(1);
        if let Some(line) = tail.try_line() {
            break line;
        }
    };
    for number in number_of(&parse(&first)) + 1..traffic.count {
        assert_eq!(number_of(&parse(&tail.next_line())), number);
    }
    tail
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}
