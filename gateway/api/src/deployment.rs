//! Bodies about the deployment as a whole.

use remit_core::money::Currency;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{currency::Declared, units};

/// `deployment.get`: no fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct GetRequest {}

/// The deployment: first its facts, which are fixed when it is created and never change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The first token of every subject.
    pub name: String,
    /// Made when it was created; tells it from another of the same name.
    pub id: Uuid,
    /// How many account shards there are.
    pub shards: u16,
    /// How many manager partitions there are.
    pub managers: u16,
    /// How an account without a shard in its id is placed.
    pub placement: Placement,
    /// The currencies that it declares beside those of ISO 4217.
    pub currencies: Vec<Declared>,
    /// What runs it.
    pub versions: Versions,
    /// What it is doing.
    pub totals: Totals,
}

/// How an account without a shard in its id is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placement {
    /// By the 64-bit FNV-1a hash of its name, folded, as `remit_core` computes it.
    #[serde(rename = "fnv1a64-folded")]
    Fnv1a64Folded,
}

/// What runs a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Of the program.
    pub remit: String,
    /// Of the databases' format.
    pub format: u32,
}

/// What a deployment is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Transfers that ended in the last second.
    pub transfers_per_s: u64,
    /// Transfers that have not ended.
    pub open: u64,
    /// Of these, those that take longer than they should.
    pub overdue: u64,
    /// Of these, those that need an operator.
    pub parked: u64,
    /// The money between databases.
    pub in_transit: Vec<InTransit>,
}

/// The money of one currency that is between databases, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InTransit {
    /// Which.
    pub currency: Currency,
    /// How much.
    #[serde(with = "units")]
    pub amount: i128,
}
