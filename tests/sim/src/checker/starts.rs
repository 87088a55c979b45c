//! A manager's rows: starts, decisions and ends.

use remit_actors::store::row::{Row, TransferEntry};
use remit_core::{
    id::{PartitionNo, TransferId},
    leg::State,
    operator::Action,
    protocol::Decision,
    transfer::{End, Outcome},
};

use super::{Checked, Checker, Known, follows, manager_claim, wrong};

impl Checker {
    /// A manager's row, now durable.
    pub(crate) fn manager_row(&mut self, partition: PartitionNo, row: &Row<TransferEntry>) -> Checked {
        self.rows += 1;
        follows(self.managers.entry(partition).or_default(), row.seq, manager_claim(&row.entry))?;
        match &row.entry {
            TransferEntry::Common(_) => Ok(()),
            TransferEntry::Started(start) => {
                let (id, since, legs) = (start.id, self.rows, vec![None; start.legs().len()]);
                let (start, begun) = (start.clone(), row.seq);
                let (decision, end, is_parked) = (None, None, false);
                let known = Known { start, partition, begun, since, decision, end, is_parked, legs };
                self.open.entry(partition).or_default().insert(begun, id);
                match self.transfers.insert(id, known) {
                    None => Ok(()),
                    Some(_) => Err(wrong(id, "it begins a second time")),
                }
            }
            TransferEntry::Decided(id, decision) => {
                let known = self.known(*id)?;
                let held = known.states().all(|state| matches!(state, Some(State::Held)));
                if known.decision.replace(*decision).is_some() {
                    return Err(wrong(*id, "it is decided a second time"));
                }
                if *decision == Decision::Commit && !held {
                    return Err(wrong(*id, "it commits before all legs are held"));
                }
                Ok(())
            }
            TransferEntry::Ended(id, end, ..) => {
                let known = self.known(*id)?;
                if let Some((_, before)) = known.end.replace((row.at, *end)) {
                    return Err(wrong(*id, format_args!("it ends as {end:?} after {before:?}")));
                }
                let begun = known.begun;
                known.fits(*end).map_err(|what| wrong(*id, what))?;
                self.open.entry(partition).or_default().remove(&begun);
                Ok(())
            }
            TransferEntry::Ordered(id, order) => {
                match order.action {
                    Action::Retry => self.situations.retried_by_order += 1,
                    Action::Cancel => self.situations.cancelled_by_order += 1,
                    // Nothing is ever parked here but what can't be read, and that is never resumed.
                    Action::Resume => return Err(wrong(*id, "it is resumed")),
                }
                if self.known(*id)?.end.is_some() {
                    Err(wrong(*id, "it is ordered about after its end"))
                } else {
                    Ok(())
                }
            }
            TransferEntry::Parked(id, why) => {
                let is_rotten = self.rotten.contains(id);
                self.known(*id)?.is_parked = true;
                if is_rotten { Ok(()) } else { Err(wrong(*id, format_args!("it is parked: {why}"))) }
            }
        }
    }

    fn known(&mut self, id: TransferId) -> Result<&mut Known, super::Violation> {
        self.transfers.get_mut(&id).ok_or_else(|| wrong(id, "it goes on before it begins"))
    }
}

impl Known {
    /// R9: every leg has come to rest, and as this end says.
    fn fits(&self, end: End) -> Result<(), String> {
        let mut gave_back = false;
        for (place, state) in self.states().enumerate() {
            let fits = match (end.outcome, state) {
                (Outcome::Completed, Some(State::Debited | State::Credited | State::Posted)) => true,
                (Outcome::Rejected | Outcome::Compensated, Some(State::Compensated)) => {
                    gave_back = true;
                    true
                }
                (
                    Outcome::Rejected | Outcome::Compensated,
                    Some(State::Released | State::Refused(_) | State::Tombstone(..)),
                ) => true,
                _ => false,
            };
            if !fits {
                return Err(format!("it ends as {} while leg {place} is {state:?}", end.outcome.as_str()));
            }
        }
        if (end.outcome == Outcome::Compensated) != gave_back {
            return Err(format!("it ends as {}, and money was put back: {gave_back}", end.outcome.as_str()));
        }
        if (end.outcome == Outcome::Completed) != end.reason.is_none() {
            return Err(format!("it ends as {} with the reason {:?}", end.outcome.as_str(), end.reason));
        }
        Ok(())
    }
}
