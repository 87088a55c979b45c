//! Taking up the open transfers after a restart (R11).
//!
//! Ordinarily all of them are looked at at once, as if all had been silent. After a panic nobody knows which transfer
//! caused it: then they are taken one by one, and every message on its own, each noted as alone in hand.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use remit_core::{
    id::{Time, TransferId},
    planted,
    reason::Reason,
    transfer::{Parked, Transfer},
};

use super::{Manager, open::Open};
use crate::{
    frame::Outbox,
    message::{Ask, Message, TraceContext},
    store::{
        Error,
        register::{Recorded, TransferTables},
    },
    supervision::{InHand, Recovery},
};

/// What is left to take up, and how carefully.
#[derive(Default)]
pub(super) struct Recovering {
    waiting: VecDeque<TransferId>,
    /// Where to note what is alone in hand; `None` if the last end was no panic.
    in_hand: Option<Arc<InHand>>,
    /// Ids at which the actor panicked twice: what comes for them is dropped.
    condemned: BTreeSet<TransferId>,
}

impl Recovering {
    /// Whether open transfers still wait to be taken up one by one.
    pub(super) fn is_one_by_one(&self) -> bool {
        !self.waiting.is_empty()
    }
}

impl<T: TransferTables> Manager<T> {
    /// Takes in what was open when the last incarnation ended.
    pub(super) fn recover(
        &mut self,
        recorded: BTreeMap<TransferId, Recorded>,
        recovery: Recovery,
        now: Time,
    ) -> Result<(), Error> {
        self.recovering.condemned = recovery.park.into_iter().collect();
        self.recovering.in_hand = recovery.one_by_one.then_some(recovery.in_hand);
        for (id, recorded) in recorded {
            let Some(start) = recorded.start.clone() else {
                self.unreadable.insert(id, recorded);
                continue;
            };
            let mut transfer = Transfer::new(start, self.no, recorded.begun);
            recorded.decision.into_iter().for_each(|decision| transfer.decide(decision));
            if recorded.cancelled {
                transfer.give_up(Reason::Cancelled);
            }
            self.by_begin.insert(recorded.begun, id);
            if let Some(why) = recorded.parked {
                transfer.park(why);
                self.parked += 1;
            } else if self.recovering.condemned.contains(&id) {
                transfer.park(Parked::Panicked);
                self.parked += 1;
                self.register.park(now, id, Parked::Panicked)?;
            } else if self.recovering.in_hand.is_some() {
                self.recovering.waiting.push_back(id);
            } else if !planted!(NoRetryAfterRecovery) {
                self.wheel.put(now, id);
            }
            self.open.insert(id, Open::new(transfer, now, now));
        }
        self.register.commit().map(drop)
    }

    /// Takes up the next one, alone.
    pub(super) fn recover_next(&mut self, out: &mut Outbox) -> Result<(), Error> {
        let Some(id) = self.recovering.waiting.pop_front() else { return Ok(()) };
        let Some(open) = self.open.get_mut(&id) else { return Ok(()) };
        open.try_at = self.now.plus_ms(self.options.retry_first_ms);
        self.wheel.put(self.open[&id].look_at(), id);
        self.alone(id, |manager| manager.step(id, true, out))
    }

    /// Takes a message; after a panic, noted as alone in hand.
    pub(super) fn take_carefully(
        &mut self,
        message: &Message,
        trace: Option<TraceContext>,
        out: &mut Outbox,
        questions: &mut Vec<Ask>,
    ) -> Result<(), Error> {
        let transfer = match message {
            Message::Submit(submit) => submit.id,
            Message::Reply(reply) => reply.id.transfer,
            _ => return self.take(message, trace, out, questions),
        };
        if self.recovering.condemned.contains(&transfer) && !self.open.contains_key(&transfer) {
            return Ok(());
        }
        self.alone(transfer, |manager| manager.take(message, trace, out, questions))
    }

    /// Whoever was condemned and is resumed gets another chance.
    pub(super) fn pardon(&mut self, id: TransferId) {
        self.recovering.condemned.remove(&id);
    }

    fn alone<R>(&mut self, id: TransferId, work: impl FnOnce(&mut Self) -> R) -> R {
        match self.recovering.in_hand.clone() {
            Some(in_hand) => in_hand.alone(id, || work(self)),
            None => work(self),
        }
    }
}
