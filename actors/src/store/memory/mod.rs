//! A database in memory, for tests and the simulator.
//!
//! It behaves as the SQL does, transaction by transaction, and is made of bytes: what is read back was encoded. Like a real
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
    id::{AccountId, Epoch, LegId, Seq, Time, TransferId},
    ledger::Transit,
    mark::OpenDebit,
    money::Currency,
    planted,
};
use serde::de::DeserializeOwned;

pub use self::tables::Memory;
use self::tables::Work;
use super::{
    Error,
    journal::{Hash, corrupt, found},
    row::{AccountRecord, JournalEntry, Row, ShardEntry, TransferEntry},
};
use crate::{codec, genesis::Genesis};

/// What a row is found by; at most one row has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A leg's record: transfer, leg, step.
    Leg(LegId, u8),
    /// An account command.
    Command([u8; 16]),
    /// A transfer's record: transfer, step.
    Transfer(TransferId, u8),
    /// A transfer's record that may recur: where it is.
    Note(TransferId, Seq),
}

/// An entry that knows its key.
pub trait Keyed: JournalEntry + DeserializeOwned {
    /// What it is found by at this place, if it is.
    fn found_by(&self, seq: Seq) -> Option<Key>;
}

impl Keyed for ShardEntry {
    fn found_by(&self, _seq: Seq) -> Option<Key> {
        match self {
            Self::Common(_) => None,
            Self::Leg(leg) => Some(Key::Leg(leg.id, leg.state.step())),
            Self::Account(account) => account.command_id.map(Key::Command),
        }
    }
}

impl Keyed for TransferEntry {
    fn found_by(&self, seq: Seq) -> Option<Key> {
        self.key().map(|(id, step)| step.map_or(Key::Note(id, seq), |step| Key::Transfer(id, step)))
    }
}

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
    bytes: Arc<[u8]>,
    read: Option<Row<E>>,
}

impl<E: Keyed> Stored<E> {
    fn new(row: &Row<E>) -> Self {
        Self { bytes: codec::encode_value(row).into(), read: Some(row.clone()) }
    }

    fn row(&self) -> Result<Row<E>, Error> {
        let decode = || codec::decode_value(&self.bytes);
        let row = self.read.clone().map_or_else(decode, Ok);
        row.map_err(|error| corrupt(format!("a row can't be read: {error}")))
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

impl<E: Keyed> Disk<E> {
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
            *row = Stored { bytes: Arc::from([0xFF; 5]), read: None };
        }
    }

    /// All rows that can be read, in order.
    #[must_use]
    pub fn rows(&self) -> Vec<Row<E>> {
        let sides = self.sides.lock();
        sides.live.rows.iter().filter_map(|row| row.row().ok()).collect()
    }

    /// The durable rows above a position.
    ///
    /// # Errors
    /// One of them can't be read.
    pub fn durable_rows_above(&self, seq: Seq) -> Result<Vec<Row<E>>, Error> {
        let sides = self.sides.lock();
        let held = sides.durable.as_deref().unwrap_or(&sides.live);
        let above = held.rows.get(usize::try_from(seq.0).unwrap_or(usize::MAX)..).unwrap_or_default();
        above.iter().map(Stored::row).collect()
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
        self.sides.lock().live.rows.iter_mut().for_each(|row| row.read = None);
        let mut memory = Memory::new(self.clone());
        found(&mut memory, &format!("{genesis} database={}", self.name), true, now)?;
        Ok(memory)
    }

    /// Writes a transaction, and flushes it.
    fn write(&self, work: Work<E>) -> Result<(), Error> {
        let mut sides = self.sides.lock();
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

/// Where a row is among the rows.
fn place(seq: Seq) -> Option<usize> {
    seq.0.checked_sub(1).and_then(|before| usize::try_from(before).ok())
}

/// The position of the row at a place; none yet is 0.
fn seq_after(place: usize) -> Seq {
    Seq(u64::try_from(place.wrapping_add(1)).unwrap_or(u64::MAX))
}
