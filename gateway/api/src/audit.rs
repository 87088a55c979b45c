//! Bodies about the audit: the conservation proof across all databases.

use remit_core::{
    id::{Seq, Time, TransferId},
    money::Currency,
};
use serde::{Deserialize, Serialize};

use crate::{id, time, units};

/// `audit.run`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct RunRequest {
    /// Default: quick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<Depth>,
}

/// How much of each database an audit reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// Running totals, and the hash chain since the last verified row.
    #[default]
    Quick,
    /// Every balance recomputed, and the whole chain.
    Full,
}

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Whether no money was made or lost and every database is sound.
    pub ok: bool,
    /// How much was read.
    pub depth: Depth,
    /// The finding for each currency.
    pub currencies: Vec<CurrencyFinding>,
    /// The finding for each shard.
    pub shards: Vec<ShardFinding>,
    /// Open transfers whose record can't be read: what they account for is taken from their legs instead.
    #[serde(default, with = "id::transfers")]
    pub unreadable: Vec<TransferId>,
    /// When it was taken.
    #[serde(with = "time")]
    pub taken_at: Time,
}

/// The finding for one currency, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrencyFinding {
    /// Which.
    pub currency: Currency,
    /// Over all balances, in-transit accounts included: 0.
    #[serde(with = "units")]
    pub sum: i128,
    /// What the databases say is between them.
    #[serde(with = "units")]
    pub in_transit: i128,
    /// What the open transfers say is between them.
    #[serde(with = "units")]
    pub in_flight: i128,
    /// Their difference: 0.
    #[serde(with = "units")]
    pub drift: i128,
    /// Outgoing holds that no open transfer accounts for, in minor units: 0.
    #[serde(with = "units", default)]
    pub held_drift: i128,
    /// Incoming holds that no open transfer accounts for, in minor units: 0.
    #[serde(with = "units", default)]
    pub incoming_drift: i128,
}

/// The finding for one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardFinding {
    /// Its name.
    pub id: String,
    /// The newest row of its journal.
    pub journal_seq: Seq,
    /// The row up to which the hash chain is verified.
    pub verified_to: Seq,
    /// The chain's hash at that row, in hexadecimal.
    pub hash: String,
    /// Whether it balances by itself.
    pub balanced: bool,
}

impl RunRequest {
    /// How much to read, default applied.
    #[must_use]
    pub fn depth(self) -> Depth {
        self.depth.unwrap_or_default()
    }
}
