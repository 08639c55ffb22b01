//! The offsets of one topic's entries. Most topics have one entry.

use std::collections::VecDeque;

use crate::shrink::Shrink;

/// Offsets, in order. A single offset needs no allocation.
#[expect(clippy::box_collection, reason = "an unboxed list would make every variant larger")]
#[derive(Debug, Default)]
pub(super) enum Offsets {
    #[default]
    None,
    One(u64),
    Many(Box<VecDeque<u64>>),
}

/// Bytes of a list beside its offsets. The offsets are part of the cost of an entry.
const LIST_OVERHEAD: usize = 64;

impl Offsets {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::None => true,
            Self::One(_) => false,
            Self::Many(many) => many.is_empty(),
        }
    }

    /// Adds the next offset. Returns the bytes that this allocates.
    pub(super) fn push(&mut self, offset: u64) -> usize {
        match self {
            Self::None => *self = Self::One(offset),
            Self::One(first) => {
                *self = Self::Many(Box::new(VecDeque::from([*first, offset])));
                return LIST_OVERHEAD;
            }
            Self::Many(many) => many.push_back(offset),
        }
        0
    }

    /// Removes the first offset. Returns the bytes that this frees.
    pub(super) fn pop(&mut self) -> usize {
        match self {
            Self::Many(many) if many.len() > 1 => {
                many.pop_front();
                many.shrink();
                0
            }
            Self::Many(_) => {
                *self = Self::None;
                LIST_OVERHEAD
            }
            Self::None | Self::One(_) => {
                *self = Self::None;
                0
            }
        }
    }

    /// Returns the capacity of the list.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        if let Self::Many(many) = self { many.capacity() } else { 0 }
    }

    /// Returns the offsets after `offset`.
    pub(super) fn after(&self, offset: u64) -> impl Iterator<Item = u64> {
        let (one, many) = match self {
            Self::None => (None, None),
            Self::One(one) => (Some(*one).filter(|&one| one > offset), None),
            Self::Many(many) => {
                let start = many.partition_point(|&known| known <= offset);
                (None, Some(many.range(start..).copied()))
            }
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}
