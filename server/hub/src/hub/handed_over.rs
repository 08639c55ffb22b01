//! Futures of what a hub was asked for. The hub acts when it is asked, and not when the future is polled. Without a
//! journal, each of these futures is ready at once.

use std::{
    sync::Arc,
    task::{Poll, Waker},
};

use tidings_shared::Position;

use super::{
    later::{Later, Slot, later},
    publishing::PublishError,
};
use crate::{publication::Published, revocation::RevokeError, tenant_log::Loading};

later! {
    /// A publication that was handed over to the hub: a future of its result. Dropping the future takes nothing back. With
    /// a journal, the result comes when the journal has the publication.
    #[must_use = "the event may have been refused: await the result, or use `announce`, which never fails"]
    Publishing: Result<Published, PublishError>;

    /// A sync that was handed over to the hub: a future of its result. It need not be awaited: the hub repeats the sync until
    /// the journal has it. [`PublishError::Overloaded`] means that this takes longer.
    Syncing: Result<(), PublishError>;

    /// A future of a position. The position is that of the moment when it was asked for, or a later one.
    #[must_use = "await the position"]
    Positioning: Position;

    /// A revocation that was handed over to the hub: a future of its result. It takes effect on this node at once. With a
    /// journal, the result comes when the journal has it: then it survives a restart, and reaches other nodes.
    #[must_use = "the revocation may have been refused: await the result"]
    Revoking: Result<(), RevokeError>;
}

macro_rules! made {
    ($( $name:ident: $output:ty; )+) => { $(
        impl $name {
            pub(crate) fn ready(output: $output) -> Self {
                Self(Later::Ready(output))
            }
        }
    )+ };
}

made! {
    Publishing: Result<Published, PublishError>;
    Syncing: Result<(), PublishError>;
    Revoking: Result<(), RevokeError>;
}

impl Publishing {
    /// Takes the answer if it is there.
    pub(crate) fn poll_answer(&mut self, waker: &Waker) -> Poll<Result<Published, PublishError>> {
        self.0.poll(waker)
    }

    pub(crate) fn waiting(slot: Arc<Slot<Result<Published, PublishError>>>) -> Self {
        Self(Later::Waits(slot))
    }
}

impl Syncing {
    /// Returns whether the hub has refused it at once.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.0, Later::Ready(Err(_)))
    }

    pub(crate) fn waiting(slot: Arc<Slot<Result<(), PublishError>>>) -> Self {
        Self(Later::Waits(slot))
    }
}

impl Revoking {
    pub(crate) fn waiting(slot: Arc<Slot<Result<(), RevokeError>>>) -> Self {
        Self(Later::Waits(slot))
    }
}

impl Positioning {
    pub(crate) fn after(loading: Loading, then: impl FnOnce() -> Position + Send + 'static) -> Self {
        Self(Later::after(loading, then))
    }
}
