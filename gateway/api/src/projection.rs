//! Bodies about the projection: the read model that is kept beside the databases, fed from their journals.

use remit_core::id::{Seq, Time};
use serde::{Deserialize, Serialize};

use crate::time;

/// `projection.status`: no fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct StatusRequest {}

/// `projection.rebuild`: no fields. To ask for it again while it is rebuilt changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct RebuildRequest {}

/// How the projection is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Projection {
    /// The name of the actor that keeps it.
    pub id: String,
    /// Whether it can be read.
    pub state: State,
    /// All that was on disk by then is in it; `None` while it is built for the first time.
    #[serde(with = "time::optional")]
    pub as_of: Option<Time>,
    /// How long ago that is, in milliseconds.
    pub lag_ms: Option<u64>,
    /// Rows of journals that are not in it yet.
    pub behind_rows: u64,
    /// Transfers in it.
    pub transfers: u64,
    /// How large its file is.
    pub bytes: u64,
    /// How often it was rebuilt since its actor started.
    pub rebuilt: u64,
    /// How far it is in each journal.
    pub sources: Vec<Source>,
    /// The one that is built beside it, to take its place; `None` unless it is being rebuilt.
    pub rebuild: Option<Rebuild>,
}

/// Whether the projection can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It can.
    Ready,
    /// It can't yet: it is built for the first time.
    Building,
    /// It can, and another is built beside it to take its place.
    Rebuilding,
}

/// How far it is in one journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The actor whose journal it is.
    pub id: String,
    /// The last row that is in it.
    pub seq: Seq,
    /// The journal's last row that it has heard of.
    pub head: Seq,
    /// How many rows that is behind.
    pub behind: u64,
    /// When the last row that is in it was committed; `None` before the first.
    #[serde(with = "time::optional")]
    pub at: Option<Time>,
}

/// How far the one is that takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebuild {
    /// Rows that are not in it yet.
    pub behind_rows: u64,
    /// Rows that are.
    pub rows: u64,
}

impl State {
    /// Its word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Building => "building",
            Self::Rebuilding => "rebuilding",
        }
    }
}
