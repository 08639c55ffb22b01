//! The offsets of a topic's entries: mostly one.

use std::collections::VecDeque;

use crate::shrink::Shrink;

/// Offsets in order. Most topics of a log have one entry in the ring, which takes no memory of its own.
#[expect(clippy::box_collection, reason = "so that the others are small, too")]
#[derive(Debug, Default)]
pub(super) enum Offsets {
    #[default]
    None,
    One(u64),
    Many(Box<VecDeque<u64>>),
}

/// Bytes that a list of its own costs beside its places, which the entries are counted with.
const LIST_OVERHEAD: usize = 64;

impl Offsets {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::None => true,
            Self::One(_) => false,
            Self::Many(many) => many.is_empty(),
        }
    }

    /// Adds the next offset, and says how many bytes more this costs.
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

    /// Takes the first offset away, and says how many bytes less this costs.
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

    /// Of its list.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        if let Self::Many(many) = self { many.capacity() } else { 0 }
    }

    /// Those after an offset.
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
