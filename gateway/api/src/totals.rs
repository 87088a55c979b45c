//! Bodies about what was posted day by day, and what was between databases minute by minute: the read model's sums.

use remit_core::{
    id::{AccountId, Time, TransferId},
    money::Currency,
};
use serde::{Deserialize, Serialize};

use crate::{
    day,
    day::Day,
    error::Error,
    fresh::{self, AtLeast},
    id, number, page, time, units,
};

/// `account.totals`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct TotalsRequest {
    /// Only on this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<AccountId>,
    /// From this day on.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "day::optional")]
    pub from: Option<Day>,
    /// Before this day.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "day::optional")]
    pub to: Option<Day>,
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

/// A page of what was posted, in the order of day and account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// A row for each account and day on which something was posted.
    pub totals: Vec<DayTotal>,
    /// Where the next page begins; `None` after the last.
    pub cursor: Option<String>,
    /// All that was on disk by then is in it.
    #[serde(with = "time")]
    pub as_of: Time,
}

/// What was posted on an account on a day, by the clock of its shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayTotal {
    /// On which account.
    pub account: AccountId,
    /// On which day of UTC.
    #[serde(with = "day")]
    pub day: Day,
    /// Of what.
    pub currency: Currency,
    /// How many postings took money out.
    pub debits: u64,
    /// How much, in minor units.
    #[serde(with = "units")]
    pub debited: i128,
    /// How many brought money in, those that put a debit back among them.
    pub credits: u64,
    /// How much, in minor units.
    #[serde(with = "units")]
    pub credited: i128,
}

/// `transit.list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct TransitRequest {
    /// Only of this currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// From this moment on.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::optional")]
    pub from: Option<Time>,
    /// Before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::optional")]
    pub to: Option<Time>,
    /// How many minutes at most: 1 to 1,000.
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

/// A page of how much was between databases, in the order of time and currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transit {
    /// A point for each minute and currency in which it changed.
    pub points: Vec<Point>,
    /// Where the next page begins; `None` after the last.
    pub cursor: Option<String>,
    /// All that was on disk by then is in it.
    #[serde(with = "time")]
    pub as_of: Time,
}

/// How much of a currency was between databases at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// The end of the minute; of the one that still runs, that end is yet to come.
    #[serde(with = "time")]
    pub at: Time,
    /// Of what.
    pub currency: Currency,
    /// How much, in minor units.
    #[serde(with = "units")]
    pub amount: i128,
}

impl TotalsRequest {
    /// How many rows at most, default applied.
    #[must_use]
    pub fn rows(&self) -> usize {
        page::rows(self.limit)
    }

    /// How new the answer must be.
    ///
    /// # Errors
    /// As [`AtLeast::new`].
    pub fn fresh(&self) -> Result<Option<AtLeast>, Error> {
        AtLeast::new(self.at_least, self.wait_ms)
    }
}

impl TransitRequest {
    /// How many minutes at most, default applied.
    #[must_use]
    pub fn rows(&self) -> usize {
        page::rows(self.limit)
    }

    /// How new the answer must be.
    ///
    /// # Errors
    /// As [`AtLeast::new`].
    pub fn fresh(&self) -> Result<Option<AtLeast>, Error> {
        AtLeast::new(self.at_least, self.wait_ms)
    }
}
