//! The simulated tables: one small function where the SQL has one statement.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    sync::Arc,
};

use remit_core::{
    account::Status,
    id::{AccountId, Epoch, LegId, Seq, TransferId},
    ledger::Transit,
    mark::OpenDebit,
    money::Currency,
    planted,
};

use super::{Disk, Held, Stored, seq_after};
use crate::store::{
    Error,
    books::{Flush, Newest, ShardTables},
    journal::{Appended, Below, Claim, Hash, Head, Journal, corrupt, is_of},
    key::Key,
    register::TransferTables,
    row::{AccountRecord, Common, JournalEntry, Row, ShardEntry, TransferEntry},
};

/// A database in memory, opened.
#[derive(Debug)]
pub struct Memory<E> {
    disk: Disk<E>,
    /// What its first row must say.
    facts: String,
    /// The open transaction.
    work: Work<E>,
}

/// A transaction.
#[derive(Debug)]
pub(super) struct Work<E> {
    /// The epoch and the position that it was begun at; a promise has none.
    begun: Option<(Epoch, Seq)>,
    rows: Vec<Stored<E>>,
    keys: BTreeMap<Key, Seq>,
    links: Vec<(Seq, Hash)>,
    epoch: Option<Epoch>,
    tables: Option<Tables>,
}

/// A bulk write.
#[derive(Debug)]
struct Tables {
    seq: Seq,
    accounts: Vec<(AccountId, AccountRecord)>,
    transits: BTreeMap<Currency, Transit>,
    debits: Vec<OpenDebit>,
    open: BTreeSet<Seq>,
}

impl<E> Default for Work<E> {
    fn default() -> Self {
        Self { begun: None, rows: Vec::new(), keys: BTreeMap::new(), links: Vec::new(), epoch: None, tables: None }
    }
}

impl<E> Work<E> {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.epoch.is_none()
    }

    /// A transaction that takes a newer epoch, and nothing else.
    pub(super) fn of_epoch(epoch: Epoch) -> Self {
        Self { epoch: Some(epoch), ..Self::default() }
    }

    /// Whether what it was begun at is still the newest (R12). In a file nobody else writes meanwhile; here he who does comes first.
    pub(super) fn may_be_written(&self, held: &Held<E>) -> Result<(), Error> {
        let stored = (held.epoch, held.last());
        match self.begun {
            Some(own) if own != stored && !planted!(EpochCheckedOutside) => Err(Error::Fenced { own, stored }),
            _ => Ok(()),
        }
    }

    pub(super) fn write(self, held: &mut Held<E>) {
        held.rows.extend(self.rows);
        held.keys.extend(self.keys);
        held.links.extend(self.links);
        held.epoch = self.epoch.unwrap_or(held.epoch);
        if let Some(tables) = self.tables {
            held.flushed = tables.seq;
            held.accounts.extend(tables.accounts);
            held.transits = tables.transits;
            held.debits = tables.debits;
            held.open = tables.open;
        }
    }
}

impl<E: JournalEntry> Memory<E> {
    pub(super) fn new(disk: Disk<E>, facts: String) -> Self {
        Self { disk, facts, work: Work::default() }
    }

    fn live<R>(&self, look: impl FnOnce(&Held<E>) -> R) -> R {
        look(&self.disk.sides.lock().live)
    }

    /// Up to `limit` rows above a position, those of the open transaction included.
    fn page(&self, above: Seq, limit: usize) -> Result<Vec<Row<E>>, Error> {
        // Rows count from 1: as many as stand at or below the position come before.
        let from = usize::try_from(above.0).unwrap_or(usize::MAX);
        self.live(|held| {
            let rows = held.rows.iter().chain(&self.work.rows).enumerate();
            rows.skip(from).take(limit).map(|(place, row)| row.row(seq_after(place))).collect()
        })
    }

    fn at(&self, seq: Seq) -> Result<Option<Row<E>>, Error> {
        let Some(above) = seq.0.checked_sub(1) else { return Ok(None) };
        Ok(self.page(Seq(above), 1)?.pop())
    }

    /// Where the rows with keys in this range are: the committed ones by key, then those of the open transaction.
    fn found(&self, range: RangeInclusive<Key>) -> Vec<Seq> {
        let mut seqs = self.live(|held| held.keys.range(range.clone()).map(|(_, seq)| *seq).collect::<Vec<_>>());
        seqs.extend(self.work.keys.range(range).map(|(_, seq)| *seq));
        seqs
    }

    fn find(&self, range: RangeInclusive<Key>) -> Result<Vec<Row<E>>, Error> {
        self.found(range).into_iter().filter_map(|seq| self.at(seq).transpose()).collect()
    }
}

impl<E: JournalEntry> Journal for Memory<E> {
    type Entry = E;

    fn head(&mut self) -> Result<Head, Error> {
        self.live(|held| {
            let (linked, hash) = held.links.last_key_value().map(|(seq, hash)| (*seq, *hash)).unwrap_or_default();
            let seq = held.last();
            if linked != seq {
                return Err(corrupt(format!(
                    "the last row is {}, the last link of the hash chain {}",
                    seq.0, linked.0
                )));
            }
            Ok(Head { epoch: held.epoch, seq, hash })
        })
    }

    fn begin(&mut self, epoch: Epoch, seq: Seq) -> Result<(), Error> {
        self.work = Work { begun: Some((epoch, seq)), ..Work::default() };
        self.live(|held| self.work.may_be_written(held))
    }

    fn append(&mut self, row: &Row<E>) -> Result<Appended, Error> {
        if row.seq == Seq(1) {
            is_of(&row.entry, &self.facts)?;
        }
        if let Some(key) = row.entry.key(row.seq) {
            let is_known = self.live(|held| held.keys.contains_key(&key)) && !planted!(UniqueIndexMissing);
            if is_known || self.work.keys.contains_key(&key) {
                return Ok(Appended::Exists);
            }
            self.work.keys.insert(key, row.seq);
        }
        self.work.rows.push(Stored::new(row));
        Ok(Appended::New)
    }

    fn link(&mut self, seq: Seq, hash: Hash, _lines: &[u8]) -> Result<(), Error> {
        self.work.links.push((seq, hash));
        Ok(())
    }

    fn set_epoch(&mut self, epoch: Epoch) -> Result<(), Error> {
        self.work.epoch = Some(epoch);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.disk.write(std::mem::take(&mut self.work))
    }

    fn rows_above(&mut self, seq: Seq, limit: usize) -> Result<Vec<Row<E>>, Error> {
        self.page(seq, limit)
    }

    fn rows_below(&mut self, seq: Seq, limit: usize) -> Result<Vec<Below<E>>, Error> {
        let newest_first = (1..seq.0).rev().map(Seq).take(limit);
        let rows = newest_first.map(|seq| match self.at(seq) {
            Ok(row) => Ok((seq, row)),
            Err(Error::Corrupt { .. }) => Ok((seq, None)),
            Err(error) => Err(error),
        });
        rows.collect()
    }

    fn claims(&mut self) -> Result<Vec<Claim>, Error> {
        let claim = |row: Row<E>| match row.entry.common() {
            Some(Common::Claimed(epoch, node)) => Some(Claim { seq: row.seq, epoch: *epoch, node: Arc::clone(node) }),
            _ => None,
        };
        Ok(self.page(Seq(0), usize::MAX)?.into_iter().filter_map(claim).collect())
    }

    fn check(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn links(&mut self, from: Seq, to: Seq) -> Result<Vec<(Seq, Hash)>, Error> {
        Ok(self.live(|held| held.links.range(from..=to).map(|(seq, hash)| (*seq, *hash)).collect()))
    }
}

impl ShardTables for Memory<ShardEntry> {
    fn flushed(&mut self) -> Result<Seq, Error> {
        Ok(self.live(|held| held.flushed))
    }

    fn transits(&mut self) -> Result<Vec<(Currency, Transit)>, Error> {
        Ok(self.live(|held| held.transits.iter().map(|(currency, transit)| (*currency, *transit)).collect()))
    }

    fn open_debits(&mut self) -> Result<Vec<OpenDebit>, Error> {
        Ok(self.live(|held| held.debits.clone()))
    }

    fn account(&mut self, id: &AccountId) -> Result<Option<AccountRecord>, Error> {
        Ok(self.live(|held| held.accounts.get(id).cloned()))
    }

    fn accounts_after(
        &mut self,
        after: Option<&AccountId>,
        limit: usize,
    ) -> Result<Vec<(AccountId, AccountRecord)>, Error> {
        Ok(self.live(|held| {
            let later = held.accounts.iter().filter(|(id, _)| after.is_none_or(|after| *id > after));
            later.take(limit).map(|(id, record)| (id.clone(), record.clone())).collect()
        }))
    }

    fn accounts_closing(&mut self) -> Result<Vec<AccountId>, Error> {
        Ok(self.live(|held| {
            let closing = held.accounts.iter().filter(|(_, record)| record.account.status == Status::Closing);
            closing.map(|(id, _)| id.clone()).collect()
        }))
    }

    fn rows_of(&mut self, transfer: TransferId) -> Result<Vec<Row<ShardEntry>>, Error> {
        self.find(Key::of_transfer(transfer))
    }

    fn rows_of_leg(&mut self, leg: LegId) -> Result<Vec<Row<ShardEntry>>, Error> {
        self.find(Key::of_leg(leg))
    }

    fn row_of_command(&mut self, command_id: &[u8; 16]) -> Result<Option<Row<ShardEntry>>, Error> {
        let key = Key::command(command_id);
        Ok(self.find(key..=key)?.pop())
    }

    fn row(&mut self, seq: Seq) -> Result<Option<Row<ShardEntry>>, Error> {
        self.at(seq)
    }

    fn newest_rows(&mut self, after: Option<&AccountId>, limit: usize) -> Result<Vec<Newest>, Error> {
        let mut newest: BTreeMap<AccountId, Newest> = BTreeMap::new();
        let mut note = |row: &Row<ShardEntry>| {
            let (account, is_command) = match &row.entry {
                ShardEntry::Leg(leg) if leg.after.is_some() => (&leg.terms.account, false),
                ShardEntry::Account(entry) if entry.outcome.is_ok() => (&entry.account, true),
                _ => return,
            };
            if !newest.contains_key(account) {
                newest.insert(account.clone(), Newest { account: account.clone(), any: row.seq, command: None });
            }
            if let Some(found) = newest.get_mut(account) {
                found.any = row.seq;
                found.command = if is_command { Some(row.seq) } else { found.command };
            }
        };
        self.live(|held| {
            for (place, row) in held.rows.iter().chain(&self.work.rows).enumerate() {
                match &row.read {
                    Some(read) => note(read),
                    None => note(&row.row(seq_after(place))?),
                }
            }
            Ok::<(), Error>(())
        })?;
        let later = newest.into_values().filter(|newest| after.is_none_or(|after| newest.account > *after));
        Ok(later.take(limit).collect())
    }

    fn write_balances(&mut self, flush: &Flush<'_>) -> Result<(), Error> {
        let accounts = flush.accounts.iter().map(|(id, record)| ((*id).clone(), (*record).clone())).collect();
        let debits = flush.debits.iter().cloned().collect();
        let transits = flush.transits.clone();
        self.work.tables = Some(Tables { seq: flush.seq, accounts, transits, debits, open: BTreeSet::new() });
        Ok(())
    }
}

impl TransferTables for Memory<TransferEntry> {
    fn flushed(&mut self) -> Result<Seq, Error> {
        Ok(self.live(|held| held.flushed))
    }

    fn open(&mut self) -> Result<Vec<Seq>, Error> {
        Ok(self.live(|held| held.open.iter().copied().collect()))
    }

    fn rows_of(&mut self, transfer: TransferId) -> Result<Vec<Row<TransferEntry>>, Error> {
        let mut seqs = self.found(Key::of_transfer(transfer));
        seqs.sort_unstable();
        seqs.into_iter().filter_map(|seq| self.at(seq).transpose()).collect()
    }

    fn transfer_at(&mut self, seq: Seq) -> Result<Option<TransferId>, Error> {
        if let Ok(row) = self.at(seq) {
            return Ok(row.and_then(|row| row.entry.transfer()));
        }
        Ok(self.live(|held| held.keys.iter().find(|(_, at)| **at == seq).map(|(key, _)| key.id())))
    }

    fn write_open(&mut self, seq: Seq, begun: &BTreeSet<Seq>) -> Result<(), Error> {
        let (accounts, transits, debits) = (Vec::new(), BTreeMap::new(), Vec::new());
        self.work.tables = Some(Tables { seq, accounts, transits, debits, open: begun.clone() });
        Ok(())
    }
}
