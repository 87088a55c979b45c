//! A shard as small as can be: it decides by the ledger, keeps what was decided, and answers.

use alloc::{collections::BTreeMap, vec::Vec};

use crate::{
    account::{Account, Balances, Kind, Status},
    id::{AccountId, LegId, PartitionNo},
    ledger::{self, Change, Decision, Transit},
    leg::{Command, Leg, State},
    mark::{LowWater, OpenDebit, OpenDebits},
    money::Currency,
};

/// Everything in it is durable: a shard that crashes has at most missed a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) accounts: BTreeMap<AccountId, Account>,
    pub(super) legs: BTreeMap<LegId, Leg>,
    pub(super) transit: BTreeMap<Currency, Transit>,
    pub(super) open_debits: OpenDebits,
    /// All marks that it was told, for the check that `open_debits` is what they say.
    pub(super) marks: Vec<LowWater>,
    /// What accounts had before the first transfer, for the check that balances are what the legs say.
    pub(super) opening: BTreeMap<AccountId, i64>,
}

impl Shard {
    /// Opens an account; a customer with money has it from the world outside, so that the shard balances by itself.
    pub(super) fn open(&mut self, id: &AccountId, currency: Currency, kind: Kind, money: i64) {
        let balances = Balances { posted: money, ..Balances::default() };
        let account = Account { currency, kind, status: Status::Open, overdraft_limit: 0, version: 1, balances };
        self.accounts.insert(id.clone(), account);
        self.opening.insert(id.clone(), money);
        self.transit.entry(currency).or_default();
        if kind == Kind::Customer {
            let outside = self.outside(currency);
            self.accounts.get_mut(&outside).expect("just opened").balances.posted -= money;
            *self.opening.get_mut(&outside).expect("just opened") -= money;
        }
    }

    /// This shard's account for the world outside.
    pub(super) fn outside(&mut self, currency: Currency) -> AccountId {
        let id = AccountId::parse(&alloc::format!("outside-{currency}")).expect("a valid name");
        if !self.accounts.contains_key(&id) {
            self.open(&id, currency, Kind::External, 0);
        }
        id
    }

    pub(super) fn decide(&self, command: &Command) -> Decision {
        let transit = self.transit.get(&command.terms.currency).copied().unwrap_or_default();
        ledger::decide(command, self.legs.get(&command.id), self.accounts.get(&command.terms.account), &transit)
    }

    /// Makes a decision's change; the ledger told the money, the debits that may still be undone are kept here.
    pub(super) fn record(&mut self, command: &Command, change: Change) {
        let before = self.legs.get(&command.id).map(|leg| leg.state.step());
        assert_eq!(before.unwrap_or(0) + 1, change.state.step(), "r2: a first record, then at most a last one");
        let terms = &command.terms;
        match change.after {
            Some((balances, transit)) => {
                self.account(&terms.account).balances = balances;
                self.transit.insert(terms.currency, transit);
            }
            None => assert!(matches!(change.state, State::Refused(_) | State::Tombstone(..)), "money moves or not"),
        }
        match change.state {
            State::Debited => {
                self.open_debits.add(OpenDebit::of(command.id, terms));
                self.count_undecided(&terms.account, terms.currency, terms.amount.get());
            }
            State::Compensated => {
                if let Some(debit) = self.open_debits.remove(command.id, terms.partition, terms.begun) {
                    self.count_undecided(&debit.account, debit.currency, -debit.amount.get());
                }
            }
            State::Refused(_) | State::Tombstone(..) => {
                assert_eq!(change.after, None, "a refusal changes nothing else")
            }
            State::Credited | State::Held | State::Posted | State::Released => {}
        }
        self.legs.insert(command.id, Leg { state: change.state, terms: terms.clone() });
    }

    /// Takes in a partition's mark.
    pub(super) fn heed(&mut self, partition: PartitionNo, mark: &LowWater) {
        for debit in self.open_debits.take_ended(partition, mark) {
            self.count_undecided(&debit.account, debit.currency, -debit.amount.get());
        }
        self.marks.push(mark.clone());
    }

    fn count_undecided(&mut self, account: &AccountId, currency: Currency, more: i64) {
        self.account(account).balances.undecided += more;
        self.transit.entry(currency).or_default().undecided += i128::from(more);
    }

    pub(super) fn account(&mut self, id: &AccountId) -> &mut Account {
        self.accounts.get_mut(id).expect("an account is never removed")
    }
}
