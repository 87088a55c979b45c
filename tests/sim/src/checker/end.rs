//! What must be true when everything has come to rest.

use std::collections::BTreeMap;

use remit_core::{id::AccountId, money::Direction, transfer::Outcome};

use super::{Checked, Checker, wrong, wrong_account};

impl Checker {
    /// Every account has what the completed transfers come to, and nothing is held, incoming or in transit; but for the
    /// transfers whose records were made unreadable.
    pub(crate) fn at_rest(&self) -> Checked {
        if let Some(id) = self.open().find(|id| !self.rotten.contains(id)) {
            return Err(wrong(id, "it has not ended"));
        }
        if !self.rotten.is_empty() {
            return Ok(());
        }
        let mut expected: BTreeMap<&AccountId, i128> = BTreeMap::new();
        let is_completed = |end: &Option<(_, remit_core::transfer::End)>| {
            end.is_some_and(|(_, end)| end.outcome == Outcome::Completed)
        };
        for known in self.transfers.values().filter(|known| is_completed(&known.end)) {
            for leg in known.start.legs() {
                let amount = i128::from(leg.amount.get());
                let signed = if leg.direction == Direction::Debit { -amount } else { amount };
                *expected.entry(&leg.account).or_default() += signed;
            }
        }
        for (id, book) in &self.accounts {
            let expected = expected.get(id).copied().unwrap_or_default();
            if i128::from(book.posted) != expected || (book.held, book.incoming) != (0, 0) {
                let what = format_args!("it has {book:?}, the completed transfers come to {expected}");
                return Err(wrong_account(id, what));
            }
        }
        let mut in_transit: BTreeMap<_, i128> = BTreeMap::new();
        for ((_, currency), balance) in &self.transits {
            *in_transit.entry(*currency).or_default() += i128::from(*balance);
        }
        match in_transit.into_iter().find(|(_, balance)| *balance != 0) {
            Some((currency, balance)) => {
                Err(super::violation(Vec::new(), format!("{balance} {currency} are in transit for ever")))
            }
            None => Ok(()),
        }
    }
}
