//! The rows of the journals: a database's own history, from which everything else in it can be built again.

use std::sync::Arc;

use remit_core::{
    account::{Account, Refusal},
    id::{AccountId, Epoch, LegId, Seq, Time, TransferId},
    leg::{State, Terms},
    operator::Order,
    protocol::Decision,
    transfer::{End, Parked, Start},
};
use serde::{Deserialize, Serialize};

use super::{key::Key, line::Columns};
use crate::message::LegWord;

/// A row of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<E> {
    /// Where it stands; the first row is 1.
    pub seq: Seq,
    /// When it was written.
    pub at: Time,
    /// What it says.
    pub entry: E,
}

/// What every journal has beside its own entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Common {
    /// The first row: the deployment's facts.
    Genesis(Arc<str>),
    /// A writer took the database (R12).
    Claimed(Epoch, Arc<str>),
}

/// What the rows of one kind of journal say.
pub trait JournalEntry: Columns + Clone + Send + From<Common> {
    /// What every journal has, if it is that.
    fn common(&self) -> Option<&Common>;

    /// What the row at this position is found by, if it is.
    fn key(&self, seq: Seq) -> Option<Key>;
}

/// What a row of a shard's journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShardEntry {
    /// What every journal has.
    Common(Common),
    /// A leg's first or last record.
    Leg(LegEntry),
    /// A command about an account, with what came of it.
    Account(AccountEntry),
}

/// A leg's first or last record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegEntry {
    /// Which leg.
    pub id: LegId,
    /// Its state from here on.
    pub state: State,
    /// What it is about.
    pub terms: Terms,
    /// What the client wrote beside the transfer.
    pub memo: Option<Arc<str>>,
    /// The money after it; `None` if none was moved or reserved.
    pub after: Option<After>,
    /// Of a last record: how many repeated commands were answered from the first one, and changed nothing. At least so many: what a
    /// restart forgot is not counted.
    pub repeats: u32,
}

/// What was counted while a transfer was open. At least so much: what a restart forgot is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// How often silent legs were asked again.
    pub retries: u32,
    /// Submits of the same id that came again, and moved nothing.
    pub repeats: u32,
    /// Answers that said nothing new: late, or doubled.
    pub late: u32,
}

/// The money after a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// The account's posted balance.
    pub posted: i64,
    /// What outgoing holds reserve on it.
    pub held: i64,
    /// What incoming holds will add to it.
    pub incoming: i64,
    /// The balance of the shard's in-transit account of the currency.
    pub in_transit: i64,
    /// The row before this one that the account's money or terms changed at.
    pub previous: Option<Seq>,
}

/// A command about an account, with what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountEntry {
    /// The account.
    pub account: AccountId,
    /// What was asked: `open`, `set_overdraft`, `freeze`, `unfreeze`, `begin_close`, `finish_close`, `abandon_close`.
    pub what: Arc<str>,
    /// The idempotency key; `None` where the shard itself acts.
    pub command_id: Option<[u8; 16]>,
    /// The account after it, or why it was refused.
    pub outcome: Result<Account, Refusal>,
    /// The row before this one that the account's money or terms changed at.
    pub previous: Option<Seq>,
}

/// What a row of a manager's journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferEntry {
    /// What every journal has.
    Common(Common),
    /// A transfer begins: its start record.
    Started(Arc<Start>),
    /// The decision of a two-phase commit.
    Decided(TransferId, Decision),
    /// A transfer has ended, with the final states of its legs.
    Ended(TransferId, End, Vec<LegWord>, Counts),
    /// A transfer is parked (R11).
    Parked(TransferId, Parked),
    /// An operator has done something about it.
    Ordered(TransferId, Order),
}

impl TransferEntry {
    /// The transfer that it is about.
    #[must_use]
    pub fn transfer(&self) -> Option<TransferId> {
        match self {
            Self::Common(_) => None,
            Self::Started(start) => Some(start.id),
            Self::Decided(id, _) | Self::Ended(id, ..) | Self::Parked(id, _) | Self::Ordered(id, _) => Some(*id),
        }
    }
}

impl From<Common> for ShardEntry {
    fn from(common: Common) -> Self {
        Self::Common(common)
    }
}

impl JournalEntry for ShardEntry {
    fn common(&self) -> Option<&Common> {
        if let Self::Common(common) = self { Some(common) } else { None }
    }

    fn key(&self, _seq: Seq) -> Option<Key> {
        match self {
            Self::Common(_) => None,
            Self::Leg(leg) => Some(Key::leg(leg.id, leg.state.step())),
            Self::Account(account) => account.command_id.as_ref().map(Key::command),
        }
    }
}

impl From<Common> for TransferEntry {
    fn from(common: Common) -> Self {
        Self::Common(common)
    }
}

impl JournalEntry for TransferEntry {
    fn common(&self) -> Option<&Common> {
        if let Self::Common(common) = self { Some(common) } else { None }
    }

    fn key(&self, seq: Seq) -> Option<Key> {
        match self {
            Self::Common(_) => None,
            Self::Started(start) => Some(Key::transfer(start.id, 1)),
            Self::Decided(id, _) => Some(Key::transfer(*id, 2)),
            Self::Ended(id, ..) => Some(Key::transfer(*id, 3)),
            Self::Parked(id, _) | Self::Ordered(id, _) => Some(Key::note(*id, seq)),
        }
    }
}

/// An account with the row that last changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// The account.
    pub account: Account,
    /// The row that last changed its money or its terms.
    pub last: Option<Seq>,
}
