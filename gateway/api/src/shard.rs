//! Bodies about the durable actors: account shards, transfer managers, projectors.

use remit_core::id::Epoch;
use serde::{Deserialize, Serialize};

/// `shard.list`: no fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct ListRequest {}

/// All of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// One row each.
    pub shards: Vec<Shard>,
}

/// One durable actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Its name: `s0`, `m0`, `p0`, unless configured.
    pub id: String,
    /// What it does.
    pub role: Role,
    /// The node that serves it.
    pub node: String,
    /// The claim under which it writes.
    pub epoch: Epoch,
    /// A word for how it is.
    pub state: String,
    /// The kind of its database.
    pub store: String,
    /// Messages that wait for it.
    pub queue_depth: u64,
    /// How often it was started again since its node came up.
    pub restarts: u64,
}

/// What a durable actor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Keeps accounts.
    Shard,
    /// Keeps transfers.
    Manager,
    /// Keeps the read model.
    Projector,
}

impl Role {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shard => "shard",
            Self::Manager => "manager",
            Self::Projector => "projector",
        }
    }
}
