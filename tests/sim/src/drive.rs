//! A disk with a journal of either kind, and the file on it as a claimant sees it.

use remit_actors::{
    cluster::{Held, takeover::Copy},
    genesis::Genesis,
    message::{Address, Linked, Rows},
    store::{
        Error,
        books::Books,
        journal::{Follower, Hash},
        memory::{Crash, Disk},
        register::Register,
        row::{ShardEntry, TransferEntry},
    },
};
use remit_core::id::{Epoch, Seq, Time};

use crate::plan::Plan;

/// Rows of one run, at most, but for its last commit.
const RUN_ROWS: usize = 50;

/// A database of either kind.
pub(crate) enum Drive {
    Shard(Disk<ShardEntry>),
    Manager(Disk<TransferEntry>),
}

/// The same of either kind of disk.
macro_rules! of_either {
    ($drive:expr, $disk:ident => $what:expr) => {
        match $drive {
            Self::Shard($disk) => $what,
            Self::Manager($disk) => $what,
        }
    };
}

impl Drive {
    pub(crate) fn new(address: Address, name: &str) -> Self {
        match address {
            Address::Shard(_) => Self::Shard(Disk::named(name)),
            _ => Self::Manager(Disk::named(name)),
        }
    }

    pub(crate) fn crash_at(&self, writes: u64, crash: Crash) {
        of_either!(self, disk => disk.crash_at(writes, crash));
    }

    pub(crate) fn call_off_crash(&self) {
        of_either!(self, disk => disk.call_off_crash());
    }

    pub(crate) fn lose_power(&self) -> bool {
        of_either!(self, disk => disk.lose_power())
    }

    /// The newest epoch.
    pub(crate) fn epoch(&self) -> Epoch {
        of_either!(self, disk => disk.epoch())
    }

    /// The durable commits above a position, each with its link.
    pub(crate) fn links_above(&self, seq: Seq) -> Vec<(Seq, Hash)> {
        of_either!(self, disk => disk.durable_links_above(seq))
    }

    /// The last durable commit up to a position.
    pub(crate) fn linked_up_to(&self, seq: Seq) -> Linked {
        of_either!(self, disk => disk.durable_linked_up_to(seq))
    }

    /// The last durable commit.
    pub(crate) fn linked(&self) -> Linked {
        self.linked_up_to(Seq(u64::MAX))
    }

    /// How many durable rows there are that were not when it ended here.
    pub(crate) fn rows_since(&self, stood: Linked) -> u64 {
        self.linked().seq.0.saturating_sub(stood.seq.0)
    }

    pub(crate) fn run_above(&self, source: Address, above: Seq) -> Option<Rows> {
        of_either!(self, disk => disk.durable_run_above(source, above, RUN_ROWS))
    }

    /// Lets it refuse lower epochs, and says what it has.
    pub(crate) fn promise(&self, epoch: Epoch) -> Result<Held, Error> {
        let promised = of_either!(self, disk => disk.promise(epoch))?;
        Ok(Held { epoch: promised.epoch, claimed: promised.claimed, linked: promised.linked })
    }

    /// Makes its first row.
    pub(crate) fn found(&self, genesis: &Genesis, now: Time) -> Result<(), Error> {
        of_either!(self, disk => disk.open(genesis, now).map(drop))
    }

    fn follow(&self, plan: &Plan, genesis: &Genesis) -> Result<Box<dyn Follower>, Error> {
        Ok(match self {
            Self::Shard(disk) => Box::new(Books::follow(disk.open_copy(genesis)?, plan.books)?),
            Self::Manager(disk) => Box::new(Register::follow(disk.open_copy(genesis)?, plan.manager.register)?),
        })
    }
}

/// A claimant's own file.
pub(crate) struct File<'a> {
    source: Address,
    drive: &'a Drive,
    plan: &'a Plan,
    genesis: &'a Genesis,
    follower: Option<Box<dyn Follower>>,
}

impl<'a> File<'a> {
    /// The file on this disk. What is there to be seen is on disk from now on.
    ///
    /// # Errors
    /// As a promise fails.
    pub(crate) fn new(source: Address, drive: &'a Drive, plan: &'a Plan, genesis: &'a Genesis) -> Result<Self, Error> {
        drive.promise(Epoch(0))?;
        Ok(Self { source, drive, plan, genesis, follower: None })
    }

    /// Ends the taking in.
    pub(crate) fn close(mut self) -> Result<(), Error> {
        self.follower.as_mut().map_or(Ok(()), |follower| follower.settle())
    }
}

impl Copy for File<'_> {
    fn promise(&mut self, epoch: Epoch) -> Result<Held, Error> {
        self.drive.promise(epoch)
    }

    fn absorb(&mut self, rows: &Rows) -> Result<(), Error> {
        let mut follower = match self.follower.take() {
            Some(follower) => follower,
            None => self.drive.follow(self.plan, self.genesis)?,
        };
        follower.absorb(rows)?;
        self.follower = Some(follower);
        Ok(())
    }

    fn linked(&self) -> Linked {
        self.drive.linked()
    }

    fn rows_above(&mut self, above: Seq) -> Result<Option<Rows>, Error> {
        Ok(self.drive.run_above(self.source, above))
    }

    fn link_at(&mut self, seq: Seq) -> Result<Option<Hash>, Error> {
        Ok(Some(self.drive.linked_up_to(seq)).filter(|linked| linked.seq == seq).map(|linked| linked.link))
    }
}
