//! What a row tells those who listen.
//!
//! | row | event |
//! |---|---|
//! | a leg `debited`; a debit's hold `posted` | `money.debited` |
//! | a leg `credited`; a credit's hold `posted` | `money.credited` |
//! | a leg `compensated` | `money.compensated`, a credit |
//! | a leg `held`, `released` | `money.held`, `money.released` |
//! | a leg `refused` | `money.debit.refused`, `money.credit.refused` |
//! | a transfer's end | `transfer.completed`, `transfer.rejected`, `transfer.compensated` |
//! | a transfer is parked | `transfer.parked` |
//!
//! All others tell nothing here: a tombstone is no fact of money, since nothing was done and nothing refused, and what it leads to is
//! the transfer's end; a start and a decision are their manager's own; accounts, claims and orders are no part of these events.

use std::sync::Arc;

use remit_actors::{
    message::{Address, Chunk, Rows},
    store::{
        Error, line,
        row::{LegEntry, Row, ShardEntry, TransferEntry},
    },
};
use remit_api::event::{Event, Kind};
use remit_core::{
    id::{Seq, Time, TransferId},
    leg::State,
    money::Direction,
    reason::Reason,
    transfer::Outcome,
};
use tracing::warn;

/// The events of a run of rows above a position, in their order. A row that can't be read tells nothing: its actor says what comes
/// of that, and those after it do not wait for it.
pub(super) fn of_rows(shard: &Arc<str>, rows: &Rows, above: Seq) -> Vec<Event> {
    let mut events = Vec::new();
    for (seq, text) in rows.chunks.iter().flat_map(Chunk::lines).filter(|(seq, _)| *seq > above) {
        match of_line(shard, rows.source, seq, text) {
            Ok(event) => events.extend(event),
            Err(error) => warn!(journal = %shard, seq = seq.0, %error, "a row can't be read, and is no event"),
        }
    }
    events
}

fn of_line(shard: &Arc<str>, source: Address, seq: Seq, text: &[u8]) -> Result<Option<Event>, Error> {
    Ok(match source {
        Address::Shard(_) => of_shard(shard, line::read(seq, text)?),
        Address::Manager(_) => of_manager(shard, &line::read(seq, text)?),
        // They have no journal.
        Address::Gateway(_) | Address::Projector | Address::Ledger => None,
    })
}

/// What a row of a shard's journal tells.
fn of_shard(shard: &Arc<str>, row: Row<ShardEntry>) -> Option<Event> {
    let ShardEntry::Leg(LegEntry { id, state, terms, memo, after, .. }) = row.entry else { return None };
    let (out, is_in) = (terms.direction, terms.direction == Direction::Credit);
    let (event, direction) = match state {
        State::Debited => (Kind::MoneyDebited, out),
        State::Credited => (Kind::MoneyCredited, out),
        State::Posted if is_in => (Kind::MoneyCredited, out),
        State::Posted => (Kind::MoneyDebited, out),
        State::Compensated => (Kind::MoneyCompensated, Direction::Credit),
        State::Held => (Kind::MoneyHeld, out),
        State::Released => (Kind::MoneyReleased, out),
        State::Refused(_) if is_in => (Kind::MoneyCreditRefused, out),
        State::Refused(_) => (Kind::MoneyDebitRefused, out),
        State::Tombstone(..) => return None,
    };
    let reason = match state {
        State::Refused(reason) => Some(reason),
        _ => None,
    };
    Some(Event {
        leg: Some(id.leg),
        account: Some(terms.account),
        direction: Some(direction),
        amount: Some(terms.amount),
        currency: Some(terms.currency),
        balance: after.map(|after| after.posted),
        memo,
        ..of_transfer(event, shard, row.seq, row.at, id.transfer, reason)
    })
}

/// What a row of a manager's journal tells.
fn of_manager(shard: &Arc<str>, row: &Row<TransferEntry>) -> Option<Event> {
    let of = |event, transfer, reason| of_transfer(event, shard, row.seq, row.at, transfer, reason);
    match &row.entry {
        TransferEntry::Ended(id, end, ..) => {
            let event = match end.outcome {
                Outcome::Completed => Kind::TransferCompleted,
                Outcome::Rejected => Kind::TransferRejected,
                Outcome::Compensated => Kind::TransferCompensated,
            };
            Some(of(event, *id, end.reason))
        }
        TransferEntry::Parked(id, why) => {
            Some(Event { parked: Some(why.to_string().into()), ..of(Kind::TransferParked, *id, None) })
        }
        TransferEntry::Common(_)
        | TransferEntry::Started(_)
        | TransferEntry::Decided(..)
        | TransferEntry::Ordered(..) => None,
    }
}

/// An event about a transfer and nothing else.
fn of_transfer(
    event: Kind,
    shard: &Arc<str>,
    seq: Seq,
    at: Time,
    transfer: TransferId,
    reason: Option<Reason>,
) -> Event {
    Event {
        event,
        at,
        shard: Arc::clone(shard),
        seq,
        transfer,
        leg: None,
        account: None,
        direction: None,
        amount: None,
        currency: None,
        balance: None,
        reason,
        parked: None,
        memo: None,
    }
}

#[cfg(test)]
mod tests;
