//! What is undecided on an account beyond 63 bits.
//!
//! While a shard works, R3 keeps the debits of an account that may still be undone within 63 bits. But which of them can't be
//! undone any more it learns from marks, which memory alone remembers: after a restart every debit since the last bulk write
//! counts as undecided again, and all of them together may be more. The account then says the most that it can, which admits
//! the least, and the rest waits here until the marks come again.

use remit_core::{id::AccountId, mark::OpenDebits, money::Amount};
use rustc_hash::FxHashMap;

/// By account, what exceeds.
#[derive(Default)]
pub(super) struct Beyond(FxHashMap<AccountId, i128>);

impl Beyond {
    /// What exceeds, as the table of debits has it.
    pub(super) fn of(debits: &OpenDebits) -> Self {
        let sums = sums(debits).into_iter();
        Self(sums.map(|(id, sum)| (id, sum - i128::from(capped(sum)))).filter(|(_, beyond)| *beyond > 0).collect())
    }

    /// An account's undecided amount with one more.
    pub(super) fn plus(&mut self, account: &AccountId, undecided: i64, amount: Amount) -> i64 {
        undecided.checked_add(amount.get()).unwrap_or_else(|| self.settle(account, undecided, amount.get().into()))
    }

    /// An account's undecided amount with one less. (Only a damaged table has less than is taken away; a full audit finds it.)
    pub(super) fn minus(&mut self, account: &AccountId, undecided: i64, amount: Amount) -> i64 {
        if self.0.is_empty() {
            undecided.saturating_sub(amount.get())
        } else {
            self.settle(account, undecided, -i128::from(amount.get()))
        }
    }

    fn settle(&mut self, account: &AccountId, undecided: i64, change: i128) -> i64 {
        let sum = i128::from(undecided) + self.0.remove(account).unwrap_or_default() + change;
        let undecided = capped(sum);
        if sum > i128::from(undecided) {
            self.0.insert(account.clone(), sum - i128::from(undecided));
        }
        undecided
    }
}

/// By account, what all debits come to.
pub(super) fn sums(debits: &OpenDebits) -> FxHashMap<AccountId, i128> {
    let mut sums = FxHashMap::default();
    for debit in debits.iter() {
        *sums.entry(debit.account.clone()).or_default() += i128::from(debit.amount.get());
    }
    sums
}

/// The most of it that an account can say.
pub(super) fn capped(sum: i128) -> i64 {
    i64::try_from(sum.max(i64::MIN.into())).unwrap_or(i64::MAX)
}
