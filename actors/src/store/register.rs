//! A manager's register: which transfers began, how two-phase commits were decided, how transfers ended.
//!
//! Open transfers are in the manager's memory; ended ones are found in the journal, the newest of them in memory too.
//! The set of open ones is written in bulk now and then, so that opening need not read the whole history.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use remit_core::{
    id::{Epoch, Seq, Time, TransferId},
    operator::{Action, Order},
    planted,
    protocol::Decision,
    transfer::{End, Parked, Start},
};

mod following;

use super::{
    Error,
    journal::{Below, Claim, Head, Journal, Log, corrupt},
    recent::Recent,
    replica::Claimant,
    row::{Common, Counts, Row, TransferEntry},
};
use crate::message::LegWord;

/// The tables that a manager has beside its journal. One statement each; errors as in [`Journal`].
#[allow(clippy::missing_errors_doc, reason = "all fail alike: the database failed, or what it has can't be read")]
pub trait TransferTables: Journal<Entry = TransferEntry> {
    /// The position that the set of open transfers stands for.
    fn flushed(&mut self) -> Result<Seq, Error>;
    /// Where the open ones began.
    fn open(&mut self) -> Result<Vec<Seq>, Error>;
    /// All rows about a transfer, in order.
    fn rows_of(&mut self, transfer: TransferId) -> Result<Vec<Row<TransferEntry>>, Error>;
    /// The transfer that a row is about, even if the rest of the row can't be read.
    fn transfer_at(&mut self, seq: Seq) -> Result<Option<TransferId>, Error>;
    /// Within the transaction: writes the set of open transfers, and the position that it stands for.
    fn write_open(&mut self, seq: Seq, begun: &BTreeSet<Seq>) -> Result<(), Error>;
}

/// The bounds of a manager's memory, beside its open transfers.
#[derive(Clone, Copy, Debug)]
pub struct RegisterOptions {
    /// How many ended transfers are kept in memory.
    pub ended_max: usize,
    /// After how many rows the set of open transfers is written.
    pub flush_rows: u64,
}

impl Default for RegisterOptions {
    fn default() -> Self {
        Self { ended_max: 50_000, flush_rows: 8_000 }
    }
}

/// What is recorded of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its start record; `None` if it can't be read.
    pub start: Option<Arc<Start>>,
    /// Where it began.
    pub begun: Seq,
    /// The decision of a two-phase commit.
    pub decision: Option<Decision>,
    /// Its end, with when and the final states of its legs.
    pub end: Option<(Time, End, Vec<LegWord>)>,
    /// Why it was parked.
    pub parked: Option<Parked>,
    /// Whether an operator has given it up.
    pub cancelled: bool,
}

/// A manager's register, claimed by one writer; or that of a copy.
pub struct Register<T: TransferTables> {
    log: Log<T>,
    options: RegisterOptions,
    flushed: Seq,
    open: BTreeSet<Seq>,
    ended: Recent<TransferId, Arc<Recorded>>,
}

impl<T: TransferTables> Register<T> {
    /// Opens the register: claims the database (R12), and reads which transfers are open.
    ///
    /// # Errors
    /// The database failed, or is corrupt.
    pub fn open(
        tables: T,
        options: RegisterOptions,
        claimant: impl Into<Claimant>,
        now: Time,
    ) -> Result<(Self, BTreeMap<TransferId, Recorded>), Error> {
        // First the claim: from here on no other writer can change what is read.
        Self::read(Log::claim(tables, claimant.into(), now)?, options)
    }

    fn read(mut log: Log<T>, options: RegisterOptions) -> Result<(Self, BTreeMap<TransferId, Recorded>), Error> {
        let flushed = log.tables.flushed()?;
        let mut open: BTreeMap<TransferId, Recorded> = BTreeMap::new();
        for begun in log.tables.open()? {
            let Some(id) = log.tables.transfer_at(begun)? else {
                return Err(corrupt(format!("no transfer began at row {}, and one is open", begun.0)));
            };
            open.insert(id, read_open(&mut log.tables, id, begun, flushed)?);
        }
        let ended = Recent::new(options.ended_max);
        log.replay(flushed, u64::MAX, |_, row| {
            apply(&mut open, row);
            Ok(())
        })?;
        let begun = open.values().map(|recorded| recorded.begun).collect();
        Ok((Self { log, options, flushed, open: begun, ended }, open))
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

    /// Ends the turn's transaction, with a bulk write of the set of open transfers if it is due.
    ///
    /// # Errors
    /// The database failed: drop this register and open it anew.
    pub fn commit(&mut self) -> Result<Seq, Error> {
        if self.log.staged_rows() > 0 && self.log.staged_seq().0 - self.flushed.0 >= self.options.flush_rows {
            self.flush()?;
        }
        self.log.commit()
    }

    fn flush(&mut self) -> Result<(), Error> {
        let seq = self.log.staged_seq();
        self.log.tables.write_open(seq, &self.open)?;
        self.flushed = seq;
        Ok(())
    }

    /// The same where something is read after it and before the next commit, which proves both: without rows, it costs no append.
    ///
    /// # Errors
    /// As in [`Self::commit`].
    pub fn commit_before_reading(&mut self) -> Result<Seq, Error> {
        if self.log.staged_rows() > 0 { self.commit() } else { self.log.commit_before_reading() }
    }

    /// Records a start; where, or `None` if the id is recorded already.
    ///
    /// # Errors
    /// The database failed.
    pub fn start(&mut self, start: &Arc<Start>) -> Result<Option<Seq>, Error> {
        let row = self.log.append(start.accepted_at, TransferEntry::Started(Arc::clone(start)))?;
        let begun = row.map(|row| row.seq);
        self.open.extend(begun);
        Ok(begun)
    }

    /// Records the decision of a two-phase commit (R8).
    ///
    /// # Errors
    /// The database failed, or another decision is recorded.
    pub fn decide(&mut self, at: Time, id: TransferId, decision: Decision) -> Result<(), Error> {
        match self.log.append(at, TransferEntry::Decided(id, decision))? {
            Some(_) => Ok(()),
            None => Err(corrupt(format!("the transfer {id} is decided already"))),
        }
    }

    /// Records an end (R9).
    ///
    /// # Errors
    /// The database failed, or an end is recorded.
    pub fn end(
        &mut self,
        at: Time,
        (start, begun, decision): (Arc<Start>, Seq, Option<Decision>),
        end: End,
        legs: Vec<LegWord>,
        counts: Counts,
    ) -> Result<(), Error> {
        let id = start.id;
        if self.log.append(at, TransferEntry::Ended(id, end, legs.clone(), counts))?.is_none() {
            return Err(corrupt(format!("the transfer {id} has ended already")));
        }
        self.open.remove(&begun);
        let recorded = Recorded {
            start: Some(start),
            begun,
            decision,
            end: Some((at, end, legs)),
            parked: None,
            cancelled: false,
        };
        self.ended.put(id, Arc::new(recorded));
        Ok(())
    }

    /// Records that a transfer is parked (R11).
    ///
    /// # Errors
    /// The database failed.
    pub fn park(&mut self, at: Time, id: TransferId, why: Parked) -> Result<(), Error> {
        self.log.append(at, TransferEntry::Parked(id, why)).map(drop)
    }

    /// Records what an operator does about a transfer.
    ///
    /// # Errors
    /// The database failed.
    pub fn order(&mut self, at: Time, id: TransferId, order: Order) -> Result<(), Error> {
        self.log.append(at, TransferEntry::Ordered(id, order)).map(drop)
    }

    /// All rows of a transfer in their order, and all claims of the database.
    ///
    /// # Errors
    /// The database failed, or one can't be read.
    pub fn story_of(&mut self, id: TransferId) -> Result<(Vec<Row<TransferEntry>>, Vec<Claim>), Error> {
        Ok((self.log.tables.rows_of(id)?, self.log.tables.claims()?))
    }

    /// When a row was written.
    ///
    /// # Errors
    /// The database failed.
    pub fn written_at(&mut self, seq: Seq) -> Result<Option<Time>, Error> {
        let row = self.log.tables.rows_below(seq.next(), 1)?.pop();
        Ok(row.and_then(|(at, row)| row.filter(|_| at == seq)).map(|row| row.at))
    }

    /// What is recorded of a transfer; for one that is open, its manager's memory knows more. If some of it can't be read,
    /// nothing is said of the rest (R11).
    ///
    /// # Errors
    /// The database failed.
    pub fn find(&mut self, id: TransferId) -> Result<Option<Arc<Recorded>>, Error> {
        if let Some(recorded) = self.ended.get(&id) {
            return Ok(Some(Arc::clone(recorded)));
        }
        let recorded = match self.log.tables.rows_of(id) {
            Ok(rows) => recorded(&rows),
            Err(Error::Corrupt { .. }) => Some(Recorded::unreadable(Seq(0))),
            Err(error) => return Err(error),
        };
        let recorded = recorded.map(Arc::new);
        if let Some(recorded) = &recorded
            && recorded.end.is_some()
        {
            self.ended.put(id, Arc::clone(recorded));
        }
        Ok(recorded)
    }

    /// Up to `limit` rows below a position, newest first. One that can't be read is there without its contents.
    ///
    /// # Errors
    /// The database failed.
    pub fn rows_below(&mut self, seq: Seq, limit: usize) -> Result<Vec<Below<TransferEntry>>, Error> {
        self.log.tables.rows_below(seq, limit)
    }

    /// The start records above a position.
    ///
    /// # Errors
    /// The database failed.
    pub fn starts_above(&mut self, mut seq: Seq) -> Result<Vec<Arc<Start>>, Error> {
        const PAGE: usize = 4_096;
        let mut starts = Vec::new();
        loop {
            let rows = self.log.tables.rows_above(seq, PAGE)?;
            let Some(last) = rows.last() else { return Ok(starts) };
            seq = last.seq;
            starts.extend(rows.into_iter().filter_map(|row| match row.entry {
                TransferEntry::Started(start) => Some(start),
                _ => None,
            }));
        }
    }

    /// Verifies the whole hash chain, and that exactly those transfers are open that began and have not ended.
    ///
    /// # Errors
    /// The database failed, the chain breaks, or other transfers are open.
    pub fn verify(&mut self) -> Result<Seq, Error> {
        self.log.tables.check()?;
        let mut open: BTreeMap<TransferId, Seq> = BTreeMap::new();
        let mut newest = Epoch(0);
        let verified = self.log.replay(Seq(0), u64::MAX, |_, row| {
            match row.entry {
                TransferEntry::Started(start) => {
                    open.insert(start.id, row.seq);
                }
                TransferEntry::Ended(id, ..) => {
                    open.remove(&id);
                }
                TransferEntry::Common(Common::Claimed(epoch, _)) if epoch <= newest => {
                    return Err(corrupt(format!("row {} claims an epoch that was claimed before", row.seq.0)));
                }
                TransferEntry::Common(Common::Claimed(epoch, _)) => newest = epoch,
                TransferEntry::Common(_)
                | TransferEntry::Decided(..)
                | TransferEntry::Parked(..)
                | TransferEntry::Ordered(..) => {}
            }
            Ok(())
        })?;
        if open.into_values().collect::<BTreeSet<_>>() != self.open {
            return Err(corrupt("the transfers that are open are not those that have not ended"));
        }
        Ok(verified)
    }

    /// How many ended transfers memory holds.
    #[must_use]
    pub fn ended_in_memory(&self) -> usize {
        self.ended.len()
    }
}

impl Recorded {
    fn unreadable(begun: Seq) -> Self {
        Self { start: None, begun, decision: None, end: None, parked: Some(Parked::Unreadable), cancelled: false }
    }

    fn started(start: Arc<Start>, begun: Seq) -> Self {
        Self { start: Some(start), begun, decision: None, end: None, parked: None, cancelled: false }
    }

    fn order(&mut self, action: Action) {
        match action {
            Action::Retry => {}
            Action::Cancel => self.cancelled = true,
            Action::Resume => self.parked = None,
        }
    }
}

/// One row's effect on which transfers are open: when it is replayed, and when it is another's.
fn apply(open: &mut BTreeMap<TransferId, Recorded>, row: Row<TransferEntry>) {
    match row.entry {
        TransferEntry::Common(_) => {}
        TransferEntry::Started(start) => {
            open.insert(start.id, Recorded::started(start, row.seq));
        }
        TransferEntry::Ended(id, ..) => {
            open.remove(&id);
        }
        TransferEntry::Decided(id, decision) => {
            open.entry(id).and_modify(|recorded| recorded.decision = Some(decision));
        }
        TransferEntry::Parked(id, why) => {
            open.entry(id).and_modify(|recorded| recorded.parked = Some(why));
        }
        TransferEntry::Ordered(id, order) => {
            open.entry(id).and_modify(|recorded| recorded.order(order.action));
        }
    }
}

/// A transfer that was open at the last bulk write. One that can't be read is parked, alone (R11).
fn read_open<T: TransferTables>(tables: &mut T, id: TransferId, begun: Seq, flushed: Seq) -> Result<Recorded, Error> {
    let mut rows = match tables.rows_of(id) {
        Ok(rows) => rows,
        Err(Error::Corrupt { .. }) if !planted!(OneRecordStopsAll) => return Ok(Recorded::unreadable(begun)),
        Err(error) => return Err(error),
    };
    // What came of it since is replayed with the rest.
    rows.retain(|row| row.seq <= flushed);
    match recorded(&rows) {
        Some(recorded) if recorded.begun == begun && recorded.end.is_none() => Ok(recorded),
        _ => Err(corrupt(format!("the transfer {id} is open, and its records say otherwise"))),
    }
}

fn recorded(rows: &[Row<TransferEntry>]) -> Option<Recorded> {
    let mut recorded: Option<Recorded> = None;
    for row in rows {
        match (&row.entry, &mut recorded) {
            (TransferEntry::Started(start), _) => recorded = Some(Recorded::started(Arc::clone(start), row.seq)),
            (TransferEntry::Decided(_, decision), Some(recorded)) => recorded.decision = Some(*decision),
            (TransferEntry::Ended(_, end, legs, _), Some(recorded)) => {
                recorded.end = Some((row.at, *end, legs.clone()));
            }
            (TransferEntry::Parked(_, why), Some(recorded)) => recorded.parked = Some(*why),
            (TransferEntry::Ordered(_, order), Some(recorded)) => recorded.order(order.action),
            _ => {}
        }
    }
    recorded
}
