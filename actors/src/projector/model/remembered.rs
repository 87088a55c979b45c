//! Values of a table that a turn changes: read once, changed in memory, written once when the turn ends.

use std::hash::Hash;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::store::Error;

/// Values by key, as far as they have been read lately.
pub(super) struct Remembered<K, V> {
    values: FxHashMap<K, V>,
    changed: FxHashSet<K>,
    /// How many are kept between turns; then all are read again as they are needed.
    kept_max: usize,
}

impl<K: Clone + Eq + Hash + Ord, V: Default> Remembered<K, V> {
    pub(super) fn new(kept_max: usize) -> Self {
        Self { values: FxHashMap::default(), changed: FxHashSet::default(), kept_max }
    }

    /// The value with this key, to be changed; read if it is not known.
    pub(super) fn change(
        &mut self,
        key: &K,
        read: impl FnOnce(&K) -> Result<Option<V>, Error>,
    ) -> Result<&mut V, Error> {
        if !self.values.contains_key(key) {
            let value = read(key)?.unwrap_or_default();
            self.values.insert(key.clone(), value);
        }
        if !self.changed.contains(key) {
            self.changed.insert(key.clone());
        }
        Ok(self.values.entry(key.clone()).or_default())
    }

    /// What has changed since the last time, in the order of the keys, so that neighbours share a table's pages.
    pub(super) fn take_changed(&mut self) -> Vec<(K, &V)> {
        let mut keys: Vec<K> = self.changed.drain().collect();
        keys.sort_unstable();
        let values = &self.values;
        keys.into_iter().filter_map(|key| values.get(&key).map(|value| (key, value))).collect()
    }

    /// Forgets all, if that is too much; only when nothing has changed.
    pub(super) fn forget(&mut self) {
        if self.values.len() > self.kept_max {
            self.values.clear();
        }
    }
}
