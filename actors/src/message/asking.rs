//! Questions, and their answers.

use std::sync::Arc;

use remit_core::{
    account::{self, Account, Change},
    audit::ShardView,
    id::{AccountId, Epoch, PartitionNo, Seq, Time, TransferId},
    ledger::Transit,
    money::{Amount, Currency, Direction},
    transfer::Start,
};
use serde::{Deserialize, Serialize};

use super::{Address, Operate, Operated, Progress, Read, Reading, Status, Story};

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
    /// Projector: something of the read model.
    Read(Box<Read>),
    /// Reader of the ledger streams: the rows of this actor's journal above a position, when there are any. The ticket names the
    /// lane: each lane of an actor's rows is asked for in order.
    RowsAbove(Address, Seq),
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
    /// What the read model has.
    Reading(Box<Reading>),
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
