//! What must hold, by name, so that a test can say which of them a planted bug breaks.

/// Each is checked at every step that can break it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Invariant {
    /// Nothing is delivered that was not published, in that tenant.
    NothingInvented,
    /// The same position means the same bytes, everywhere, and those of the publisher.
    SameBytes,
    /// What a server writes to a socket is whole messages, one after the other.
    WholeFrames,
    /// In the log's order, each publication at most once.
    InOrderOnce,
    /// No publication is left out before a later one unless a sync came.
    NoHole,
    /// What a session could have had, it has; else it waits for its peer, or it or its shard was woken.
    CaughtUp,
    /// What an answer or a ping says of a position is true.
    TruePosition,
    /// A sync comes only when the log has lost something that this session had not had.
    SyncHasReason,
    /// An acknowledged publish is in the log, at the position that was named.
    Acknowledged,
    /// The same key is the same publication, as long as the log holds it.
    OneKeyOnePublication,
    /// No byte of a topic goes to a session without the right to it, or that did not ask for it.
    Rights,
    /// A session that sends garbage changes nothing for others.
    FaultsStayAlone,
    /// The frames of one subscribe start at one place, and nothing comes between them.
    OneResume,
    /// A client asks to go on from the newest position that it has.
    ResumesFromItsPosition,
    /// Whatever is asked for is answered once the network heals.
    Answered,
    /// A view is loaded only when something may have changed, one load at a time.
    LoadHasReason,
    /// A client that nobody uses closes its connection.
    LetsGo,
    /// A view's loads keep their pause, unless its user asks for one.
    LoadsPause,
    /// When writes stop, each view equals the store.
    ViewsConverge,
    /// The log keeps its bounds, and what sockets have not taken keeps its.
    Bounds,
    /// A shard holds what its sessions need; when all are gone, nothing is left.
    NothingLeft,
    /// Nothing panics.
    NoPanic,
}

/// An invariant that does not hold, and how.
#[derive(Debug, Clone)]
pub(crate) struct Broken {
    pub(crate) invariant: Invariant,
    pub(crate) how: String,
}

pub(crate) type Check<T = ()> = Result<T, Broken>;

/// Returns with a broken invariant unless the condition holds.
macro_rules! holds {
    ($condition:expr, $invariant:ident, $($how:tt)+) => {
        if !$condition {
            return Err($crate::invariant::Broken {
                invariant: $crate::invariant::Invariant::$invariant,
                how: format!($($how)+),
            });
        }
    };
}
pub(crate) use holds;
