//! How many connections the system has room for: each takes a file descriptor.

use rlimit::Resource;

/// Descriptors that are kept from connections, for what the process opens itself and for those beyond the cap, which are
/// answered all the same.
const SPARE: usize = 32;

/// What of these a process has that runs no shard: its standard streams, its listener, the runtime's own, the connections
/// beyond the caps.
const OWN: usize = 20;

/// The runtime's of each shard.
const OF_SHARD: usize = 4;

/// As many connections as are wanted, or fewer where the process may not have so many descriptors.
pub(crate) fn max_connections(wanted: usize, shards: usize) -> usize {
    let limit = Resource::NOFILE.get_soft().ok().and_then(|limit| usize::try_from(limit).ok());
    let room = room(limit.unwrap_or(usize::MAX), shards);
    if wanted > room {
        tracing::info!(wanted, room, "fewer connections: the limit of file descriptors is too low for more");
    }
    wanted.min(room)
}

fn room(limit: usize, shards: usize) -> usize {
    let spare = SPARE.max(OWN + OF_SHARD * shards);
    limit.saturating_sub(spare).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_process_needs_itself_is_kept_from_connections() {
        assert_eq!(room(256, 1), 224);
        assert_eq!(room(256, 3), 224);
        assert_eq!(room(256, 16), 172, "each shard has some");
        assert_eq!(room(20, 1), 1, "too few for anybody");
        assert_eq!(max_connections(3, 1), 3, "what is asked for is enough");
    }
}
