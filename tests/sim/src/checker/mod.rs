//! What must always be true, held against every durable row, every frame and every answer.
//!
//! The checker is a second opinion. It keeps the books itself, from the rows alone and by its own arithmetic, and shares no
//! rule with what it checks but the meaning of the words.

mod end;
mod legs;
mod starts;
mod words;

use std::{collections::BTreeMap, fmt};

use remit_actors::store::row::{ShardEntry, TransferEntry};
use remit_core::{
    account::{Kind, Status},
    id::{AccountId, Epoch, LegNo, PartitionNo, Seq, ShardNo, Time, TransferId},
    leg::State,
    money::Currency,
    protocol::Decision,
    transfer::{End, Start},
};
use rustc_hash::FxHashMap;

use crate::{name, situations::Situations};

/// Something that must never be.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What, in a sentence.
    pub what: String,
    /// The transfers and accounts that it is about, as the story names them.
    pub about: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// A check's outcome.
pub(crate) type Checked = Result<(), Violation>;

pub(crate) fn violation(about: Vec<String>, what: impl Into<String>) -> Violation {
    Violation { what: what.into(), about }
}

fn wrong(id: TransferId, what: impl fmt::Display) -> Violation {
    violation(vec![name(id)], format!("{}: {what}", name(id)))
}

fn wrong_account(id: &AccountId, what: impl fmt::Display) -> Violation {
    violation(vec![id.to_string()], format!("{id}: {what}"))
}

/// An account, by the rows.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub(crate) currency: Currency,
    pub(crate) kind: Kind,
    pub(crate) status: Status,
    pub(crate) limit: i64,
    pub(crate) posted: i64,
    pub(crate) held: i64,
    pub(crate) incoming: i64,
    /// How many rows the checker had seen when it began to close.
    closing_since: u64,
}

/// A leg, by the rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LegRows {
    pub(crate) first: State,
    pub(crate) last: Option<State>,
    /// When the last of its rows was seen.
    pub(crate) at: i64,
}

impl LegRows {
    /// Where it stands.
    pub(crate) fn state(&self) -> State {
        self.last.unwrap_or(self.first)
    }
}

/// A transfer, by the rows.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) start: std::sync::Arc<Start>,
    pub(crate) partition: PartitionNo,
    pub(crate) begun: Seq,
    /// How many rows the checker had seen when it began.
    since: u64,
    pub(crate) decision: Option<Decision>,
    pub(crate) end: Option<(Time, End)>,
    pub(crate) is_parked: bool,
    legs: Vec<Option<LegRows>>,
}

impl Known {
    pub(crate) fn leg(&self, leg: LegNo) -> Option<LegRows> {
        self.legs.get(usize::from(leg.0)).copied().flatten()
    }

    pub(crate) fn states(&self) -> impl Iterator<Item = Option<State>> {
        self.legs.iter().map(|leg| leg.map(|leg| leg.state()))
    }
}

/// A database, as far as every kind has it.
#[derive(Default)]
struct Chain {
    seq: Seq,
    epoch: Epoch,
}

/// The checker.
#[derive(Default)]
pub(crate) struct Checker {
    rows: u64,
    shards: BTreeMap<ShardNo, Chain>,
    managers: BTreeMap<PartitionNo, Chain>,
    transits: BTreeMap<(ShardNo, Currency), i64>,
    pub(crate) accounts: FxHashMap<AccountId, Book>,
    pub(crate) transfers: FxHashMap<TransferId, Known>,
    /// Open transfers of a partition, by where they began.
    open: BTreeMap<PartitionNo, BTreeMap<Seq, TransferId>>,
    /// Transfers whose record the simulation has made unreadable: they may be parked.
    pub(crate) rotten: Vec<TransferId>,
    /// The world's time.
    pub(crate) now: i64,
    pub(crate) situations: Situations,
}

impl Checker {
    /// The position up to which a shard's rows have been seen.
    pub(crate) fn shard_seen(&self, no: ShardNo) -> Seq {
        self.shards.get(&no).map(|chain| chain.seq).unwrap_or_default()
    }

    /// The position up to which a manager's rows have been seen.
    pub(crate) fn manager_seen(&self, no: PartitionNo) -> Seq {
        self.managers.get(&no).map(|chain| chain.seq).unwrap_or_default()
    }

    /// The transfers that have begun and not ended.
    pub(crate) fn open(&self) -> impl Iterator<Item = TransferId> {
        self.open.values().flat_map(|open| open.values().copied())
    }

    /// Those of one partition, with where they began.
    pub(crate) fn open_of(&self, no: PartitionNo) -> impl Iterator<Item = (Seq, TransferId)> {
        self.open.get(&no).into_iter().flatten().map(|(seq, id)| (*seq, *id))
    }
}

/// A row follows the one before it, and a claim is above all claims before it (R12).
fn follows(chain: &mut Chain, seq: Seq, claims: Option<Epoch>) -> Checked {
    let what = match claims {
        _ if seq != chain.seq.next() => format!("row {} follows row {}", seq.0, chain.seq.0),
        Some(epoch) if epoch <= chain.epoch => format!("epoch {} is claimed after {}", epoch.0, chain.epoch.0),
        claims => {
            chain.seq = seq;
            chain.epoch = claims.unwrap_or(chain.epoch);
            return Ok(());
        }
    };
    Err(violation(Vec::new(), what))
}

fn claim_of(common: Option<&remit_actors::store::row::Common>) -> Option<Epoch> {
    match common {
        Some(remit_actors::store::row::Common::Claimed(epoch, _)) => Some(*epoch),
        _ => None,
    }
}

fn shard_claim(entry: &ShardEntry) -> Option<Epoch> {
    if let ShardEntry::Common(common) = entry { claim_of(Some(common)) } else { None }
}

fn manager_claim(entry: &TransferEntry) -> Option<Epoch> {
    if let TransferEntry::Common(common) = entry { claim_of(Some(common)) } else { None }
}
