//! A shard's books: accounts, legs and in-transit accounts, in memory as far as recent, in the journal for ever.
//!
//! A change is one row: first it is appended to the journal, whose unique keys find every duplicate that memory has
//! forgotten (R2), then it is applied here. Opening applies the same rows through the same function. Balances go to their
//! table in bulk, with the position that they stand for, every `flush_rows` rows.

use std::collections::BTreeMap;

use remit_core::{
    account::Account,
    id::{AccountId, LegId, PartitionNo, Seq, Time},
    ledger::{Entry, Transit},
    leg::{Leg, State, Terms},
    mark::{LowWater, OpenDebit, OpenDebits},
    money::{Amount, Currency},
    planted,
};

mod accounts;
mod beyond;
mod following;
mod reading;
mod recount;
mod tables;

use self::{accounts::Accounts, beyond::Beyond};
pub use self::{
    accounts::Place,
    tables::{Flush, Newest, ShardTables},
};
use super::{
    Error,
    journal::{Head, Log, corrupt},
    recent::Recent,
    replica::Claimant,
    row::{AccountEntry, AccountRecord, LegEntry, Row, ShardEntry},
};

/// The bounds of a shard's memory.
#[derive(Clone, Copy, Debug)]
pub struct BooksOptions {
    /// How many accounts are kept in memory, beside those changed since the last bulk write.
    pub accounts_max: usize,
    /// How many legs are kept in memory.
    pub legs_max: usize,
    /// After how many rows balances are written in bulk.
    pub flush_rows: u64,
}

impl Default for BooksOptions {
    fn default() -> Self {
        Self { accounts_max: 100_000, legs_max: 20_000, flush_rows: 8_000 }
    }
}

/// A leg in memory.
struct Known {
    leg: Leg,
    /// Commands about it that were answered from its record, as far as memory goes back.
    repeats: u32,
}

/// A shard's books, claimed by one writer; or those of a copy.
pub struct Books<T: ShardTables> {
    log: Log<T>,
    options: BooksOptions,
    accounts: Accounts,
    flushed: Seq,
    legs: Recent<LegId, Known>,
    transits: BTreeMap<Currency, Transit>,
    debits: OpenDebits,
    beyond: Beyond,
    verified: Seq,
}

impl<T: ShardTables> Books<T> {
    /// Opens the books: claims the database (R12), reads the tables and replays the rows above their position.
    ///
    /// # Errors
    /// The database failed, or is corrupt.
    pub fn open(tables: T, options: BooksOptions, claimant: impl Into<Claimant>, now: Time) -> Result<Self, Error> {
        // First the claim: from here on no other writer can change what is read.
        Self::read(Log::claim(tables, claimant.into(), now)?, options)
    }

    fn read(mut log: Log<T>, options: BooksOptions) -> Result<Self, Error> {
        let flushed = log.tables.flushed()?;
        let transits = log.tables.transits()?.into_iter().collect();
        let stored = log.tables.open_debits()?;
        let (mut debits, count) = (OpenDebits::default(), stored.len());
        stored.into_iter().for_each(|debit| debits.add(debit));
        if debits.iter().count() != count {
            return Err(corrupt("an open debit is there twice"));
        }
        let mut books = Self {
            log,
            options,
            accounts: Accounts::default(),
            flushed,
            legs: Recent::new(options.legs_max),
            transits,
            beyond: Beyond::of(&debits),
            debits,
            verified: Seq(0),
        };
        let mut tail = Vec::new();
        books.verified = books.log.replay(flushed, u64::MAX, |_, row| {
            tail.push(row);
            Ok(())
        })?;
        for row in &tail {
            books.apply(row)?;
        }
        Ok(books)
    }

    /// The journal's end, as of the last commit.
    #[must_use]
    pub fn head(&self) -> Head {
        self.log.head()
    }

    /// Begins the turn's transaction, which proves that this writer is the newest (R12, R13).
    ///
    /// # Errors
    /// Fenced, or the database failed.
    pub fn begin(&mut self) -> Result<(), Error> {
        self.log.begin()
    }

    /// The last row that the turn's transaction has written.
    #[must_use]
    pub fn staged_seq(&self) -> Seq {
        self.log.staged_seq()
    }

    /// Ends the turn's transaction, with a bulk write of balances if it is due.
    ///
    /// # Errors
    /// The database failed: drop these books and open them anew.
    pub fn commit(&mut self) -> Result<Seq, Error> {
        if self.log.staged_rows() > 0 && self.log.staged_seq().0 - self.flushed.0 >= self.options.flush_rows {
            self.flush()?;
        }
        self.accounts.evict(self.options.accounts_max);
        self.log.commit()
    }

    /// The same where something is read after it and before the next commit, which proves both: without rows, it costs no append.
    ///
    /// # Errors
    /// As in [`Self::commit`].
    pub fn commit_before_reading(&mut self) -> Result<Seq, Error> {
        if self.log.staged_rows() > 0 { self.commit() } else { self.log.commit_before_reading() }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let seq = self.log.staged_seq();
        let mut accounts: Vec<_> = self.accounts.changed().collect();
        // In the order of the table, so that neighbours share its pages.
        accounts.sort_unstable_by_key(|(id, _)| *id);
        let stands_for = if planted!(BulkWriteAhead) { seq.next() } else { seq };
        let flush = Flush { seq: stands_for, accounts, transits: &self.transits, debits: &self.debits };
        self.log.tables.write_balances(&flush)?;
        self.accounts.written();
        self.flushed = seq;
        Ok(())
    }

    /// An account with the row that last changed it.
    ///
    /// # Errors
    /// The database failed.
    pub fn account(&mut self, id: &AccountId) -> Result<Option<&AccountRecord>, Error> {
        Ok(self.find(id)?.map(|place| self.accounts.at(place)))
    }

    /// Where memory holds an account, from the table if need be; good for the rest of the turn.
    ///
    /// # Errors
    /// The database failed.
    pub fn find(&mut self, id: &AccountId) -> Result<Option<Place>, Error> {
        if let Some(place) = self.accounts.find(id) {
            return Ok(Some(place));
        }
        let record = self.log.tables.account(id)?;
        Ok(record.map(|record| self.accounts.take(id.clone(), record)))
    }

    /// The account at a place.
    #[must_use]
    pub fn at(&self, place: Place) -> &AccountRecord {
        self.accounts.at(place)
    }

    /// The in-transit account of a currency.
    #[must_use]
    pub fn transit(&self, currency: Currency) -> Transit {
        self.transits.get(&currency).copied().unwrap_or_default()
    }

    /// All in-transit accounts.
    pub fn transits(&self) -> impl Iterator<Item = (Currency, Transit)> {
        self.transits.iter().map(|(currency, transit)| (*currency, *transit))
    }

    /// A leg as far as memory has it; `None` may also mean forgotten.
    #[must_use]
    pub fn recent_leg(&self, id: LegId) -> Option<&Leg> {
        self.legs.get(&id).map(|known| &known.leg)
    }

    /// Counts a command that was answered from the leg's record.
    pub fn repeated(&mut self, id: LegId) {
        if let Some(known) = self.legs.get_mut(&id) {
            known.repeats = known.repeats.saturating_add(1);
        }
    }

    /// How many such commands memory knows of.
    #[must_use]
    pub fn repeats(&self, id: LegId) -> u32 {
        self.legs.get(&id).map_or(0, |known| known.repeats)
    }

    /// A leg, from the database if memory has forgotten it.
    ///
    /// # Errors
    /// The database failed.
    pub fn leg(&mut self, id: LegId) -> Result<Option<&Leg>, Error> {
        if self.legs.get(&id).is_none()
            && let Some(Row { entry: ShardEntry::Leg(last), .. }) = self.log.tables.rows_of_leg(id)?.pop()
        {
            let leg = Leg { state: last.state, terms: last.terms };
            self.legs.put(id, Known { leg, repeats: last.repeats });
        }
        Ok(self.legs.get(&id).map(|known| &known.leg))
    }

    /// Records a leg's first or last record, whose account is at this place, if there is one; `false` if it has one already that
    /// memory had forgotten (R2).
    ///
    /// # Errors
    /// The database failed.
    pub fn record_leg(&mut self, at: Time, mut leg: LegEntry, place: Option<Place>) -> Result<bool, Error> {
        if let (Some(after), Some(place)) = (&mut leg.after, place) {
            after.previous = self.accounts.at(place).last;
        }
        // Nothing was repeated before the first one.
        if leg.state.step() > 1 {
            leg.repeats = self.repeats(leg.id);
        }
        let Some(Row { seq, entry: ShardEntry::Leg(leg), .. }) = self.log.append(at, ShardEntry::Leg(leg))? else {
            return Ok(false);
        };
        self.apply_leg(seq, &leg, place).map(|()| true)
    }

    /// Records an account command with what came of it; `false` if its `command_id` is recorded already.
    ///
    /// # Errors
    /// The database failed.
    pub fn record_account(&mut self, at: Time, mut entry: AccountEntry) -> Result<bool, Error> {
        entry.previous = self.account(&entry.account)?.and_then(|record| record.last);
        // What is undecided is memory's business: it is not in the row, so it must not be in the row's link either.
        if let Ok(account) = &mut entry.outcome {
            account.balances.undecided = 0;
        }
        match self.log.append(at, ShardEntry::Account(entry))? {
            Some(row) => self.apply(&row).map(|()| true),
            None => Ok(false),
        }
    }

    /// The record of an account command.
    ///
    /// # Errors
    /// The database failed.
    pub fn account_command(&mut self, command_id: &[u8; 16]) -> Result<Option<AccountEntry>, Error> {
        Ok(match self.log.tables.row_of_command(command_id)? {
            Some(Row { entry: ShardEntry::Account(entry), .. }) => Some(entry),
            _ => None,
        })
    }

    /// Takes in a partition's mark: the debits of ended transfers can't be undone any more (R3).
    ///
    /// # Errors
    /// The database failed.
    pub fn ended(&mut self, partition: PartitionNo, mark: &LowWater) -> Result<(), Error> {
        for debit in self.debits.take_ended(partition, mark) {
            let place = self.there(&debit.account)?;
            self.decided(place, &debit.account, debit.currency, debit.amount);
        }
        Ok(())
    }

    /// One row's effect on memory: when it is written, and when it is replayed.
    fn apply(&mut self, row: &Row<ShardEntry>) -> Result<(), Error> {
        match &row.entry {
            ShardEntry::Common(_) => Ok(()),
            ShardEntry::Leg(leg) => {
                let place = leg.after.map(|_| self.find(&leg.terms.account)).transpose()?.flatten();
                self.apply_leg(row.seq, leg, place)
            }
            ShardEntry::Account(AccountEntry { account, outcome: Ok(after), previous, .. }) => {
                self.apply_account(row.seq, account, after, *previous)
            }
            ShardEntry::Account(_) => Ok(()),
        }
    }

    fn apply_leg(&mut self, seq: Seq, leg: &LegEntry, place: Option<Place>) -> Result<(), Error> {
        let LegEntry { id, state, terms, after, repeats, .. } = leg;
        self.legs.put(*id, Known { leg: Leg { state: *state, terms: terms.clone() }, repeats: *repeats });
        let Some(after) = after else { return Ok(()) };
        let Some(place) = place else { return Err(not_there(&terms.account)) };
        let entry = Entry::of(*state, terms.direction, terms.amount);
        let transit = entry.on_transit(&self.transit(terms.currency));
        let record = self.accounts.change(place);
        let balances = entry.on_account(&record.account.balances);
        let (Some(transit), Some(balances)) = (transit, balances) else {
            return Err(corrupt(format!("row {} leaves 63 bits", seq.0)));
        };
        if (balances.posted, balances.held, balances.incoming, transit.balance)
            != (after.posted, after.held, after.incoming, after.in_transit)
        {
            return Err(corrupt(format!("row {} does not add up", seq.0)));
        }
        follows(seq, after.previous, record.last)?;
        record.account.balances = balances;
        record.last = Some(seq);
        self.transits.insert(terms.currency, transit);
        match state {
            State::Debited => {
                self.undecided(place, terms);
                self.debits.add(OpenDebit::of(*id, terms));
            }
            State::Compensated if self.debits.remove(*id, terms.partition, terms.begun).is_some() => {
                self.decided(place, &terms.account, terms.currency, terms.amount);
            }
            _ => {}
        }
        Ok(())
    }

    fn undecided(&mut self, place: Place, terms: &Terms) {
        let undecided = &mut self.accounts.change(place).account.balances.undecided;
        *undecided = self.beyond.plus(&terms.account, *undecided, terms.amount);
        self.transits.entry(terms.currency).or_default().undecided += i128::from(terms.amount.get());
    }

    fn decided(&mut self, place: Place, account: &AccountId, currency: Currency, amount: Amount) {
        let undecided = &mut self.accounts.change(place).account.balances.undecided;
        *undecided = self.beyond.minus(account, *undecided, amount);
        self.transits.entry(currency).or_default().undecided -= i128::from(amount.get());
    }

    fn apply_account(&mut self, seq: Seq, id: &AccountId, after: &Account, previous: Option<Seq>) -> Result<(), Error> {
        match self.find(id)? {
            Some(place) => {
                let record = self.accounts.change(place);
                follows(seq, previous, record.last)?;
                // Its money is the journal's business, not the command's.
                record.account = Account { balances: record.account.balances, ..after.clone() };
                record.last = Some(seq);
            }
            None => {
                let record = AccountRecord { account: after.clone(), last: Some(seq) };
                let place = self.accounts.take(id.clone(), record);
                self.accounts.change(place);
                self.transits.entry(after.currency).or_default();
            }
        }
        Ok(())
    }

    /// Where an account is that must be there.
    fn there(&mut self, id: &AccountId) -> Result<Place, Error> {
        self.find(id)?.ok_or_else(|| not_there(id))
    }

    /// How many accounts memory holds, and how many of them it must: those changed since the last bulk write.
    #[must_use]
    pub fn accounts_in_memory(&self) -> (usize, usize) {
        self.accounts.count()
    }

    /// How many legs memory holds.
    #[must_use]
    pub fn legs_in_memory(&self) -> usize {
        self.legs.len()
    }
}

fn not_there(id: &AccountId) -> Error {
    corrupt(format!("a row names the account {id}, which is not there"))
}

/// Every row of an account names the one before it.
fn follows(seq: Seq, previous: Option<Seq>, last: Option<Seq>) -> Result<(), Error> {
    if previous == last { Ok(()) } else { Err(corrupt(format!("row {} is not its account's next row", seq.0))) }
}
