//! A claimant's own file.

use std::path::PathBuf;

use remit_core::id::{Epoch, Seq};

use super::{takeover::Copy, wire::Held};
use crate::{
    ledger::RUN_BYTES,
    message::{Address, Linked, Rows},
    store::{
        Error,
        journal::{Follower, Hash},
        sqlite::{self, Tail},
    },
};

/// Opens a file as a copy, or makes it.
pub type OpenCopy = Box<dyn Fn() -> Result<Box<dyn Follower>, Error>>;

/// A journal's file. It is opened as a copy only where it lacks something, since that costs as much as the opening by its actor.
pub struct FileCopy {
    source: Address,
    path: PathBuf,
    open: OpenCopy,
    follower: Option<Box<dyn Follower>>,
    tail: Option<Tail>,
    linked: Linked,
}

impl FileCopy {
    /// The file of this actor's journal.
    ///
    /// # Errors
    /// It is not there and can't be made; or it is another deployment's.
    pub fn new(source: Address, path: PathBuf, open: OpenCopy) -> Result<Self, Error> {
        let follower = if path.exists() { None } else { Some(open()?) };
        let mut copy = Self { source, path, open, follower, tail: None, linked: Linked::default() };
        copy.promise(Epoch(0))?;
        Ok(copy)
    }

    /// Ends the taking in: whoever opens the file next has little to replay.
    ///
    /// # Errors
    /// The database failed.
    pub fn close(mut self) -> Result<(), Error> {
        self.follower.as_mut().map_or(Ok(()), |follower| follower.settle())
    }

    fn tail(&mut self) -> Result<&Tail, Error> {
        let tail = match self.tail.take() {
            Some(tail) => tail,
            None => Tail::open(&self.path, self.source)?,
        };
        Ok(self.tail.insert(tail))
    }
}

impl Copy for FileCopy {
    fn promise(&mut self, epoch: Epoch) -> Result<Held, Error> {
        let promised = sqlite::promise(&self.path, epoch)?;
        self.linked = promised.linked;
        Ok(Held { epoch: promised.epoch, claimed: promised.claimed, linked: promised.linked })
    }

    fn absorb(&mut self, rows: &Rows) -> Result<(), Error> {
        let mut follower = match self.follower.take() {
            Some(follower) => follower,
            None => (self.open)()?,
        };
        follower.absorb(rows)?;
        let head = follower.head();
        self.linked = Linked { seq: head.seq, link: head.hash };
        self.follower = Some(follower);
        Ok(())
    }

    fn linked(&self) -> Linked {
        self.linked
    }

    fn rows_above(&mut self, above: Seq) -> Result<Option<Rows>, Error> {
        self.tail()?.commits_above(above, RUN_BYTES)
    }

    fn link_at(&mut self, seq: Seq) -> Result<Option<Hash>, Error> {
        self.tail()?.link_at(seq)
    }
}
