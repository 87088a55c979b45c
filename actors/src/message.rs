//! What actors and gateways say to each other.
//!
//! A message is a hint, the row is the truth: any of these may be lost, doubled, late or out of order, and whoever misses
//! an answer asks again.

mod story;

use std::sync::Arc;

use remit_core::{
    account::{self, Account, Change},
    audit::ShardView,
    id::{AccountId, Epoch, PartitionNo, Seq, ShardNo, Time, TransferId},
    ledger::Transit,
    leg::{Command, Reply},
    money::{Amount, Currency, Direction},
    protocol::Protocol,
    reason::Reason,
    transfer::{LegSpec, Outcome, Parked, Start},
};
use serde::{Deserialize, Serialize};

pub use self::story::{LegTold, Operate, Operated, Present, Story, Told, What};

/// Who a message is for, or from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Address {
    /// An account shard.
    Shard(ShardNo),
    /// A partition's transfer manager.
    Manager(PartitionNo),
    /// A gateway, by the number that it drew when it started.
    Gateway(u64),
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
}

impl Message {
    /// How urgent it is.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Submit(_) => Class::Submit,
            Self::Command(command) if command.verb.is_do() => Class::Do,
            Self::Ask(_) => Class::Do,
            Self::Command(_) | Self::Reply(_) | Self::Standing(_) | Self::Answer(_) => Class::Reply,
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

/// A question, with where its answer goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The asker's number for it; the answer bears the same.
    pub ticket: u64,
    /// Who asks.
    pub from: Address,
    /// What.
    pub question: Question,
}

/// An answer, or a part of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The number of the question.
    pub ticket: u64,
    /// Which part of `parts` it is, from 0: a long answer travels in several messages, all of one moment.
    pub part: u32,
    /// How many parts there are: 1 or more.
    pub parts: u32,
    /// What is answered.
    pub body: AnswerBody,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Question {
    /// Shard: change an account.
    ChangeAccount(ChangeAccount),
    /// Shard: close an account, once nothing is in flight (R4), within so many milliseconds.
    CloseAccount(ChangeAccount, u64),
    /// Shard: one account.
    Account(AccountId),
    /// Shard: so many accounts after this one, by id.
    Accounts {
        /// The last one that the asker has.
        after: Option<AccountId>,
        /// 1 to 1,000.
        limit: u32,
    },
    /// Shard: postings on an account, newest first.
    Statement {
        /// The account.
        account: AccountId,
        /// From this moment on.
        from: Option<Time>,
        /// Before this moment.
        to: Option<Time>,
        /// Below this position of the journal.
        before: Option<Seq>,
        /// 1 to 1,000.
        limit: u32,
    },
    /// Shard or manager: its journal's position, and its totals.
    Position,
    /// Shard, step 2 of the audit (R5): totals and legs at one position.
    AuditShard {
        /// Legs of all rows above this position.
        since: Seq,
        /// And of these transfers.
        transfers: Vec<TransferId>,
        /// And, by their rows, of these, whose start can't be read.
        unreadable: Vec<TransferId>,
        /// Whether every balance and the whole chain are computed anew.
        full: bool,
    },
    /// Manager, step 1 of the audit (R5): the open transfers.
    AuditOpen {
        /// Whether the whole chain, and which transfers are open, is computed anew.
        full: bool,
    },
    /// Manager, step 3 of the audit (R5): the transfers begun above this position, ended or not.
    AuditBegun {
        /// The position of step 1.
        since: Seq,
    },
    /// Manager: one transfer.
    Transfer(TransferId),
    /// Manager: transfers by filter, newest first.
    Transfers(Filter),
    /// Manager, from a shard that closes an account (R4): how many open transfers touch it.
    OpenOn {
        /// The account.
        account: AccountId,
        /// The position of its `closing` row.
        closing: Seq,
    },
    /// Shard or manager: what it has recorded of a transfer.
    Story(TransferId),
    /// Manager: do what an operator wants done about a transfer.
    Operate(Operate),
}

/// A change of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeAccount {
    /// The account.
    pub account: AccountId,
    /// What to change.
    pub change: Change,
    /// The idempotency key: a repeat answers as the first time.
    pub command_id: [u8; 16],
    /// The version that the account must have.
    pub if_version: Option<u64>,
}

/// Which transfers are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// With this status.
    pub status: Option<Status>,
    /// That touch this account.
    pub account: Option<AccountId>,
    /// That take too long.
    pub overdue: Option<bool>,
    /// Accepted at or after this moment.
    pub since: Option<Time>,
    /// Begun below this position of the partition's journal.
    pub before: Option<Seq>,
    /// 1 to 1,000.
    pub limit: u32,
}

/// What can be answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AnswerBody {
    /// An account after a command, or as it is.
    Account(Option<Account>),
    /// A command about an account was refused.
    Refused(account::Refusal),
    /// Accounts in the order of their ids; whether there are more.
    Accounts(Vec<(AccountId, Account)>, bool),
    /// Postings; where to go on.
    Statement {
        /// The account as it is; `None` if there is none.
        account: Option<Account>,
        /// Newest first.
        postings: Vec<Posting>,
        /// The position below which older ones are.
        next: Option<Seq>,
    },
    /// A journal's position and totals.
    Position(Position),
    /// Step 2 of the audit.
    AuditShard {
        /// Totals and legs; of a long answer, the totals are in the first part.
        view: ShardView,
        /// The journal's state.
        journal: JournalState,
    },
    /// Steps 1 and 3 of the audit: start records.
    AuditStarts {
        /// The position that they were read at.
        at: Seq,
        /// Start records.
        starts: Vec<Start>,
        /// Open transfers whose start can't be read; in the first part.
        unreadable: Vec<TransferId>,
    },
    /// A transfer, with where its start is recorded.
    Transfer(Option<Box<(Start, Progress)>>),
    /// Transfers, newest first, each with where it begun; where to go on.
    Transfers(Vec<(Seq, Start, Progress)>, Option<Seq>),
    /// How many open transfers touch an account, as of its `closing` row.
    OpenOn {
        /// The account.
        account: AccountId,
        /// The position of its `closing` row.
        closing: Seq,
        /// The partition.
        partition: PartitionNo,
        /// How many.
        open: u64,
    },
    /// It can't be answered: why.
    Unavailable(String),
    /// What an actor tells of a transfer.
    Story(Box<Story>),
    /// What came of an operator's order.
    Operated(Operated),
}

/// One posting on an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// Where it stands in the shard's journal.
    pub seq: Seq,
    /// When.
    pub at: Time,
    /// Of which transfer.
    pub transfer: TransferId,
    /// Out of the account or into it.
    pub direction: Direction,
    /// How much.
    pub amount: Amount,
    /// The balance after it.
    pub balance: i64,
    /// What the client wrote beside the transfer.
    pub memo: Option<Arc<str>>,
}

/// Where an actor's journal stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Its writer's epoch.
    pub epoch: Epoch,
    /// Its last row.
    pub seq: Seq,
    /// Its in-transit accounts and sums (a shard's).
    pub totals: Vec<(Currency, Transit)>,
    /// Open transfers (a manager's).
    pub open: u64,
    /// Those that take too long.
    pub overdue: u64,
    /// Those that need an operator.
    pub parked: u64,
    /// Transfers that ended since the actor started.
    pub ended: u64,
    /// When the open transfer that began first was accepted (a manager's).
    pub oldest: Option<Time>,
}

/// What an audit says of a shard's journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalState {
    /// Its last row.
    pub seq: Seq,
    /// How far its hash chain has been verified.
    pub verified_to: Seq,
    /// The chain's newest hash.
    pub hash: [u8; 32],
    /// Whether its running totals balance (and, in a full audit, are what all rows come to).
    pub balanced: bool,
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
