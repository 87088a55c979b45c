//! A transfer as the read model keeps it: its start, what became of its legs, and the transfers before it on the same accounts.

use std::sync::Arc;

use remit_core::{
    id::{AccountId, PartitionNo, Seq, Time, TransferId},
    leg::State,
    protocol::{Protocol, route::Stop},
    reason::Reason,
    transfer::{End, LegSpec, Outcome, Parked, Start},
};
use rusqlite::Row;

use super::place::Place;
use crate::{
    message::{LegWord, Progress, Status},
    store::{Error, journal::corrupt, line::legs},
};

/// A transfer.
#[derive(Clone, Debug)]
pub(in crate::projector) struct Kept {
    pub(in crate::projector) place: Place,
    pub(in crate::projector) start: Arc<Start>,
    pub(in crate::projector) words: Vec<LegWord>,
    pub(in crate::projector) ended: Option<(Time, End)>,
    pub(in crate::projector) parked: Option<Parked>,
    /// For each leg, where the transfer before this one on the same account begun, in the same partition; 0 if there is none.
    pub(in crate::projector) previous: Vec<Seq>,
}

/// The columns that a transfer is read from, in the order in which [`Kept::read`] wants them.
pub(in crate::projector) const COLUMNS: &str =
    "place, id, protocol, memo, legs, accepted_at, deadline_at, words, status, reason, settled_at, parked, previous";

impl Kept {
    pub(super) fn begun(place: Place, start: Arc<Start>, previous: Vec<Seq>) -> Self {
        let words = vec![LegWord::Pending; start.legs().len()];
        Self { place, start, words, ended: None, parked: None, previous }
    }

    /// What became of it so far.
    pub(in crate::projector) fn status(&self) -> Status {
        match (&self.ended, self.parked) {
            (Some((_, end)), _) => Status::Ended(end.outcome),
            (None, Some(_)) => Status::Parked,
            (None, None) if self.words.iter().all(|word| *word == LegWord::Pending) => Status::Accepted,
            (None, None) => Status::InProgress,
        }
    }

    /// How it stands at a moment, as its manager says it.
    pub(in crate::projector) fn progress(&self, now: Time, overdue_ms: u64) -> Progress {
        let status = self.status();
        let Start { accepted_at, deadline_at, .. } = *self.start;
        Progress {
            status,
            reason: self.ended.and_then(|(_, end)| end.reason),
            legs: if status == Status::Accepted { Vec::new() } else { self.words.clone() },
            accepted_at,
            deadline_at,
            settled_at: self.ended.map(|(at, _)| at),
            overdue: self.ended.is_none() && now > accepted_at.plus_ms(overdue_ms),
            parked: self.parked.filter(|_| self.ended.is_none()),
        }
    }

    /// Where the transfer before this one on an account begun, in the same partition, if this one touches it.
    pub(in crate::projector) fn before_on(&self, account: &AccountId) -> Option<Seq> {
        let leg = self.start.legs().iter().position(|leg| leg.account == *account)?;
        self.previous.get(leg).copied()
    }

    /// Its legs as one text, as the journal has them.
    ///
    /// # Errors
    /// Never: an account's id is text.
    pub(super) fn legs(&self) -> Result<String, Error> {
        let mut text = Vec::with_capacity(64);
        let parts = self.start.leg_numbers().zip(self.start.legs());
        let parts = parts.map(|(no, leg)| (no, leg.shard, &leg.account, leg.direction, leg.amount, leg.currency));
        legs::write(parts, &mut text);
        String::from_utf8(text).map_err(|_| corrupt("legs that are no text"))
    }

    /// The transfers before on the same accounts, as one text.
    pub(super) fn previous(&self) -> String {
        let previous: Vec<String> = self.previous.iter().map(|seq| seq.0.to_string()).collect();
        previous.join(" ")
    }

    /// What became of its legs, as the journal has it.
    pub(super) fn words(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(|word| word.as_str()).collect();
        words.join(" ")
    }

    pub(in crate::projector) fn read(row: &Row<'_>) -> Result<Self, Error> {
        let wrong = |what: &str| corrupt(format!("a transfer's {what} can't be read"));
        let text = |column| row.get_ref(column).map_err(Error::from)?.as_str().map_err(|_| wrong("text"));
        let maybe = |column| row.get_ref(column).map_err(Error::from)?.as_str_or_null().map_err(|_| wrong("text"));
        let place = Place(row.get(0)?);
        let protocol = Protocol::parse(text(2)?).ok_or_else(|| wrong("protocol"))?;
        let memo = maybe(3)?.map(Arc::from);
        let stops = legs::read(text(4)?).ok_or_else(|| wrong("legs"))?;
        let leg = |Stop { shard, account, direction, amount, currency, .. }: Stop| LegSpec {
            account,
            shard,
            direction,
            amount,
            currency,
        };
        let specs = stops.into_iter().map(leg).collect();
        let (accepted_at, deadline_at) = (Time(row.get(5)?), Time(row.get(6)?));
        let start = Start::new(TransferId(row.get(1)?), protocol, specs, memo, accepted_at, deadline_at)
            .map_err(|_| wrong("legs"))?;
        let words =
            text(7)?.split(' ').map(LegWord::parse).collect::<Option<Vec<_>>>().ok_or_else(|| wrong("words"))?;
        let ended = match row.get::<_, Option<i64>>(10)? {
            None => None,
            Some(at) => {
                let outcome = Outcome::parse(text(8)?).ok_or_else(|| wrong("status"))?;
                let reason =
                    maybe(9)?.map(|reason| Reason::parse(reason).ok_or_else(|| wrong("reason"))).transpose()?;
                Some((Time(at), End { outcome, reason }))
            }
        };
        let parked = maybe(11)?.map(|why| Parked::parse(why).ok_or_else(|| wrong("parking"))).transpose()?;
        let previous = text(12)?.split(' ').map(|seq| seq.parse().ok().map(Seq)).collect::<Option<Vec<_>>>();
        let previous = previous.ok_or_else(|| wrong("place"))?;
        Ok(Self { place, start: Arc::new(start), words, ended, parked, previous })
    }

    pub(in crate::projector) fn partition(&self) -> PartitionNo {
        self.place.partition()
    }
}

/// What a leg's record says of it, in the contract's words.
pub(super) fn word(state: State) -> LegWord {
    match state {
        State::Debited | State::Credited | State::Posted => LegWord::Posted,
        State::Held => LegWord::Held,
        State::Refused(_) => LegWord::Refused,
        State::Tombstone(..) => LegWord::Cancelled,
        State::Released => LegWord::Released,
        State::Compensated => LegWord::Compensated,
    }
}
