//! What nodes ask each other, outside of frames: by request and reply on `<deployment>.node.<name>`.

use remit_core::id::{Epoch, Seq};
use serde::{Deserialize, Serialize};

use crate::message::{Address, Linked};

/// A question to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(super) enum Request {
    /// Let your file of this journal refuse all lower epochs from now on, and say what it has (R15).
    Promise {
        /// The journal.
        journal: Address,
        /// The epoch.
        epoch: Epoch,
    },
    /// The rows of your file above a position. Answered with a frame.
    Rows {
        /// The journal.
        journal: Address,
        /// The position.
        above: Seq,
    },
    /// Commit to your registry who claimed what, and who is a member (R18).
    Learn(Known),
    /// What your registry has.
    Tell,
    /// Stop running this journal, and hand it to the asker.
    GiveAway {
        /// The journal.
        journal: Address,
        /// The term under which the asked one runs it.
        term: u64,
        /// The asker.
        to: super::member::Owner,
    },
    /// What you run, and how it is.
    Status,
}

/// What a file of a journal has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// It refuses lower epochs than this one.
    pub epoch: Epoch,
    /// The newest epoch whose claim is among its rows.
    pub claimed: Epoch,
    /// Its last commit.
    pub linked: Linked,
}

impl Held {
    /// How new its contents are: a later claim is newer than any number of rows before it.
    #[must_use]
    pub fn age(&self) -> (Epoch, Seq) {
        (self.claimed, self.linked.seq)
    }
}

/// A member's answer to a claimant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promised {
    /// Its name.
    pub node: String,
    /// What its file has; `None` if it has none.
    pub held: Option<Held>,
    /// What it knows of claims of that journal.
    pub known: Claims,
}

/// What a node knows of the claims of one journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The newest that was announced: nobody takes anything in, or appends, before all that are alive know that he is about to.
    pub announced: Option<Claimed>,
    /// The newest that has come true: nothing leaves before all that are alive know.
    pub served: Option<Claimed>,
}

/// Who claimed a journal, or is about to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// The journal's name.
    pub journal: String,
    /// Under which epoch.
    pub epoch: Epoch,
    /// The node.
    pub node: String,
}

/// What a registry has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The newest claim of each journal.
    pub claims: Vec<Claimed>,
    /// The newest announcement of a claim of each journal.
    #[serde(default)]
    pub announced: Vec<Claimed>,
    /// The nodes that have ever joined.
    pub members: Vec<String>,
}

/// What became of a request to give a journal away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Given {
    /// It is the asker's, whose term is this revision.
    Away(u64),
    /// It is not, and why.
    Not(String),
}

/// A durable actor of a node, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Its claim.
    pub epoch: Epoch,
    /// A word for how it is.
    pub state: String,
    /// Messages that wait for it.
    pub queue_depth: u64,
    /// How often it was started again.
    pub restarts: u64,
    /// Appends of this node about it that were refused, since somebody else had appended.
    pub refused: u64,
}
