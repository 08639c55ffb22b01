//! Shrinks tables that were large for a while. The standard library's tables grow by themselves, and never shrink.
//!
//! A server lives longer than its busiest minute, so it gives the memory of that minute back.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// Tables of up to this many entries are left as they are: they take a few kilobytes.
const SMALL: usize = 64;

/// Shrinks a table after most of its entries were removed. It keeps twice the size that it needs, so the removals pay
/// for the moves.
pub(crate) trait Shrink {
    fn shrink(&mut self);
}

impl<K: Eq + Hash, V> Shrink for HashMap<K, V> {
    fn shrink(&mut self) {
        if is_too_large(self.capacity(), self.len()) {
            self.shrink_to(self.len() * 2);
        }
    }
}

impl<T> Shrink for VecDeque<T> {
    fn shrink(&mut self) {
        if is_too_large(self.capacity(), self.len()) {
            self.shrink_to(self.len() * 2);
        }
    }
}

fn is_too_large(capacity: usize, len: usize) -> bool {
    capacity > SMALL && len < capacity / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crowd_has_left_is_given_back_and_what_is_needed_is_kept() {
        let mut map: HashMap<usize, usize> = (0..10_000).map(|number| (number, number)).collect();
        let mut list: VecDeque<usize> = (0..10_000).collect();
        for number in 0..9_990 {
            map.remove(&number);
            map.shrink();
            list.pop_front();
            list.shrink();
            assert_eq!((map.len(), list.front()), (9_999 - number, Some(&(number + 1))));
        }
        assert!(map.capacity() <= 2 * SMALL && list.capacity() <= 2 * SMALL);
        assert!((9_990..10_000).all(|number| map[&number] == number));
    }
}
