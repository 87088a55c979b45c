//! A shard's database on either kind of store, with what replication asks of it.

use std::path::PathBuf;

use remit_actors::{
    machine::{Failure, Machine as _},
    message::{Address, Rows},
    shard::Shard,
    store::{
        Error,
        books::{Books, BooksOptions, ShardTables},
        journal::Follower,
        memory::Disk,
        replica::{Claimant, Promised},
        row::{Row, ShardEntry},
        sqlite::{self, Sqlite, Tail},
    },
};
use remit_core::id::{Epoch, Seq, ShardNo};

use crate::{
    commands::{NOW, shard_options},
    files,
    world::World,
};

pub(crate) const SHARD: Address = Address::Shard(ShardNo(0));

/// Where it is.
pub(crate) enum Place {
    Memory(Disk<ShardEntry>),
    File(tempfile::TempDir),
}

impl Place {
    /// A fresh one of each kind.
    pub(crate) fn each() -> [Self; 2] {
        [Self::Memory(Disk::named("s0")), Self::File(files::scratch())]
    }

    /// Another one of the same kind.
    pub(crate) fn another(&self) -> Self {
        match self {
            Self::Memory(_) => Self::Memory(Disk::named("s0")),
            Self::File(_) => Self::File(files::scratch()),
        }
    }

    pub(crate) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Memory(_) => None,
            Self::File(folder) => Some(folder.path().join("s0.db")),
        }
    }

    /// Opens the shard, with a bulk write after so many rows.
    pub(crate) fn shard(&self, flush_rows: u64, claimant: impl Into<Claimant>) -> Result<Box<dyn Desk>, Failure> {
        fn open(tables: impl ShardTables + 'static, rows: u64, claimant: Claimant) -> Result<Box<dyn Desk>, Failure> {
            let options = shard_options(BooksOptions { flush_rows: rows, ..BooksOptions::default() });
            Ok(Box::new(Shard::open(ShardNo(0), tables, options, claimant, NOW)?))
        }
        let (genesis, claimant) = (World::in_memory(1, 1).genesis, claimant.into());
        match self {
            Self::Memory(disk) => open(disk.open(&genesis, NOW)?, flush_rows, claimant),
            Self::File(_) => open(Sqlite::open(&self.path().unwrap(), &genesis, true, NOW)?, flush_rows, claimant),
        }
    }

    /// Opens it as a copy.
    pub(crate) fn copy(&self, flush_rows: u64) -> Result<Box<dyn Follower>, Error> {
        let options = BooksOptions { flush_rows, ..BooksOptions::default() };
        let genesis = World::in_memory(1, 1).genesis;
        Ok(match self {
            Self::Memory(disk) => Box::new(Books::follow(disk.open_copy(&genesis)?, options)?),
            Self::File(_) => Box::new(Books::follow(Sqlite::open_copy(&self.path().unwrap(), &genesis)?, options)?),
        })
    }

    pub(crate) fn promise(&self, epoch: u64) -> Promised {
        match self {
            Self::Memory(disk) => disk.promise(Epoch(epoch)),
            Self::File(_) => sqlite::promise(&self.path().unwrap(), Epoch(epoch)),
        }
        .unwrap()
    }

    /// The last row, as anyone else sees it.
    pub(crate) fn last(&self) -> Seq {
        match self {
            Self::Memory(disk) => Seq(disk.rows().len() as u64),
            Self::File(_) => Tail::open(&self.path().unwrap(), SHARD).unwrap().head().unwrap(),
        }
    }

    /// All rows from a position on, in one run of whole commits.
    pub(crate) fn run_above(&self, seq: u64) -> Rows {
        match self {
            Self::Memory(disk) => disk.durable_run_above(SHARD, Seq(seq), usize::MAX),
            Self::File(_) => {
                Tail::open(&self.path().unwrap(), SHARD).unwrap().rows_above(Seq(seq), usize::MAX).unwrap()
            }
        }
        .unwrap()
    }

    /// All rows, and all links, as they are read; and the position that the tables stand for. The database's own structures must
    /// fit together.
    pub(crate) fn contents(&self) -> Contents {
        fn read(mut tables: impl ShardTables) -> Contents {
            tables.check().unwrap();
            let rows = tables.rows_above(Seq(0), usize::MAX).unwrap();
            let (links, flushed) = (tables.links(Seq(0), Seq(u64::MAX)).unwrap(), tables.flushed().unwrap());
            Contents { epoch: tables.head().unwrap().epoch, rows, links, flushed }
        }
        let genesis = World::in_memory(1, 1).genesis;
        match self {
            Self::Memory(disk) => read(disk.open_copy(&genesis).unwrap()),
            Self::File(_) => read(Sqlite::<ShardEntry>::open_copy(&self.path().unwrap(), &genesis).unwrap()),
        }
    }
}

/// What a database holds.
#[derive(Debug, PartialEq)]
pub(crate) struct Contents {
    pub(crate) epoch: Epoch,
    pub(crate) rows: Vec<Row<ShardEntry>>,
    pub(crate) links: Vec<(Seq, [u8; 32])>,
    pub(crate) flushed: Seq,
}

/// A shard on whatever store.
pub(crate) trait Desk: remit_actors::machine::Machine {
    /// Whether its books are what its journal comes to, and balance.
    fn is_sound(&mut self) -> bool;
}

impl<T: ShardTables> Desk for Shard<T> {
    fn is_sound(&mut self) -> bool {
        let last = self.position().seq;
        self.books().recompute().unwrap()
            && self.books().is_balanced()
            && self.books().verify(u64::MAX).unwrap() == last
    }
}
