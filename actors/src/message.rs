//! What actors and gateways say to each other.
//!
//! A message is a hint, the row is the truth: any of these may be lost, doubled, late or out of order, and whoever misses
//! an answer asks again.

mod asking;
mod reading;
mod rows;
mod story;

use std::sync::Arc;

use remit_core::{
    id::{PartitionNo, ShardNo, Time, TransferId},
    leg::{Command, Reply},
    protocol::Protocol,
    reason::Reason,
    transfer::{LegSpec, Outcome, Parked},
};
use serde::{Deserialize, Serialize};

pub use self::{
    asking::{Answer, AnswerBody, Ask, ChangeAccount, Filter, JournalState, Position, Posting, Question},
    reading::{DayTotal, Find, Found, InTransit, Listed, Query, Read, Reading, Source, Standings},
    rows::{Chunk, Linked, Rows},
    story::{LegTold, Operate, Operated, Present, Story, Told, What},
};

/// Who a message is for, or from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Address {
    /// An account shard.
    Shard(ShardNo),
    /// A partition's transfer manager.
    Manager(PartitionNo),
    /// A gateway, by the number that it drew when it started.
    Gateway(u64),
    /// The projector, which keeps the read model.
    Projector,
    /// What reads the ledger streams for this node's projector; its frames never leave the node.
    Ledger,
}

/// How urgent a message is. Room is kept for each class apart, and they are taken in this order (R20).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// Answers, undos and posts: they end what is open.
    Reply,
    /// Dos, and questions.
    Do,
    /// New transfers.
    Submit,
}

impl Class {
    /// All classes, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Reply, Self::Do, Self::Submit];
}

/// Anything that travels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// Gateway to manager: a new transfer, or the same again.
    Submit(Submit),
    /// Manager (or, in the events protocol, shard) to shard: act on a leg.
    Command(Command),
    /// Shard to manager: what a leg has recorded.
    Reply(Reply),
    /// Manager to gateway: how a transfer stands.
    Standing(Standing),
    /// Anyone to a shard or manager: a question, or a command about an account.
    Ask(Ask),
    /// The answer to a question.
    Answer(Answer),
    /// Ledger stream to projector: rows of a journal.
    Rows(Rows),
}

impl Message {
    /// How urgent it is.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Submit(_) => Class::Submit,
            Self::Command(command) if command.verb.is_do() => Class::Do,
            Self::Ask(_) => Class::Do,
            Self::Command(_) | Self::Reply(_) | Self::Standing(_) | Self::Answer(_) | Self::Rows(_) => Class::Reply,
        }
    }
}

/// A transfer as the door checked and resolved it; the manager makes the start record of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submit {
    /// The client's id.
    pub id: TransferId,
    /// How it is made all-or-nothing.
    pub protocol: Protocol,
    /// Its legs, resolved to shards.
    pub legs: Vec<LegSpec>,
    /// What the client wrote beside it.
    pub memo: Option<Arc<str>>,
    /// Given up so long after acceptance, if it has not settled: 100 to 86,400,000 ms.
    pub deadline_ms: u64,
    /// The gateway that is told how it stands.
    pub gateway: u64,
    /// That gateway's number for whoever waits there; every word about it bears the same.
    pub ticket: u64,
    /// What that gateway wants to be told.
    pub tell: Tell,
}

/// What a gateway is told of a transfer that is taken. That it is not, it is always told; and so is, of one that is recorded
/// already, how it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tell {
    /// That it is on disk.
    Accepted,
    /// That it is on disk, and its end.
    Both,
    /// Its end alone: whoever waits longer than it takes has no use for the first word.
    End,
}

impl Tell {
    /// Whether it is told that the transfer is on disk.
    #[must_use]
    pub const fn acceptance(self) -> bool {
        matches!(self, Self::Accepted | Self::Both)
    }

    /// Whether it is told of the end.
    #[must_use]
    pub const fn end(self) -> bool {
        matches!(self, Self::Both | Self::End)
    }
}

/// How a transfer stands, for a gateway that asked or waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The transfer.
    pub id: TransferId,
    /// The gateway's number for whoever waits.
    pub ticket: u64,
    /// How it stands, or why it was not taken.
    pub stands: Stands,
}

/// How a transfer stands, or why it was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stands {
    /// It is on disk.
    Recorded(Progress),
    /// Its id has another body; what differs.
    Conflict(Vec<String>),
    /// Nothing was recorded: no room; milliseconds after which to try again.
    Overloaded(u64),
    /// Its manager is quarantined, and why: it may or may not be recorded.
    Unavailable(String),
}

/// Where a recorded transfer has got to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Its status.
    pub status: Status,
    /// Why it did not complete, or why it is parked.
    pub reason: Option<Reason>,
    /// What is known of each leg, in order; empty where every leg is still pending.
    pub legs: Vec<LegWord>,
    /// When it was accepted.
    pub accepted_at: Time,
    /// When it is given up if it has not settled.
    pub deadline_at: Time,
    /// When it ended.
    pub settled_at: Option<Time>,
    /// Whether it takes too long.
    pub overdue: bool,
    /// Why it is parked, if it is.
    pub parked: Option<Parked>,
}

/// A transfer's status in the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Status {
    /// On disk at its manager; no leg has answered.
    Accepted,
    /// A leg has answered.
    InProgress,
    /// Ended.
    Ended(Outcome),
    /// Needs an operator.
    Parked,
}

impl Status {
    /// Its word in the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::InProgress => "in_progress",
            Self::Ended(outcome) => outcome.as_str(),
            Self::Parked => "parked",
        }
    }

    /// Whether it is an end, which never changes.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Ended(_))
    }
}

/// A leg's state in the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LegWord {
    /// Not known to have been done.
    Pending,
    /// Reserved.
    Held,
    /// Posted.
    Posted,
    /// Refused, for ever.
    Refused,
    /// It never was, and never will be.
    Cancelled,
    /// A hold was given back.
    Released,
    /// A debit was given back.
    Compensated,
}

impl LegWord {
    /// All words.
    pub const ALL: [Self; 7] =
        [Self::Pending, Self::Held, Self::Posted, Self::Refused, Self::Cancelled, Self::Released, Self::Compensated];

    /// Its word in the contract and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Posted => "posted",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Released => "released",
            Self::Compensated => "compensated",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// W3C trace context of a sampled message: trace id, span id, flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The span that caused the message.
    pub span_id: [u8; 8],
    /// The flags; sampled is 1.
    pub flags: u8,
}
