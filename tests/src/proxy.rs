//! A TCP proxy that cuts connections, after any byte and in each way in which networks fail.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use socket2::SockRef;

use crate::{DEADLINE, client::is_timeout};

/// The interval at which a reader checks whether its connection was cut.
const LOOK_UP: Duration = Duration::from_millis(10);

/// What one side of a connection sees when it is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// The end of the stream.
    Fin,
    /// A reset. Bytes on their way are lost.
    Reset,
    /// Nothing. This side still takes the connection for open.
    Silence,
}

/// A direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// To the server.
    Up,
    /// To the client.
    Down,
}

/// How a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    /// The direction whose bytes are counted.
    pub direction: Direction,
    /// The number of bytes that pass before the cut, from the first byte of the handshake.
    pub after_bytes: usize,
    /// What the client sees.
    pub client: Ending,
    /// What the server sees.
    pub server: Ending,
}

/// A running proxy. Dropping it ends its listener. Connections end when their peers end them.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    ends: AtomicBool,
    /// The cuts until now.
    cuts: Mutex<Vec<Cut>>,
    /// The connections of the sides that see nothing.
    silent: Mutex<Vec<Arc<TcpStream>>>,
}

impl Proxy {
    /// Starts a proxy to a server. `plan` returns how a connection is cut, or `None` if it is not.
    #[track_caller]
    pub fn start(server: SocketAddr, mut plan: impl FnMut() -> Option<Cut> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared::default());
        let proxy = Self { address, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.ends.load(Ordering::Relaxed) {
                    break;
                }
                // If there is no server, the client's connection ends.
                if let Ok(server) = TcpStream::connect_timeout(&server, DEADLINE) {
                    let (client, server) = (Arc::new(client), Arc::new(server));
                    Pair { client, server, is_cut: Arc::default() }.start(plan(), &shared);
                }
            }
        });
        proxy
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the cuts until now.
    pub fn cuts(&self) -> Vec<Cut> {
        self.shared.cuts.lock().map(|cuts| cuts.clone()).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        // This wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

/// The two connections of the proxy for one connection of a client.
#[derive(Debug, Clone)]
struct Pair {
    client: Arc<TcpStream>,
    server: Arc<TcpStream>,
    is_cut: Arc<AtomicBool>,
}

impl Pair {
    fn start(self, cut: Option<Cut>, shared: &Arc<Shared>) {
        for stream in [&self.client, &self.server] {
            stream.set_nodelay(true).expect("a socket's option");
            stream.set_read_timeout(Some(LOOK_UP)).expect("a socket's option");
        }
        for direction in [Direction::Up, Direction::Down] {
            let (pair, shared) = (self.clone(), Arc::clone(shared));
            let cut = cut.filter(|cut| cut.direction == direction);
            thread::spawn(move || pair.pass_on(direction, cut, &shared));
        }
    }

    /// Passes bytes on in one direction until they end or the connection is cut.
    fn pass_on(&self, direction: Direction, cut: Option<Cut>, shared: &Shared) {
        let (mut from, mut to) = match direction {
            Direction::Up => (&*self.client, &*self.server),
            Direction::Down => (&*self.server, &*self.client),
        };
        let mut left = cut.map_or(usize::MAX, |cut| cut.after_bytes);
        let mut chunk = [0; 16 * 1024];
        loop {
            let read = from.read(&mut chunk);
            if self.is_cut.load(Ordering::Relaxed) {
                return;
            }
            let passed = match read {
                Err(error) if is_timeout(&error) => continue,
                Ok(read @ 1..) => read.min(left),
                _ => break,
            };
            left -= passed;
            if to.write_all(&chunk[..passed]).is_err() {
                break;
            }
            if let Some(cut) = cut.filter(|_| left == 0) {
                self.is_cut.store(true, Ordering::Relaxed);
                end(&self.client, cut.client, shared);
                end(&self.server, cut.server, shared);
                shared.cuts.lock().expect("nobody fails under this lock").push(cut);
                return;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }
}

fn end(stream: &Arc<TcpStream>, ending: Ending, shared: &Shared) {
    match ending {
        Ending::Fin => {
            let _ = stream.shutdown(Shutdown::Both);
        }
        Ending::Reset => {
            let _ = SockRef::from(&**stream).set_linger(Some(Duration::ZERO));
            // The last owner of the socket sends the reset. This wakes the readers.
            let _ = stream.shutdown(Shutdown::Read);
        }
        Ending::Silence => {
            shared.silent.lock().expect("nobody fails under this lock").push(Arc::clone(stream));
        }
    }
}
