//! The facts in the bucket: who is there, who runs what, and what operators want.
//!
//! Each is JSON under one key. Fields that a reader does not know are passed over, so that a newer node may say more.

use std::fmt;

use remit_core::id::Time;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::message::Address;

/// A node, as it says of itself under `node.<name>`.
///
/// It writes this anew several times within the lease time, and deletes it when it leaves. That is its heartbeat, and the lease
/// of all that it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The id of its data folder, which outlives its process.
    pub id: String,
    /// Drawn when its process started.
    pub incarnation: u64,
    /// What it may run.
    pub roles: Roles,
    /// It is leaving, and gives away all that it runs.
    pub draining: bool,
    /// The number of its door, for what actors have to tell it.
    pub door: u64,
    /// The newest version of frames that it reads.
    pub version: u32,
    /// The version of its program. For people only.
    #[serde(default)]
    pub program: String,
    /// When its process began, by its own clock. For people only.
    #[serde(default)]
    pub started_at: Time,
    /// When it wrote this, by its own clock. For people only.
    pub at: Time,
    /// Counts what it has written, so that no two are the same.
    pub beat: u64,
}

/// What a node may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// Doors. They are not placed: every node with this role has one.
    pub gateway: bool,
    /// Transfer managers.
    pub manager: bool,
    /// Account shards.
    pub shard: bool,
    /// The projector.
    pub projector: bool,
}

/// A role whose work is placed, each journal on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Runs account shards.
    Shard,
    /// Runs transfer managers.
    Manager,
    /// Runs the projector.
    Projector,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Shard, Self::Manager, Self::Projector];

    /// The role that runs this; none for what every node has for itself.
    #[must_use]
    pub const fn of(journal: Address) -> Option<Self> {
        match journal {
            Address::Shard(_) => Some(Self::Shard),
            Address::Manager(_) => Some(Self::Manager),
            Address::Projector => Some(Self::Projector),
            Address::Gateway(_) | Address::Ledger => None,
        }
    }
}

impl Roles {
    /// Everything.
    pub const ALL: Self = Self { gateway: true, manager: true, shard: true, projector: true };

    /// Whether this role is among them.
    #[must_use]
    pub const fn has(self, role: Role) -> bool {
        match role {
            Role::Shard => self.shard,
            Role::Manager => self.manager,
            Role::Projector => self.projector,
        }
    }
}

/// Who runs a journal, under `own.<journal>`. Its *term* is the revision under which this was written: compare-and-set gives each
/// to one node only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The node's name.
    pub node: String,
    /// The process of that node. Another one has forgotten what it ran.
    pub incarnation: u64,
}

/// A key of the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key<'a> {
    /// `node.<name>`: a [`Member`].
    Node(&'a str),
    /// `own.<journal>`: an [`Owner`].
    Own(&'a str),
    /// `pin.<journal>`: the name of the node on which an operator wants it, as a JSON string.
    Pin(&'a str),
    /// `drain.<node>`: the incarnation that is to give away all that it runs, as a JSON number. It ends with that incarnation.
    Drain(&'a str),
    /// `adopt.<journal>`: an [`Adoption`], until the journal is served again.
    Adopt(&'a str),
}

/// An operator's word that a journal is to be served from what can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoption {
    /// Why.
    pub why: String,
    /// Who wants it.
    pub by: String,
}

impl<'a> Key<'a> {
    /// Reads what [`Key`] writes; none for a key of another kind.
    #[must_use]
    pub fn parse(key: &'a str) -> Option<Self> {
        let (kind, name) = key.split_once('.')?;
        if name.is_empty() {
            return None;
        }
        match kind {
            "node" => Some(Self::Node(name)),
            "own" => Some(Self::Own(name)),
            "pin" => Some(Self::Pin(name)),
            "drain" => Some(Self::Drain(name)),
            "adopt" => Some(Self::Adopt(name)),
            _ => None,
        }
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => write!(f, "node.{name}"),
            Self::Own(journal) => write!(f, "own.{journal}"),
            Self::Pin(journal) => write!(f, "pin.{journal}"),
            Self::Drain(node) => write!(f, "drain.{node}"),
            Self::Adopt(journal) => write!(f, "adopt.{journal}"),
        }
    }
}

/// A fact as it is stored.
///
/// # Panics
/// Never for what this file defines.
#[must_use]
pub fn to_json(fact: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(fact).expect("numbers, texts and flags always have a JSON form")
}

/// A fact, from how it is stored.
///
/// # Errors
/// What is wrong with these bytes.
pub fn from_json<T: DeserializeOwned>(value: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_what_it_writes() {
        for (text, key) in [
            ("node.eu-1", Key::Node("eu-1")),
            ("own.s0", Key::Own("s0")),
            ("pin.m3", Key::Pin("m3")),
            ("drain.eu-1", Key::Drain("eu-1")),
            ("adopt.s2", Key::Adopt("s2")),
        ] {
            assert_eq!(Key::parse(text), Some(key));
            assert_eq!(key.to_string(), text);
        }
        for wrong in ["", "node", "node.", "nodes.a", "own_s0", ".s0"] {
            assert_eq!(Key::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_json_is_what_other_versions_read() {
        let member = Member {
            id: "f1".into(),
            incarnation: u64::MAX,
            roles: Roles { shard: true, ..Roles::default() },
            draining: false,
            door: 9,
            version: 3,
            program: "0.1.0".into(),
            started_at: Time(1_600_000_000_000),
            at: Time(1_700_000_000_000),
            beat: 7,
        };
        let text = r#"{"id":"f1","incarnation":18446744073709551615,"roles":{"gateway":false,"manager":false,"shard":true,"projector":false},"draining":false,"door":9,"version":3,"program":"0.1.0","started_at":1600000000000,"at":1700000000000,"beat":7}"#;
        assert_eq!(String::from_utf8(to_json(&member)).unwrap(), text);
        assert_eq!(from_json::<Member>(text.as_bytes()).unwrap(), member);

        let owner = Owner { node: "eu-1".into(), incarnation: 5 };
        assert_eq!(to_json(&owner), br#"{"node":"eu-1","incarnation":5}"#);
        let by_a_newer_version = br#"{"node":"eu-1","incarnation":5,"since":9}"#;
        assert_eq!(from_json::<Owner>(by_a_newer_version).unwrap(), owner);
        assert!(from_json::<Owner>(b"").is_err());
    }
}
