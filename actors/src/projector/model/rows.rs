//! What a row of a journal changes in the read model.

use std::{mem, sync::Arc};

use remit_core::{
    id::{AccountId, PartitionNo, Seq, ShardNo, Time, TransferId},
    money::{Amount, Direction},
    operator::Action,
    planted,
    transfer::Start,
};

use super::{Kept, Model, POSTINGS, Place, kept::word, writing};
use crate::{
    message::{Address, Linked, Posting, Rows},
    shard,
    store::{
        Error, line,
        row::{LegEntry, Row, ShardEntry, TransferEntry},
    },
};

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// What came of a run of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::projector) enum Taken {
    /// All of it is in the model; it may have been before.
    Whole,
    /// The rest rests on rows of managers' journals that are not in it yet; it is kept until they are.
    Waits,
    /// It comes too late or too early to be of use.
    Useless,
    /// It is of another history than the model's rows.
    OtherHistory,
}

/// A posting that is to be written.
pub(super) struct Posted {
    pub(super) place: Place,
    pub(super) account: AccountId,
    pub(super) at: Time,
    pub(super) transfer: TransferId,
    pub(super) direction: Direction,
    pub(super) amount: Amount,
    pub(super) balance: i64,
    pub(super) memo: Option<Arc<str>>,
    pub(super) previous: Seq,
}

impl Model {
    /// Takes in a run of rows, of which some or all may be known.
    ///
    /// # Errors
    /// The file failed.
    pub(in crate::projector) fn take(&mut self, rows: &Rows) -> Result<Taken, Error> {
        let Some(position) = self.sources.get_mut(&rows.source) else { return Ok(Taken::Useless) };
        position.head = position.head.max(rows.head);
        if rows.chunks.is_empty() {
            // The word on where the journal ends, which may come late. It has another history if it ends before a row that is in
            // here, and was so when that row was already.
            let asked_above = rows.first.0.saturating_sub(1);
            if rows.last.0 < asked_above && asked_above <= position.seq.0 {
                return Ok(Taken::OtherHistory);
            }
            return Ok(self.completed(rows));
        }
        let is_known = rows.last <= position.seq && !planted!(ProjectionCountsTwice);
        if rows.first > position.seq.next() {
            return Ok(Taken::Useless);
        }
        if !position.is_before(rows) {
            return Ok(Taken::OtherHistory);
        }
        if is_known {
            return Ok(self.completed(rows));
        }
        // One for all that is read until it is written: each on its own would lock the file anew.
        if self.connection.is_autocommit() {
            self.connection.prepare_cached("BEGIN")?.execute([])?;
        }
        let taken = self.take_new(rows)?;
        if taken == Taken::Waits {
            if let Some(position) = self.sources.get_mut(&rows.source) {
                position.held = Some(rows.clone());
            }
            return Ok(taken);
        }
        Ok(self.completed(rows))
    }

    /// Takes in what had to wait, as far as it now can.
    ///
    /// # Errors
    /// The file failed.
    pub(in crate::projector) fn take_held(&mut self) -> Result<(), Error> {
        let holding: Vec<Address> =
            self.sources.iter().filter(|(_, position)| position.is_held()).map(|(source, _)| *source).collect();
        for source in holding {
            if let Some(rows) = self.sources.get_mut(&source).and_then(|position| position.held.take()) {
                self.take(&rows)?;
            }
        }
        Ok(())
    }

    fn completed(&mut self, rows: &Rows) -> Taken {
        if let Some(position) = self.sources.get_mut(&rows.source)
            && position.seq == rows.last
            && let Some(complete) = rows.complete
        {
            position.complete = position.complete.max(complete);
        }
        Taken::Whole
    }

    fn take_new(&mut self, rows: &Rows) -> Result<Taken, Error> {
        for chunk in &rows.chunks {
            let known = self.sources[&rows.source].seq;
            if chunk.last <= known && !planted!(ProjectionCountsTwice) {
                continue;
            }
            let is_new = |(seq, _): &(Seq, &[u8])| *seq > known || planted!(ProjectionCountsTwice);
            for (seq, line) in chunk.lines().filter(is_new) {
                if !self.take_line(rows.source, seq, line)? {
                    return Ok(Taken::Waits);
                }
                if let Some(position) = self.sources.get_mut(&rows.source) {
                    position.seq = position.seq.max(seq);
                }
            }
            if let (Some(link), Some(position)) = (chunk.link, self.sources.get_mut(&rows.source)) {
                position.linked = Linked { seq: chunk.last, link };
            }
        }
        Ok(Taken::Whole)
    }

    /// Takes in a row; false if it must wait. One that can't be read is left out: its journal's actor says more about it.
    fn take_line(&mut self, source: Address, seq: Seq, text: &[u8]) -> Result<bool, Error> {
        let at = match source {
            Address::Manager(no) => match line::read::<TransferEntry>(seq, text) {
                Ok(row) => {
                    let at = row.at;
                    self.take_transfer(no, row)?;
                    at
                }
                Err(error) => return Ok(left_out(source, &error)),
            },
            Address::Shard(no) => match line::read::<ShardEntry>(seq, text) {
                Ok(row) if !self.may_take(&row) => return Ok(false),
                Ok(row) => {
                    self.take_posting(no, &row)?;
                    row.at
                }
                Err(error) => return Ok(left_out(source, &error)),
            },
            _ => return Ok(true),
        };
        if let Some(position) = self.sources.get_mut(&source) {
            position.at = Some(at);
        }
        self.staged.rows += 1;
        Ok(true)
    }

    /// A leg comes after its transfer's start, as it came to be.
    fn may_take(&self, row: &Row<ShardEntry>) -> bool {
        let ShardEntry::Leg(leg) = &row.entry else { return true };
        let manager = self.sources.get(&Address::Manager(leg.terms.partition));
        manager.is_none_or(|manager| leg.terms.begun <= manager.seq)
    }

    fn take_transfer(&mut self, partition: PartitionNo, row: Row<TransferEntry>) -> Result<(), Error> {
        match row.entry {
            TransferEntry::Started(start) => self.begins(Place::of_transfer(partition, row.seq), start)?,
            TransferEntry::Ended(id, end, words, _) => {
                if let Some(mut kept) = self.open.remove(&id) {
                    kept.ended = Some((row.at, end));
                    kept.words = words;
                    self.staged.ended.insert(kept.place, kept);
                }
            }
            TransferEntry::Parked(id, why) => self.change(id, |kept| kept.parked = Some(why)),
            TransferEntry::Ordered(id, order) if order.action == Action::Resume => {
                self.change(id, |kept| kept.parked = None);
            }
            TransferEntry::Common(_) | TransferEntry::Decided(..) | TransferEntry::Ordered(..) => {}
        }
        Ok(())
    }

    fn begins(&mut self, place: Place, start: Arc<Start>) -> Result<(), Error> {
        let partition = i64::from(place.partition().0);
        let mut previous = Vec::with_capacity(start.legs().len());
        for leg in start.legs() {
            let newest = self.newest.change(&(leg.account.clone(), partition), |(account, of)| {
                writing::newest(&self.connection, account, *of)
            })?;
            previous.push(mem::replace(newest, place.seq()));
        }
        let id = start.id;
        self.open.insert(id, Kept::begun(place, start, previous));
        self.transfers += 1;
        self.staged.changed.push(id);
        Ok(())
    }

    fn change(&mut self, id: TransferId, change: impl FnOnce(&mut Kept)) {
        if let Some(kept) = self.open.get_mut(&id) {
            change(kept);
            self.staged.changed.push(id);
        }
    }

    fn take_posting(&mut self, shard: ShardNo, row: &Row<ShardEntry>) -> Result<(), Error> {
        match &row.entry {
            ShardEntry::Leg(leg) => {
                self.hear(leg);
                if let Some(after) = leg.after {
                    let minute = row.at.0.div_euclid(MINUTE_MS);
                    self.staged.transits.insert((leg.terms.currency, shard, minute), after.in_transit);
                    self.transits.insert((leg.terms.currency, shard), after.in_transit);
                }
                match shard::posting(row) {
                    Some(posting) => self.posted(shard, leg, posting),
                    None => Ok(()),
                }
            }
            ShardEntry::Account(entry) if entry.outcome.is_ok() => self.newest_posting_of(&entry.account).map(drop),
            ShardEntry::Account(_) | ShardEntry::Common(_) => Ok(()),
        }
    }

    /// Takes down what a leg says of its transfer, while that is open.
    fn hear(&mut self, leg: &LegEntry) {
        let said = word(leg.state);
        self.change(leg.id.transfer, |kept| {
            if let Some(word) = kept.words.get_mut(usize::from(leg.id.leg.0)) {
                *word = said;
            }
        });
    }

    fn posted(&mut self, shard: ShardNo, leg: &LegEntry, posting: Posting) -> Result<(), Error> {
        let Posting { seq, at, transfer, direction, amount, balance, memo } = posting;
        let account = leg.terms.account.clone();
        let previous = mem::replace(self.newest_posting_of(&account)?, seq);
        let key = (at.0.div_euclid(DAY_MS), account, leg.terms.currency);
        let day = self.days.change(&key, |key| writing::day(&self.connection, key))?;
        let sum = i128::from(amount.get());
        match direction {
            Direction::Debit => (day.debits, day.debited) = (day.debits + 1, day.debited + sum),
            Direction::Credit => (day.credits, day.credited) = (day.credits + 1, day.credited + sum),
        }
        let (_, account, _) = key;
        let place = Place::of_posting(shard, seq);
        self.staged.postings.push(Posted { place, account, at, transfer, direction, amount, balance, memo, previous });
        Ok(())
    }

    fn newest_posting_of(&mut self, account: &AccountId) -> Result<&mut Seq, Error> {
        let read = |(account, of): &(AccountId, i64)| writing::newest(&self.connection, account, *of);
        self.newest.change(&(account.clone(), POSTINGS), read)
    }
}

fn left_out(source: Address, error: &Error) -> bool {
    tracing::warn!(?source, %error, "a row is left out of the projection");
    true
}
