//! Whether the books are what their journal comes to: the ledger's own part of an audit.

use std::collections::BTreeMap;

use remit_core::{
    account::{self, Account, Balances, Change},
    id::{AccountId, Epoch, Seq},
    ledger::{Entry, Transit},
    leg::State,
    mark::OpenDebit,
    money::Currency,
};

use rustc_hash::FxHashMap;

use super::{
    Books, Newest, ShardTables,
    beyond::{capped, sums},
};
use crate::store::{
    Error,
    row::{AccountEntry, AccountRecord, Common, LegEntry, Row, ShardEntry},
};

/// How many accounts are compared at a time.
const PAGE: usize = 1_024;

impl<T: ShardTables> Books<T> {
    /// Verifies the hash chain since the last verified row, until so many more rows are verified or there are no more; answers
    /// how far that is. It is done in steps, since a long history takes seconds, and nobody else has a turn meanwhile.
    ///
    /// # Errors
    /// The database failed, or the chain breaks.
    pub fn verify(&mut self, rows_enough: u64) -> Result<Seq, Error> {
        self.verified = self.log.replay(self.verified, rows_enough, |_, _| Ok(()))?;
        Ok(self.verified)
    }

    /// Whether the running totals balance: in each currency the in-transit account is the opposite of all others.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.transits.values().all(|transit| transit.posted + i128::from(transit.balance) == 0)
    }

    /// Computes every balance and the whole chain anew, from the first row on; whether it comes to the same.
    ///
    /// Each row must be its account's previous row and its own entry, added up; all rows together must be the totals; each
    /// account must be what its newest rows say; and each debit that is still to be decided must be one. The database's own
    /// structures must fit together too.
    ///
    /// # Errors
    /// The database failed, or the chain breaks.
    pub fn recompute(&mut self) -> Result<bool, Error> {
        self.log.tables.check()?;
        let mut count = Recount::default();
        self.verified = self.log.replay(Seq(0), u64::MAX, |tables, row| count.take(tables, &row))?;
        let debits: Vec<OpenDebit> = self.debits.iter().cloned().collect();
        let undecided = sums(&self.debits);
        for debit in &debits {
            count.totals.entry(debit.currency).or_default().undecided += i128::from(debit.amount.get());
        }
        Ok(count.adds_up
            && count.epoch == self.head().epoch
            && count.totals == self.transits
            && self.are_debits(&debits)?
            && self.are_accounts(undecided)?)
    }

    /// Whether each debit is a leg that is debited and nothing since.
    fn are_debits(&mut self, debits: &[OpenDebit]) -> Result<bool, Error> {
        for debit in debits {
            let last = self.log.tables.rows_of_leg(debit.id)?.pop();
            let is_debit = last.is_some_and(|row| match row.entry {
                ShardEntry::Leg(leg) => leg.state == State::Debited && OpenDebit::of(leg.id, &leg.terms) == *debit,
                _ => false,
            });
            if !is_debit {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether there are exactly the accounts that the journal has, each as its newest rows say.
    fn are_accounts(&mut self, mut undecided: FxHashMap<AccountId, i128>) -> Result<bool, Error> {
        let mut after = None;
        loop {
            let newest = self.log.tables.newest_rows(after.as_ref(), PAGE)?;
            let records = self.records_after(after.as_ref(), PAGE)?;
            if newest.len() != records.len() {
                return Ok(false);
            }
            let Some(last) = newest.last() else { return Ok(undecided.is_empty()) };
            after = Some(last.account.clone());
            for (newest, (id, record)) in newest.iter().zip(records) {
                let undecided = capped(undecided.remove(&id).unwrap_or_default());
                if newest.account != id || self.recorded(newest, undecided)? != Some(record) {
                    return Ok(false);
                }
            }
        }
    }

    /// An account as the journal has it.
    fn recorded(&mut self, newest: &Newest, undecided: i64) -> Result<Option<AccountRecord>, Error> {
        let tables = &mut self.log.tables;
        let money = tables.row(newest.any)?.and_then(|row| money_after(&row.entry));
        let command = newest.command.map(|seq| tables.row(seq)).transpose()?.flatten();
        let (
            Some(balances),
            Some(Row { entry: ShardEntry::Account(AccountEntry { outcome: Ok(mut account), .. }), .. }),
        ) = (money, command)
        else {
            return Ok(None);
        };
        account.balances = Balances { undecided, ..balances };
        Ok(Some(AccountRecord { account, last: Some(newest.any) }))
    }
}

/// What the rows read so far come to.
struct Recount {
    totals: BTreeMap<Currency, Transit>,
    epoch: Epoch,
    adds_up: bool,
}

impl Default for Recount {
    fn default() -> Self {
        Self { totals: BTreeMap::new(), epoch: Epoch(0), adds_up: true }
    }
}

impl Recount {
    fn take<T: ShardTables>(&mut self, tables: &mut T, row: &Row<ShardEntry>) -> Result<(), Error> {
        match &row.entry {
            ShardEntry::Common(Common::Claimed(epoch, _)) => {
                self.adds_up &= *epoch > self.epoch;
                self.epoch = *epoch;
            }
            ShardEntry::Leg(LegEntry { state, terms, after: Some(after), .. }) => {
                let entry = Entry::of(*state, terms.direction, terms.amount);
                let before = before(tables, after.previous)?;
                self.adds_up &=
                    before.is_some() && before.and_then(|b| entry.on_account(&b)) == money_after(&row.entry);
                let total = self.totals.entry(terms.currency).or_default();
                match entry.on_transit(total) {
                    Some(now) => *total = now,
                    None => self.adds_up = false,
                }
                self.adds_up &= total.balance == after.in_transit;
            }
            // A command moves no money, and is decided from the terms that the account had.
            ShardEntry::Account(AccountEntry { previous, outcome: Ok(after), what, .. }) => {
                self.totals.entry(after.currency).or_default();
                let money = before(tables, *previous)?.unwrap_or_default();
                let terms = terms_before(tables, *previous)?.map(|terms| Account { balances: money, ..terms });
                let decided = change(what, after).map(|change| account::decide(terms.as_ref(), change, None));
                self.adds_up &= after.balances == money && decided.as_ref() == Some(&Ok(after.clone()));
            }
            _ => {}
        }
        Ok(())
    }
}

/// An account's money after its row before this one; `None` if there is none.
fn before<T: ShardTables>(tables: &mut T, previous: Option<Seq>) -> Result<Option<Balances>, Error> {
    let row = previous.map(|seq| tables.row(seq)).transpose()?.flatten();
    Ok(row.and_then(|row| money_after(&row.entry)))
}

/// An account as its last command before a row left it; each row is walked over once, since the next command ends here.
fn terms_before<T: ShardTables>(tables: &mut T, mut at: Option<Seq>) -> Result<Option<Account>, Error> {
    while let Some(seq) = at {
        at = match tables.row(seq)?.map(|row| row.entry) {
            Some(ShardEntry::Account(AccountEntry { outcome: Ok(account), .. })) => return Ok(Some(account)),
            // Always further back, whatever stands there.
            Some(ShardEntry::Leg(LegEntry { after: Some(after), .. })) => after.previous.filter(|before| *before < seq),
            _ => None,
        };
    }
    Ok(None)
}

/// The change that a row recorded, from its word and what came of it.
fn change(what: &str, after: &Account) -> Option<Change> {
    let Account { currency, kind, overdraft_limit, .. } = *after;
    let all = [
        Change::Open { currency, kind, overdraft_limit },
        Change::SetOverdraft { overdraft_limit },
        Change::Freeze,
        Change::Unfreeze,
        Change::BeginClose,
        Change::FinishClose,
        Change::AbandonClose,
    ];
    // The client's word for what the shard does in two steps.
    let what = if what == "close" { Change::FinishClose.as_str() } else { what };
    all.into_iter().find(|change| change.as_str() == what)
}

/// The money of an account after a row.
fn money_after(entry: &ShardEntry) -> Option<Balances> {
    match entry {
        ShardEntry::Leg(LegEntry { after: Some(after), .. }) => {
            Some(Balances { posted: after.posted, held: after.held, incoming: after.incoming, undecided: 0 })
        }
        ShardEntry::Account(AccountEntry { outcome: Ok(account), .. }) => Some(account.balances),
        _ => None,
    }
}
