//! Bodies about transfers, but for the submit.

use std::sync::Arc;

use remit_core::{
    id::{AccountId, Time, TransferId},
    money::{Amount, Currency, Direction},
    protocol::Protocol,
    reason::Reason,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    fresh::{self, AtLeast},
    id, number, page,
    submit::MEMO_CHARS_MAX,
    time, units,
};

/// A transfer, as `transfer.submit` and `transfer.get` answer it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Made by the client.
    #[serde(with = "id::transfer")]
    pub id: TransferId,
    /// How far it is.
    pub status: Status,
    /// How it is made all-or-nothing.
    pub protocol: Protocol,
    /// Why it did not complete.
    pub reason: Option<Reason>,
    /// The one currency of all legs; `None` if there are several.
    pub currency: Option<Currency>,
    /// What the client wrote beside it.
    pub memo: Option<Arc<str>>,
    /// Its legs, in the order of the request.
    pub legs: Vec<Leg>,
    /// When it was accepted.
    #[serde(with = "time")]
    pub accepted_at: Time,
    /// When it is given up if it has not settled.
    #[serde(with = "time")]
    pub deadline_at: Time,
    /// When it ended.
    #[serde(with = "time::optional")]
    pub settled_at: Option<Time>,
    /// Whether it takes longer than it should.
    pub overdue: bool,
    /// Why it is parked; not there unless it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<Arc<str>>,
}

/// A leg of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Whose.
    pub account: AccountId,
    /// The shard where the account lives.
    pub shard: Arc<str>,
    /// Out of the account or into it.
    pub direction: Direction,
    /// How much, in minor units.
    #[serde(with = "units")]
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
    /// How far it is.
    pub state: LegState,
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// On disk at its manager.
    Accepted,
    /// Shards have been asked.
    InProgress,
    /// An end: every leg is posted.
    Completed,
    /// An end: nothing had been posted.
    Rejected,
    /// An end: money had been posted and was put back.
    Compensated,
    /// No end: it needs an operator.
    Parked,
}

/// How far a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegState {
    /// Nothing is known of it yet.
    Pending,
    /// The money is reserved.
    Held,
    /// The money is moved.
    Posted,
    /// Its shard said no.
    Refused,
    /// It never was, and never will be.
    Cancelled,
    /// It was held, and is no more.
    Released,
    /// It was posted, and was put back.
    Compensated,
}

/// `transfer.get`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct GetRequest {
    /// Which.
    #[serde(with = "id::transfer")]
    pub id: TransferId,
}

/// `transfer.list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct ListRequest {
    /// Only those that are so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Only those with a leg on this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Only those that are overdue, or are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdue: Option<bool>,
    /// Only those accepted at this moment or later.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::optional")]
    pub since: Option<Time>,
    /// Only those accepted before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::optional")]
    pub until: Option<Time>,
    /// Only those whose memo has each of these words, or words that begin so: 1 to 140 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
    /// How many rows at most: 1 to 1,000.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number::optional::<_, 1, { page::LIMIT_MAX }>"
    )]
    pub limit: Option<u64>,
    /// Where the page before ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At least as new as this transfer, which the caller has seen settled.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "id::transfer::optional")]
    pub at_least: Option<TransferId>,
    /// For how long to wait for that at most, in milliseconds: 0 to 60,000, default 2,000; only beside `at_least`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number::optional::<_, 0, { fresh::WAIT_MS_MAX }>"
    )]
    pub wait_ms: Option<u64>,
}

/// A page of transfers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// The transfers.
    pub transfers: Vec<Transfer>,
    /// Where the next page begins; `None` after the last.
    pub cursor: Option<String>,
    /// All that was on disk by then is in it.
    #[serde(with = "time")]
    pub as_of: Time,
}

impl Status {
    /// All of them, in the order of a transfer's life.
    pub const ALL: [Self; 6] =
        [Self::Accepted, Self::InProgress, Self::Completed, Self::Rejected, Self::Compensated, Self::Parked];

    /// Its word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Rejected => "rejected",
            Self::Compensated => "compensated",
            Self::Parked => "parked",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether it never changes any more.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Rejected | Self::Compensated)
    }
}

impl LegState {
    /// Its word in JSON.
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
}

impl ListRequest {
    /// How many rows at most, default applied.
    #[must_use]
    pub fn rows(&self) -> usize {
        page::rows(self.limit)
    }

    /// The words that a memo must have, or begin a word of it; none if it does not matter.
    ///
    /// # Errors
    /// A `memo` that is empty, too long, or has no word in it.
    pub fn words(&self) -> Result<Vec<String>, Error> {
        let Some(memo) = &self.memo else { return Ok(Vec::new()) };
        let chars = memo.chars().count();
        if !(1..=MEMO_CHARS_MAX).contains(&chars) {
            return Err(Error::invalid(
                "memo",
                format!("`memo` must have 1 to {MEMO_CHARS_MAX} characters, not {chars}"),
            ));
        }
        // Marks that stand above a letter as characters of their own don't end a word.
        let is_of_a_word = |c: char| c.is_alphanumeric() || ('\u{300}'..='\u{36f}').contains(&c);
        let words = memo.split(|c| !is_of_a_word(c)).filter(|word| word.contains(char::is_alphanumeric));
        let words: Vec<String> = words.map(str::to_owned).collect();
        if words.is_empty() {
            return Err(Error::invalid("memo", "`memo` has no word: words are made of letters and digits"));
        }
        Ok(words)
    }

    /// How new the answer must be.
    ///
    /// # Errors
    /// As [`AtLeast::new`].
    pub fn fresh(&self) -> Result<Option<AtLeast>, Error> {
        AtLeast::new(self.at_least, self.wait_ms)
    }
}
