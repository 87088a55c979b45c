//! A deployment's facts and totals.

use comfy_table::Cell;
use remit_api::{
    Currencies,
    deployment::{Deployment, InTransit},
};

use super::{bad, between, count};

/// First what never changes, then what it is doing.
pub(in crate::cli) fn facts(deployment: &Deployment, currencies: &Currencies) -> String {
    let Deployment { totals, versions, .. } = deployment;
    let declared = deployment.currencies.iter().map(|declared| match declared.decimals {
        1 => format!("{} (1 decimal)", declared.code),
        decimals => format!("{} ({decimals} decimals)", declared.code),
    });
    let on_its_way = |part: &&InTransit| part.amount != 0;
    let in_transit = totals
        .in_transit
        .iter()
        .filter(on_its_way)
        .map(|part| format!("{} {}", currencies.format(part.amount, part.currency), part.currency));
    super::card([
        ("deployment", Cell::new(&deployment.name)),
        ("id", Cell::new(deployment.id)),
        ("account shards", Cell::new(deployment.shards)),
        ("transfer managers", Cell::new(deployment.managers)),
        ("own currencies", list(declared)),
        ("version", Cell::new(format!("{}, database format {}", versions.remit, versions.format))),
        ("transfers/s", Cell::new(count(totals.transfers_per_s))),
        ("open", Cell::new(count(totals.open))),
        ("overdue", alarming(totals.overdue, between)),
        ("parked", alarming(totals.parked, bad)),
        ("in transit", list(in_transit)),
    ])
}

fn list(parts: impl Iterator<Item = String>) -> Cell {
    let text = parts.collect::<Vec<_>>().join(", ");
    Cell::new(if text.is_empty() { "none" } else { &text })
}

/// A count that should be zero.
fn alarming(number: u64, colour: impl Fn(&str) -> Cell) -> Cell {
    if number == 0 { Cell::new(0) } else { colour(&count(number)) }
}
