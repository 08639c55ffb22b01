//! Shrinks tables that were large for a while. The standard library's tables grow by themselves, and never shrink.
//!
//! A server that was busy once must not keep the memory of its busiest minute.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// A table with a capacity of up to this many entries keeps its size: it takes a few kilobytes.
const SMALL: usize = 64;

/// Shrinks a table after most of its entries were removed. It keeps twice the size that it needs. So shrinking is rare,
/// and costs little for each removal.
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
    fn a_table_shrinks_after_most_entries_left_and_keeps_the_rest() {
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
