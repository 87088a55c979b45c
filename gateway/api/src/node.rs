//! Bodies about nodes: the processes that a deployment runs on.

use remit_core::id::Time;
use serde::{Deserialize, Serialize};

use crate::{id, time};

/// `node.list`: no fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct ListRequest {}

/// `node.drain`: what the node runs is to go on elsewhere; answered by the [`Node`] as it stands. The drain itself goes on: it is over
/// when `runs` is empty. To ask for it again changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct DrainRequest {
    /// Which node.
    #[serde(deserialize_with = "id::node_name")]
    pub name: String,
}

/// All of them that have been heard of lately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// One row each, by name.
    pub nodes: Vec<Node>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Whether it can be counted on.
    pub state: State,
    /// What it may do.
    pub roles: Vec<Role>,
    /// The durable actors that it runs: `s0`, `m0`, `p0`.
    pub runs: Vec<String>,
    /// How long ago it was last heard of, in milliseconds, by whoever answers; 0: it answers itself.
    pub heard_ms: u64,
    /// The version of its program.
    pub version: String,
    /// When its process began, by its own clock.
    #[serde(with = "time")]
    pub started_at: Time,
}

/// Whether a node can be counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is heard of, and takes what is given to it.
    Live,
    /// It hands over what it runs, and takes nothing new.
    Draining,
    /// It runs nothing any more, and may be stopped.
    Drained,
    /// It has not been heard of for the time of a lease: what it ran is taken over.
    Silent,
}

/// What a node may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Answers clients.
    Gateway,
    /// Runs transfer managers.
    Manager,
    /// Runs account shards.
    Shard,
    /// Keeps the read model.
    Projector,
}

impl State {
    /// Its word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Draining => "draining",
            Self::Drained => "drained",
            Self::Silent => "silent",
        }
    }
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gateway, Self::Manager, Self::Shard, Self::Projector];

    /// Its word, in JSON and in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Manager => "manager",
            Self::Shard => "shard",
            Self::Projector => "projector",
        }
    }

    /// Reads its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}
