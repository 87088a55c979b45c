//! What was posted day by day, and what was between databases.

use comfy_table::Cell;
use remit_api::{
    Currencies, time,
    totals::{DayTotal, Point},
};

use super::{count, table, text};

/// What was posted, a line for each day and account.
pub(in crate::cli) fn by_day(totals: &[DayTotal], currencies: &Currencies) -> String {
    if totals.is_empty() {
        return "nothing was posted".to_owned();
    }
    let mut table = table(["day", "account", "debits>", "debited>", "credits>", "credited>", "currency"]);
    for total in totals {
        let amount = |units| Cell::new(currencies.format(units, total.currency));
        table.add_row([
            Cell::new(total.day),
            Cell::new(&total.account),
            Cell::new(count(total.debits)),
            amount(total.debited),
            Cell::new(count(total.credits)),
            amount(total.credited),
            Cell::new(total.currency),
        ]);
    }
    text(&table)
}

/// Money between databases, a line for each minute and currency.
pub(in crate::cli) fn in_transit(points: &[Point], currencies: &Currencies) -> String {
    if points.is_empty() {
        return "nothing was on its way".to_owned();
    }
    let mut table = table(["at", "in transit>", "currency"]);
    for point in points {
        table.add_row([
            Cell::new(time::format(point.at)),
            Cell::new(currencies.format(point.amount, point.currency)),
            Cell::new(point.currency),
        ]);
    }
    text(&table)
}
