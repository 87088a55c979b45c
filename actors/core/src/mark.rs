//! How shards learn, without messages of their own, that transfers have ended (R3).
//!
//! A debit stays *undecided* until its transfer has ended, because a compensation may still give it back. Every frame of
//! a partition carries its low-water mark; a shard then forgets the debits that the mark covers.

use alloc::{collections::BTreeMap, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    id::{AccountId, LegId, PartitionNo, Seq},
    leg::Terms,
    money::{Amount, Currency},
};

/// A partition's word that transfers have ended. True for ever once said, so marks may arrive in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LowWater {
    /// All transfers that began at or below this position of the partition's journal have ended…
    pub begun_up_to: Seq,
    /// …except those that began here: old ones that are stuck, listed so that they do not hold the mark back.
    pub except: Vec<Seq>,
}

impl LowWater {
    /// The most exceptions that a mark lists; beyond it the mark waits for the oldest.
    pub const EXCEPT_MAX: usize = 32;

    /// Whether it says that the transfer begun at `begun` has ended.
    #[must_use]
    pub fn covers(&self, begun: Seq) -> bool {
        begun <= self.begun_up_to && !self.except.contains(&begun)
    }
}

/// A debit that may still be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenDebit {
    /// Its leg.
    pub id: LegId,
    /// Where the money was taken.
    pub account: AccountId,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
    /// Its transfer's partition.
    pub partition: PartitionNo,
    /// Where its transfer began there.
    pub begun: Seq,
}

impl OpenDebit {
    /// The debit of a leg.
    #[must_use]
    pub fn of(id: LegId, terms: &Terms) -> Self {
        Self {
            id,
            account: terms.account.clone(),
            amount: terms.amount,
            currency: terms.currency,
            partition: terms.partition,
            begun: terms.begun,
        }
    }
}

/// The debits of a shard whose transfers are not known to have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenDebits {
    by_begin: BTreeMap<PartitionNo, BTreeMap<(Seq, LegId), OpenDebit>>,
}

impl OpenDebits {
    /// Remembers one.
    pub fn add(&mut self, debit: OpenDebit) {
        let partition = self.by_begin.entry(debit.partition).or_default();
        partition.insert((debit.begun, debit.id), debit);
    }

    /// Forgets one that is compensated; `None` if it was not remembered.
    pub fn remove(&mut self, id: LegId, partition: PartitionNo, begun: Seq) -> Option<OpenDebit> {
        self.by_begin.get_mut(&partition)?.remove(&(begun, id))
    }

    /// Takes out all that a partition's mark says have ended.
    pub fn take_ended(&mut self, partition: PartitionNo, mark: &LowWater) -> Vec<OpenDebit> {
        let Some(open) = self.by_begin.get_mut(&partition) else {
            return Vec::new();
        };
        let mut ended = Vec::new();
        while let Some(first) = open.first_entry()
            && mark.covers(first.key().0)
        {
            ended.push(first.remove());
        }
        // Behind an exception the rest is looked at one by one; exceptions are few and old, so this is rare.
        if open.first_key_value().is_some_and(|((begun, _), _)| *begun <= mark.begun_up_to) {
            let covered = open.keys().take_while(|(begun, _)| *begun <= mark.begun_up_to);
            let covered: Vec<_> = covered.filter(|(begun, _)| mark.covers(*begun)).copied().collect();
            ended.extend(covered.iter().filter_map(|key| open.remove(key)));
        }
        ended
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.by_begin.values().map(BTreeMap::len).sum()
    }

    /// All of them, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &OpenDebit> {
        self.by_begin.values().flat_map(BTreeMap::values)
    }
}

#[cfg(test)]
mod tests;
