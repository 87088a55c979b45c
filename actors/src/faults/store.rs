//! Faults of commits.

use std::{collections::BTreeSet, thread::sleep, time::Duration};

use remit_core::{
    id::{AccountId, Epoch, LegId, Seq, TransferId},
    ledger::Transit,
    mark::OpenDebit,
    money::Currency,
};

use super::{Dice, Switch, switch::Hit};
use crate::store::{
    Error,
    books::{Flush, Newest, ShardTables},
    journal::{Appended, Below, Claim, Hash, Head, Journal},
    register::TransferTables,
    row::{AccountRecord, Row, ShardEntry, TransferEntry},
};

/// Tables whose commits fail now and then.
pub struct Store<T> {
    tables: T,
    faults: Switch,
    dice: Dice,
}

impl<T> Store<T> {
    /// These tables, with these faults, thrown with these dice: others for every incarnation, or what failed once would fail
    /// the same way for ever.
    pub fn new(tables: T, faults: Switch, dice: Dice) -> Self {
        Self { tables, faults, dice }
    }
}

impl<T: Journal> Journal for Store<T> {
    type Entry = T::Entry;

    fn commit(&mut self) -> Result<(), Error> {
        let faults = self.faults.get();
        if self.dice.hits(faults.commit_slow) {
            self.faults.count(Hit::CommitSlow);
            sleep(Duration::from_millis(self.dice.between(1, faults.slow_ms_max)));
        }
        if self.dice.hits(faults.commit_fails) {
            self.faults.count(Hit::CommitFailed);
            return Err(Error::Crashed);
        }
        self.tables.commit()?;
        if self.dice.hits(faults.commit_unheard) {
            self.faults.count(Hit::CommitFailed);
            return Err(Error::Crashed);
        }
        Ok(())
    }

    fn head(&mut self) -> Result<Head, Error> {
        self.tables.head()
    }

    fn begin(&mut self, epoch: Epoch, seq: Seq) -> Result<(), Error> {
        self.tables.begin(epoch, seq)
    }

    fn append(&mut self, row: &Row<Self::Entry>) -> Result<Appended, Error> {
        self.tables.append(row)
    }

    fn link(&mut self, seq: Seq, hash: Hash, lines: &[u8]) -> Result<(), Error> {
        self.tables.link(seq, hash, lines)
    }

    fn set_epoch(&mut self, epoch: Epoch) -> Result<(), Error> {
        self.tables.set_epoch(epoch)
    }

    fn rows_above(&mut self, seq: Seq, limit: usize) -> Result<Vec<Row<Self::Entry>>, Error> {
        self.tables.rows_above(seq, limit)
    }

    fn rows_below(&mut self, seq: Seq, limit: usize) -> Result<Vec<Below<Self::Entry>>, Error> {
        self.tables.rows_below(seq, limit)
    }

    fn links(&mut self, from: Seq, to: Seq) -> Result<Vec<(Seq, Hash)>, Error> {
        self.tables.links(from, to)
    }

    fn claims(&mut self) -> Result<Vec<Claim>, Error> {
        self.tables.claims()
    }

    fn check(&mut self) -> Result<(), Error> {
        self.tables.check()
    }
}

impl<T: ShardTables> ShardTables for Store<T> {
    fn flushed(&mut self) -> Result<Seq, Error> {
        self.tables.flushed()
    }

    fn transits(&mut self) -> Result<Vec<(Currency, Transit)>, Error> {
        self.tables.transits()
    }

    fn open_debits(&mut self) -> Result<Vec<OpenDebit>, Error> {
        self.tables.open_debits()
    }

    fn account(&mut self, id: &AccountId) -> Result<Option<AccountRecord>, Error> {
        self.tables.account(id)
    }

    fn accounts_after(
        &mut self,
        after: Option<&AccountId>,
        limit: usize,
    ) -> Result<Vec<(AccountId, AccountRecord)>, Error> {
        self.tables.accounts_after(after, limit)
    }

    fn accounts_closing(&mut self) -> Result<Vec<AccountId>, Error> {
        self.tables.accounts_closing()
    }

    fn rows_of(&mut self, transfer: TransferId) -> Result<Vec<Row<ShardEntry>>, Error> {
        self.tables.rows_of(transfer)
    }

    fn rows_of_leg(&mut self, leg: LegId) -> Result<Vec<Row<ShardEntry>>, Error> {
        self.tables.rows_of_leg(leg)
    }

    fn row_of_command(&mut self, command_id: &[u8; 16]) -> Result<Option<Row<ShardEntry>>, Error> {
        self.tables.row_of_command(command_id)
    }

    fn row(&mut self, seq: Seq) -> Result<Option<Row<ShardEntry>>, Error> {
        self.tables.row(seq)
    }

    fn newest_rows(&mut self, after: Option<&AccountId>, limit: usize) -> Result<Vec<Newest>, Error> {
        self.tables.newest_rows(after, limit)
    }

    fn write_balances(&mut self, flush: &Flush<'_>) -> Result<(), Error> {
        self.tables.write_balances(flush)
    }
}

impl<T: TransferTables> TransferTables for Store<T> {
    fn flushed(&mut self) -> Result<Seq, Error> {
        self.tables.flushed()
    }

    fn open(&mut self) -> Result<Vec<Seq>, Error> {
        self.tables.open()
    }

    fn rows_of(&mut self, transfer: TransferId) -> Result<Vec<Row<TransferEntry>>, Error> {
        self.tables.rows_of(transfer)
    }

    fn transfer_at(&mut self, seq: Seq) -> Result<Option<TransferId>, Error> {
        self.tables.transfer_at(seq)
    }

    fn write_open(&mut self, seq: Seq, begun: &BTreeSet<Seq>) -> Result<(), Error> {
        self.tables.write_open(seq, begun)
    }
}
