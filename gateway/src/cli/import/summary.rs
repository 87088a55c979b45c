//! What an import came to: how many payments ended how, and why.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use comfy_table::Cell;
use remit_api::{Code, Error, transfer::Status};
use remit_core::reason::Reason;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{accounts::Opened, flight::End};
use crate::cli::{
    exit::Exit,
    render::{self, count, good, table},
};

/// How many refused accounts are named; the rest are only counted.
const ACCOUNTS_SHOWN_MAX: usize = 20;

/// What an import came to.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Summary {
    opened: Opened,
    /// By status and reason, in the order in which they are shown.
    counts: BTreeMap<(Outcome, &'static str), u64>,
    took: Duration,
    /// Where the refused ones are, if there are any.
    pub(in crate::cli) refused_file: Option<PathBuf>,
}

/// How a payment ended, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) enum Outcome {
    Completed,
    Rejected,
    Compensated,
    /// Nothing is recorded of it.
    Refused,
    Parked,
    Unknown,
}

impl Summary {
    /// After these accounts were opened.
    pub(in crate::cli) fn new(opened: Opened) -> Self {
        Self { opened, ..Self::default() }
    }

    /// One more payment.
    pub(in crate::cli) fn count(&mut self, end: &End) {
        let (outcome, reason) = match end {
            End::Told(Status::Completed, _) => (Outcome::Completed, ""),
            End::Told(Status::Rejected, reason) => (Outcome::Rejected, word(*reason)),
            End::Told(Status::Compensated, reason) => (Outcome::Compensated, word(*reason)),
            End::Told(Status::Parked, reason) => (Outcome::Parked, word(*reason)),
            End::Told(Status::Accepted | Status::InProgress, _) | End::Unknown(_) => (Outcome::Unknown, ""),
            End::Refused(error) => (Outcome::Refused, error.code.as_str()),
        };
        *self.counts.entry((outcome, reason)).or_default() += 1;
    }

    /// How long the payments took.
    pub(in crate::cli) const fn took(&mut self, took: Duration) {
        self.took = took;
    }

    /// All payments.
    pub(in crate::cli) fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Those that ended so, whatever the reason.
    pub(in crate::cli) fn ended(&self, outcome: Outcome) -> u64 {
        self.counts.iter().filter(|((counted, _), _)| *counted == outcome).map(|(_, count)| count).sum()
    }

    /// Payments a second.
    pub(in crate::cli) fn per_s(&self) -> u64 {
        let took_ms = self.took.as_millis().max(1);
        u64::try_from(u128::from(self.total()) * 1_000 / took_ms).unwrap_or(u64::MAX)
    }

    /// What the shell is told: the worst of all.
    pub(in crate::cli) fn exit(&self) -> Exit {
        let of = |outcome| match outcome {
            Outcome::Completed => Exit::CameTrue,
            Outcome::Rejected | Outcome::Compensated | Outcome::Refused => Exit::Refused,
            Outcome::Parked | Outcome::Unknown => Exit::NotKnown,
        };
        let of_account = |error: &Error| if error.code == Code::Unavailable { Exit::NotKnown } else { Exit::Refused };
        let payments = self.counts.keys().map(|(outcome, _)| of(*outcome));
        let accounts = self.opened.refused.iter().map(|(_, error)| of_account(error));
        payments.chain(accounts).max().unwrap_or(Exit::CameTrue)
    }

    /// For a person.
    pub(in crate::cli) fn text(&self) -> String {
        let mut text = String::new();
        let Opened { opened, refused } = &self.opened;
        if *opened > 0 || !refused.is_empty() {
            text.push_str(&format!("{} accounts are open, {} were refused\n", count(*opened), refused.len()));
            for (id, error) in refused.iter().take(ACCOUNTS_SHOWN_MAX) {
                text.push_str(&format!("  {id}: {error}\n"));
            }
            text.push('\n');
        }
        let mut ends = table(["status", "reason", "payments>"]);
        for ((outcome, reason), number) in &self.counts {
            let reason = if reason.is_empty() { "-" } else { reason };
            ends.add_row([outcome.cell(), Cell::new(reason), Cell::new(count(*number))]);
        }
        text.push_str(&render::text(&ends));
        let (total, ms) = (count(self.total()), self.took.as_millis());
        text.push_str(&format!("\n\n{total} payments in {}.{:03} s", ms / 1_000, ms % 1_000));
        if let Some(path) = &self.refused_file {
            text.push_str(&format!("; those that were not paid are in {}", path.display()));
        }
        text
    }
}

fn word(reason: Option<Reason>) -> &'static str {
    reason.map_or("", Reason::as_str)
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => Status::Completed.as_str(),
            Self::Rejected => Status::Rejected.as_str(),
            Self::Compensated => Status::Compensated.as_str(),
            Self::Refused => "refused",
            Self::Parked => Status::Parked.as_str(),
            Self::Unknown => "unknown",
        }
    }

    fn cell(self) -> Cell {
        match self {
            Self::Completed => good(self.as_str()),
            Self::Rejected | Self::Compensated | Self::Refused => render::between(self.as_str()),
            Self::Parked | Self::Unknown => render::bad(self.as_str()),
        }
    }
}

/// `{payments, ends: [{status, reason, payments}], took_ms, accounts: {opened, refused: [{id, error}]}, refused_file}`.
impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Ended<'s> {
            status: &'s str,
            reason: Option<&'s str>,
            payments: u64,
        }
        #[derive(Serialize)]
        struct Accounts<'s> {
            opened: u64,
            refused: Vec<RefusedAccount<'s>>,
        }
        #[derive(Serialize)]
        struct RefusedAccount<'s> {
            id: &'s remit_core::id::AccountId,
            error: &'s Error,
        }
        let ends = self.counts.iter().map(|((outcome, reason), payments)| Ended {
            status: outcome.as_str(),
            reason: Some(*reason).filter(|reason| !reason.is_empty()),
            payments: *payments,
        });
        let refused = self.opened.refused.iter().map(|(id, error)| RefusedAccount { id, error });
        let accounts = Accounts { opened: self.opened.opened, refused: refused.collect() };

        let mut body = serializer.serialize_struct("Summary", 5)?;
        body.serialize_field("payments", &self.total())?;
        body.serialize_field("ends", &ends.collect::<Vec<_>>())?;
        body.serialize_field("took_ms", &u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX))?;
        body.serialize_field("accounts", &accounts)?;
        body.serialize_field("refused_file", &self.refused_file)?;
        body.end()
    }
}
