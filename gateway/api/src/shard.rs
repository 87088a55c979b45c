//! Bodies about the durable actors: account shards, transfer managers, projectors.

use remit_core::id::Epoch;
use serde::{Deserialize, Serialize};

use crate::{Error, grounds, id};

/// `shard.list`: no fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct ListRequest {}

/// `shard.move`: it is to be served by this node; answered by the [`Shard`] as it stands. The move itself goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct MoveRequest {
    /// Which.
    #[serde(deserialize_with = "id::shard_name")]
    pub id: String,
    /// Where to.
    #[serde(deserialize_with = "id::node_name")]
    pub node: String,
}

/// `shard.adopt`: it is to be served from what can be reached, although something newer may exist on a machine that is gone; answered by
/// the [`Shard`] as it stands. What is newer there is then set aside for good, so only an operator who knows that the machine does
/// not come back gives this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct AdoptRequest {
    /// Which.
    #[serde(deserialize_with = "id::shard_name")]
    pub id: String,
    /// Why, for those who look later: 1 to 280 characters.
    pub why: String,
    /// Who: 1 to 64 characters. Left out, it is recorded as `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl AdoptRequest {
    /// Who, and why.
    ///
    /// # Errors
    /// A text that is empty or too long; the field is named.
    pub fn grounds(&self) -> Result<(&str, &str), Error> {
        let by = self.by.as_deref().unwrap_or(grounds::UNKNOWN);
        grounds::check(&self.why, by, "the shard's records")?;
        Ok((by, &self.why))
    }
}

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
    /// The node that serves it; empty while none does.
    pub node: String,
    /// The claim under which it writes.
    pub epoch: Epoch,
    /// A word for how it is: `up`, `starting`, `restarting` and so on; `nowhere` while no node serves it.
    pub state: String,
    /// The kind of its database.
    pub store: String,
    /// Messages that wait for it.
    pub queue_depth: u64,
    /// How often it was started again since its node came up.
    pub restarts: u64,
    /// Commits and appends of owners before the present one that were refused since its node came up.
    #[serde(default)]
    pub refused: u64,
}

impl Shard {
    /// The state of one that no node serves.
    pub const NOWHERE: &str = "nowhere";
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
