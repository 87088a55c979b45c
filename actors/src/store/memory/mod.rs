//! A database in memory, for tests and the simulator.
//!
//! It behaves as the SQL does, transaction by transaction, and is made of lines: what is read back was written as text. Like a real
//! one it has two sides: *live*, which every process of the machine sees, and *durable*, which a loss of power leaves. A
//! commit writes the one, then flushes it to the other, and can crash before, between or after. The [`Disk`] is what
//! survives its incarnations: open it again and go on.

mod tables;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use parking_lot::Mutex;
use remit_core::{
    id::{AccountId, Epoch, Seq, Time},
    ledger::Transit,
    mark::OpenDebit,
    money::Currency,
    planted,
};

pub use self::tables::Memory;
use self::tables::Work;
use super::{
    Error,
    journal::{Hash, found, recognise},
    key::Key,
    line,
    replica::Promised,
    row::{AccountRecord, Common, JournalEntry, Row},
};
use crate::{
    genesis::Genesis,
    message::{Address, Chunk, Linked, Rows},
};

/// When a database crashes, as seen from a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Before it is written: all of the transaction is lost.
    Before,
    /// Between the write and the flush: whoever opens it next sees the transaction, unless power is lost meanwhile.
    Written,
    /// After it is durable, and before anyone is told.
    After,
}

/// A row as it is stored, and as it was when it was last read: until the database is opened anew, it need not be read again.
#[derive(Clone, Debug)]
struct Stored<E> {
    line: Arc<[u8]>,
    read: Option<Row<E>>,
}

impl<E: JournalEntry> Stored<E> {
    fn new(row: &Row<E>) -> Self {
        let mut line = Vec::new();
        line::append(row, &mut line);
        Self { line: line.into(), read: Some(row.clone()) }
    }

    /// The row, which stands at this position.
    fn row(&self, seq: Seq) -> Result<Row<E>, Error> {
        self.read.clone().map_or_else(|| line::read(seq, &self.line), Ok)
    }
}

/// What a database holds.
#[derive(Clone, Debug)]
struct Held<E> {
    epoch: Epoch,
    rows: Vec<Stored<E>>,
    links: BTreeMap<Seq, Hash>,
    keys: BTreeMap<Key, Seq>,
    flushed: Seq,
    accounts: BTreeMap<AccountId, AccountRecord>,
    transits: BTreeMap<Currency, Transit>,
    debits: Vec<OpenDebit>,
    open: BTreeSet<Seq>,
}

impl<E> Default for Held<E> {
    fn default() -> Self {
        Self {
            epoch: Epoch(0),
            rows: Vec::new(),
            links: BTreeMap::new(),
            keys: BTreeMap::new(),
            flushed: Seq(0),
            accounts: BTreeMap::new(),
            transits: BTreeMap::new(),
            debits: Vec::new(),
            open: BTreeSet::new(),
        }
    }
}

impl<E> Held<E> {
    fn last(&self) -> Seq {
        seq_after(self.rows.len().wrapping_sub(1))
    }
}

#[derive(Debug)]
struct Sides<E> {
    live: Held<E>,
    /// The durable side, as long as it lags behind.
    durable: Option<Box<Held<E>>>,
    crash: Option<(u64, Crash)>,
}

/// A disk with one database, shared by its incarnations.
#[derive(Debug)]
pub struct Disk<E> {
    /// Which of its deployment's databases it is.
    name: Arc<str>,
    sides: Arc<Mutex<Sides<E>>>,
}

impl<E> Clone for Disk<E> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), sides: self.sides.clone() }
    }
}

impl<E> Default for Disk<E> {
    fn default() -> Self {
        let sides = Sides { live: Held::default(), durable: None, crash: None };
        Self { name: "memory".into(), sides: Arc::new(Mutex::new(sides)) }
    }
}

impl<E: JournalEntry> Disk<E> {
    /// A disk with a database of this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Lets the database crash at a commit that writes, `writes` from now.
    pub fn crash_at(&self, writes: u64, crash: Crash) {
        self.sides.lock().crash = Some((writes, crash));
    }

    /// Calls off a crash that was asked for and is still to come.
    pub fn call_off_crash(&self) {
        self.sides.lock().crash = None;
    }

    /// Whether a crash that was asked for is still to come.
    #[must_use]
    pub fn will_crash(&self) -> bool {
        self.sides.lock().crash.is_some()
    }

    /// The machine loses power: what was written and not flushed is gone. Whether anything was.
    pub fn lose_power(&self) -> bool {
        let mut sides = self.sides.lock();
        sides.crash = None;
        sides.durable.take().map(|durable| sides.live = *durable).is_some()
    }

    /// Makes a row unreadable, as a worn-out disk does; its keys and its place remain.
    pub fn damage(&self, seq: Seq) {
        let mut sides = self.sides.lock();
        if let Some(row) = place(seq).and_then(|place| sides.live.rows.get_mut(place)) {
            *row = Stored { line: Arc::from([0xFF; 5]), read: None };
        }
    }

    /// All rows that can be read, in order.
    #[must_use]
    pub fn rows(&self) -> Vec<Row<E>> {
        let sides = self.sides.lock();
        sides.live.rows.iter().enumerate().filter_map(|(place, row)| row.row(seq_after(place)).ok()).collect()
    }

    /// The durable rows above a position.
    ///
    /// # Errors
    /// One of them can't be read.
    pub fn durable_rows_above(&self, seq: Seq) -> Result<Vec<Row<E>>, Error> {
        let sides = self.sides.lock();
        let held = sides.durable.as_deref().unwrap_or(&sides.live);
        let from = usize::try_from(seq.0).unwrap_or(usize::MAX);
        held.rows.iter().enumerate().skip(from).map(|(place, row)| row.row(seq_after(place))).collect()
    }

    /// The durable commits above a position, each with its link.
    #[must_use]
    pub fn durable_links_above(&self, seq: Seq) -> Vec<(Seq, Hash)> {
        let sides = self.sides.lock();
        let held = sides.durable.as_deref().unwrap_or(&sides.live);
        held.links.range(seq.next()..).map(|(seq, link)| (*seq, *link)).collect()
    }

    /// The last durable commit that ends at a position or before it.
    #[must_use]
    pub fn durable_linked_up_to(&self, seq: Seq) -> Linked {
        let sides = self.sides.lock();
        let held = sides.durable.as_deref().unwrap_or(&sides.live);
        held.links.range(..=seq).next_back().map(linked).unwrap_or_default()
    }

    /// A run of durable rows above a position, of about so many: what a file's tail would give, a commit in each chunk. `None` if
    /// there are none.
    #[must_use]
    pub fn durable_run_above(&self, source: Address, seq: Seq, rows_max: usize) -> Option<Rows> {
        let sides = self.sides.lock();
        let held = sides.durable.as_deref().unwrap_or(&sides.live);
        let before = held.links.range(..=seq).next_back();
        let before = before.map(linked).unwrap_or_default();
        let (mut chunks, mut last) = (Vec::new(), before.seq);
        for (end, link) in held.links.range(seq.next()..) {
            if last.0 - before.seq.0 >= rows_max as u64 {
                break;
            }
            let places = usize::try_from(last.0).ok()?..usize::try_from(end.0).ok()?;
            let lines: Vec<&[u8]> = held.rows.get(places)?.iter().map(|row| &*row.line).collect();
            let lines = String::from_utf8_lossy(&lines.join(line::SEPARATOR)).into_owned();
            chunks.push(Chunk { last: *end, link: Some(*link), lines });
            last = *end;
        }
        let first = before.seq.next();
        (!chunks.is_empty()).then_some(Rows { source, first, last, before, chunks, head: last, complete: None })
    }

    /// The position that the tables stand for.
    #[must_use]
    pub fn flushed(&self) -> Seq {
        self.sides.lock().live.flushed
    }

    /// The newest epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.sides.lock().live.epoch
    }

    /// Opens the database.
    ///
    /// # Errors
    /// It belongs to another deployment.
    pub fn open(&self, genesis: &Genesis, now: Time) -> Result<Memory<E>, Error> {
        let (mut memory, facts) = self.tables(genesis);
        found(&mut memory, &facts, true, now)?;
        Ok(memory)
    }

    /// Opens it without making the first row, which comes from the stream that it follows.
    ///
    /// # Errors
    /// It belongs to another deployment.
    pub fn open_copy(&self, genesis: &Genesis) -> Result<Memory<E>, Error> {
        let (mut memory, facts) = self.tables(genesis);
        recognise(&mut memory, &facts)?;
        Ok(memory)
    }

    fn tables(&self, genesis: &Genesis) -> (Memory<E>, String) {
        self.sides.lock().live.rows.iter_mut().for_each(|row| row.read = None);
        let facts = format!("{genesis} database={}", self.name);
        (Memory::new(self.clone(), facts.clone()), facts)
    }

    /// Has the database refuse all epochs below this one, unless it refuses more already (R15).
    ///
    /// # Errors
    /// It crashed; or a row can't be read.
    pub fn promise(&self, epoch: Epoch) -> Result<Promised, Error> {
        if self.epoch() < epoch {
            self.write(Work::of_epoch(epoch))?;
        }
        let mut sides = self.sides.lock();
        // What it says that it has must not go with the power.
        if !planted!(CommitNotFlushed) {
            sides.durable = None;
        }
        let Held { epoch, rows, links, .. } = &sides.live;
        let mut claimed = Epoch(0);
        for (place, row) in rows.iter().enumerate().rev() {
            if let Some(Common::Claimed(epoch, _)) = row.row(seq_after(place))?.entry.common() {
                claimed = *epoch;
                break;
            }
        }
        let linked = links.last_key_value().map(linked).unwrap_or_default();
        Ok(Promised { epoch: *epoch, claimed, linked })
    }

    /// Writes a transaction, and flushes it.
    fn write(&self, work: Work<E>) -> Result<(), Error> {
        let mut sides = self.sides.lock();
        work.may_be_written(&sides.live)?;
        let crash = match &mut sides.crash {
            None => None,
            _ if work.is_empty() => None,
            Some((0, when)) => {
                let when = *when;
                sides.crash = None;
                Some(when)
            }
            Some((left, _)) => {
                *left -= 1;
                None
            }
        };
        if crash == Some(Crash::Before) {
            return Err(Error::Crashed);
        }
        let is_flushed = crash != Some(Crash::Written) && !planted!(CommitNotFlushed);
        if !is_flushed && sides.durable.is_none() {
            sides.durable = Some(Box::new(sides.live.clone()));
        }
        work.write(&mut sides.live);
        if is_flushed {
            sides.durable = None;
        }
        if crash.is_some() { Err(Error::Crashed) } else { Ok(()) }
    }
}

fn linked((seq, link): (&Seq, &Hash)) -> Linked {
    Linked { seq: *seq, link: *link }
}

/// Where a row is among the rows.
fn place(seq: Seq) -> Option<usize> {
    seq.0.checked_sub(1).and_then(|before| usize::try_from(before).ok())
}

/// The position of the row at a place; none yet is 0.
fn seq_after(place: usize) -> Seq {
    Seq(u64::try_from(place.wrapping_add(1)).unwrap_or(u64::MAX))
}
