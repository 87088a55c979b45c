//! What an operator asks about a transfer, and does about it.

use remit_core::{
    id::TransferId,
    operator::{self, Action, Forbidden},
    reason::Reason,
};

use super::{Manager, open::Open};
use crate::{
    frame::Outbox,
    message::{AnswerBody, Operate, Operated, Story, Told, What},
    store::{
        Error,
        journal::writer,
        register::TransferTables,
        row::{Row, TransferEntry},
    },
};

impl<T: TransferTables> Manager<T> {
    /// Does what an operator wants done, if it can't make or destroy money, and records that it was done.
    pub(super) fn operate(&mut self, operate: &Operate, out: &mut Outbox) -> Result<Operated, Error> {
        let Operate { id, order, legs, number } = operate;
        if self.unreadable.contains_key(id) {
            return Ok(Operated::Forbidden(Forbidden::Unreadable));
        }
        let Some(open) = self.open.get_mut(id) else { return self.not_open(*id) };
        // It was heard before, and the answer got lost.
        if open.ordered != Some(*number) {
            if let Err(forbidden) = operator::allow(order.action, &open.transfer, legs) {
                return Ok(Operated::Forbidden(forbidden));
            }
            self.register.order(self.now, *id, order.clone())?;
            tracing::warn!(
                transfer = %id, action = order.action.as_str(), by = &*order.by, why = &*order.why,
                "an operator has done something about a transfer"
            );
            open.ordered = Some(*number);
            match order.action {
                Action::Retry => {}
                Action::Cancel => open.transfer.give_up(Reason::Cancelled),
                Action::Resume => {
                    open.transfer.resume();
                    self.parked -= 1;
                    self.pardon(*id);
                }
            }
            self.ask_now(*id, out)?;
        }
        self.operated(*id)
    }

    /// Asks silent legs now, and again after the first pause.
    fn ask_now(&mut self, id: TransferId, out: &mut Outbox) -> Result<(), Error> {
        if let Some(open) = self.open.get_mut(&id) {
            (open.tries, open.try_at) = (0, self.now.plus_ms(self.options.retry_first_ms));
            open.counts.retries = open.counts.retries.saturating_add(1);
            self.wheel.put(open.look_at(), id);
        }
        self.step(id, true, out)
    }

    /// How it stands now; the order itself may have ended it.
    fn operated(&mut self, id: TransferId) -> Result<Operated, Error> {
        Ok(match self.transfer(id)? {
            AnswerBody::Transfer(Some(stands)) => Operated::Done(stands),
            _ => Operated::Unknown,
        })
    }

    fn not_open(&mut self, id: TransferId) -> Result<Operated, Error> {
        Ok(match self.register.find(id)?.as_deref() {
            None => Operated::Unknown,
            Some(recorded) => match recorded.end {
                Some((_, end, _)) => Operated::Ended(end.outcome),
                None => Operated::Forbidden(Forbidden::Unreadable),
            },
        })
    }

    /// The story of a transfer as this database tells it.
    pub(super) fn story(&mut self, id: TransferId) -> Result<AnswerBody, Error> {
        let transfer = match self.transfer(id)? {
            AnswerBody::Transfer(Some(found)) => *found,
            other => return Ok(other),
        };
        let (rows, claims) = self.register.story_of(id)?;
        let mut told: Vec<Told> = rows
            .into_iter()
            .filter_map(|Row { seq, at, entry }| {
                let what = match entry {
                    TransferEntry::Common(_) => return None,
                    TransferEntry::Started(_) => What::Accepted,
                    TransferEntry::Decided(_, decision) => What::Decided(decision),
                    TransferEntry::Ended(_, end, _, counts) => What::Ended(end, counts),
                    TransferEntry::Parked(_, why) => What::Parked(why),
                    TransferEntry::Ordered(_, order) => What::Ordered(order),
                };
                let (epoch, node) = writer(&claims, seq);
                Some(Told { seq, at, epoch, node, what })
            })
            .collect();
        // Whoever claimed the database while it was open took it up.
        let begun = told.first().map(|step| step.seq);
        let ended = told.last().filter(|_| transfer.1.status.is_end()).map(|step| step.seq);
        for claim in claims {
            let is_within = begun.is_some_and(|begun| begun < claim.seq) && ended.is_none_or(|ended| claim.seq < ended);
            if is_within && let Some(at) = self.register.written_at(claim.seq)? {
                let (seq, epoch, node) = (claim.seq, claim.epoch, claim.node);
                told.push(Told { seq, at, epoch, node, what: What::TakenUp });
            }
        }
        told.sort_by_key(|step| step.seq);
        let present = self.open.get(&id).map(Open::present);
        Ok(AnswerBody::Story(Box::new(Story { transfer: Some(transfer), told, present })))
    }
}
