//! Bugs that tests plant, to see that the simulation finds them. They are there with the feature `planted-bugs` only,
//! which nothing that is released turns on: without it [`is`] is a constant.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A subscribe is acknowledged before it is in force: the next publication passes it by.
    AcknowledgedEarly,
    /// What the log has evicted counts for nothing.
    EvictedIgnored,
    /// A log that was lost comes back under its old epoch.
    EpochKept,
    /// A position's tag is not compared.
    TagSkipped,
    /// A reader that the log has left behind goes on without a sync.
    LagSwallowed,
    /// A load begins before its subscription is in force.
    LoadedEarly,
    /// Nobody resumes.
    SyncedInVain,
    /// A view is loaded again by a resume that missed nothing.
    LoadedInVain,
    /// A view is loaded again as soon as something happens.
    PauseForgotten,
    /// A client keeps a connection that nobody wants.
    LingersForEver,
    /// A resume repeats all that the log holds.
    ResumeRepeats,
    /// A publication that is known by its key is appended again.
    KeyForgotten,
    /// One of those that wait is not woken.
    WakeLost,
    /// A connection that falls behind in a fan-out is not woken.
    FallUnnoticed,
    /// A connection that falls behind goes on from where it was before it was live.
    PlaceForgotten,
    /// What a socket has not taken of a frame in a fan-out is dropped.
    RestDropped,
    /// A live connection gets again what it has read by itself.
    DeliveredTwice,
    /// A session is handed something while its shard has more for it.
    BatchOvertaken,
    /// What was gathered for one write is taken for that of another batch.
    GatheredKept,
    /// A shard that the log has left behind goes on as if it had missed nothing.
    LossIgnored,
    /// A publication of many topics is left to the log, and nobody is told to read it.
    LeftUnread,
    /// A fresh token takes nothing away.
    RevokedKept,
    /// An event names all of its topics to everybody.
    TopicsLeaked,
    /// Every session is let into the home tenant.
    TenantsMixed,
    /// A shard knows the topics of a session that is gone.
    FollowerLeaked,
    /// A shard does not hear what a session ceased to follow right before its end.
    LastChangeMissed,
    /// The log's bound on entries is not kept.
    BoundIgnored,
    /// What is no frame makes the log forget.
    GarbageSpills,
    /// A session reads on between the frames of one subscribe.
    PauseIgnored,
    /// A shard writes to a session that is paused.
    PausedLive,
    /// A ping names the log's head, whatever the session has had.
    PingBoasts,
    /// A client believes a ping while topics are asked for of which it says nothing.
    PingBelieved,
    /// A client publishes again with another key.
    KeyRenewed,
    /// A client does not publish again what was not answered.
    RetryForgotten,
    /// A client keeps its position when it gets a sync.
    PositionKept,
    /// A client keeps the outcome `sync` of a resume to itself.
    SyncDropped,
    /// A client moves on while a resume is not answered in full, and forgets who stays behind.
    LeftBehind,
    /// A client does not ask again for topics for which there was no room.
    RoomForgotten,
    /// A client takes the answer to an older subscribe for that to its last.
    AnswerMixedUp,
}

#[cfg(feature = "planted-bugs")]
mod switch {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants a bug in this thread, or takes it out again.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Whether this bug is planted.
    pub fn is(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}

#[cfg(feature = "planted-bugs")]
pub use switch::{is, plant};

/// Does not exist with planted bugs, so that what is released does not compile with them.
#[cfg(not(feature = "planted-bugs"))]
pub const fn assert_none() {}

/// Whether this bug is planted: no.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub const fn is(_: Bug) -> bool {
    false
}
