//! The timer wheel of open transfers: the only source of retries (and of deadlines). Pure data; time is an argument.

use std::collections::BTreeMap;

use remit_core::id::{Time, TransferId};

/// How much time shares a slot, in milliseconds: what a timer may be late by.
const SLOT_MS: i64 = 16;

/// When to look at each open transfer again. One that has ended meanwhile is found out when its slot comes.
#[derive(Debug, Default)]
pub(super) struct Wheel {
    slots: BTreeMap<i64, Vec<TransferId>>,
}

impl Wheel {
    /// Looks at a transfer again at this moment, or up to a slot later.
    pub(super) fn put(&mut self, at: Time, id: TransferId) {
        let slot = at.0.div_euclid(SLOT_MS) + 1;
        self.slots.entry(slot).or_default().push(id);
    }

    /// Takes out those whose time has come, the longest due first.
    pub(super) fn due(&mut self, now: Time) -> Vec<TransferId> {
        let later = self.slots.split_off(&(now.0.div_euclid(SLOT_MS) + 1));
        std::mem::replace(&mut self.slots, later).into_values().flatten().collect()
    }

    /// When the next slot comes.
    pub(super) fn next_at(&self) -> Option<Time> {
        self.slots.first_key_value().map(|(slot, _)| Time(slot.saturating_mul(SLOT_MS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_never_early_and_at_most_a_slot_late() {
        for at in [0, 1, 15, 16, 17, 1_000_003] {
            let mut wheel = Wheel::default();
            wheel.put(Time(at), TransferId([1; 16]));
            let next = wheel.next_at().unwrap();
            assert!(next.0 > at && next.0 <= at + SLOT_MS, "{at}: {next:?}");
            assert_eq!(wheel.due(Time(next.0 - 1)).len(), 0);
            assert_eq!((wheel.due(next).len(), wheel.next_at()), (1, None));
        }
    }
}
