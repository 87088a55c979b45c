//! What an operator may do about a transfer, and when not: no button of theirs makes or destroys money.
//!
//! An action is allowed by what the legs' shards have recorded, never by what a manager remembers. And it only ever makes the
//! transfer's own rules go on (R7, R8): the shards' table (R1) still decides what becomes of each leg.

use alloc::sync::Arc;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    audit::RowLeg,
    id::LegNo,
    leg::{State, Verb},
    protocol::Decision,
    transfer::Transfer,
};

/// What an operator can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Ask silent legs now, instead of at the next try.
    Retry,
    /// Give the transfer up, as its deadline would.
    Cancel,
    /// Let a parked one go on, from its records, as after a restart.
    Resume,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Retry, Self::Cancel, Self::Resume];

    /// Its word in the contract and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Resume => "resume",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }
}

/// What an operator asked for, as the transfer's story keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What.
    pub action: Action,
    /// Who, as they call themselves; 1 to 64 characters.
    pub by: Arc<str>,
    /// Why, in their words; 1 to 280 characters.
    pub why: Arc<str>,
}

/// Why an action is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Forbidden {
    /// It is parked: only `resume` moves it.
    Parked,
    /// It is not parked, so there is nothing to resume.
    NotParked,
    /// The pivot has happened: this leg is credited, and the transfer goes forward.
    PivotDone(LegNo),
    /// Commit is recorded, and a decision is never replaced (R8).
    Committed,
    /// One leg has gone forward for ever, another never will: going on can't make them agree.
    Torn {
        /// Posted for ever.
        forward: LegNo,
        /// Undone or refused for ever.
        undone: LegNo,
    },
    /// The shard has another leg under this number than the transfer's start says.
    OtherLeg(LegNo),
    /// Its record can't be read.
    Unreadable,
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parked => f.write_str("it is parked; look at its story, then resume it"),
            Self::NotParked => f.write_str("it is not parked, so there is nothing to resume"),
            Self::PivotDone(leg) => {
                write!(f, "the pivot has happened: leg {} is credited, so the transfer goes forward to its end", leg.0)
            }
            Self::Committed => f.write_str("commit is decided and recorded, so the transfer goes forward to its end"),
            Self::Torn { forward, undone } => write!(
                f,
                "leg {} is posted for ever and leg {} never will be: going on can't make them agree",
                forward.0, undone.0
            ),
            Self::OtherLeg(leg) => {
                write!(f, "the shard has recorded another leg {} than the transfer's start says", leg.0)
            }
            Self::Unreadable => f.write_str("its record can't be read; restore the database from a good copy first"),
        }
    }
}

/// Whether an action may be taken on an open transfer, by what the shards have recorded of its legs.
///
/// # Errors
/// Why not.
pub fn allow(action: Action, transfer: &Transfer, legs: &[RowLeg]) -> Result<(), Forbidden> {
    let is_parked = transfer.parked().is_some();
    match action {
        Action::Retry | Action::Cancel if is_parked => return Err(Forbidden::Parked),
        Action::Resume if !is_parked => return Err(Forbidden::NotParked),
        Action::Retry => return Ok(()),
        Action::Cancel | Action::Resume => {}
    }
    let recorded = |leg: LegNo| legs.iter().find(|recorded| recorded.id.leg == leg);
    let numbers = || transfer.start().leg_numbers();
    if action == Action::Cancel {
        if transfer.decision() == Some(Decision::Commit) {
            return Err(Forbidden::Committed);
        }
        let is_credited = |leg: &LegNo| recorded(*leg).is_some_and(|leg| leg.state == State::Credited);
        return numbers().find(is_credited).map_or(Ok(()), |leg| Err(Forbidden::PivotDone(leg)));
    }
    if let Some(leg) = numbers().find(|leg| recorded(*leg).is_some_and(|recorded| !is_of(transfer, *leg, recorded))) {
        return Err(Forbidden::OtherLeg(leg));
    }
    let find = |which: fn(State) -> bool| numbers().find(|leg| recorded(*leg).is_some_and(|leg| which(leg.state)));
    match (find(is_forward), find(is_undone)) {
        (Some(forward), Some(undone)) => Err(Forbidden::Torn { forward, undone }),
        _ => Ok(()),
    }
}

fn is_forward(state: State) -> bool {
    matches!(state, State::Credited | State::Posted)
}

fn is_undone(state: State) -> bool {
    matches!(state, State::Refused(_) | State::Tombstone(..) | State::Released | State::Compensated)
}

/// Whether a record is the leg that the start names.
fn is_of(transfer: &Transfer, leg: LegNo, recorded: &RowLeg) -> bool {
    let spec = transfer.start().leg(leg);
    let fits = match (transfer.do_verb(leg), recorded.state) {
        (_, State::Refused(_)) => true,
        (do_verb, State::Tombstone(undo, _)) => do_verb.undo() == undo,
        (Verb::Debit, state) => matches!(state, State::Debited | State::Compensated),
        (Verb::Credit, state) => state == State::Credited,
        (_, state) => matches!(state, State::Held | State::Posted | State::Released),
    };
    fits && (recorded.direction, recorded.amount, recorded.currency) == (spec.direction, spec.amount, spec.currency)
}

#[cfg(test)]
mod tests;
