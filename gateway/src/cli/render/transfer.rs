//! Transfers.

use comfy_table::Cell;
use remit_api::{
    Currencies, time,
    transfer::{Leg, Status, Transfer},
};
use remit_core::money::Direction;

use super::{bad, between, good, or_dash, table, text};

/// One transfer, and its legs below it.
pub(in crate::cli) fn card(transfer: &Transfer, currencies: &Currencies) -> String {
    let overdue = if transfer.overdue { between("yes") } else { Cell::new("no") };
    let card = super::card([
        ("transfer", Cell::new(transfer.id)),
        ("status", status(transfer.status)),
        ("reason", or_dash(reason(transfer))),
        ("protocol", Cell::new(transfer.protocol)),
        ("memo", or_dash(transfer.memo.as_deref())),
        ("accepted", Cell::new(time::format(transfer.accepted_at))),
        ("deadline", Cell::new(time::format(transfer.deadline_at))),
        ("settled", or_dash(transfer.settled_at.map(time::format))),
        ("overdue", overdue),
    ]);
    let mut legs = table(["account", "shard", "direction", "amount>", "currency", "state"]);
    for leg in &transfer.legs {
        legs.add_row([
            Cell::new(&leg.account),
            Cell::new(&leg.shard),
            Cell::new(leg.direction.as_str()),
            Cell::new(currencies.format(leg.amount.get().into(), leg.currency)),
            Cell::new(leg.currency),
            Cell::new(leg.state.as_str()),
        ]);
    }
    format!("{card}\n\n{}", text(&legs))
}

/// A list of transfers, one line each.
pub(in crate::cli) fn list(transfers: &[Transfer], currencies: &Currencies) -> String {
    if transfers.is_empty() {
        return "no transfers".to_owned();
    }
    let mut table =
        table(["transfer", "status", "reason", "protocol", "from", "to", "amount>", "currency", "accepted", "memo"]);
    for transfer in transfers {
        let amount = amount(transfer).map(|leg| currencies.format(leg.amount.get().into(), leg.currency));
        table.add_row([
            Cell::new(transfer.id),
            status(transfer.status),
            or_dash(reason(transfer)),
            Cell::new(transfer.protocol),
            Cell::new(side(transfer, Direction::Debit)),
            Cell::new(side(transfer, Direction::Credit)),
            or_dash(amount),
            or_dash(transfer.currency),
            Cell::new(time::format(transfer.accepted_at)),
            Cell::new(transfer.memo.as_deref().unwrap_or_default()),
        ]);
    }
    text(&table)
}

/// Why it did not complete, or why it is parked.
fn reason(transfer: &Transfer) -> Option<&str> {
    transfer.reason.map(remit_core::reason::Reason::as_str).or(transfer.parked.as_deref())
}

/// How far a transfer is.
pub(in crate::cli) fn status(status: Status) -> Cell {
    match status {
        Status::Completed => good(status.as_str()),
        Status::Accepted | Status::InProgress => Cell::new(status.as_str()),
        Status::Rejected | Status::Compensated => between(status.as_str()),
        Status::Parked => bad(status.as_str()),
    }
}

/// Who pays, or is paid.
fn side(transfer: &Transfer, direction: Direction) -> String {
    let mut legs = transfer.legs.iter().filter(|leg| leg.direction == direction);
    match (legs.next(), legs.count()) {
        (Some(only), 0) => only.account.to_string(),
        (first, more) => format!("{} accounts", more + usize::from(first.is_some())),
    }
}

/// The leg whose amount is that of the whole transfer, if there is one.
fn amount(transfer: &Transfer) -> Option<&Leg> {
    let only = |direction| {
        let mut legs = transfer.legs.iter().filter(move |leg| leg.direction == direction);
        legs.next().filter(|_| legs.next().is_none())
    };
    transfer.currency.and_then(|_| only(Direction::Debit).or_else(|| only(Direction::Credit)))
}
