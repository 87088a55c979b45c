//! Bodies of the events of money and of transfers, and where these are published.
//!
//! Each is a committed row of a journal, so `(shard, seq)` is its id: whoever sees the same twice drops the second. Those of one
//! journal are in its order, and so are those of one account; between journals there is no order: a transfer's end, which its manager
//! records, may be heard before the money that it speaks of, and `at` orders nothing.

use std::{fmt, sync::Arc};

use remit_core::{
    id::{AccountId, LegNo, Seq, Time, TransferId},
    money::{Amount, Currency, Direction},
    reason::Reason,
};
use serde::{Deserialize, Serialize};

use crate::{id, time, units};

/// Something that happened, for ever. Fields that a kind of event does not have are not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What.
    pub event: Kind,
    /// When it was committed.
    #[serde(with = "time")]
    pub at: Time,
    /// The actor whose journal says so: `s0`, `m0`.
    pub shard: Arc<str>,
    /// Where in that journal.
    pub seq: Seq,
    /// The transfer that it belongs to.
    #[serde(with = "id::transfer")]
    pub transfer: TransferId,
    /// Which of its legs, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg: Option<LegNo>,
    /// The account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Which way the money went, or would go, as the account's statement has it: what a compensation puts back is a credit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// How much, in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "units::optional")]
    pub amount: Option<Amount>,
    /// Of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// The account's posted balance after it, in minor units. A hold that is placed or released leaves it as it was.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "units::optional")]
    pub balance: Option<i64>,
    /// Why it was refused, or did not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Why it is parked, in words for an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<Arc<str>>,
    /// What the client wrote beside the transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<Arc<str>>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Money left an account: at once, or out of a hold.
    #[serde(rename = "money.debited")]
    MoneyDebited,
    /// An account was refused as payer; nothing was moved.
    #[serde(rename = "money.debit.refused")]
    MoneyDebitRefused,
    /// Money came into an account: at once, or out of a hold.
    #[serde(rename = "money.credited")]
    MoneyCredited,
    /// An account was refused as payee; nothing was moved.
    #[serde(rename = "money.credit.refused")]
    MoneyCreditRefused,
    /// A debit was put back.
    #[serde(rename = "money.compensated")]
    MoneyCompensated,
    /// Money was reserved: on its way out, or on its way in.
    #[serde(rename = "money.held")]
    MoneyHeld,
    /// A reservation was lifted, and nothing was moved.
    #[serde(rename = "money.released")]
    MoneyReleased,
    /// An end: every leg is posted.
    #[serde(rename = "transfer.completed")]
    TransferCompleted,
    /// An end: nothing had been posted.
    #[serde(rename = "transfer.rejected")]
    TransferRejected,
    /// An end: money had been posted and was put back.
    #[serde(rename = "transfer.compensated")]
    TransferCompensated,
    /// No end: it needs an operator.
    #[serde(rename = "transfer.parked")]
    TransferParked,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::MoneyDebited,
        Self::MoneyDebitRefused,
        Self::MoneyCredited,
        Self::MoneyCreditRefused,
        Self::MoneyCompensated,
        Self::MoneyHeld,
        Self::MoneyReleased,
        Self::TransferCompleted,
        Self::TransferRejected,
        Self::TransferCompensated,
        Self::TransferParked,
    ];

    /// Its name, as bodies and subjects have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MoneyDebited => "money.debited",
            Self::MoneyDebitRefused => "money.debit.refused",
            Self::MoneyCredited => "money.credited",
            Self::MoneyCreditRefused => "money.credit.refused",
            Self::MoneyCompensated => "money.compensated",
            Self::MoneyHeld => "money.held",
            Self::MoneyReleased => "money.released",
            Self::TransferCompleted => "transfer.completed",
            Self::TransferRejected => "transfer.rejected",
            Self::TransferCompensated => "transfer.compensated",
            Self::TransferParked => "transfer.parked",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The stream that keeps a deployment's events.
#[must_use]
pub fn stream(deployment: &str) -> String {
    format!("{deployment}-events")
}

/// All subjects that they are published on. The events of supervision have a stream of their own, and the broker lets no two
/// streams take the same subject: so these are named by their first word.
#[must_use]
pub fn subjects(deployment: &str) -> Vec<String> {
    ["money", "transfer"].map(|word| format!("{deployment}.v1.event.{word}.>")).into()
}

/// The subject of all events of one kind.
#[must_use]
pub fn subject(deployment: &str, kind: Kind) -> String {
    format!("{deployment}.v1.event.{kind}")
}

/// The id that the broker knows an event again by within its window.
#[must_use]
pub fn message_id(shard: &str, seq: Seq) -> String {
    format!("{shard}.{}", seq.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_name_in_bodies_and_subjects_and_the_stream_takes_it() {
        let words = subjects("bank").into_iter().map(|subject| subject.trim_end_matches('>').to_owned());
        let words: Vec<String> = words.collect();
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
            let subject = subject("bank", kind);
            assert_eq!(words.iter().filter(|word| subject.starts_with(word.as_str())).count(), 1, "{subject}");
        }
    }
}
