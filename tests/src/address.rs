//! Addresses that a test may use more than once, or where nobody listens.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicUsize, Ordering},
};

/// The ports to choose from. They are below the ports that systems hand out.
const PORTS: std::ops::Range<usize> = 15_000..30_000;

/// Returns an address on this machine that belongs to the caller. Nobody listens there, and no other test gets it.
///
/// A port that the system hands out (port 0) is different: when its listener ends, the system may give the port to
/// another test. So a server that is to start again, and a client that is to find nobody, need an address of their own.
#[track_caller]
pub fn own_address() -> SocketAddr {
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    // Processes that run at the same time begin at different places.
    let first = std::process::id() as usize * 101;
    (0..PORTS.len())
        .map(|_| PORTS.start + (first + TAKEN.fetch_add(1, Ordering::Relaxed)) % PORTS.len())
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port as u16)))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a free port")
}
