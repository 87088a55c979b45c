//! A shard's rows: legs and accounts.

use remit_actors::store::row::{AccountEntry, LegEntry, Row, ShardEntry};
use remit_core::{
    account::{Kind, Status},
    id::ShardNo,
    leg::State,
    money::Direction,
};

use super::{Book, Checked, Checker, LegRows, follows, shard_claim, wrong, wrong_account};

impl Checker {
    /// A shard's row, now durable.
    pub(crate) fn shard_row(&mut self, shard: ShardNo, row: &Row<ShardEntry>) -> Checked {
        self.rows += 1;
        follows(self.shards.entry(shard).or_default(), row.seq, shard_claim(&row.entry))?;
        match &row.entry {
            ShardEntry::Common(_) => Ok(()),
            ShardEntry::Leg(leg) => self.leg(shard, leg),
            ShardEntry::Account(entry) => self.account(entry),
        }
    }

    fn leg(&mut self, shard: ShardNo, row: &LegEntry) -> Checked {
        let (id, terms) = (row.id.transfer, &row.terms);
        let Some(known) = self.transfers.get_mut(&id) else {
            return Err(wrong(id, "a leg is recorded before the start is"));
        };
        let Some(spec) = known.start.legs().get(usize::from(row.id.leg.0)) else {
            return Err(wrong(id, format_args!("it has no leg {}", row.id.leg.0)));
        };
        if (&spec.account, spec.shard, spec.direction, spec.amount, spec.currency)
            != (&terms.account, shard, terms.direction, terms.amount, terms.currency)
            || (terms.partition, terms.begun) != (known.partition, known.begun)
        {
            return Err(wrong(id, format_args!("leg {} is another than the start record says", row.id.leg.0)));
        }
        if known.end.is_some() {
            return Err(wrong(id, format_args!("leg {} becomes {:?} after the end", row.id.leg.0, row.state)));
        }
        let place = &mut known.legs[usize::from(row.id.leg.0)];
        match (&mut *place, row.state) {
            (None, state) if state.step() == 1 => *place = Some(LegRows { first: state, last: None, at: self.now }),
            (Some(LegRows { first: State::Debited, last: last @ None, at }), State::Compensated)
            | (Some(LegRows { first: State::Held, last: last @ None, at }), State::Posted | State::Released) => {
                *last = Some(row.state);
                *at = self.now;
            }
            (before, state) => {
                return Err(wrong(id, format_args!("leg {} becomes {state:?} after {before:?}", row.id.leg.0)));
            }
        }
        self.situations.leg(row, self.accounts.get(&row.terms.account));
        self.money(shard, row)
    }

    fn money(&mut self, shard: ShardNo, row: &LegEntry) -> Checked {
        let amount = row.terms.amount.get();
        let is_debit = row.terms.direction == Direction::Debit;
        let signed = if is_debit { -amount } else { amount };
        let (posted, reserved) = match row.state {
            State::Debited | State::Credited => (signed, 0),
            State::Compensated => (-signed, 0),
            State::Held => (0, amount),
            State::Released => (0, -amount),
            State::Posted => (signed, -amount),
            State::Refused(_) | State::Tombstone(..) => {
                let moved = row.after.is_some();
                let what = "a leg without money has moved some";
                return if moved { Err(wrong_account(&row.terms.account, what)) } else { Ok(()) };
            }
        };
        let id = &row.terms.account;
        let Some(book) = self.accounts.get_mut(id) else {
            return Err(wrong_account(id, "money moves on an account that is not there"));
        };
        let Some(after) = row.after else { return Err(wrong_account(id, "money moves, and the row does not say so")) };
        let (held, incoming) = if is_debit { (reserved, 0) } else { (0, reserved) };
        let sums = (book.posted.checked_add(posted), book.held.checked_add(held), book.incoming.checked_add(incoming));
        let (Some(posted_after), Some(held_after), Some(incoming_after)) = sums else {
            return Err(wrong_account(id, "a balance leaves 63 bits"));
        };
        (book.posted, book.held, book.incoming) = (posted_after, held_after, incoming_after);
        let transit = self.transits.entry((shard, row.terms.currency)).or_default();
        *transit = transit.checked_sub(posted).ok_or_else(|| wrong_account(id, "in-transit leaves 63 bits"))?;
        let stands = (book.posted, book.held, book.incoming, *transit);
        let says = (after.posted, after.held, after.incoming, after.in_transit);
        if stands != says {
            return Err(wrong_account(id, format_args!("the row says {says:?}, all rows come to {stands:?}")));
        }
        book.is_sound(row.terms.currency == book.currency).map_err(|what| wrong_account(id, what))
    }

    fn account(&mut self, row: &AccountEntry) -> Checked {
        let id = &row.account;
        let Ok(after) = &row.outcome else { return Ok(()) };
        let rows = self.rows;
        let book = self.accounts.entry(id.clone()).or_insert_with(|| Book {
            currency: after.currency,
            kind: after.kind,
            status: Status::Open,
            limit: after.overdraft_limit,
            posted: 0,
            held: 0,
            incoming: 0,
            closing_since: 0,
        });
        let before = std::mem::replace(&mut book.status, after.status);
        book.limit = after.overdraft_limit;
        if before == Status::Closed && after.status != Status::Closed {
            return Err(wrong_account(id, "a closed account is open again"));
        }
        if before != Status::Closing && after.status == Status::Closing {
            book.closing_since = rows;
        }
        book.is_sound(after.currency == book.currency).map_err(|what| wrong_account(id, what))?;
        let closes = before != Status::Closed && after.status == Status::Closed;
        let since = book.closing_since;
        if closes {
            // R4: a transfer from before its closing may still come back to it.
            let touches =
                |open: &super::Known| open.since < since && open.start.legs().iter().any(|leg| leg.account == *id);
            if let Some(open) = self.open().find(|open| touches(&self.transfers[open])) {
                return Err(wrong(open, format_args!("{id} is closed while it is open")));
            }
        }
        Ok(())
    }
}

impl Book {
    /// What must be true of every account at every row.
    fn is_sound(&self, same_currency: bool) -> Result<(), String> {
        let Self { kind, status, limit, posted, held, incoming, .. } = self;
        let least = -i128::from(*limit);
        if !same_currency {
            return Err("it changed its currency".into());
        }
        if *kind == Kind::Customer && i128::from(*posted) - i128::from(*held) < least {
            return Err(format!("{posted} posted and {held} held leave it below its limit of {least}"));
        }
        if *held < 0 || *incoming < 0 {
            return Err(format!("{held} held, {incoming} incoming"));
        }
        if *status == Status::Closed && (*posted, *held, *incoming) != (0, 0, 0) {
            return Err(format!("closed with {posted} posted, {held} held, {incoming} incoming"));
        }
        Ok(())
    }
}
