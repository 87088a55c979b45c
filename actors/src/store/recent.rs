//! A map that remembers the newest of what was put in, up to a bound.

use std::{collections::VecDeque, hash::Hash};

use rustc_hash::FxHashMap;

/// The newest entries by first insertion; what it forgets can be read from the database.
pub(super) struct Recent<K, V> {
    entries: FxHashMap<K, V>,
    order: VecDeque<K>,
    entries_max: usize,
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    pub(super) fn new(entries_max: usize) -> Self {
        Self { entries: FxHashMap::default(), order: VecDeque::new(), entries_max: entries_max.max(1) }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        if self.entries.insert(key, value).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > self.entries_max {
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_holds_more_than_its_bound() {
        let mut recent = Recent::new(2);
        for n in 0..5 {
            recent.put(n, n);
        }
        assert_eq!((recent.len(), recent.get(&2), recent.get(&4)), (2, None, Some(&4)));
    }
}
