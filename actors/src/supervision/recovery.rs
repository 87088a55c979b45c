//! What a fresh machine is told about the end of the one before it (R11).
//!
//! After a panic nobody knows which transfer caused it. So the next incarnation takes open transfers one by one, and writes
//! down which one is alone in its hand. The note outlives the panic: it belongs to the guardian, not to the machine.

use std::sync::Arc;

use parking_lot::Mutex;
use remit_core::id::TransferId;

/// What a factory makes a machine with.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// How often the actor has been restarted; for logs. It orders nothing: the epoch in the database does (R12).
    pub generation: u64,
    /// What the end before asks for.
    pub recovery: Recovery,
}

/// What the end of the incarnation before asks for; by default, nothing.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// It panicked: take open transfers one by one, each through [`InHand::alone`].
    pub one_by_one: bool,
    /// Transfers at which the actor panicked twice while each was alone in its hand. Park them durably, before the first turn
    /// or in it: once an incarnation that was told has ended a turn, the next is not told again.
    pub park: Vec<TransferId>,
    /// Where to note the transfer that is alone in hand.
    pub in_hand: Arc<InHand>,
}

/// Which transfer an actor handles alone at this moment, readable after it panicked.
#[derive(Debug, Default)]
pub struct InHand(Mutex<Option<TransferId>>);

impl InHand {
    /// Does some work on one transfer alone. The note is taken back when the work returns, whatever it returns, and stays
    /// when it panics.
    pub fn alone<T>(&self, transfer: TransferId, work: impl FnOnce() -> T) -> T {
        *self.0.lock() = Some(transfer);
        let result = work();
        *self.0.lock() = None;
        result
    }

    /// The transfer in hand.
    #[must_use]
    pub fn get(&self) -> Option<TransferId> {
        *self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn r11_the_note_stays_only_if_the_work_panicked() {
        let in_hand = InHand::default();
        let id = TransferId([7; 16]);
        assert_eq!(in_hand.alone(id, || in_hand.get()), Some(id));
        assert_eq!(in_hand.get(), None);
        catch_unwind(AssertUnwindSafe(|| in_hand.alone(id, || panic!("over this one")))).unwrap_err();
        assert_eq!(in_hand.get(), Some(id));
    }
}
