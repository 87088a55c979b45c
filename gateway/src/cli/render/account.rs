//! Accounts, and the postings of one.

use comfy_table::Cell;
use remit_api::{
    Currencies,
    account::{Account, Statement},
    time,
};
use remit_core::{account::Status, money::Currency};

use super::{bad, between, good, or_dash, table, text};

/// One account.
pub(in crate::cli) fn card(account: &Account, currencies: &Currencies) -> String {
    let amount = |units: i64| Cell::new(currencies.format(units.into(), account.currency));
    super::card([
        ("account", Cell::new(&account.id)),
        ("shard", Cell::new(&account.shard)),
        ("currency", Cell::new(account.currency)),
        ("kind", Cell::new(account.kind.as_str())),
        ("status", status(account.status)),
        ("overdraft limit", amount(account.overdraft_limit)),
        ("posted", amount(account.posted)),
        ("held", amount(account.held)),
        ("incoming", amount(account.incoming)),
        ("available", available(account, currencies)),
        ("version", Cell::new(account.version)),
    ])
}

/// A list of accounts.
pub(in crate::cli) fn list(accounts: &[Account], currencies: &Currencies) -> String {
    if accounts.is_empty() {
        return "no accounts".to_owned();
    }
    let mut table =
        table(["account", "shard", "status", "kind", "currency", "posted>", "held>", "incoming>", "available>"]);
    for account in accounts {
        let amount = |units: i64| Cell::new(currencies.format(units.into(), account.currency));
        table.add_row([
            Cell::new(&account.id),
            Cell::new(&account.shard),
            status(account.status),
            Cell::new(account.kind.as_str()),
            Cell::new(account.currency),
            amount(account.posted),
            amount(account.held),
            amount(account.incoming),
            available(account, currencies),
        ]);
    }
    text(&table)
}

/// The postings of an account; if there are any, its currency and how that is written are known.
pub(in crate::cli) fn statement(statement: &Statement, money: Option<(Currency, &Currencies)>) -> String {
    let Some((currency, currencies)) = money.filter(|_| !statement.postings.is_empty()) else {
        return format!("no postings on {}", statement.account);
    };
    let mut table = table(["at", "direction", "amount>", "balance>", "currency", "transfer", "memo"]);
    for posting in &statement.postings {
        table.add_row([
            Cell::new(time::format(posting.at)),
            Cell::new(posting.direction.as_str()),
            Cell::new(currencies.format(posting.amount.get().into(), currency)),
            Cell::new(currencies.format(posting.balance.into(), currency)),
            Cell::new(currency),
            Cell::new(posting.transfer),
            Cell::new(posting.memo.as_deref().unwrap_or_default()),
        ]);
    }
    text(&table)
}

fn status(status: Status) -> Cell {
    match status {
        Status::Open => good(status.as_str()),
        Status::Frozen | Status::Closing => between(status.as_str()),
        Status::Closed => bad(status.as_str()),
    }
}

/// An external account has no limit.
fn available(account: &Account, currencies: &Currencies) -> Cell {
    or_dash(account.available.map(|units| currencies.format(units, account.currency)))
}
