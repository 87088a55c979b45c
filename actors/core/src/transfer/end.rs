//! How a transfer ends; and where it stops without an end.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::Transfer;
use crate::{
    id::LegNo,
    leg::{Answer, Verb},
    reason::Reason,
};

/// How a transfer ended; never changes once recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Which end.
    pub outcome: Outcome,
    /// Why it did not complete.
    pub reason: Option<Reason>,
}

/// The three ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every leg is posted.
    Completed,
    /// Nothing had been posted.
    Rejected,
    /// Money had been posted and was put back.
    Compensated,
}

impl Outcome {
    /// Its word in the contract and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Rejected => "rejected",
            Self::Compensated => "compensated",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Completed, Self::Rejected, Self::Compensated].into_iter().find(|outcome| outcome.as_str() == word)
    }
}

impl End {
    /// Every leg is posted.
    #[must_use]
    pub const fn completed() -> Self {
        Self { outcome: Outcome::Completed, reason: None }
    }

    /// The end of a transfer whose legs are all undone: `compensated` if money had been posted, else `rejected`.
    #[must_use]
    pub fn failed(transfer: &Transfer) -> Self {
        let gave_back = |leg| transfer.answer(leg) == Some(Answer::Undone) && transfer.do_verb(leg) == Verb::Debit;
        let compensated = transfer.start.leg_numbers().any(gave_back);
        let outcome = if compensated { Outcome::Compensated } else { Outcome::Rejected };
        Self { outcome, reason: Some(transfer.failure_reason()) }
    }
}

/// Why a transfer stopped where no rule covers what happened (R11). No end: an operator must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parked {
    /// A shard recorded something else under this leg.
    Misfit(LegNo),
    /// A leg's answers contradict each other.
    Contradiction(LegNo),
    /// Its record can't be read.
    Unreadable,
    /// Its manager panicked twice while it alone was in the turn.
    Panicked,
}

impl fmt::Display for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misfit(leg) => write!(f, "misfit at leg {}", leg.0),
            Self::Contradiction(leg) => write!(f, "contradiction at leg {}", leg.0),
            Self::Unreadable => f.write_str("unreadable"),
            Self::Panicked => f.write_str("panicked"),
        }
    }
}

impl Parked {
    /// Reads what [`fmt::Display`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let leg = |digits: &str| digits.parse().ok().map(LegNo);
        match text {
            "unreadable" => Some(Self::Unreadable),
            "panicked" => Some(Self::Panicked),
            _ => match text.split_once(" at leg ")? {
                ("misfit", digits) => leg(digits).map(Self::Misfit),
                ("contradiction", digits) => leg(digits).map(Self::Contradiction),
                _ => None,
            },
        }
    }
}
