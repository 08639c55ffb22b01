//! How many connections the system allows: each one takes a file descriptor.

use rlimit::Resource;

/// Connections with a permit leave at least this many descriptors free. They are for files of the process and for
/// overflow connections.
const SPARE: usize = 32;

/// The descriptors that a process without shards needs: standard streams, the listener, the runtime's own, and overflow
/// connections.
const OWN: usize = 20;

/// The descriptors that the runtime of each shard needs.
const OF_SHARD: usize = 4;

/// Returns the number of connections: as many as wanted, or fewer if the process may not open so many descriptors.
pub(crate) fn max_connections(wanted: usize, shards: usize) -> usize {
    let limit = Resource::NOFILE.get_soft().ok().and_then(|limit| usize::try_from(limit).ok());
    let room = room(limit.unwrap_or(usize::MAX), shards);
    if wanted > room {
        tracing::info!(wanted, room, "fewer connections: the limit of file descriptors allows no more");
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
    fn connections_leave_descriptors_for_the_process_itself() {
        assert_eq!(room(256, 1), 224);
        assert_eq!(room(256, 3), 224);
        assert_eq!(room(256, 16), 172, "each shard has some");
        assert_eq!(room(20, 1), 1, "too few for anybody");
        assert_eq!(max_connections(3, 1), 3, "what is asked for is enough");
    }
}
