//! The bucket that all share: revisions, compare-and-set, and what a watch delivers.

use std::collections::BTreeMap;

use crate::cluster::member::{Key, from_json};

/// One write; without a value, a deletion.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) revision: u64,
    pub(super) value: Option<Vec<u8>>,
}

#[derive(Default)]
pub(super) struct Bucket {
    /// How often it was lost.
    pub(super) generation: u32,
    /// All writes since then.
    pub(super) log: Vec<Entry>,
    newest: BTreeMap<String, Entry>,
}

impl Bucket {
    pub(super) fn write(&mut self, key: Key<'_>, value: Option<Vec<u8>>) -> u64 {
        let revision = self.log.len() as u64 + 1;
        let entry = Entry { key: key.to_string(), revision, value };
        self.log.push(entry.clone());
        self.newest.insert(entry.key.clone(), entry);
        revision
    }

    /// Only if the key still has that revision; none: only if there is no such key.
    pub(super) fn write_if(&mut self, key: Key<'_>, expect: Option<u64>, value: Vec<u8>) -> Option<u64> {
        (self.revision(key) == expect).then(|| self.write(key, Some(value)))
    }

    pub(super) fn revision(&self, key: Key<'_>) -> Option<u64> {
        self.newest.get(&key.to_string()).filter(|entry| entry.value.is_some()).map(|entry| entry.revision)
    }

    pub(super) fn read<T: serde::de::DeserializeOwned>(&self, key: Key<'_>) -> Option<T> {
        let value = self.newest.get(&key.to_string())?.value.as_ref()?;
        Some(from_json(value).unwrap())
    }

    /// What a new watch begins with, in the order in which it was written.
    pub(super) fn snapshot(&self) -> Vec<Entry> {
        let mut entries: Vec<_> = self.newest.values().filter(|entry| entry.value.is_some()).cloned().collect();
        entries.sort_unstable_by_key(|entry| entry.revision);
        entries
    }

    pub(super) fn lose(&mut self) {
        *self = Self { generation: self.generation + 1, ..Self::default() };
    }
}
