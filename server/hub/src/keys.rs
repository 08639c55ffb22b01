//! The idempotency keys of evicted publications: a publish that is tried again gets the first answer, and nothing is
//! published twice.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tidings_shared::{
    TopicName,
    limits::{KEYS_MAX_AGE, KEYS_MAX_BYTES},
};
use uuid::Uuid;

use crate::{publication::Published, shrink::Shrink};

/// The bounds of the idempotency keys of evicted publications. Over any of them, the oldest keys are removed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct KeyLimits {
    /// Time since the publication.
    pub max_age: Duration,
    /// Bytes of keys, topics and bookkeeping. This bounds the number of keys too.
    pub max_bytes: usize,
}

impl Default for KeyLimits {
    fn default() -> Self {
        Self { max_age: KEYS_MAX_AGE, max_bytes: KEYS_MAX_BYTES }
    }
}

crate::setters!(KeyLimits { max_age: Duration, max_bytes: usize });

/// Bytes that a key costs beside its topics: the answer, and its entries in the map and in the queue.
const KEY_OVERHEAD: usize = 256;

/// Bytes that a topic costs beside its name.
const TOPIC_OVERHEAD: usize = 64;

/// The answers to evicted publications, by key.
#[derive(Debug)]
pub(crate) struct Keys {
    limits: KeyLimits,
    answers: HashMap<Uuid, Published>,
    /// The keys in the log's order, with the time of their publication.
    oldest_first: VecDeque<(Duration, Uuid)>,
    bytes: usize,
}

impl Keys {
    pub(crate) fn new(limits: KeyLimits) -> Self {
        Self { limits, answers: HashMap::new(), oldest_first: VecDeque::new(), bytes: 0 }
    }

    /// Adds an answer that was given at `published`.
    pub(crate) fn remember(&mut self, answer: Published, published: Duration) {
        self.bytes += cost(&answer);
        self.oldest_first.push_back((published, answer.key));
        self.answers.insert(answer.key, answer);
        while self.bytes > self.limits.max_bytes {
            self.forget();
        }
    }

    /// Returns the answer that this key got.
    pub(crate) fn answer(&self, key: Uuid) -> Option<&Published> {
        self.answers.get(&key)
    }

    /// Removes the keys that are older than the bound.
    pub(crate) fn forget_aged(&mut self, now: Duration) {
        let max_age = self.limits.max_age;
        let is_aged = |(published, _): &(Duration, Uuid)| now.saturating_sub(*published) > max_age;
        while self.oldest_first.front().is_some_and(is_aged) {
            self.forget();
        }
    }

    /// Removes the oldest key.
    pub(crate) fn forget(&mut self) {
        let oldest = self.oldest_first.pop_front();
        if let Some(answer) = oldest.and_then(|(_, key)| self.answers.remove(&key)) {
            self.bytes -= cost(&answer);
        }
        self.oldest_first.shrink();
        self.answers.shrink();
    }

    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the larger capacity of the two tables.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.answers.capacity().max(self.oldest_first.capacity())
    }
}

fn cost(answer: &Published) -> usize {
    key_cost(&answer.topics)
}

/// Returns the bytes that the key of a publication to these topics counts against [`KeyLimits::max_bytes`].
pub fn key_cost(topics: &[TopicName]) -> usize {
    let topics = topics.iter().map(|topic| topic.as_str().len() + TOPIC_OVERHEAD);
    KEY_OVERHEAD + topics.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use tidings_shared::{Position, limits::MAX_TOPIC_BYTES};

    use super::*;
    use crate::test_support::topic;

    fn answer(key: u128, topics: &[&str]) -> Published {
        Published {
            position: Position::new(7, 1, 0),
            key: Uuid::from_u128(key),
            topics: topics.iter().map(|name| topic(name)).collect(),
        }
    }

    fn known(keys: &Keys) -> Vec<u128> {
        (0..10).filter(|key| keys.answer(Uuid::from_u128(*key)).is_some()).collect()
    }

    #[test]
    fn a_key_is_known_for_as_long_as_the_bound_says_and_no_longer() {
        let mut keys = Keys::new(KeyLimits { max_age: Duration::from_secs(10), ..KeyLimits::default() });
        keys.remember(answer(1, &["a"]), Duration::from_secs(1));
        keys.remember(answer(2, &["a"]), Duration::from_secs(2));
        keys.forget_aged(Duration::from_secs(11));
        assert_eq!(known(&keys), [1, 2]);
        keys.forget_aged(Duration::from_millis(11_001));
        assert_eq!(known(&keys), [2]);
        keys.forget_aged(Duration::from_secs(100));
        assert_eq!((keys.len(), keys.bytes(), keys.oldest_first.len()), (0, 0, 0));
    }

    #[test]
    fn keys_are_charged_for_their_topics_and_the_oldest_are_forgotten_first() {
        let small = cost(&answer(1, &["a"]));
        let mut keys = Keys::new(KeyLimits { max_bytes: 3 * small, ..KeyLimits::default() });
        for key in 1..=3 {
            keys.remember(answer(key, &["a"]), Duration::ZERO);
        }
        assert_eq!((known(&keys), keys.bytes()), (vec![1, 2, 3], 3 * small));
        keys.remember(answer(4, &["a"]), Duration::ZERO);
        assert_eq!(known(&keys), [2, 3, 4]);
        keys.remember(answer(5, &["ab"]), Duration::ZERO);
        assert_eq!((known(&keys), keys.bytes()), (vec![4, 5], 2 * small + 1), "one byte more than fits");
        let longest = "x".repeat(MAX_TOPIC_BYTES);
        keys.remember(answer(6, &vec![longest.as_str(); 128]), Duration::ZERO);
        assert_eq!((keys.len(), keys.bytes()), (0, 0), "larger than all that may be remembered");
    }
}
