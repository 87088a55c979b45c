//! A journal: the durable act of every commit, and the writer's claim on it.
//!
//! A commit is a run of rows in one transaction, closed by a link of the hash chain, and refused unless the writer's
//! epoch and the position that it decided at are both still the newest (R12). What a crash leaves behind is every commit
//! that returned, and at most one more, whole. With a replica each commit is appended there before it is committed here.

mod following;

use std::sync::Arc;

use remit_core::{
    id::{Epoch, Seq, Time},
    planted,
};
use sha2::{Digest, Sha256};

pub use self::following::Follower;
pub(super) use self::following::{Following, Projection};
use super::{
    Error, line,
    replica::{Claimant, Commit, Guarded},
    row::{Common, JournalEntry, Row},
};
use crate::message::Linked;

/// A link of the hash chain.
pub type Hash = [u8; 32];

/// The tables of one database that every kind of actor has. SQL, or simulated; no logic beyond one statement each.
pub trait Journal: Send {
    /// What a row says.
    type Entry: JournalEntry;

    /// The newest epoch, the last row and its link.
    ///
    /// # Errors
    /// The database failed, or the last link is not the last row's.
    fn head(&mut self) -> Result<Head, Error>;

    /// Begins a transaction that keeps every other writer out.
    ///
    /// # Errors
    /// The database failed, or is fenced (R12): `epoch` and `seq` are not both the newest.
    fn begin(&mut self, epoch: Epoch, seq: Seq) -> Result<(), Error>;

    /// Takes a row into the transaction, unless one with the same key is there already.
    ///
    /// # Errors
    /// The database failed.
    fn append(&mut self, row: &Row<Self::Entry>) -> Result<Appended, Error>;

    /// Closes the transaction's rows, the last of which is at this position, with their link. `lines` are the same rows as
    /// text, as [`mod@line`] has it.
    ///
    /// # Errors
    /// The database failed.
    fn link(&mut self, seq: Seq, hash: Hash, lines: &[u8]) -> Result<(), Error>;

    /// Within the transaction: takes a newer epoch.
    ///
    /// # Errors
    /// The database failed.
    fn set_epoch(&mut self, epoch: Epoch) -> Result<(), Error>;

    /// Ends the transaction; when it returns, all of it is on disk.
    ///
    /// # Errors
    /// The database failed; whether the transaction is there is not known.
    fn commit(&mut self) -> Result<(), Error>;

    /// Up to `limit` rows above a position.
    ///
    /// # Errors
    /// The database failed, or a row can't be read.
    fn rows_above(&mut self, seq: Seq, limit: usize) -> Result<Vec<Row<Self::Entry>>, Error>;

    /// Up to `limit` rows below a position, newest first. One that can't be read is there without its contents.
    ///
    /// # Errors
    /// The database failed.
    fn rows_below(&mut self, seq: Seq, limit: usize) -> Result<Vec<Below<Self::Entry>>, Error>;

    /// The links from a position (inclusive) up to another (inclusive).
    ///
    /// # Errors
    /// The database failed.
    fn links(&mut self, from: Seq, to: Seq) -> Result<Vec<(Seq, Hash)>, Error>;

    /// Every writer that has claimed the database, the oldest first: from which row on, its epoch, and the node.
    ///
    /// # Errors
    /// The database failed.
    fn claims(&mut self) -> Result<Vec<Claim>, Error>;

    /// Reads the whole database for whether its own structures fit together. Rows are found by indexes, which no hash chain
    /// goes over: a row that an index has lost would be recorded a second time.
    ///
    /// # Errors
    /// The database failed, or they do not.
    fn check(&mut self) -> Result<(), Error>;
}

/// A writer's claim (R12), which all rows from here up to the next one are its.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The row that says so.
    pub seq: Seq,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its node.
    pub node: Arc<str>,
}

/// Whose row this is.
#[must_use]
pub fn writer(claims: &[Claim], seq: Seq) -> (Epoch, Arc<str>) {
    let until = claims.partition_point(|claim| claim.seq <= seq);
    let claim = until.checked_sub(1).and_then(|at| claims.get(at));
    claim.map_or_else(|| (Epoch(0), "".into()), |claim| (claim.epoch, Arc::clone(&claim.node)))
}

/// A row that was met on the way back, or that there is one that can't be read.
pub type Below<E> = (Seq, Option<Row<E>>);

/// The end of a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The newest epoch.
    pub epoch: Epoch,
    /// The last row.
    pub seq: Seq,
    /// Its link.
    pub hash: Hash,
}

/// Whether a row was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It was.
    New,
    /// One with its key is there already; nothing was written (R2).
    Exists,
}

/// Makes sure that a database begins with the deployment's facts (R16): writes them where `create` allows it and nothing
/// is there yet, and compares them otherwise.
///
/// # Errors
/// Nothing is there and it may not be created; other facts are there; or the database failed.
pub fn found<T: Journal>(tables: &mut T, genesis: &str, create: bool, now: Time) -> Result<(), Error> {
    if recognise(tables, genesis)? {
        return Ok(());
    }
    if !create || tables.head()? != Head::default() {
        return Err(Error::Foreign { what: "it is empty, but its deployment exists: its file is missing".into() });
    }
    let row = Row { seq: Seq(1), at: now, entry: Common::Genesis(genesis.into()).into() };
    tables.begin(Epoch(0), Seq(0))?;
    tables.append(&row)?;
    let mut staged = Vec::new();
    line::append(&row, &mut staged);
    tables.link(row.seq, link(&Hash::default(), &staged), &staged)?;
    tables.commit()
}

/// Whether a database has rows, which then must begin with these facts.
///
/// # Errors
/// Other facts are there, or the database failed.
pub(super) fn recognise<T: Journal>(tables: &mut T, genesis: &str) -> Result<bool, Error> {
    match tables.rows_above(Seq(0), 1)?.first() {
        Some(first) => is_of(&first.entry, genesis).map(|()| true),
        // A promise may be older than the first row.
        None if tables.head()?.seq > Seq(0) || !tables.claims()?.is_empty() => Err(corrupt("its rows are gone")),
        None => Ok(false),
    }
}

/// Compares what a first row says with a deployment's facts (R16).
pub(super) fn is_of<E: JournalEntry>(first: &E, genesis: &str) -> Result<(), Error> {
    match first.common() {
        Some(Common::Genesis(stored)) if **stored == *genesis => Ok(()),
        Some(Common::Genesis(stored)) => {
            Err(Error::Foreign { what: format!("it belongs to '{stored}', not to '{genesis}'") })
        }
        _ => Err(corrupt("its first row is not the deployment's facts")),
    }
}

/// A journal with a writer's claim on it; or without, if it follows another's.
pub(super) struct Log<T: Journal> {
    pub(super) tables: T,
    replica: Guarded,
    head: Head,
    /// Where the open transaction has got to.
    seq: Seq,
    in_transaction: bool,
    /// The lines of the open transaction's rows.
    staged: Vec<u8>,
}

impl<T: Journal> Log<T> {
    /// Claims the database: takes an epoch greater than the stored one (R12).
    pub(super) fn claim(tables: T, claimant: Claimant, now: Time) -> Result<Self, Error> {
        let mut log = Self::new(tables, Guarded::new(claimant.replica))?;
        log.begin_to_write()?;
        let epoch = Epoch(log.head.epoch.0 + 1);
        log.tables.set_epoch(epoch)?;
        log.append(now, Common::Claimed(epoch, claimant.node).into())?;
        log.head.epoch = epoch;
        log.commit()?;
        Ok(log)
    }

    fn new(mut tables: T, replica: Guarded) -> Result<Self, Error> {
        let head = tables.head()?;
        Ok(Self { tables, replica, head, seq: head.seq, in_transaction: false, staged: Vec::new() })
    }

    /// Begins the turn's transaction if it has not begun.
    pub(super) fn begin(&mut self) -> Result<(), Error> {
        if planted!(ReadWithoutProof) { Ok(()) } else { self.begin_to_write() }
    }

    fn begin_to_write(&mut self) -> Result<(), Error> {
        if !self.in_transaction {
            self.replica.ask(|replica| replica.may_write())?;
            self.tables.begin(self.head.epoch, self.head.seq)?;
            self.in_transaction = true;
            self.seq = self.head.seq;
            self.staged.clear();
        }
        Ok(())
    }

    /// Appends a row to the turn's transaction; `None` if one with its key is there already.
    pub(super) fn append(&mut self, at: Time, entry: T::Entry) -> Result<Option<Row<T::Entry>>, Error> {
        self.begin_to_write()?;
        let row = Row { seq: self.seq.next(), at, entry };
        if self.tables.append(&row)? == Appended::Exists {
            return Ok(None);
        }
        line::append(&row, &mut self.staged);
        self.seq = row.seq;
        Ok(Some(row))
    }

    /// Ends the turn's transaction; an empty one still proves that this writer is the newest (R13).
    pub(super) fn commit(&mut self) -> Result<Seq, Error> {
        if planted!(ReadWithoutProof) && !self.in_transaction {
            return Ok(self.head.seq);
        }
        self.begin()?;
        if self.seq > self.head.seq {
            let Head { epoch, seq, hash } = self.head;
            let before = Linked { seq, link: hash };
            let link = link(&hash, &self.staged);
            self.tables.link(self.seq, link, &self.staged)?;
            let commit = Commit { epoch, first: seq.next(), last: self.seq, before, link, lines: &self.staged };
            self.replica.ask(|replica| replica.append(&commit))?;
            self.tables.commit()?;
            self.head = Head { epoch, seq: self.seq, hash: link };
        } else {
            let head = self.head;
            self.replica.ask(|replica| replica.prove(head))?;
            self.tables.commit()?;
        }
        self.in_transaction = false;
        Ok(self.head.seq)
    }

    /// Ends the turn's transaction where another follows that proves this writer for both: one without rows goes to no replica.
    pub(super) fn commit_before_reading(&mut self) -> Result<Seq, Error> {
        if self.in_transaction && self.staged_rows() == 0 {
            self.tables.commit()?;
            self.in_transaction = false;
            return Ok(self.head.seq);
        }
        self.commit()
    }

    /// How many rows the open transaction has.
    pub(super) fn staged_rows(&self) -> u64 {
        self.seq.0 - self.head.seq.0
    }

    /// The last row that the open transaction has written.
    pub(super) fn staged_seq(&self) -> Seq {
        self.seq.max(self.head.seq)
    }

    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// Calls `each` with every row above a position, in pages; verifies the chain on the way, from the link at `from`. Stops
    /// once so many rows are verified, or at the end.
    ///
    /// Returns the last position whose link was verified.
    pub(super) fn replay(
        &mut self,
        from: Seq,
        rows_enough: u64,
        mut each: impl FnMut(&mut T, Row<T::Entry>) -> Result<(), Error>,
    ) -> Result<Seq, Error> {
        const PAGE: usize = 1_024;
        let mut previous = match from {
            Seq(0) => Hash::default(),
            from => match self.tables.links(from, from)?.first() {
                Some((_, hash)) => *hash,
                None => return Err(corrupt(format!("row {} has no link of the hash chain", from.0))),
            },
        };
        let (mut staged, mut at, mut links) = (Vec::new(), from, Vec::new().into_iter().peekable());
        let mut verified = from;
        while verified.0 - from.0 < rows_enough {
            let rows = self.tables.rows_above(at, PAGE)?;
            let Some(last) = rows.last().map(|row| row.seq) else {
                if staged.is_empty() {
                    break;
                }
                return Err(corrupt(format!("the rows up to {} have no link of the hash chain", at.0)));
            };
            if links.peek().is_none() {
                links = self.tables.links(at.next(), Seq(last.0 + 2 * 16_384))?.into_iter().peekable();
            }
            for row in rows {
                if row.seq != at.next() {
                    return Err(corrupt(format!("row {} is missing", at.next().0)));
                }
                at = row.seq;
                line::append(&row, &mut staged);
                if let Some((_, stored)) = links.next_if(|(seq, _)| *seq == at) {
                    previous = link(&previous, &staged);
                    staged.clear();
                    if previous != stored {
                        return Err(corrupt(format!("the hash chain breaks at row {}", at.0)));
                    }
                    verified = at;
                }
                each(&mut self.tables, row)?;
            }
        }
        Ok(verified)
    }
}

/// The next link of the chain: SHA-256 of the link before it and of the commit's lines.
fn link(previous: &Hash, lines: &[u8]) -> Hash {
    Sha256::new().chain_update(previous).chain_update(lines).finalize().into()
}

pub(crate) fn corrupt(what: impl Into<String>) -> Error {
    Error::Corrupt { what: what.into() }
}
