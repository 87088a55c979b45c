//! The story of a transfer, as each of its databases tells its part; and what an operator does about it.

use std::sync::Arc;

use remit_core::{
    audit::RowLeg,
    id::{AccountId, Epoch, LegNo, Seq, Time, TransferId},
    leg::{State, Verb},
    money::{Amount, Currency, Direction},
    operator::{Forbidden, Order},
    protocol::Decision,
    reason::Reason,
    transfer::{End, Outcome, Parked, Start},
};
use serde::{Deserialize, Serialize};

use super::Progress;
use crate::store::row::Counts;

/// What an actor tells of a transfer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// A manager's: its start record, and how it stands.
    pub transfer: Option<(Start, Progress)>,
    /// What is recorded of it, in order.
    pub told: Vec<Told>,
    /// A manager's, as long as the transfer is open.
    pub present: Option<Present>,
}

/// One recorded step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Where it stands in the actor's journal.
    pub seq: Seq,
    /// When.
    pub at: Time,
    /// Under which claim of the database it was written.
    pub epoch: Epoch,
    /// On which node.
    pub node: Arc<str>,
    /// What happened.
    pub what: What,
}

/// What a step was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// The manager recorded its start.
    Accepted,
    /// A later incarnation of the manager took it up, from its records (R11).
    TakenUp,
    /// The decision of a two-phase commit (R8).
    Decided(Decision),
    /// It was parked (R11).
    Parked(Parked),
    /// An operator did something about it.
    Ordered(Order),
    /// It ended (R9).
    Ended(End, Counts),
    /// A leg's first or last record.
    Leg(LegTold),
}

/// A leg's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegTold {
    /// Which leg.
    pub leg: LegNo,
    /// Where it stood from there on.
    pub state: State,
    /// The account.
    pub account: AccountId,
    /// Out of it or into it.
    pub direction: Direction,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
    /// The account's posted balance after it, in minor units, if the account had any part in it.
    pub balance: Option<i64>,
    /// Commands that were repeated and changed nothing, at least.
    pub repeats: u32,
}

/// Where an open transfer stands in its manager's memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// What it asked for and has not been told.
    pub awaited: Vec<(LegNo, Verb)>,
    /// When this incarnation last heard something new of it, or took it up.
    pub since: Time,
    /// When it asks again.
    pub try_at: Time,
    /// How often it has been asked again since.
    pub tries: u32,
    /// When it is given up; `None` if that can't happen any more, or has.
    pub give_up_at: Option<Time>,
    /// Why it is given up.
    pub given_up: Option<Reason>,
    /// Why it is parked.
    pub parked: Option<Parked>,
    /// What has been counted so far.
    pub counts: Counts,
}

/// An operator's order, with what the shards have recorded of the transfer's legs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operate {
    /// The transfer.
    pub id: TransferId,
    /// What is to be done, by whom, and why.
    pub order: Order,
    /// The newest record of each leg that has one.
    pub legs: Vec<RowLeg>,
    /// The gateway's number for it; the same for each time that it asks, so that it is done once.
    pub number: u64,
}

/// What came of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operated {
    /// It is recorded; how the transfer stands now.
    Done(Box<(Start, Progress)>),
    /// It is refused, and nothing was recorded.
    Forbidden(Forbidden),
    /// The transfer has ended.
    Ended(Outcome),
    /// There is no such transfer.
    Unknown,
}
