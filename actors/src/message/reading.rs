//! Questions to the projector, and what the read model answers.

use std::sync::Arc;

use remit_core::{
    id::{AccountId, PartitionNo, Seq, ShardNo, Time},
    money::Currency,
    transfer::Start,
};
use serde::{Deserialize, Serialize};

use super::{Address, Posting, Progress, Status};

/// Something of the read model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Read {
    /// What.
    pub query: Query,
    /// The positions of journals that must be in it first.
    pub at_least: Vec<(Address, Seq)>,
    /// How long to wait for that, in milliseconds.
    pub within_ms: u64,
}

/// What can be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Query {
    /// Transfers of all partitions, newest first.
    Transfers(Find),
    /// Postings on an account, newest first.
    Statement {
        /// The account.
        account: AccountId,
        /// The shard where it lives.
        shard: ShardNo,
        /// From this moment on.
        from: Option<Time>,
        /// Before this moment.
        to: Option<Time>,
        /// This row of the account's and those before it.
        before: Option<Seq>,
        /// 1 to 1,000.
        limit: u32,
    },
    /// What was posted on accounts, day by day (of UTC), in the order of day, account and currency.
    Totals {
        /// Only on this account.
        account: Option<AccountId>,
        /// From this day on, counted from 1970-01-01.
        from: i64,
        /// Before this day.
        to: i64,
        /// After this one.
        after: Option<(i64, AccountId)>,
        /// 1 to 1,000.
        limit: u32,
    },
    /// Money between databases at the end of each minute in which it changed, in the order of minute and currency.
    InTransit {
        /// Only of this currency.
        currency: Option<Currency>,
        /// From this minute on, counted from 1970-01-01T00:00Z.
        from: i64,
        /// Before this minute.
        to: i64,
        /// 1 to 1,000 minutes.
        limit: u32,
    },
    /// How far it is.
    Standings,
    /// Nothing: build it anew, beside the present one.
    Rebuild,
}

/// Which transfers are found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Find {
    /// With this status.
    pub status: Option<Status>,
    /// That touch this account.
    pub account: Option<AccountId>,
    /// That take too long.
    pub overdue: Option<bool>,
    /// Accepted at or after this moment.
    pub since: Option<Time>,
    /// Accepted before this moment.
    pub until: Option<Time>,
    /// Whose memo has each of these words, or words that begin so.
    pub memo: Vec<String>,
    /// For each partition, that began below this position of its journal; `None` for no more of this partition.
    pub below: Vec<Option<Seq>>,
    /// 1 to 1,000.
    pub limit: u32,
}

/// What the read model has, as of a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// All that was committed by this moment is in it.
    pub as_of: Time,
    /// What was found.
    pub found: Found,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Found {
    /// Transfers; where to go on in each partition, as in [`Find::below`].
    Transfers(Vec<Listed>, Vec<Option<Seq>>),
    /// Postings on an account; where to go on.
    Statement {
        /// Whether there is such an account.
        is_there: bool,
        /// Newest first.
        postings: Vec<Posting>,
        /// The position of the next older row of the account.
        next: Option<Seq>,
    },
    /// What was posted; whether there is more.
    Totals(Vec<DayTotal>, bool),
    /// Money between databases; from which minute on there is more.
    InTransit(Vec<InTransit>, Option<i64>),
    /// How far it is; of a rebuild, how far that is.
    Standings(Standings),
    /// It has not got as far as was asked for, in the time that was given.
    Behind,
    /// It is being built for the first time: rows that are in it, and rows that there are.
    Building(u64, u64),
}

/// A transfer in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// Its partition.
    pub partition: PartitionNo,
    /// Where its start is recorded there.
    pub begun: Seq,
    /// Its start.
    pub start: Arc<Start>,
    /// How it stood.
    pub progress: Progress,
}

/// What was posted on an account on a day (of UTC), by its shard's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayTotal {
    /// Counted from 1970-01-01.
    pub day: i64,
    /// On which account.
    pub account: AccountId,
    /// Of what.
    pub currency: Currency,
    /// How many postings took money out.
    pub debits: u64,
    /// How much, in minor units.
    pub debited: i128,
    /// How many brought money in; one that puts a debit back is one of these.
    pub credits: u64,
    /// How much, in minor units.
    pub credited: i128,
}

/// Money between databases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InTransit {
    /// At the end of this minute, counted from 1970-01-01T00:00Z.
    pub minute: i64,
    /// Of what.
    pub currency: Currency,
    /// How much, in minor units.
    pub amount: i128,
}

/// How far the read model is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standings {
    /// Whether it has been built once; until then nothing but this is answered.
    pub is_built: bool,
    /// For each journal, how far it is.
    pub sources: Vec<Source>,
    /// The same of the one that is being built beside it.
    pub rebuild: Option<Vec<Source>>,
    /// How often it was rebuilt since the actor started.
    pub rebuilt: u64,
    /// The bytes of its file.
    pub bytes: u64,
    /// Transfers in it.
    pub transfers: u64,
}

/// How far it is in a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Whose journal.
    pub source: Address,
    /// The last row that is in it.
    pub seq: Seq,
    /// When that row was committed.
    pub at: Option<Time>,
    /// The journal's last row that it has heard of.
    pub head: Seq,
    /// All that was committed by this moment is in it.
    pub complete: Time,
}
