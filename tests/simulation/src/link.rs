//! The network: connections that delay, stall, break and go silent. One direction of a connection keeps its order.
//! Nothing orders the messages of two connections, even if both belong to one client.

use std::collections::VecDeque;

use crate::{
    invariant::Check,
    served::Served,
    socket::{Frames, Said},
    world::{Event, World},
};

/// The side of a connection at which a message arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Server,
    Peer,
}

/// The owner of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A client in one of its lives, and the id that its core gave the connection.
    Client {
        client: usize,
        life: u64,
        connection: u64,
    },
    Raw {
        raw: usize,
    },
}

/// A message on a connection.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    Open,
    /// Bytes that a server wrote, cut anywhere.
    Bytes(Vec<u8>),
    Text(String),
    Ping,
    /// The answer of a WebSocket to a ping.
    Pong,
    Close(u16),
    /// The end of a connection without a close message. Messages still on their way are lost.
    Lost,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    /// Messages with their times of arrival.
    in_flight: VecDeque<(u64, Message)>,
    /// The earliest time at which the next message arrives.
    not_before: u64,
    /// Whether new messages are lost, and nobody notices it.
    silent: bool,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: Peer,
    pub(crate) to_server: Pipe,
    pub(crate) to_peer: Pipe,
    /// The server's side, while it exists.
    pub(crate) served: Option<Served>,
    /// Whether the peer still listens.
    pub(crate) is_heard: bool,
    /// Cuts the bytes that the peer reads into messages.
    frames: Frames,
}

impl Link {
    fn pipe(&mut self, to: Side) -> &mut Pipe {
        match to {
            Side::Server => &mut self.to_server,
            Side::Peer => &mut self.to_peer,
        }
    }
}

impl World {
    /// A peer asks for a connection.
    pub(crate) fn connect(&mut self, peer: Peer) -> u64 {
        self.last_link += 1;
        let link = self.last_link;
        let is_new = Link {
            peer,
            to_server: Pipe::default(),
            to_peer: Pipe::default(),
            served: None,
            is_heard: true,
            frames: Frames::default(),
        };
        self.links.insert(link, is_new);
        self.say(|| format!("link {link}: {peer:?} connects"));
        let delay = self.delay();
        self.after(delay, Event::Accept { link });
        link
    }

    fn delay(&mut self) -> u64 {
        let longest = if self.heals { self.config.delay_ms.min(50) } else { self.config.delay_ms };
        self.rng.below(longest + 1)
    }

    /// Sends a message on its way.
    pub(crate) fn send(&mut self, link: u64, to: Side, message: Message) {
        let (delay, apart) = (self.delay(), self.rng.below(3));
        let arrival = self.now + delay;
        let Some(known) = self.links.get_mut(&link) else { return };
        let pipe = known.pipe(to);
        if pipe.silent {
            return;
        }
        pipe.not_before = arrival.max(pipe.not_before + apart);
        let arrival = pipe.not_before;
        pipe.in_flight.push_back((arrival, message));
        self.at(arrival, Event::Arrival { link, side: to });
    }

    pub(crate) fn arrives(&mut self, link: u64, side: Side) -> Check {
        let now = self.now;
        let Some(known) = self.links.get_mut(&link) else { return Ok(()) };
        let pipe = known.pipe(side);
        if pipe.in_flight.front().is_none_or(|(arrival, _)| *arrival > now) {
            return Ok(());
        }
        let Some((_, message)) = pipe.in_flight.pop_front() else { return Ok(()) };
        match (side, message) {
            (Side::Server, message) => self.server_hears(link, message)?,
            (Side::Peer, Message::Bytes(bytes)) => {
                known.frames.push(&bytes);
                self.room_in(link, bytes.len());
                while let Some(known) = self.links.get_mut(&link)
                    && let Some(said) = known.frames.next()?
                {
                    let message = match said {
                        Said::Text(text) => Message::Text(text),
                        Said::Ping => Message::Ping,
                        Said::Pong => Message::Pong,
                        Said::Close(code) => Message::Close(code),
                    };
                    self.peer_hears(link, message)?;
                }
            }
            (Side::Peer, message) => self.peer_hears(link, message)?,
        }
        self.sweep(link);
        Ok(())
    }

    fn peer_hears(&mut self, link: u64, message: Message) -> Check {
        let Some(known) = self.links.get_mut(&link) else { return Ok(()) };
        let (peer, was_heard) = (known.peer, known.is_heard);
        known.is_heard &= !matches!(message, Message::Close(_) | Message::Lost);
        match (message, peer) {
            // A WebSocket answers by itself, while its page is there.
            (Message::Ping, _) if was_heard => self.send(link, Side::Server, Message::Pong),
            (Message::Ping, _) => {}
            (message, Peer::Client { client, life, connection }) => {
                self.client_hears(client, life, connection, link, message, was_heard)?;
            }
            (message, Peer::Raw { raw }) => self.raw_hears(raw, link, &message),
        }
        Ok(())
    }

    /// Forgets a connection that neither side uses any more.
    pub(crate) fn sweep(&mut self, link: u64) {
        let is_over = |link: &Link| {
            link.served.is_none()
                && !link.is_heard
                && link.to_peer.in_flight.is_empty()
                && link.to_server.in_flight.is_empty()
        };
        if self.links.get(&link).is_some_and(is_over) {
            self.links.remove(&link);
        }
    }

    /// Cuts a connection, perhaps in the middle of a message. Some messages still arrive, then each side notices the
    /// end in its own time. So a server may still read from an old connection when the client has a new one.
    pub(crate) fn cut(&mut self, link: u64, late_ms: u64) {
        self.say(|| format!("link {link}: cut"));
        self.stats.count("cut");
        if self.rng.percent(30)
            && let Some(served) = self.served(link)
        {
            // The server notices it at its next write.
            served.socket.break_off();
        }
        for side in [Side::Server, Side::Peer] {
            self.tear(link, side, late_ms);
        }
    }

    /// Ends one direction: some of the messages in flight arrive, then the end, and nothing more.
    pub(crate) fn tear(&mut self, link: u64, side: Side, late_ms: u64) {
        let (keep, late) = (self.rng.next(), self.rng.below(late_ms + 1));
        let Some(known) = self.links.get_mut(&link) else { return };
        let pipe = known.pipe(side);
        if pipe.silent {
            return;
        }
        let keep = keep as usize % (pipe.in_flight.len() + 1);
        if keep < pipe.in_flight.len() {
            self.stats.count("torn");
        }
        pipe.in_flight.truncate(keep);
        pipe.not_before = pipe.not_before.max(self.now + late);
        self.send(link, side, Message::Lost);
        if let Some(known) = self.links.get_mut(&link) {
            known.pipe(side).silent = true;
        }
    }

    /// Ends one direction without a notice.
    pub(crate) fn silence(&mut self, link: u64, side: Side) {
        self.say(|| format!("link {link}: nothing reaches the {side:?} any more"));
        self.stats.count("half-open");
        let keep = self.rng.next();
        if let Some(known) = self.links.get_mut(&link) {
            let pipe = known.pipe(side);
            let kept = keep as usize % (pipe.in_flight.len() + 1);
            pipe.in_flight.truncate(kept);
            pipe.silent = true;
        }
    }

    /// Lets nothing arrive for a while, as with a slow reader or a slow writer.
    pub(crate) fn stall(&mut self, link: u64, side: Side, ms: u64) {
        self.say(|| format!("link {link}: nothing reaches the {side:?} for {ms} ms"));
        self.stats.count("stalled");
        let until = self.now + ms;
        if let Some(known) = self.links.get_mut(&link) {
            let pipe = known.pipe(side);
            pipe.not_before = pipe.not_before.max(until);
        }
    }
}
