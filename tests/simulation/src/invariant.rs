//! The invariants by name, so that a test can say which of them a planted bug breaks.

/// Each is checked at every step that can break it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Invariant {
    /// Each delivery was published in that tenant.
    NothingInvented,
    /// The same position means the same bytes everywhere, and they are the bytes of the publisher.
    SameBytes,
    /// A server writes whole messages to a socket, one after the other.
    WholeFrames,
    /// Publications come in the order of the log, each at most once.
    InOrderOnce,
    /// Each publication comes before the later ones, unless a sync came in its place.
    NoHole,
    /// A session at rest has had everything. Otherwise it waits for its peer, or it or its shard was woken.
    CaughtUp,
    /// The position in an answer or a ping is true.
    TruePosition,
    /// A sync comes only after the log lost something that this session had not had.
    SyncHasReason,
    /// An acknowledged publish is in the log, at the position of the answer.
    Acknowledged,
    /// The log does not append a key again while it knows that key.
    OneKeyOnePublication,
    /// A session gets only topics that it asked for and has the right to, and nothing after its token has expired. After
    /// a revocation, only an answer of the application that began later gives the right again.
    Rights,
    /// A session answers frames in their order, each once.
    InTurn,
    /// A session ends without an answer to its ping only if it could read one for as long as it says.
    PeerHasTime,
    /// A message that is no frame changes nothing for other sessions.
    FaultsStayAlone,
    /// All frames of one subscribe start at one position, and no delivery comes between them.
    OneResume,
    /// A client resumes from the newest position that it has.
    ResumesFromItsPosition,
    /// Every request gets its answer after the network has healed.
    Answered,
    /// A view loads only when its data may have changed, and one load at a time.
    LoadHasReason,
    /// A client that nobody uses closes its connection.
    LetsGo,
    /// There is a pause between two loads of a view, unless its user asks for a load.
    LoadsPause,
    /// When writes stop, each view equals the store.
    ViewsConverge,
    /// The log and the unwritten bytes of connections keep their bounds.
    Bounds,
    /// A shard holds only what its sessions need, and nothing after the last of them has left.
    NothingLeft,
    /// A client knows whether its node has heard the journal in the last ten seconds.
    Degraded,
    /// Each node notices within a second or two that its journal was set back.
    Noticed,
    /// Nothing panics.
    NoPanic,
}

/// An invariant that does not hold, and the evidence.
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
