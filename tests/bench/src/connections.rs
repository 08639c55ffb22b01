//! Many connections at once: subscribers, and the publisher.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Socket, Type};

use crate::{
    peer::Speech,
    process::Server,
    wire::{Opened, listen, offset_in, open},
};

/// Threads that connect, so that round trips overlap.
const CONNECTING: usize = 8;

/// Connections from one address: a little below the ports that Linux gives out.
const CONNECTIONS_PER_ADDRESS: usize = 25_000;

/// Bytes of a TCP segment on most networks; on loopback it would be 64 KiB, and buffers on both sides in proportion.
const ETHERNET_SEGMENT: u32 = 1460;

const HELLO: &str = r#"{"op":"hello"}"#;

/// A connection that has subscribed.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) stream: TcpStream,
    /// What came behind the answer.
    pub(crate) rest: Vec<u8>,
    /// Where it begins.
    pub(crate) position: String,
    pub(crate) offset: u64,
    /// `live`, `resumed` or `sync`, of the first topic; nothing of relays.
    pub(crate) outcome: String,
}

/// What a subscriber asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    pub(crate) topics: Vec<String>,
    pub(crate) since: Option<String>,
    /// Bytes of its receive buffer, where it is somebody far away: then the server's system buffers little for it too.
    pub(crate) buffer: Option<usize>,
}

/// Opens so many subscribers, which ask for what `ask` says of each.
pub(crate) fn subscribe(
    server: &Server,
    speech: Speech,
    count: usize,
    ask: impl Fn(usize) -> Ask + Sync,
) -> Result<Vec<Subscriber>> {
    let ask = &ask;
    let share = move |first| (first..count).step_by(CONNECTING);
    let subscribe_share = move |first| {
        share(first).map(|index| Ok((index, subscriber(server, speech, index, &ask(index))?))).collect()
    };
    let mut opened: Vec<(usize, Subscriber)> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..CONNECTING).map(|first| scope.spawn(move || subscribe_share(first))).collect();
        let joined = threads.into_iter().map(|thread| -> Result<Vec<_>> {
            thread.join().map_err(|_| anyhow!("a thread that connects panicked"))?
        });
        joined.collect::<Result<Vec<_>>>().map(|shares| shares.into_iter().flatten().collect())
    })?;
    opened.sort_unstable_by_key(|(index, _)| *index);
    Ok(opened.into_iter().map(|(_, subscriber)| subscriber).collect())
}

fn subscriber(server: &Server, speech: Speech, index: usize, ask: &Ask) -> Result<Subscriber> {
    let stream = connect(server.address, index, ask.buffer)?;
    if speech == Speech::EventStreams {
        return subscribed(listen(stream, &ask.topics)?);
    }
    let topics = format!(r#""{}""#, ask.topics.join(r#"",""#));
    let since = ask.since.as_ref().map(|since| format!(r#","since":"{since}""#)).unwrap_or_default();
    let subscribe = format!(r#"{{"op":"subscribe","ref":1,"topics":[{topics}]{since}}}"#);
    let texts = [HELLO, &subscribe];
    if speech == Speech::Relay {
        // It takes no notice; but a client that has answered its server acknowledges later from then on, as browsers do.
        let Opened { stream, rest, .. } = open(stream, "/subscribe", &texts, None)?;
        let nothing = String::new();
        return Ok(Subscriber { stream, rest, position: nothing.clone(), offset: 0, outcome: nothing });
    }
    subscribed(open(stream, "/v1/ws", &texts, Some(r#""op":"subscribed""#))?)
}

fn subscribed(Opened { stream, answer, rest }: Opened) -> Result<Subscriber> {
    let position = text_member(&answer, "position")?;
    let offset = offset_in(position.as_bytes()).context("the position has an offset")?;
    Ok(Subscriber { stream, rest, offset, outcome: text_member(&answer, "outcome")?, position })
}

/// Connects somebody who publishes.
pub(crate) fn publisher(server: &Server, speech: Speech) -> Result<TcpStream> {
    let stream = connect(server.address, 0, None)?;
    let opened = match speech {
        Speech::Tidings | Speech::EventStreams => open(stream, "/v1/ws", &[HELLO], Some(r#""op":"welcome""#)),
        Speech::Relay => open(stream, "/publish", &[], None),
    };
    Ok(opened?.stream)
}

fn connect(address: SocketAddr, index: usize, buffer: Option<usize>) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if let Some(buffer) = buffer {
        socket.set_recv_buffer_size(buffer)?;
        socket.set_tcp_mss(ETHERNET_SEGMENT)?;
    }
    if let Ok(number @ 1..) = u8::try_from(index / CONNECTIONS_PER_ADDRESS) {
        // Loopback is a whole network; the system picks 127.0.0.1 unless it is told.
        let own = IpAddr::from(Ipv4Addr::new(127, 0, 0, 1 + number));
        socket.bind(&SocketAddr::from((own, 0)).into())?;
    }
    socket.connect(&address.into()).context("connecting")?;
    Ok(socket.into())
}

fn text_member(frame: &str, name: &str) -> Result<String> {
    let text = frame.split_once(&format!(r#""{name}":""#)).and_then(|(_, behind)| behind.split_once('"'));
    Ok(text.with_context(|| format!("{frame} has no {name}"))?.0.to_owned())
}
