//! How far a read model is in one journal.

use std::collections::BTreeMap;

use remit_core::id::{Seq, Time};

use crate::{
    genesis::Genesis,
    message::{Address, Linked, Rows},
};

/// How far it is.
#[derive(Clone, Debug, Default)]
pub(in crate::projector) struct Position {
    /// The last row that is in it.
    pub(in crate::projector) seq: Seq,
    /// When that was committed.
    pub(in crate::projector) at: Option<Time>,
    /// The newest commit that is whole in it: what comes next must rest on the same.
    pub(in crate::projector) linked: Linked,
    /// The journal's last row that was heard of.
    pub(in crate::projector) head: Seq,
    /// All that was committed by then is in it.
    pub(in crate::projector) complete: Time,
    /// Rows that wait for those of another journal.
    pub(super) held: Option<Rows>,
    /// Up to where it is written.
    pub(super) written: Seq,
}

impl Position {
    /// Whether a run of rows rests on those that are in it: the end of its newest commit must be one in that history too.
    pub(super) fn is_before(&self, rows: &Rows) -> bool {
        let Linked { seq, link } = self.linked;
        if seq < rows.first {
            return rows.before == self.linked;
        }
        seq > rows.last || rows.chunks.iter().any(|chunk| chunk.last == seq && chunk.link == Some(link))
    }

    /// Whether it has rows that it can't take in yet.
    pub(in crate::projector) fn is_held(&self) -> bool {
        self.held.is_some()
    }
}

/// Every journal of a deployment, at its start.
pub(super) fn all(genesis: &Genesis) -> BTreeMap<Address, Position> {
    let managers = genesis.partition_numbers().map(Address::Manager);
    let shards = genesis.shard_numbers().map(Address::Shard);
    managers.chain(shards).map(|source| (source, Position::default())).collect()
}
