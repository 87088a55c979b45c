//! How actors end, and what the guardian tells of them.
//!
//! A life reads so: `Started`, `LeaseWon`, `Recovered`, turns; then `Drained`, or `Failed` (after `LeaseLost`, if that is how)
//! and either `Restarting` (and `Started` again, one generation on) or `Quarantined`. An actor that goes to another node ends as
//! `Drained`, or as `LeaseLost` alone. Each [`Step`] is one [`Event`]: a line in the log, and a call of the [`Sink`].

mod recovery;

use std::{error::Error, fmt, sync::Arc};

use remit_core::id::{Epoch, Time};
use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};

pub use recovery::{InHand, Recovery, Start};

use crate::machine::Failure;

/// How an actor ended.
#[derive(Debug)]
pub enum Ended {
    /// It was told to, and had taken all that waited.
    Drained,
    /// It was told to end before its next turn, whatever waited.
    Retired,
    /// A turn failed, or its database could not be opened.
    Failed(Failure),
    /// It panicked; with what it said.
    Panicked(String),
    /// Another writer has claimed its database (R12).
    LeaseLost(Failure),
    /// What must always hold does not.
    InvariantBroken(String),
    /// It is gone, and nobody said why: its thread, or whoever held it, ended.
    Vanished,
}

/// The same, without what differs from case to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// [`Ended::Drained`].
    Drained,
    /// [`Ended::Retired`].
    Retired,
    /// [`Ended::Failed`].
    Failed,
    /// [`Ended::Panicked`].
    Panicked,
    /// [`Ended::LeaseLost`].
    LeaseLost,
    /// [`Ended::InvariantBroken`].
    InvariantBroken,
    /// [`Ended::Vanished`].
    Vanished,
}

impl How {
    /// Its word in logs, metrics and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drained => "drained",
            Self::Retired => "retired",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::LeaseLost => "lease_lost",
            Self::InvariantBroken => "invariant_broken",
            Self::Vanished => "vanished",
        }
    }
}

impl Ended {
    /// How, in one word.
    #[must_use]
    pub const fn how(&self) -> How {
        match self {
            Self::Drained => How::Drained,
            Self::Retired => How::Retired,
            Self::Failed(_) => How::Failed,
            Self::Panicked(_) => How::Panicked,
            Self::LeaseLost(_) => How::LeaseLost,
            Self::InvariantBroken(_) => How::InvariantBroken,
            Self::Vanished => How::Vanished,
        }
    }
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Store(_) => Self::Failed(failure),
            Failure::Fenced(_) => Self::LeaseLost(failure),
            Failure::Invariant(what) => Self::InvariantBroken(what),
        }
    }
}

impl fmt::Display for Ended {
    /// The whole reason, with all that it was caused by: this is the edge where it is printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drained => f.write_str("drained"),
            Self::Retired => f.write_str("retired"),
            Self::Failed(failure) | Self::LeaseLost(failure) => f.write_str(&whole(failure)),
            Self::Panicked(said) => write!(f, "panicked: {said}"),
            Self::InvariantBroken(what) => write!(f, "an invariant is broken: {what}"),
            Self::Vanished => f.write_str("vanished"),
        }
    }
}

/// An error with all that caused it, on one line.
pub(crate) fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A step in an actor's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Its database is being opened.
    Started,
    /// It has claimed its database under a new epoch: from now on it alone may write there (R12).
    LeaseWon,
    /// Another writer has claimed its database, or may: it writes no more.
    LeaseLost,
    /// It is at work again, from its database.
    Recovered {
        /// Transfers that were open.
        open: u64,
        /// How long the opening took, in milliseconds.
        took_ms: u64,
    },
    /// It ended, and should not have.
    Failed {
        /// How.
        how: How,
        /// Why.
        why: String,
        /// The transfer that was alone in its turn, if it panicked over one (R11).
        in_hand: Option<String>,
    },
    /// A fresh one will be made.
    Restarting {
        /// Which restart it is within the period that failures are counted in; from 1.
        attempt: u32,
        /// After so many milliseconds.
        delay_ms: u64,
    },
    /// It failed too often, or an invariant is broken: it alone is set aside.
    Quarantined {
        /// Why.
        why: String,
        /// Tried again after so many milliseconds.
        retry_ms: u64,
    },
    /// One turn, or the opening of its database, takes too long.
    Stuck {
        /// How long it has taken so far, in milliseconds.
        turn_ms: u64,
    },
    /// That turn is over.
    Unstuck,
    /// Transfers take too long; there were none.
    Overdue {
        /// How many, at this moment.
        transfers: u64,
    },
    /// None does any more.
    InTime,
    /// It was told to end, and had taken all that waited.
    Drained,
}

impl Step {
    /// Its word in events and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::LeaseWon => "lease_won",
            Self::LeaseLost => "lease_lost",
            Self::Recovered { .. } => "recovered",
            Self::Failed { .. } => "failed",
            Self::Restarting { .. } => "restarting",
            Self::Quarantined { .. } => "quarantined",
            Self::Stuck { .. } => "stuck",
            Self::Unstuck => "unstuck",
            Self::Overdue { .. } => "overdue",
            Self::InTime => "in_time",
            Self::Drained => "drained",
        }
    }
}

/// A step, with whose and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Time,
    /// The node.
    pub node: String,
    /// The actor: `s0`, `m0`.
    pub actor: String,
    /// How often it had been restarted.
    pub generation: u64,
    /// The newest claim on its database that the guardian knows of; `None` until its first one.
    pub epoch: Option<Epoch>,
    /// What.
    #[serde(flatten)]
    pub step: Step,
}

/// Is told each step. Called on the guardian's thread, and must neither wait nor panic.
pub type Sink = Arc<dyn Fn(&Event) + Send + Sync>;

impl Event {
    /// Writes its line to the log.
    pub fn log(&self) {
        let Self { at: _, node, actor, generation, epoch, step } = self;
        let epoch = epoch.map(|epoch| epoch.0);
        match step {
            Step::Started => info!(node, actor, generation, "actor started"),
            Step::LeaseWon => info!(node, actor, generation, epoch, "actor won its lease"),
            Step::LeaseLost => warn!(node, actor, generation, epoch, "actor lost its lease"),
            Step::Recovered { open, took_ms } => info!(node, actor, generation, open, took_ms, "actor recovered"),
            Step::Failed { how, why, in_hand } => {
                error!(node, actor, generation, how = how.as_str(), why, transfer = in_hand, "actor failed");
            }
            Step::Restarting { attempt, delay_ms } => {
                warn!(node, actor, generation, attempt, delay_ms, "actor restarting");
            }
            Step::Quarantined { why, retry_ms } => error!(node, actor, generation, why, retry_ms, "actor quarantined"),
            Step::Stuck { turn_ms } => error!(node, actor, generation, turn_ms, "actor stuck in a turn"),
            Step::Unstuck => info!(node, actor, generation, "actor no longer stuck"),
            Step::Overdue { transfers } => warn!(node, actor, generation, transfers, "transfers take too long"),
            Step::InTime => info!(node, actor, generation, "no transfer takes too long any more"),
            Step::Drained => info!(node, actor, generation, "actor drained"),
        }
    }
}

#[cfg(test)]
mod tests {
    use remit_core::id::{Epoch, Seq};

    use super::*;
    use crate::store;

    #[test]
    fn r12_a_fenced_writer_has_lost_its_lease_and_says_to_whom() {
        let fenced = store::Error::Fenced { own: (Epoch(1), Seq(5)), stored: (Epoch(2), Seq(7)) };
        let ended = Ended::from(Failure::from(fenced));
        assert_eq!(ended.how(), How::LeaseLost);
        assert_eq!(
            ended.to_string(),
            "another writer has claimed the database: fenced: this writer is at epoch 1 and row 5, the database at epoch 2 \
             and row 7"
        );
    }

    #[test]
    fn a_corrupt_database_is_a_broken_invariant() {
        let ended = Ended::from(Failure::from(store::Error::Corrupt { what: "row 3 is missing".into() }));
        assert_eq!(
            (ended.how(), ended.to_string()),
            (How::InvariantBroken, "an invariant is broken: row 3 is missing".into())
        );
    }
}
