//! Memory that a crowd has left behind. Tables grow by themselves and never shrink.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// Entries below which a table is left as it is: it costs a few kilobytes.
const SMALL: usize = 64;

/// Gives back what a table has had no use for since most of its entries went. It stays twice as large as it has to be, so
/// that what is moved is paid for by what was removed.
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
