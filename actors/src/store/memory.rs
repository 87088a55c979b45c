//! A database in memory, for tests and the simulator.
//!
//! It behaves as the SQL does, transaction by transaction, and can crash before or after any durable write. The
//! [`Disk`] is what survives: open it again and go on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use parking_lot::Mutex;
use remit_core::{
    account::Status,
    id::{AccountId, Epoch, LegId, Seq, Time, TransferId},
    ledger::Transit,
    mark::OpenDebit,
    money::Currency,
    planted,
};

use super::{
    Error,
    books::{Flush, Newest, ShardTables},
    journal::{Appended, Below, Hash, Head, Journal, corrupt, found},
    register::TransferTables,
    row::{AccountRecord, JournalEntry, Row, ShardEntry, TransferEntry},
};
use crate::genesis::Genesis;

/// What a row is unique by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A leg's record: transfer, leg, step.
    Leg(LegId, u8),
    /// An account command.
    Command([u8; 16]),
    /// A transfer's record: transfer, step.
    Transfer(TransferId, u8),
}

/// An entry that knows its key.
pub trait Keyed: JournalEntry {
    /// What it is unique by, if anything.
    fn unique(&self) -> Option<Key>;
}

impl Keyed for ShardEntry {
    fn unique(&self) -> Option<Key> {
        match self {
            Self::Common(_) => None,
            Self::Leg(leg) => Some(Key::Leg(leg.id, leg.state.step())),
            Self::Account(account) => account.command_id.map(Key::Command),
        }
    }
}

impl Keyed for TransferEntry {
    fn unique(&self) -> Option<Key> {
        self.key().and_then(|(id, step)| Some(Key::Transfer(id, step?)))
    }
}

/// What survives a crash.
#[derive(Clone, Debug)]
struct Durable<E> {
    epoch: Epoch,
    rows: Vec<Row<E>>,
    links: BTreeMap<Seq, Hash>,
    keys: BTreeMap<Key, Seq>,
    flushed: Seq,
    accounts: BTreeMap<AccountId, AccountRecord>,
    transits: BTreeMap<Currency, Transit>,
    debits: Vec<OpenDebit>,
    open: BTreeSet<Seq>,
}

/// When a database crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Before its write is durable: all of the transaction is lost.
    Before,
    /// After its write is durable, and before anyone is told.
    After,
}

/// A disk with one database, shared by its incarnations.
#[derive(Clone, Debug)]
pub struct Disk<E> {
    /// Which of its deployment's databases it is.
    name: Arc<str>,
    durable: Arc<Mutex<Durable<E>>>,
    crash: Arc<Mutex<Option<(u64, Crash)>>>,
}

impl<E> Default for Disk<E> {
    fn default() -> Self {
        let durable = Durable {
            epoch: Epoch(0),
            rows: Vec::new(),
            links: BTreeMap::new(),
            keys: BTreeMap::new(),
            flushed: Seq(0),
            accounts: BTreeMap::new(),
            transits: BTreeMap::new(),
            debits: Vec::new(),
            open: BTreeSet::new(),
        };
        Self { name: "memory".into(), durable: Arc::new(Mutex::new(durable)), crash: Arc::default() }
    }
}

impl<E: Keyed> Disk<E> {
    /// A disk with a database of this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Lets the database crash at a durable write, `writes` from now.
    pub fn crash_at(&self, writes: u64, crash: Crash) {
        *self.crash.lock() = Some((writes, crash));
    }

    /// Whether a crash that was asked for is still to come.
    #[must_use]
    pub fn will_crash(&self) -> bool {
        self.crash.lock().is_some()
    }

    /// All rows that are durable.
    #[must_use]
    pub fn rows(&self) -> Vec<Row<E>> {
        self.durable.lock().rows.clone()
    }

    /// Opens the database.
    ///
    /// # Errors
    /// It belongs to another deployment.
    pub fn open(&self, genesis: &Genesis, now: Time) -> Result<Memory<E>, Error> {
        let mut memory = Memory { disk: self.clone(), staged: Vec::new(), work: None };
        found(&mut memory, &format!("{genesis} database={}", self.name), true, now)?;
        Ok(memory)
    }
}

/// A database in memory, opened.
#[derive(Debug)]
pub struct Memory<E> {
    disk: Disk<E>,
    staged: Vec<Row<E>>,
    /// The open transaction's other writes.
    work: Option<Work>,
}

#[derive(Debug, Default)]
struct Work {
    keys: BTreeMap<Key, Seq>,
    links: Vec<(Seq, Hash)>,
    epoch: Option<Epoch>,
    flush: Option<Written>,
}

#[derive(Debug)]
struct Written {
    seq: Seq,
    accounts: Vec<(AccountId, AccountRecord)>,
    transits: BTreeMap<Currency, Transit>,
    debits: Vec<OpenDebit>,
    open: BTreeSet<Seq>,
}

impl<E: Keyed> Memory<E> {
    /// Up to `limit` rows above a position, those of the open transaction included.
    fn page(&self, above: Seq, limit: usize) -> Vec<Row<E>> {
        let durable = self.disk.durable.lock();
        let above = usize::try_from(above.0).unwrap_or(usize::MAX);
        durable.rows.iter().chain(&self.staged).skip(above).take(limit).cloned().collect()
    }

    /// The row at a position.
    fn at(&self, seq: Seq) -> Option<Row<E>> {
        self.page(Seq(seq.0.checked_sub(1)?), 1).pop()
    }

    fn at_keys(&self, range: impl std::ops::RangeBounds<Key> + Clone) -> Vec<Row<E>> {
        let durable = self.disk.durable.lock();
        let mut seqs: BTreeMap<&Key, Seq> = durable.keys.range(range.clone()).map(|(key, seq)| (key, *seq)).collect();
        if let Some(work) = &self.work {
            seqs.extend(work.keys.range(range).map(|(key, seq)| (key, *seq)));
        }
        let seqs: Vec<Seq> = seqs.into_values().collect();
        drop(durable);
        seqs.into_iter().filter_map(|seq| self.at(seq)).collect()
    }
}

impl<E: Keyed> Journal for Memory<E> {
    type Entry = E;

    fn head(&mut self) -> Result<Head, Error> {
        let durable = self.disk.durable.lock();
        let seq = durable.rows.last().map(|row| row.seq).unwrap_or_default();
        let (linked, hash) = durable.links.last_key_value().map(|(seq, hash)| (*seq, *hash)).unwrap_or_default();
        if linked != seq {
            return Err(corrupt(format!("the last row is {}, the last link of the hash chain {}", seq.0, linked.0)));
        }
        Ok(Head { epoch: durable.epoch, seq, hash })
    }

    fn begin(&mut self, epoch: Epoch, seq: Seq) -> Result<(), Error> {
        let durable = self.disk.durable.lock();
        let stored = (durable.epoch, durable.rows.last().map(|row| row.seq).unwrap_or_default());
        drop(durable);
        if stored != (epoch, seq) && !planted!(EpochCheckedOutside) {
            return Err(Error::Fenced { own: (epoch, seq), stored });
        }
        self.staged.clear();
        self.work = Some(Work::default());
        Ok(())
    }

    fn append(&mut self, row: &Row<E>) -> Result<Appended, Error> {
        let work = self.work.get_or_insert_default();
        if let Some(key) = row.entry.unique() {
            if (self.disk.durable.lock().keys.contains_key(&key) && !planted!(UniqueIndexMissing))
                || work.keys.contains_key(&key)
            {
                return Ok(Appended::Exists);
            }
            work.keys.insert(key, row.seq);
        }
        self.staged.push(row.clone());
        Ok(Appended::New)
    }

    fn link(&mut self, seq: Seq, hash: Hash) -> Result<(), Error> {
        self.work.get_or_insert_default().links.push((seq, hash));
        Ok(())
    }

    fn set_epoch(&mut self, epoch: Epoch) -> Result<(), Error> {
        self.work.get_or_insert_default().epoch = Some(epoch);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Error> {
        let work = self.work.take().unwrap_or_default();
        let writes = !self.staged.is_empty() || work.epoch.is_some();
        let mut crash = self.disk.crash.lock();
        let crashes = match &mut *crash {
            Some((0, when)) if writes => Some(*when),
            Some((left, _)) if writes => {
                *left -= 1;
                None
            }
            _ => None,
        };
        if crashes.is_some() {
            *crash = None;
        }
        drop(crash);
        if crashes == Some(Crash::Before) {
            self.staged.clear();
            return Err(Error::Crashed);
        }
        let mut durable = self.disk.durable.lock();
        durable.rows.append(&mut self.staged);
        durable.keys.extend(work.keys);
        durable.links.extend(work.links);
        durable.epoch = work.epoch.unwrap_or(durable.epoch);
        if let Some(written) = work.flush {
            durable.flushed = written.seq;
            durable.accounts.extend(written.accounts);
            durable.transits = written.transits;
            durable.debits = written.debits;
            durable.open = written.open;
        }
        if crashes == Some(Crash::After) { Err(Error::Crashed) } else { Ok(()) }
    }

    fn rows_above(&mut self, seq: Seq, limit: usize) -> Result<Vec<Row<E>>, Error> {
        Ok(self.page(seq, limit))
    }

    fn rows_below(&mut self, seq: Seq, limit: usize) -> Result<Vec<Below<E>>, Error> {
        let end = usize::try_from(seq.0.saturating_sub(1)).unwrap_or(usize::MAX);
        let rows = self.page(Seq(u64::try_from(end.saturating_sub(limit)).unwrap_or(u64::MAX)), limit.min(end));
        Ok(rows.into_iter().rev().map(|row| (row.seq, Some(row))).collect())
    }

    fn links(&mut self, from: Seq, to: Seq) -> Result<Vec<(Seq, Hash)>, Error> {
        Ok(self.disk.durable.lock().links.range(from..=to).map(|(seq, hash)| (*seq, *hash)).collect())
    }
}

impl ShardTables for Memory<ShardEntry> {
    fn flushed(&mut self) -> Result<Seq, Error> {
        Ok(self.disk.durable.lock().flushed)
    }

    fn transits(&mut self) -> Result<Vec<(Currency, Transit)>, Error> {
        Ok(self.disk.durable.lock().transits.clone().into_iter().collect())
    }

    fn open_debits(&mut self) -> Result<Vec<OpenDebit>, Error> {
        Ok(self.disk.durable.lock().debits.clone())
    }

    fn account(&mut self, id: &AccountId) -> Result<Option<AccountRecord>, Error> {
        Ok(self.disk.durable.lock().accounts.get(id).cloned())
    }

    fn accounts_after(
        &mut self,
        after: Option<&AccountId>,
        limit: usize,
    ) -> Result<Vec<(AccountId, AccountRecord)>, Error> {
        let durable = self.disk.durable.lock();
        let later = durable.accounts.iter().filter(|(id, _)| after.is_none_or(|after| *id > after));
        Ok(later.take(limit).map(|(id, record)| (id.clone(), record.clone())).collect())
    }

    fn accounts_closing(&mut self) -> Result<Vec<AccountId>, Error> {
        let durable = self.disk.durable.lock();
        let closing = durable.accounts.iter().filter(|(_, record)| record.account.status == Status::Closing);
        Ok(closing.map(|(id, _)| id.clone()).collect())
    }

    fn rows_of(&mut self, transfer: TransferId) -> Result<Vec<Row<ShardEntry>>, Error> {
        use remit_core::id::LegNo;
        let leg = |no| LegId::new(transfer, LegNo(no));
        Ok(self.at_keys(Key::Leg(leg(0), 0)..=Key::Leg(leg(u8::MAX), u8::MAX)))
    }

    fn rows_of_leg(&mut self, leg: LegId) -> Result<Vec<Row<ShardEntry>>, Error> {
        Ok(self.at_keys(Key::Leg(leg, 0)..=Key::Leg(leg, u8::MAX)))
    }

    fn row_of_command(&mut self, command_id: &[u8; 16]) -> Result<Option<Row<ShardEntry>>, Error> {
        let key = Key::Command(*command_id);
        let staged = self.staged.iter().find(|row| row.entry.unique().as_ref() == Some(&key)).cloned();
        Ok(staged.or_else(|| self.at_keys(key.clone()..=key.clone()).pop()))
    }

    fn row(&mut self, seq: Seq) -> Result<Option<Row<ShardEntry>>, Error> {
        Ok(self.at(seq))
    }

    fn newest_rows(&mut self, after: Option<&AccountId>, limit: usize) -> Result<Vec<Newest>, Error> {
        let mut newest: BTreeMap<AccountId, Newest> = BTreeMap::new();
        for row in self.page(Seq(0), usize::MAX) {
            let (account, is_command) = match &row.entry {
                ShardEntry::Leg(leg) if leg.after.is_some() => (&leg.terms.account, false),
                ShardEntry::Account(entry) if entry.outcome.is_ok() => (&entry.account, true),
                _ => continue,
            };
            let start = || Newest { account: account.clone(), any: row.seq, command: None };
            let found = newest.entry(account.clone()).or_insert_with(start);
            found.any = row.seq;
            found.command = if is_command { Some(row.seq) } else { found.command };
        }
        let later = newest.into_values().filter(|newest| after.is_none_or(|after| newest.account > *after));
        Ok(later.take(limit).collect())
    }

    fn write_balances(&mut self, flush: &Flush<'_>) -> Result<(), Error> {
        let accounts = flush.accounts.iter().map(|(id, record)| ((*id).clone(), (*record).clone())).collect();
        let debits = flush.debits.iter().cloned().collect();
        let transits = flush.transits.clone();
        let written = Written { seq: flush.seq, accounts, transits, debits, open: BTreeSet::new() };
        self.work.get_or_insert_default().flush = Some(written);
        Ok(())
    }
}

impl TransferTables for Memory<TransferEntry> {
    fn flushed(&mut self) -> Result<Seq, Error> {
        Ok(self.disk.durable.lock().flushed)
    }

    fn open(&mut self) -> Result<Vec<Seq>, Error> {
        Ok(self.disk.durable.lock().open.iter().copied().collect())
    }

    fn rows_of(&mut self, transfer: TransferId) -> Result<Vec<Row<TransferEntry>>, Error> {
        let mut rows = self.page(Seq(0), usize::MAX);
        rows.retain(|row| row.entry.key().is_some_and(|(id, _)| id == transfer));
        Ok(rows)
    }

    fn transfer_at(&mut self, seq: Seq) -> Result<Option<TransferId>, Error> {
        Ok(self.at(seq).and_then(|row| row.entry.key()).map(|(id, _)| id))
    }

    fn write_open(&mut self, seq: Seq, begun: &BTreeSet<Seq>) -> Result<(), Error> {
        let written =
            Written { seq, accounts: Vec::new(), transits: BTreeMap::new(), debits: Vec::new(), open: begun.clone() };
        self.work.get_or_insert_default().flush = Some(written);
        Ok(())
    }
}
