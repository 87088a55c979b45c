//! A shard as small as can be: the ledger decides, and its database keeps what was decided.
//!
//! Everything here is durable. A shard's memory is a cache of it, so a crash leaves only a shard that has forgotten its
//! legs; [`Shard::decide`] decides as either, and [`crate::laws`] holds the two against each other at every command. That
//! is a crash of every shard at every moment, any number of times, for the price of none.

use std::collections::BTreeMap;

use remit_core::{
    account::{self, Account, Balances, Change, Kind, Status},
    id::{AccountId, LegId},
    ledger::{self, Decision, Transit},
    leg::{Command, Leg, State, Verb},
    money::{Currency, Direction},
};

/// The only currency of these worlds.
///
/// # Panics
/// Never: it is a valid code.
#[must_use]
pub fn currency() -> Currency {
    Currency::parse("EUR").expect("a valid code")
}

/// A shard's database.
///
/// Low-water marks are left out: all they do is to free room that R3 keeps for compensations, which only a world at the edge
/// of 63 bits can notice, and there a shard that was not told yet is the one that refuses more.
#[derive(Clone, Debug, Default)]
pub struct Shard {
    /// The accounts.
    pub accounts: BTreeMap<AccountId, Account>,
    /// The in-transit account.
    pub transit: Transit,
    /// The legs, with their last records.
    pub legs: BTreeMap<LegId, Leg>,
}

impl Shard {
    /// Opens a customer's account, with money that came from the world outside, so that the shard balances by itself.
    pub fn open(&mut self, id: &AccountId, money: i64) {
        let balances = |posted| Balances { posted, ..Balances::default() };
        let account = |kind, posted| Account {
            currency: currency(),
            kind,
            status: Status::Open,
            overdraft_limit: 0,
            version: 1,
            balances: balances(posted),
        };
        self.accounts.insert(id.clone(), account(Kind::Customer, money));
        let outside = self.accounts.entry(Self::outside()).or_insert_with(|| account(Kind::External, 0));
        outside.balances.posted -= money;
    }

    /// The account of the world outside.
    fn outside() -> AccountId {
        AccountId::parse("outside").expect("a valid name")
    }

    /// Decides a command as the shard actor does: what it does not remember, the journal's unique key finds, and then it
    /// decides again (R2). A post looks into the journal first, since it has no first record of its own to try.
    #[must_use]
    pub fn decide(&self, command: &Command, remembers: bool) -> Decision {
        let recorded = self.legs.get(&command.id);
        let known = recorded.filter(|_| remembers || command.verb == Verb::PostHold);
        let account = self.accounts.get(&command.terms.account);
        let decision = ledger::decide(command, known, account, &self.transit);
        let is_there = |change: ledger::Change| recorded.is_some_and(|leg| leg.state.step() >= change.state.step());
        if decision.change.is_some_and(is_there) {
            return ledger::decide(command, recorded, account, &self.transit);
        }
        decision
    }

    /// Records a decided change.
    pub fn record(&mut self, command: &Command, change: ledger::Change) {
        let terms = &command.terms;
        if let (Some((balances, transit)), Some(account)) = (change.after, self.accounts.get_mut(&terms.account)) {
            let undecided = match change.state {
                State::Debited => terms.amount.get(),
                State::Compensated => -terms.amount.get(),
                _ => 0,
            };
            account.balances = Balances { undecided: balances.undecided + undecided, ..balances };
            self.transit = Transit { undecided: transit.undecided + i128::from(undecided), ..transit };
        }
        self.legs.insert(command.id, Leg { state: change.state, terms: terms.clone() });
    }

    /// Freezes an account; false if that changes nothing.
    pub fn freeze(&mut self, id: &AccountId) -> bool {
        let Some(account) = self.accounts.get_mut(id) else { return false };
        match account::decide(Some(account), Change::Freeze, None) {
            Ok(frozen) if frozen != *account => {
                *account = frozen;
                true
            }
            _ => false,
        }
    }

    /// Where a leg stands.
    #[must_use]
    pub fn state(&self, leg: LegId) -> Option<State> {
        self.legs.get(&leg).map(|leg| leg.state)
    }
}

/// What a leg in a state has given to its account, or taken from it, for good or until it is undone.
#[must_use]
pub fn moved(leg: &Leg) -> i64 {
    let amount = leg.terms.amount.get();
    match (leg.state, leg.terms.direction) {
        (State::Debited | State::Posted, Direction::Debit) => -amount,
        (State::Credited | State::Posted, Direction::Credit) => amount,
        _ => 0,
    }
}
