//! The indices of a shard. Each has its own type, so the compiler refuses to mix them up.

/// Declares an index. It is a `u32` to save memory: a fan-out touches many of them.
macro_rules! index {
    ($(#[$doc:meta])* $visibility:vis $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $visibility struct $name(u32);

        impl $name {
            /// Returns the index of the slot `at`. A shard never has 2³² connections, tenants, frames or lists.
            pub(super) fn new(at: usize) -> Self {
                Self(at as u32)
            }

            /// Returns the slot.
            pub(super) fn slot(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index! {
    /// A connection of a shard. A later connection may get the same key after the connection was removed.
    pub ConnectionKey
}
index! {
    /// A tenant whose log a shard follows.
    pub(super) TenantKey
}
index! {
    /// A frame of a batch.
    pub(super) FrameIndex
}
index! {
    /// A list of frames of a batch.
    pub(super) ListIndex
}
index! {
    /// A connection among those that one publication reaches.
    pub(super) HitIndex
}

impl ListIndex {
    /// No list.
    pub(super) const NONE: Self = Self(u32::MAX);
}

impl HitIndex {
    /// No hit.
    pub(super) const NONE: Self = Self(u32::MAX);
}
